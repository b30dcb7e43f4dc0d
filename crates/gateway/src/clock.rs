//! The one place that reads time.

use std::time::{SystemTime, UNIX_EPOCH};

use forebay_core::Instant;

/// Translates between the runtime's clock and the core's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: tokio::time::Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { start: tokio::time::Instant::now() }
    }

    pub(crate) fn now(self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    /// Rounded up to what the runtime's timer can tell apart, so that it never fires early.
    pub(crate) fn at(self, instant: Instant) -> tokio::time::Instant {
        self.start + instant.since(Instant::ZERO)
    }

    /// Milliseconds since 1970.
    pub(crate) fn wall_ms() -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}
