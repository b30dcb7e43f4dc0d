//! The two clocks: wall time for what is stored, and a steady one for timers.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::groups::Moment;

/// Ms since the epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The clock of group timers; starts at zero with the broker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(&self) -> Moment {
        Moment(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn instant_of(&self, moment: Moment) -> Instant {
        self.0 + std::time::Duration::from_millis(moment.0)
    }
}
