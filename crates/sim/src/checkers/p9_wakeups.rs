//! P9: wake-ups are actionable: they lie ahead, and most of them come to something.

use forebay_core::Instant;

use super::{Checker, Fact};
use crate::model::Model;

/// Wake-ups that may come to nothing, one part in so many and a few always: a lane that reopens
/// while no endpoint is listed, or in a partition that is revoked.
const IDLE_SHARE: u64 = 10;
const IDLE_ALWAYS: u64 = 20;

#[derive(Default)]
pub(super) struct WakeUpsAreActionable {
    woken: u64,
    in_vain: u64,
}

impl Checker for WakeUpsAreActionable {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        let Fact::Idle { wakeup, woken, moved, .. } = fact else { return Ok(()) };
        if let Some(wakeup) = wakeup.filter(|wakeup| *wakeup <= Instant::from_micros(model.now)) {
            return Err(format!("nothing to do, and the next wake-up is {wakeup:?}"));
        }
        self.woken += u64::from(*woken);
        self.in_vain += u64::from(*woken && !moved);
        match self.in_vain > IDLE_ALWAYS + self.woken / IDLE_SHARE {
            true => Err(format!("{} of {} wake-ups came to nothing", self.in_vain, self.woken)),
            false => Ok(()),
        }
    }
}
