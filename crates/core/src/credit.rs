//! How many records and bytes may be held, so that memory has a ceiling (P3).
//!
//! Each assigned partition has an equal share, so one that is stuck fills its own and no other.
//! What librdkafka and the intake's queues hold is bounded by the shell, out of the same budget.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

impl Load {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
    }

    pub(crate) fn remove(&mut self, bytes: usize) {
        self.records -= 1;
        self.bytes -= bytes;
    }
}

/// What one partition may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credit {
    records: usize,
    bytes: usize,
}

impl Credit {
    /// An equal share of the subscription's bounds; at least one record.
    pub(crate) fn share(records_max: usize, bytes_max: usize, partitions: usize) -> Self {
        let partitions = partitions.max(1);
        Self { records: (records_max / partitions).max(1), bytes: (bytes_max / partitions).max(1) }
    }

    /// What may be fetched on top of `held`. Nothing until a quarter is free, so that fetching
    /// goes by batches and not by records.
    pub(crate) fn room(self, held: Load) -> Option<Load> {
        let records = self.records.saturating_sub(held.records);
        let bytes = self.bytes.saturating_sub(held.bytes);
        let worthwhile = records.saturating_mul(4) >= self.records
            && bytes.saturating_mul(4) >= self.bytes
            && records > 0;
        worthwhile.then_some(Load { records, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_an_equal_part_and_never_nothing() {
        assert_eq!(Credit::share(20_000, 800, 8), Credit { records: 2_500, bytes: 100 });
        assert_eq!(Credit::share(3, 2, 8), Credit { records: 1, bytes: 1 });
        assert_eq!(Credit::share(10, 10, 0), Credit { records: 10, bytes: 10 });
    }

    #[test]
    fn room_opens_when_a_quarter_is_free() {
        let credit = Credit { records: 100, bytes: 1_000 };
        let room = |records, bytes| credit.room(Load { records, bytes });
        assert_eq!(room(0, 0), Some(Load { records: 100, bytes: 1_000 }));
        assert_eq!(room(75, 10), Some(Load { records: 25, bytes: 990 }));
        assert_eq!(room(76, 10), None);
        assert_eq!(room(1, 751), None);
        assert_eq!(room(200, 5_000), None, "a share that shrank is overdrawn, not negative");
    }

    #[test]
    fn a_record_over_the_byte_bound_leaves_no_room_until_it_is_gone() {
        let credit = Credit { records: 100, bytes: 10 };
        let mut held = Load::default();
        held.add(50);
        assert_eq!(credit.room(held), None);
        held.remove(50);
        assert!(credit.room(held).is_some());
    }
}
