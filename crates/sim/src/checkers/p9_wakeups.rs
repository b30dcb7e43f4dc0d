//! P9: wake-ups are actionable: they lie ahead, and each comes to something: an output, a delivery
//! that ends, or a record that failed is judged or gets its turn.

use forebay_core::Instant;

use super::{Checker, Fact};
use crate::model::Model;

pub(super) struct WakeUpsAreActionable;

impl Checker for WakeUpsAreActionable {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        let Fact::Idle { wakeup, woken, moved, .. } = fact else { return Ok(()) };
        if let Some(wakeup) = wakeup.filter(|wakeup| *wakeup <= Instant::from_micros(model.now)) {
            return Err(format!("nothing to do, and the next wake-up is {wakeup:?}"));
        }
        match *woken && !*moved {
            true => Err("a wake-up comes to nothing".to_owned()),
            false => Ok(()),
        }
    }
}
