//! Blame: what may break the service is told from what is only lost with it. While such a record is
//! out, no more is in flight than may fail without the target being taken for broken; and of those
//! that one more loss would have given up, one is out at a time.

use forebay_core::{DeliveryId, Output, UnknownCause, Verdict};

use super::{Checker, Fact};
use crate::model::{Entry, Model};

/// Connections lost that are no accident.
const LOSSES: usize = 2;

#[derive(Default)]
pub(super) struct SuspectsAreTold {
    /// Those that are out, as they were when they were sent: a rule that changes later changes
    /// nothing of it.
    out: Vec<Suspect>,
}

struct Suspect {
    process: usize,
    id: DeliveryId,
    is_last: bool,
}

impl Checker for SuspectsAreTold {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        let Fact::Wants { process, output: Output::Deliver(delivery), view } = fact else {
            return Ok(());
        };
        let (process, id) = (*process, delivery.id);
        let Some(own) = entry(process, id, model) else { return Ok(()) };
        self.out.retain(|suspect| is_out(suspect, model));
        let is_last = losses(own) > 0 && own.charged + 1 >= model.rules.attempts;
        if is_last || losses(own) >= LOSSES {
            self.out.push(Suspect { process, id, is_last });
        }
        let mut out = self.out.iter().filter(|suspect| suspect.process == process).peekable();
        if out.peek().is_some() && view.hold.target.is_none() {
            let office = &model.offices[process];
            let (flights, room) = (office.flights, office.journal.room());
            if flights >= room {
                return Err(format!("{id} is out with a suspect, and {} of {room}", flights + 1));
            }
        }
        match is_last && out.filter(|suspect| suspect.is_last).count() > 1 {
            true => Err(format!("{id} has its last chance, and so has another")),
            false => Ok(()),
        }
    }
}

fn is_out(suspect: &Suspect, model: &Model) -> bool {
    let entry = entry(suspect.process, suspect.id, model);
    entry.is_some_and(|entry| entry.flight.is_some() && entry.deliveries == suspect.id.number)
}

fn entry(process: usize, id: DeliveryId, model: &Model) -> Option<&Entry> {
    let term = model.term(process, id.partition).filter(|term| term.tenure == id.tenure)?;
    term.index(id.offset.0).map(|at| &term.entries[at])
}

/// Since an operator gave it another chance.
fn losses(entry: &Entry) -> usize {
    let lost = Verdict::Unknown(UnknownCause::ConnectionLost);
    entry.trips[entry.forgiven..].iter().filter(|trip| trip.verdict == lost).count()
}
