//! Time that passes for threads that answer to nobody meanwhile.

use std::time::Duration;

#[expect(clippy::disallowed_methods, reason = "what is waited for is a time, or cannot be heard")]
pub(super) fn pause(length: Duration) {
    std::thread::sleep(length);
}
