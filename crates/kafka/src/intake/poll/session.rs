//! For how long the group takes a member for alive that commits and then says nothing, where the
//! broker has the say (KIP-848): it is asked at first, before anything is handed over, and again now
//! and then, for it may be changed at any time.

use std::time::{Duration, Instant};

use super::Poller;
use crate::error::KafkaError;
use crate::intake::events::IntakeEvent;
use crate::intake::lookup::Question;

const EACH: Duration = Duration::from_secs(60);
/// Nobody answered.
const AGAIN: Duration = Duration::from_secs(5);

pub(super) struct Session {
    /// When to ask; none while that is under way, or where the session is ours to say.
    due: Option<Instant>,
    known: Option<Duration>,
    /// Why it was not to be known, as it was last told.
    refused: Option<String>,
}

impl Session {
    pub(super) fn new(is_brokers: bool, now: Instant) -> Self {
        Self { due: is_brokers.then_some(now), known: None, refused: None }
    }
}

impl Poller {
    pub(super) fn ask_session(&mut self, now: Instant) {
        if self.session.due.take_if(|due| *due <= now).is_some() {
            self.ask(Question::Session);
        }
    }

    pub(super) fn session_known(&mut self, answer: Result<Duration, KafkaError>) {
        let now = Instant::now();
        match answer {
            Ok(session) => {
                self.session.due = Some(now + EACH);
                self.session.refused = None;
                if self.session.known.replace(session) != Some(session) {
                    self.tell([IntakeEvent::Session(session)]);
                }
            }
            Err(error) if error.may_retry() => self.session.due = Some(now + AGAIN),
            Err(error) => {
                self.session.due = Some(now + EACH);
                let reason = error.to_string();
                if self.session.refused.replace(reason.clone()).as_ref() != Some(&reason) {
                    self.tell([IntakeEvent::SessionUnknown { reason }]);
                }
            }
        }
    }
}
