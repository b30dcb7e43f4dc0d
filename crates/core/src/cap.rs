//! What caps a subscription: why nothing more is sent at a moment, and for how long it was so.
//!
//! Each moment has one reason. Over a while the reasons' shares of time tell what would have to
//! grow for more throughput, so that nobody adds instances that can't help.

use core::time::Duration;

use crate::time::Instant;

/// Why nothing more is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// All that was fetched is sent: what is missing is records.
    Records,
    /// Records are held, and each waits for another of its key.
    Keys,
    /// Records are held, and each waits for the one before it in its partition.
    Partitions,
    /// The service can take no more, as far as the limit was learnt.
    Service,
    /// The bound on deliveries in flight.
    InFlight,
    /// The owner's rate cap.
    Rate,
    /// The target is at fault, or no endpoint may be tried.
    Target,
    /// An operator's pause, or a spent budget that an operator has to renew.
    Operator,
}

impl Cap {
    pub const ALL: [Self; 8] = [
        Self::Records,
        Self::Keys,
        Self::Partitions,
        Self::Service,
        Self::InFlight,
        Self::Rate,
        Self::Target,
        Self::Operator,
    ];
}

/// Time spent under each cap, in the order of [`Cap::ALL`].
pub type CapTimes = [Duration; Cap::ALL.len()];

#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    cap: Cap,
    since: Instant,
    spent: CapTimes,
}

impl Caps {
    pub(crate) fn new() -> Self {
        Self { cap: Cap::Records, since: Instant::ZERO, spent: [Duration::ZERO; Cap::ALL.len()] }
    }

    pub(crate) fn is(&mut self, cap: Cap, now: Instant) {
        if cap != self.cap {
            self.spent = self.times(now);
            (self.cap, self.since) = (cap, now);
        }
    }

    pub(crate) fn times(&self, now: Instant) -> CapTimes {
        let mut spent = self.spent;
        spent[self.cap as usize] += now.since(self.since);
        spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_booked_under_one_cap_at_a_time() {
        let second = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let mut caps = Caps::new();
        caps.is(Cap::Keys, second(3));
        caps.is(Cap::Keys, second(4));
        caps.is(Cap::Rate, second(5));
        let times = caps.times(second(9)).map(|time| time.as_secs());
        assert_eq!(times, [3, 2, 0, 0, 0, 4, 0, 0]);
    }

    #[test]
    fn the_order_of_times_is_that_of_the_caps() {
        for (index, cap) in Cap::ALL.into_iter().enumerate() {
            assert_eq!(cap as usize, index);
        }
    }
}
