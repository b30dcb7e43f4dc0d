//! The one clock of all the demo's processes: nanoseconds since the machine started.

use rustix::time::{ClockId, clock_gettime};

pub(super) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}

pub(super) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// For threads that answer to nobody meanwhile.
#[expect(clippy::disallowed_methods, reason = "what is waited for is a time, or cannot be heard")]
pub(super) fn pause(length: std::time::Duration) {
    std::thread::sleep(length);
}
