//! P5: an answer that comes late, twice or for a former tenure changes nothing, and an unknown
//! answer is never a success.

use super::{Checker, Fact};
use crate::model::Model;

pub(super) struct LateAnswersAreInert;

impl Checker for LateAnswersAreInert {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        let (Fact::Answered { process, view, .. }
        | Fact::Wants { process, view, .. }
        | Fact::Idle { process, view, .. }) = fact
        else {
            return Ok(());
        };
        let office = &model.offices[*process];
        let counts = view.counts;
        let others = counts.dead_lettered
            + counts.parked
            + counts.dropped
            + counts.skipped
            + counts.abandoned;
        let (settled, late) = (counts.settled - others, counts.late);
        let accepted = office.ends.accepted;
        if settled != accepted {
            return Err(format!("{settled} records count as accepted, {accepted} are"));
        }
        if late != office.inert {
            return Err(format!("{late} answers count as late, {} were", office.inert));
        }
        Ok(())
    }
}
