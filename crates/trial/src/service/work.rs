//! A delivery at work: whatever becomes of it, its journal is told.

use std::io;
use std::sync::Arc;

use super::Shared;
use crate::delivery::{Answered, Arrival};
use crate::journal::{Journal, Request, Writer};

/// Where deliveries are written down.
#[derive(Debug)]
pub(super) enum Book {
    Memory(Journal),
    File(Writer),
}

impl Book {
    fn begun(&self, instance: usize, what: Arrival) -> io::Result<usize> {
        match self {
            Self::Memory(journal) => Ok(journal.begun(instance, what)),
            Self::File(writer) => writer.begun(what),
        }
    }

    fn ended(&self, delivery: usize, answered: Answered) -> io::Result<()> {
        match self {
            Self::Memory(journal) => journal.ended(delivery, answered),
            Self::File(writer) => return writer.ended(delivery, answered),
        }
        Ok(())
    }

    fn untold(&self, delivery: usize) -> io::Result<()> {
        match self {
            Self::Memory(journal) => journal.untold(delivery),
            Self::File(writer) => return writer.untold(delivery),
        }
        Ok(())
    }

    pub(super) fn stray(&self) -> io::Result<()> {
        match self {
            Self::Memory(journal) => journal.stray(),
            Self::File(writer) => return writer.stray(),
        }
        Ok(())
    }

    /// Whole requests are kept in memory only.
    pub(super) fn keep(&self, request: Request) {
        if let Self::Memory(journal) = self {
            journal.keep(request);
        }
    }
}

/// Dropped before it has ended, it was cut off.
pub(super) struct Work {
    shared: Arc<Shared>,
    delivery: usize,
    stage: Stage,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Begun,
    /// The answer is written down and may not have got out.
    Ended,
    Done,
}

impl Work {
    pub(super) fn begin(shared: &Arc<Shared>, what: Arrival) -> io::Result<Self> {
        let delivery = shared.book.begun(shared.instance, what)?;
        shared.state().at_work += 1;
        Ok(Self { shared: Arc::clone(shared), delivery, stage: Stage::Begun })
    }

    /// Before the answer is sent. What can't be written down must not be answered.
    pub(super) fn answer(&mut self, status: u16, verdict: Option<String>) -> io::Result<()> {
        self.shared.book.ended(self.delivery, Answered::Whole { status, verdict })?;
        self.stage = Stage::Ended;
        Ok(())
    }

    /// The client has the answer, as far as can be known.
    pub(super) fn told(&mut self) {
        self.stage = Stage::Done;
    }

    /// There is no answer, or nothing that is one.
    pub(super) fn broken(&mut self, by: &str) -> io::Result<()> {
        self.stage = Stage::Done;
        self.shared.book.ended(self.delivery, Answered::broken(by))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // A journal that can't be written has closed the connection already.
        let _ = match self.stage {
            Stage::Begun => self.shared.book.ended(self.delivery, Answered::broken("cut-off")),
            Stage::Ended => self.shared.book.untold(self.delivery),
            Stage::Done => Ok(()),
        };
        self.shared.change(|state| state.at_work -= 1);
    }
}
