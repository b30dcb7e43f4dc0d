//! Faults planted on purpose, so that the simulator can show that its checkers see them.
//!
//! They are compiled in by the feature `planted-faults` alone and chosen at run time; without
//! the feature [`Planted::is`] is the constant `false` and the branches vanish.

/// A fault that breaks one promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// P2: the commit point counts a record as done when it is sent.
    CommitOnSend,
    /// P2: the commit point is one record too far.
    CommitOneTooFar,
    /// P2: the commit point follows the newest settled record over a gap.
    CommitOverGap,
    /// P2: the completion map says that what is held is settled.
    MapCountsHeld,
    /// Replay: what is settled beyond the commit point is not stored.
    MapForgotten,
    /// Replay: it is stored only when the commit point moves.
    MapNotSaved,
    /// Replay: more is read than the completion map has room for.
    MapOverflows,
    /// Replay: a new tenure does not know what was settled beyond the commit point.
    MapIgnored,
    /// P1: what another process may have left at work is not waited for.
    TakenOverAtOnce,
    /// P1: what this process left at work in an earlier tenure is not waited for.
    LeftoversForgotten,
    /// P1: an end is said to be quiet with deliveries out.
    QuietTooSoon,
    /// Tenure: a process goes on sending when others may have what it had.
    LeaseIgnored,
    /// Tenure: what is idle is not renewed.
    LeaseNotRenewed,
    /// Tenure: a session that became shorter is not taken note of.
    SessionKept,
    /// Attempts: a new tenure does not know how often a record has failed.
    PastsForgotten,
    /// Attempts: what came back goes again, whatever has shown meanwhile whose fault its failure was.
    JudgedOnce,
    /// Replay: a new tenure does not know how often operators had its partition read again.
    RewindsForgotten,
    /// P1: a record does not find the lane of its key.
    KeyForgotten,
    /// P1: a record that failed goes behind the later records of its key.
    RetryGoesLast,
    /// P1: an unknown answer opens the lane at once.
    UnknownOpensLane,
    /// P1: a refused connection proves that what was sent after it has ended, too.
    RefusalProvesTooMuch,
    /// P1: the later records of a key that is parked overtake the earlier ones on their way.
    FollowersOvertake,
    /// P1: a key is let go as soon as its records are in the park topic.
    UnparkedEarly,
    /// P1: a new tenure does not know which keys are parked.
    ParkForgotten,
    /// P1: the records of a key are written before Kafka knows that it is parked.
    ParkedBeforeNamed,
    /// P3: one delivery more than the bound may be in flight.
    OneTooManyInFlight,
    /// P3: what is held is not counted when more is fetched.
    HeldForgotten,
    /// P4: a delivery without an answer is forgotten at its deadline, and never ends.
    DeadlineForgotten,
    /// P5: a late answer settles the record of the delivery after it.
    LateAnswerCounts,
    /// P5: an unknown answer counts as accepted.
    UnknownIsSuccess,
    /// P5: the tenure of an answer is not looked at.
    TenureIgnored,
    /// P6: a record is settled before its dead letter is written.
    SettledBeforeDeadLetter,
    /// P2: a record is settled before the park topic has it.
    ParkedBeforeAcknowledged,
    /// Blame: a failure is charged to the record without any evidence.
    ChargedWithoutEvidence,
    /// Blame: what was accepted before the failure is evidence.
    OldEvidenceCounts,
    /// Blame: what another endpoint accepted is evidence.
    EvidenceFromElsewhere,
    /// Blame: what may break the service goes with as many others as usual.
    SuspectsCrowded,
    /// Blame: several that may break the service have their last chance together.
    LastChanceShared,
    /// Blame: a target that fails most of what it gets is not held.
    BrokenTargetNotHeld,
    /// Blame: records are given up without a budget.
    BudgetForgotten,
    /// Once: a record that may have been processed is sent again where once is the most.
    OnceMoreThanOnce,
    /// Once: what is committed and never goes out is not told.
    UnsentForgotten,
    /// P8: a new tenure starts one record before the stored commit point.
    CommitGoesBack,
    /// P9: a retry that waits for a free slot asks to be woken now.
    WakeWithoutWork,
    /// P11: a partition that is lost goes on as if it were ours.
    LostIgnored,
    /// P11: a revoked partition goes on delivering.
    DeliverWhileDraining,
    /// P11: a partition is released before its last answers are committed.
    ReleaseBeforeCommit,
    /// P12: an endpoint at fault gets deliveries without a pause.
    NoProbePause,
    /// P12: a held target gets deliveries between its probes.
    HoldLeaks,
    /// P12: keys are parked though the target is at fault.
    BrokenTargetParks,
    /// P12: a target fault counts as an attempt.
    FaultBurnsAttempt,
    /// Tenure: a new tenure starts with the number of the last one.
    TenureNotRaised,
    /// Tenure: the first delivery does not wait for the tenure's commit.
    DeliverBeforeClaim,
    /// Replay: after a commit, the next one waits twice as long as it may.
    LazyCommit,
    /// Replay: a commit that falls due is no reason to wake up.
    CommitNotWoken,
    /// Replay: records beyond the commit point are not bounded by the window.
    WindowIgnored,
    /// Liveness: a lane that reopens is no reason to wake up.
    RetryNotWoken,
    /// Liveness: a partition that was full is not fetched again.
    FetchForgotten,
}

/// The fault that is planted, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planted {
    #[cfg(feature = "planted-faults")]
    fault: Option<Fault>,
}

impl Planted {
    pub const NONE: Self = Self {
        #[cfg(feature = "planted-faults")]
        fault: None,
    };

    #[cfg(feature = "planted-faults")]
    pub const fn plant(fault: Fault) -> Self {
        Self { fault: Some(fault) }
    }

    #[cfg(feature = "planted-faults")]
    pub(crate) fn is(self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    #[cfg(not(feature = "planted-faults"))]
    pub(crate) const fn is(self, _: Fault) -> bool {
        false
    }
}
