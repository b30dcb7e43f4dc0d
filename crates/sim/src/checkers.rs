//! The promises, one checker each, fed with every fact of a world.
//!
//! A checker sees what the core wants before the model has booked it, and what the core heard
//! after. Deliveries whose deadline has come are ended by then. The first broken promise ends the
//! world. P7 and P13 are no matter of the core as it stands: it knows one revision, and no group.
//! P10 is shown by living a world twice.

use std::fmt;

use forebay_core::{Answer, Command, DeliveryId, Instant, Output, PartitionId, View};

use crate::model::{Judgement, Model, Reading, TermId};
use crate::service::Work;

mod attempts;
mod blame;
mod liveness;
mod once;
mod p11_drain;
mod p12_probes;
mod p1_order;
mod p2_commit;
mod p3_bounds;
mod p4_deadline;
mod p5_inert;
mod p6_dead_letters;
mod p8_forward;
mod p9_wakeups;
mod replays;
mod suspects;
mod tenures;

/// What happened, as a checker sees it.
#[derive(Debug)]
pub enum Fact<'a> {
    /// An answer was handed to the core and read by the model; `view` is the core after it.
    Answered {
        process: usize,
        id: DeliveryId,
        answer: &'a Answer,
        reading: Reading,
        view: &'a View,
    },
    /// The core asked for something.
    Wants { process: usize, output: &'a Output<usize>, view: &'a View },
    /// The core has nothing more to ask for. `woken`: when it had asked to be, where nothing
    /// else led to the poll; `moved`: something came of it.
    Idle {
        process: usize,
        wakeup: Option<Instant>,
        woken: Option<Instant>,
        moved: bool,
        view: &'a View,
    },
    /// The core made something of a record that failed; not booked yet.
    Judged { process: usize, judgement: &'a Judgement },
    /// The core obeyed an operator's command; not booked yet.
    Obeyed { process: usize, command: Command },
    /// Work reached a service while this other work was going on.
    WorkBegins { work: &'a Work, going_on: &'a [Work] },
    /// A record breaks the service that got it.
    Breaks { term: TermId, id: DeliveryId },
    /// Kafka stores a commit of a term.
    Stored { partition: PartitionId, records_below: usize, settled_beyond: &'a [usize] },
    /// The world is over, having delivered everything, or in vain.
    Over { undelivered: Option<String> },
}

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    P1,
    P2,
    P3,
    P4,
    P5,
    P6,
    P8,
    P9,
    P10,
    P11,
    P12,
    /// Nothing is charged to a record without reason, and little is given up.
    Blame,
    /// Where once is the most, nothing is sent again that may have been processed.
    Once,
    /// Tenures grow and are committed before the first delivery.
    Tenure,
    /// What replays after a crash.
    Replay,
    /// Attempts are counted on from one tenure to the next.
    Attempts,
    /// Everything is delivered in the end.
    Liveness,
    /// An assert or a panic that names no promise.
    Sanity,
}

/// A promise that was broken, and how.
#[derive(Clone, Debug)]
pub struct Broken {
    pub promise: Promise,
    pub how: String,
}

trait Checker {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String>;
}

/// All checkers of one world.
pub struct Checkers {
    all: Vec<(Promise, Box<dyn Checker>)>,
}

impl Checkers {
    /// In the order of cause before effect: an answer that counted twice also misleads a commit.
    pub(crate) fn new() -> Self {
        Self {
            all: vec![
                (Promise::P6, Box::new(p6_dead_letters::SettledWhenItIsAtItsEnd)),
                (Promise::P5, Box::new(p5_inert::LateAnswersAreInert)),
                (Promise::Tenure, Box::new(tenures::TenuresGrow)),
                (Promise::P11, Box::new(p11_drain::RevokedDrains)),
                (Promise::P8, Box::new(p8_forward::CommitsGoForward)),
                (Promise::Once, Box::new(once::OnceIsTheMost)),
                (Promise::P2, Box::new(p2_commit::NothingUnsettledIsPassed)),
                (Promise::P1, Box::new(p1_order::OneOfAKeyOldestFirst::default())),
                (Promise::P3, Box::new(p3_bounds::BoundsHold)),
                (Promise::P4, Box::new(p4_deadline::DeliveriesEnd)),
                (Promise::P12, Box::new(p12_probes::BrokenTargetsAreProbed)),
                (Promise::Blame, Box::new(blame::ChargesAreEarned)),
                (Promise::Blame, Box::new(suspects::SuspectsAreTold::default())),
                (Promise::Replay, Box::new(replays::LittleReplays)),
                (Promise::Attempts, Box::new(attempts::AttemptsAreKept::default())),
                (Promise::P9, Box::new(p9_wakeups::WakeUpsAreActionable)),
                (Promise::Liveness, Box::new(liveness::AllIsDelivered)),
            ],
        }
    }

    pub(crate) fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), Broken> {
        for (promise, checker) in &mut self.all {
            let promise = *promise;
            checker.look(fact, model).map_err(|how| Broken { promise, how })?;
        }
        Ok(())
    }
}

impl Broken {
    /// Reads the message of an assert of the core, which begins with the promise it guards.
    pub(crate) fn from_panic(message: &str) -> Self {
        const NUMBERED: [(&str, Promise); 11] = [
            ("P10:", Promise::P10),
            ("P11:", Promise::P11),
            ("P12:", Promise::P12),
            ("P1:", Promise::P1),
            ("P2:", Promise::P2),
            ("P3:", Promise::P3),
            ("P4:", Promise::P4),
            ("P5:", Promise::P5),
            ("P6:", Promise::P6),
            ("P8:", Promise::P8),
            ("P9:", Promise::P9),
        ];
        let named = NUMBERED.iter().find(|(prefix, _)| message.contains(prefix));
        let promise = named.map_or(Promise::Sanity, |(_, promise)| *promise);
        Self { promise, how: format!("panic: {message}") }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.how)
    }
}

/// The partition that an output is about, if it is about one.
fn about(output: &Output<usize>) -> Option<PartitionId> {
    match output {
        Output::Commit { partition, .. }
        | Output::Fetch { partition, .. }
        | Output::Released { partition, .. } => Some(*partition),
        Output::Deliver(delivery) => Some(delivery.id.partition),
        Output::DeadLetter(letter) => Some(letter.partition),
        Output::Park(park) => Some(park.partition),
        Output::Check { .. } => None,
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    duration.as_micros() as u64
}
