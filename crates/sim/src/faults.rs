//! The faults that can be planted in the core, each with the promise that it breaks.
//!
//! The table is complete by the compiler's word: a fault of the core that it lacks does not build.

use forebay_core::Fault;

use crate::checkers::Promise;

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
    P1: KeyForgotten RetryGoesLast UnknownOpensLane RefusalProvesTooMuch;
    P2: CommitOnSend CommitOneTooFar CommitOverGap;
    P3: OneTooManyInFlight CreditTwice;
    P4: DeadlineForgotten;
    P5: LateAnswerCounts UnknownIsSuccess TenureIgnored;
    P8: CommitGoesBack;
    P9: WakeWithoutWork;
    P11: DeliverWhileDraining ReleaseBeforeCommit;
    P12: NoProbePause FaultBurnsAttempt;
    Tenure: TenureNotRaised DeliverBeforeClaim;
    Liveness: FetchForgotten;
}

/// The fault of this name, however it is capitalised.
pub fn named(name: &str) -> Option<Fault> {
    ALL.iter().copied().find(|fault| format!("{fault:?}").eq_ignore_ascii_case(name))
}
