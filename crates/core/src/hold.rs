//! Why a subscription sends nothing, or nearly nothing.
//!
//! An operator paused it, the budget of records given up is spent, or the target is at fault: then
//! one delivery goes out each pause, whatever became of the last, to see whether the target is
//! well again (P12).

use core::time::Duration;

use crate::time::Instant;

/// What holds a subscription, if anything.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    /// An operator's word, and theirs to take back.
    paused: bool,
    /// More would be given up than is good: an operator has to look.
    overdrawn: bool,
    target: Option<TargetHold>,
    /// How often the target was found at fault, and well again, or an operator had it go on.
    spells: u64,
}

#[derive(Clone, Copy, Debug)]
struct TargetHold {
    why: HoldTarget,
    since: Instant,
    next_probe: Instant,
}

/// What is wrong with the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldTarget {
    /// More than half of the recent answers are failures.
    Failing,
    /// It refuses one delivery at a time.
    Overloaded,
}

/// What may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// As much as the limit allows.
    Open,
    /// One delivery from then on.
    Probe(Instant),
    /// Nothing, until somebody acts.
    Shut,
}

impl Hold {
    pub(crate) fn gate(&self) -> Gate {
        match self.target {
            _ if self.paused || self.overdrawn => Gate::Shut,
            Some(target) => Gate::Probe(target.next_probe),
            None => Gate::Open,
        }
    }

    pub(crate) fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// What failed before an operator ended it may have failed for what they have mended since.
    pub(crate) fn overdraw(&mut self, overdrawn: bool) {
        self.spells += u64::from(self.overdrawn && !overdrawn);
        self.overdrawn = overdrawn;
    }

    pub(crate) fn is_overdrawn(&self) -> bool {
        self.overdrawn
    }

    /// Since when the target holds it, and why.
    pub(crate) fn target(&self) -> Option<(HoldTarget, Instant)> {
        self.target.map(|target| (target.why, target.since))
    }

    /// The target is at fault; the first probe goes out after a pause.
    pub(crate) fn target_fails(&mut self, why: HoldTarget, pause: Duration, now: Instant) {
        if self.target.is_none() {
            self.spells += 1;
            self.target = Some(TargetHold { why, since: now, next_probe: now + pause });
        }
    }

    /// The target is well. Says whether it was at fault.
    pub(crate) fn target_works(&mut self) -> bool {
        // In a branch: `spells += u64::from(taken)` is miscompiled (rust-lang/rust#158206).
        if self.target.take().is_none() {
            return false;
        }
        self.spells += 1;
        true
    }

    /// How often the target was found at fault, and well again, or was said to be; a failure that came
    /// before the last time may have been the beginning of that, or a part of it.
    pub(crate) fn spells(&self) -> u64 {
        self.spells
    }

    pub(crate) fn probed(&mut self, pause: Duration, now: Instant) {
        if let Some(target) = &mut self.target {
            target.next_probe = now + pause;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + SECOND * seconds as u32
    }

    #[test]
    fn a_target_at_fault_is_probed_each_pause_until_it_works() {
        let mut hold = Hold::default();
        assert_eq!(hold.gate(), Gate::Open);
        hold.target_fails(HoldTarget::Failing, SECOND, at(5));
        assert_eq!(hold.gate(), Gate::Probe(at(6)));
        hold.probed(SECOND, at(6));
        hold.target_fails(HoldTarget::Failing, SECOND, at(6));
        assert_eq!(hold.gate(), Gate::Probe(at(7)), "more of the same changes nothing");
        assert_eq!(hold.target(), Some((HoldTarget::Failing, at(5))));
        assert!(hold.target_works() && !hold.target_works());
        assert_eq!(hold.gate(), Gate::Open);
    }

    #[test]
    fn what_an_operator_must_end_outlasts_the_target() {
        let mut hold = Hold::default();
        hold.overdraw(true);
        hold.pause(true);
        hold.target_works();
        hold.pause(false);
        assert_eq!(hold.gate(), Gate::Shut);
        let spells = hold.spells();
        hold.overdraw(false);
        assert_eq!(hold.gate(), Gate::Open);
        assert_ne!(hold.spells(), spells, "what failed before is not held against records");
    }
}
