//! Kafka as a world sees it: logs of records, and what the group has stored for each partition.
//!
//! A commit counts only while the generation in which it was sent is the current one, as the
//! group coordinator has it; everything else (slow, failed, acknowledgement lost) is the world's.

use forebay_core::{CommitPoint, CommitState, Offset, PartitionId, Record, Rewinds, Tenure};

use crate::agenda::Micros;
use crate::swarm::Row;

#[derive(Debug)]
pub(crate) struct Kafka {
    pub(crate) partitions: Vec<Stored>,
}

#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) log: Vec<Row>,
    pub(crate) owner: Option<usize>,
    pub(crate) generation: u64,
    pub(crate) point: Option<CommitPoint>,
    /// What was stored beside it, or before there was one.
    pub(crate) state: Option<CommitState>,
    /// Whether the end of the log was ever stored, also where that was forgotten since.
    pub(crate) completed: bool,
}

impl Kafka {
    pub(crate) fn new(logs: Vec<Vec<Row>>) -> Self {
        let stored = |log: Vec<Row>| Stored {
            completed: log.is_empty(),
            state: Some(rewound(&log)),
            log,
            owner: None,
            generation: 0,
            point: None,
        };
        Self { partitions: logs.into_iter().map(stored).collect() }
    }

    pub(crate) fn of(&self, id: PartitionId) -> &Stored {
        &self.partitions[id.0 as usize]
    }

    pub(crate) fn of_mut(&mut self, id: PartitionId) -> &mut Stored {
        &mut self.partitions[id.0 as usize]
    }

    /// Whether every partition was once committed up to its end.
    pub(crate) fn is_done(&self) -> bool {
        self.partitions.iter().all(|stored| stored.completed)
    }
}

/// What an operator left that had the first half of a log read again.
fn rewound(log: &[Row]) -> CommitState {
    let until = CommitPoint(log.get(log.len() / 2).map_or(0, |row| row.offset));
    CommitState { rewinds: Rewinds { count: 2, until }, ..CommitState::unknown(Tenure(i64::MIN)) }
}

impl Stored {
    pub(crate) fn store(&mut self, point: CommitPoint, state: CommitState) {
        self.completed |= self.index(point) == self.log.len();
        self.point = Some(point);
        self.state = Some(state);
    }

    /// The end of the log.
    pub(crate) fn end(&self) -> CommitPoint {
        self.log.last().map_or(CommitPoint(0), |row| CommitPoint(row.offset + 1))
    }

    /// The end of what is written by then.
    pub(crate) fn end_at(&self, now: Micros) -> CommitPoint {
        let written = self.log.partition_point(|row| row.produced <= now);
        let last = written.checked_sub(1).map(|last| self.log[last].offset + 1);
        CommitPoint(last.unwrap_or(0))
    }

    /// One more record; some offsets may be left out. Returns its offset.
    pub(crate) fn append(&mut self, row: Row, left_out: i64) -> i64 {
        let offset = self.end().0 + left_out;
        self.log.push(Row { offset, ..row });
        self.completed = false;
        offset
    }

    /// Which records beyond the stored point are settled, by what is stored.
    pub(crate) fn settled_beyond(&self) -> Vec<usize> {
        let (Some(point), Some(state)) = (self.point, &self.state) else { return Vec::new() };
        let beyond = self.index(point)..self.log.len();
        let settled = |index: &usize| state.completion.is_settled(Offset(self.log[*index].offset));
        beyond.filter(settled).collect()
    }

    /// Where a new owner begins: the stored point, or the start of the log.
    pub(crate) fn start(&self) -> CommitPoint {
        let first = self.log.first().map_or(0, |row| row.offset);
        self.point.unwrap_or(CommitPoint(first.min(0)))
    }

    /// The index of the first record at or beyond the point.
    pub(crate) fn index(&self, point: CommitPoint) -> usize {
        self.log.partition_point(|row| row.offset < point.0)
    }

    /// What a fetch from this index on may take now. At least one record, however large, where
    /// there is any; else the time to ask again, or nothing at the end of the log.
    pub(crate) fn fetch(
        &self,
        from: usize,
        records: usize,
        bytes: usize,
        now: Micros,
    ) -> Result<Vec<Record<usize>>, Option<Micros>> {
        let next = self.log.get(from).ok_or(None)?;
        if next.produced > now {
            return Err(Some(next.produced));
        }
        let mut room = bytes;
        let mut taken = Vec::new();
        for (index, row) in self.log.iter().enumerate().skip(from).take(records) {
            if row.produced > now || (row.bytes > room && !taken.is_empty()) {
                break;
            }
            room = room.saturating_sub(row.bytes);
            let offset = Offset(row.offset);
            let (key, bytes, past) = (row.key, row.bytes, row.past);
            taken.push(Record { offset, key, bytes, past, payload: index });
        }
        Ok(taken)
    }
}
