//! The faults that can be planted in the core, each with the promise that it breaks.
//!
//! The table is complete by the compiler's word: a fault of the core that it lacks does not build.

use forebay_core::Fault;

use crate::checkers::{Broken, Promise};
use crate::replay;

macro_rules! table {
    ($($promise:ident: $($fault:ident)*;)*) => {
        /// Every fault there is.
        pub const ALL: &[Fault] = &[$($(Fault::$fault,)*)*];

        /// The promise that a fault breaks.
        pub const fn promise(fault: Fault) -> Promise {
            match fault {
                $($(Fault::$fault => Promise::$promise,)*)*
            }
        }
    };
}

table! {
    P1: KeyForgotten RetryGoesLast UnknownOpensLane RefusalProvesTooMuch FollowersOvertake
        UnparkedEarly ParkForgotten ParkedBeforeNamed TakenOverAtOnce LeftoversForgotten
        QuietTooSoon;
    P2: CommitOnSend CommitOneTooFar CommitOverGap MapCountsHeld;
    P3: OneTooManyInFlight HeldForgotten;
    P4: DeadlineForgotten;
    P5: LateAnswerCounts UnknownIsSuccess TenureIgnored;
    P6: SettledBeforeDeadLetter ParkedBeforeAcknowledged;
    P8: CommitGoesBack;
    P9: WakeWithoutWork;
    P11: LostIgnored DeliverWhileDraining ReleaseBeforeCommit;
    P12: NoProbePause HoldLeaks FaultBurnsAttempt BrokenTargetParks;
    Blame: ChargedWithoutEvidence OldEvidenceCounts EvidenceFromElsewhere BrokenTargetNotHeld
        BudgetForgotten SuspectsCrowded LastChanceShared;
    Once: OnceMoreThanOnce UnsentForgotten;
    Tenure: TenureNotRaised DeliverBeforeClaim LeaseIgnored LeaseNotRenewed SessionKept;
    Replay: LazyCommit CommitNotWoken WindowIgnored MapForgotten MapNotSaved MapOverflows
        MapIgnored RewindsForgotten;
    Attempts: PastsForgotten JudgedOnce;
    Liveness: RetryNotWoken FetchForgotten;
}

/// The fault of this name, however it is capitalised.
pub fn named(name: &str) -> Option<Fault> {
    ALL.iter().copied().find(|fault| format!("{fault:?}").eq_ignore_ascii_case(name))
}

/// How a planted fault was caught.
#[derive(Clone, Debug)]
pub struct Catch {
    pub fault: Fault,
    /// Worlds lived until the checker of its promise spoke; nothing where it never did.
    pub seeds: Option<u64>,
    /// The world that showed it.
    pub broken: Option<Broken>,
    /// Worlds before that in which another checker spoke first.
    pub blamed_otherwise: Vec<(u64, Promise)>,
}

/// Lives worlds with the fault planted, at most so many, until the checker of its promise speaks.
pub fn hunt(fault: Fault, most: u64) -> Catch {
    let mut blamed_otherwise = Vec::new();
    for seed in 0..most {
        match replay::live(seed, Some(fault), false).broken {
            Some(broken) if broken.promise == promise(fault) => {
                let (seeds, broken) = (Some(seed + 1), Some(broken));
                return Catch { fault, seeds, broken, blamed_otherwise };
            }
            Some(broken) => blamed_otherwise.push((seed, broken.promise)),
            None => {}
        }
    }
    Catch { fault, seeds: None, broken: None, blamed_otherwise }
}
