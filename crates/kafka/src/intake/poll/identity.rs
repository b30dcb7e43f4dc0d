//! When to join again, after the group refused this member its instance id.
//!
//! A refusal ends librdkafka's client, not our part in the group: the client is made anew. Most
//! often the id is kept by our own former self: a member that was killed has it until its session
//! ends (KIP-848), and one whose coordinator was away may be fenced by its own former join
//! (KIP-345). Another live process with the same id looks the same at first. It is told by what
//! comes later: we are fenced again soon after we joined, or the id outlives every session. The two
//! then take it from each other for ever, so each joins more and more seldom.

use std::time::{Duration, Instant};

use crate::intake::events::TakenBy;

/// The first wait, doubled with each refusal.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest wait for an id that will be free, which is asked for in vain meanwhile.
const RELEASE_MAX: Duration = Duration::from_secs(4);
/// The longest wait of one who was fenced, and fences whoever has the id by joining.
const FENCED_MAX: Duration = Duration::from_secs(30);
/// One who kept the id for so long has it to itself: the other would have come back by now.
const SETTLED: Duration = Duration::from_secs(120);
/// The longest that a session may be by Kafka's default (`group.consumer.max.session.timeout.ms`).
const SESSION_MAX: Duration = Duration::from_secs(60);

/// How the group refused the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is in use, and we never had it (UNRELEASED_INSTANCE_ID).
    Unreleased,
    /// It was ours, and is somebody's who came later (FENCED_INSTANCE_ID).
    Fenced,
}

#[derive(Debug)]
pub(super) struct Identity {
    pause: Duration,
    /// Refused as fenced, with never a longer hold of the id between.
    fenced: u32,
    /// Since when the id is refused as unreleased.
    unreleased: Option<Instant>,
    /// Since when we have the id.
    held: Option<Instant>,
    /// When to join again.
    again: Option<Instant>,
}

impl Identity {
    pub(super) const fn new() -> Self {
        Self { pause: PAUSE, fenced: 0, unreleased: None, held: None, again: None }
    }

    /// Whose the id seems to be. We wait from now on.
    pub(super) fn refused(&mut self, how: Refusal, now: Instant) -> TakenBy {
        let held = self.held.take();
        if held.is_some_and(|since| now.duration_since(since) >= SETTLED) {
            *self = Self::new();
        }
        let (longest, by_another) = match how {
            Refusal::Unreleased => {
                let since = *self.unreleased.get_or_insert(now);
                (RELEASE_MAX, now.duration_since(since) > SESSION_MAX)
            }
            Refusal::Fenced => {
                self.fenced += 1;
                (FENCED_MAX, self.fenced > 1)
            }
        };
        let pause = self.pause.min(longest);
        self.pause = pause * 2;
        self.again = Some(now + pause);
        if by_another { TakenBy::Another } else { TakenBy::Former }
    }

    /// The client could not be made: as soon as after the last refusal.
    pub(super) fn try_again(&mut self, now: Instant) {
        self.again = Some(now + self.pause.min(RELEASE_MAX));
    }

    /// The group took us in.
    pub(super) fn joined(&mut self, now: Instant) {
        self.unreleased = None;
        self.held.get_or_insert(now);
    }

    /// Whether this client was refused, and the next one is not made yet.
    pub(super) const fn is_waiting(&self) -> bool {
        self.again.is_some()
    }

    /// Whether to join now; then it is no longer waited for.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        self.again.take_if(|at| *at <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Waits as told, and joins at the end of it: how long that was.
    fn come_back(identity: &mut Identity, now: &mut Instant) -> Duration {
        let pause = identity.again.expect("it waits") - *now;
        assert!(!identity.is_due(*now));
        *now += pause;
        assert!(identity.is_due(*now) && !identity.is_waiting());
        identity.joined(*now);
        pause
    }

    #[test]
    fn one_fence_is_our_former_self_and_costs_half_a_second() {
        let mut now = Instant::now();
        let mut identity = Identity::new();
        identity.joined(now);
        now += SECOND;
        assert_eq!(identity.refused(Refusal::Fenced, now), TakenBy::Former);
        assert_eq!(come_back(&mut identity, &mut now), PAUSE);
    }

    #[test]
    fn who_is_fenced_soon_again_has_a_rival_and_joins_more_and_more_seldom() {
        let mut now = Instant::now();
        let mut identity = Identity::new();
        identity.refused(Refusal::Fenced, now);
        let mut longest = come_back(&mut identity, &mut now);
        for _ in 0..9 {
            // As long as a rival waits that has come to its longest wait.
            now += FENCED_MAX + 10 * SECOND;
            assert_eq!(identity.refused(Refusal::Fenced, now), TakenBy::Another);
            let pause = come_back(&mut identity, &mut now);
            assert!(pause == (longest * 2).min(FENCED_MAX), "{pause:?} after {longest:?}");
            longest = pause;
        }
        assert_eq!(longest, FENCED_MAX);
    }

    #[test]
    fn an_id_that_was_kept_for_long_is_ours_alone_again() {
        let mut now = Instant::now();
        let mut identity = Identity::new();
        for _ in 0..5 {
            identity.refused(Refusal::Fenced, now);
            come_back(&mut identity, &mut now);
        }
        // Other generations of the group change nothing about it.
        identity.joined(now + SETTLED / 2);
        now += SETTLED;
        assert_eq!(identity.refused(Refusal::Fenced, now), TakenBy::Former);
        assert_eq!(come_back(&mut identity, &mut now), PAUSE);
    }

    #[test]
    fn an_id_that_outlives_every_session_is_anothers() {
        let begun = Instant::now();
        let mut now = begun;
        let mut identity = Identity::new();
        let mut by = identity.refused(Refusal::Unreleased, now);
        while by == TakenBy::Former {
            assert!(now.duration_since(begun) <= SESSION_MAX);
            now = identity.again.expect("it waits");
            assert!(identity.is_due(now));
            by = identity.refused(Refusal::Unreleased, now);
        }
        assert!(now.duration_since(begun) <= SESSION_MAX + RELEASE_MAX);
        assert_eq!(identity.again, Some(now + RELEASE_MAX));
        now += RELEASE_MAX;
        assert!(identity.is_due(now));
        identity.joined(now);
        assert_eq!(identity.refused(Refusal::Unreleased, now), TakenBy::Former);
    }
}
