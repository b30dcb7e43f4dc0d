//! A delivery at work: whatever becomes of it, its journal is told.

use std::io;
use std::sync::Arc;

use super::Shared;
use crate::delivery::{Answered, Arrival};
use crate::fence::{Claim, Fence};
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

    fn fence(&self) -> &Fence {
        match self {
            Self::Memory(journal) => journal.fence(),
            Self::File(writer) => writer.fence(),
        }
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
    /// Where the service refuses what does not hold one.
    claim: Option<Claim>,
    stage: Stage,
}

/// What became of a delivery that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Yes,
    Refused(&'static str),
}

#[derive(PartialEq, Eq)]
enum Stage {
    Begun,
    /// The answer is written down and may not have got out.
    Ended,
    Done,
}

impl Work {
    pub(super) fn begin(shared: &Arc<Shared>, what: Arrival, fenced: bool) -> io::Result<Self> {
        let claim = fenced.then(|| shared.book.fence().enter(&what));
        let delivery = shared.book.begun(shared.instance, what)?;
        shared.state().at_work += 1;
        Ok(Self { shared: Arc::clone(shared), delivery, claim, stage: Stage::Begun })
    }

    /// Refuses what can't be accepted any more, before any work is done on it.
    pub(super) fn look(&mut self) -> io::Result<Kept> {
        self.settle(None)
    }

    /// Before the answer is sent. What can't be written down must not be answered.
    pub(super) fn answer(&mut self, status: u16, verdict: Option<String>) -> io::Result<Kept> {
        self.settle(Some(Answered::Whole { status, verdict }))
    }

    fn settle(&mut self, answered: Option<Answered>) -> io::Result<Kept> {
        let book = &self.shared.book;
        let mut end = |answered| {
            self.stage = Stage::Ended;
            book.ended(self.delivery, answered)
        };
        let keep = |refused: Option<&'static str>| match (refused, answered) {
            (Some(by), _) => {
                end(Answered::Refused { by: by.to_owned() }).map(|()| Kept::Refused(by))
            }
            (None, Some(answered)) => end(answered).map(|()| Kept::Yes),
            (None, None) => Ok(Kept::Yes),
        };
        match &self.claim {
            Some(claim) => book.fence().hold(claim, keep),
            None => keep(None),
        }
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
