//! P9: wake-ups are actionable: they lie ahead, and each comes to something: an output, a delivery
//! that ends, or a record that failed is judged or gets its turn. One that comes so late that a
//! session ended meanwhile is excused.

use forebay_core::Instant;

use super::{Checker, Fact, micros};
use crate::model::Model;

pub(super) struct WakeUpsAreActionable;

impl Checker for WakeUpsAreActionable {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        let Fact::Idle { process, wakeup, woken, moved, .. } = fact else { return Ok(()) };
        if let Some(wakeup) = wakeup.filter(|wakeup| *wakeup <= Instant::from_micros(model.now)) {
            return Err(format!("nothing to do, and the next wake-up is {wakeup:?}"));
        }
        match woken {
            Some(asked) if !moved && !has_lapsed(*process, *asked, model) => {
                Err("a wake-up comes to nothing".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Whether a session has ended since then.
fn has_lapsed(process: usize, asked: Instant, model: &Model) -> bool {
    let session = micros(model.rules.session);
    let mut ends = model.terms_of(process).filter_map(|term| Some(term.lease_from? + session));
    ends.any(|end| end > asked.as_micros() && end <= model.now)
}
