//! Whether the cluster can be reached, told once for each change.
//!
//! librdkafka reports each failed connection and never that all is well again, so what it reports
//! only raises a suspicion; a request that is answered, or not, decides.

use std::time::{Duration, Instant};

use super::events::IntakeEvent;
use crate::trouble::HUNG_UP;

const AGAIN: Duration = Duration::from_millis(500);

#[derive(Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Reachable,
    Unreachable,
}

pub(super) struct Reach {
    state: State,
    /// When to ask next; `None` while all is well or a question is out.
    ask_at: Option<Instant>,
    asking: bool,
    /// The latest reason librdkafka gave for a failed connection.
    reason: Option<String>,
}

impl Reach {
    pub(super) fn new(now: Instant) -> Self {
        Self { state: State::Unknown, ask_at: Some(now), asking: false, reason: None }
    }

    pub(super) fn is_reachable(&self) -> bool {
        self.state == State::Reachable
    }

    /// One connection failed. Before the first answer, one that was cut off while we sent says no
    /// more than one that was closed without a word.
    pub(super) fn suspect(&mut self, reason: &str) {
        if self.state == State::Unknown && reason.contains("Send failed: Broken pipe") {
            return;
        }
        self.reason = Some(reason.to_owned());
    }

    /// librdkafka has no connection left.
    pub(super) fn all_down(&mut self, reason: &str, now: Instant) -> Option<IntakeEvent> {
        match self.state {
            // Before the first answer there is nothing to lose by believing it. Where it is not
            // known why, the question that is out ends soon, and it may be known by then.
            State::Unknown if self.reason.is_some() => Some(self.unreachable(reason)),
            State::Unknown => None,
            State::Reachable if !self.asking => {
                self.ask_at = Some(now);
                None
            }
            State::Reachable | State::Unreachable => None,
        }
    }

    /// Whether to send a question now; it is then out until [`Self::answered`].
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let due = !self.asking && self.ask_at.is_some_and(|at| at <= now);
        if due {
            self.asking = true;
            self.ask_at = None;
        }
        due
    }

    /// How the question ended.
    pub(super) fn answered(
        &mut self,
        answer: Result<(), String>,
        now: Instant,
    ) -> Option<IntakeEvent> {
        self.asking = false;
        match (answer, &self.state) {
            (Ok(()), State::Reachable) => None,
            (Ok(()), State::Unknown | State::Unreachable) => {
                self.state = State::Reachable;
                Some(IntakeEvent::Reachable)
            }
            (Err(_), State::Unreachable) => {
                self.ask_at = Some(now + AGAIN);
                None
            }
            (Err(reason), state) => {
                let hung_up = *state == State::Unknown && reason.contains("TransportFailure");
                self.ask_at = Some(now + AGAIN);
                Some(self.unreachable(if hung_up { HUNG_UP } else { &reason }))
            }
        }
    }

    fn unreachable(&mut self, reason: &str) -> IntakeEvent {
        self.state = State::Unreachable;
        let reason = self.reason.take().unwrap_or_else(|| reason.to_owned());
        IntakeEvent::Unreachable { reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Result<(), String> {
        Err("timed out".to_owned())
    }

    #[test]
    fn an_outage_is_told_once_and_so_is_its_end() {
        let now = Instant::now();
        let mut reach = Reach::new(now);
        assert!(reach.ask(now));
        assert!(matches!(reach.answered(Ok(()), now), Some(IntakeEvent::Reachable)));
        assert!(reach.all_down("1/1 brokers are down", now).is_none());
        assert!(reach.ask(now));
        assert!(matches!(reach.answered(failed(), now), Some(IntakeEvent::Unreachable { .. })));
        assert!(reach.all_down("1/1 brokers are down", now).is_none());
        assert!(!reach.ask(now));
        assert!(reach.ask(now + AGAIN));
        assert!(reach.answered(failed(), now).is_none());
        assert!(reach.ask(now + AGAIN));
        assert!(matches!(reach.answered(Ok(()), now), Some(IntakeEvent::Reachable)));
        assert!(!reach.ask(now + 9 * AGAIN));
    }

    #[test]
    fn a_cluster_that_never_answered_is_believed_to_be_down_with_the_first_reason() {
        let now = Instant::now();
        let mut reach = Reach::new(now);
        assert!(reach.ask(now));
        reach.suspect("Connection refused");
        let told = reach.all_down("1/1 brokers are down", now);
        assert!(
            matches!(told, Some(IntakeEvent::Unreachable { reason }) if reason == "Connection refused")
        );
        assert!(reach.answered(failed(), now).is_none());
    }

    #[test]
    fn a_listener_that_cuts_off_what_is_sent_has_hung_up() {
        let now = Instant::now();
        let mut reach = Reach::new(now);
        assert!(reach.ask(now));
        reach.suspect("h:1/bootstrap: Send failed: Broken pipe (after 0ms in state UP)");
        assert!(reach.all_down("1/1 brokers are down", now).is_none());
        let told = reach.answered(Err("BrokerTransportFailure".to_owned()), now);
        assert!(matches!(told, Some(IntakeEvent::Unreachable { reason }) if reason == HUNG_UP));
    }

    #[test]
    fn a_suspicion_that_proves_wrong_is_not_told() {
        let now = Instant::now();
        let mut reach = Reach::new(now);
        reach.ask(now);
        reach.answered(Ok(()), now);
        reach.all_down("1/1 brokers are down", now);
        assert!(reach.ask(now));
        assert!(reach.answered(Ok(()), now).is_none());
    }
}
