//! Dead letters of one subscription: the story in words, and what became of it.

use forebay_core::{DeadLetter, Input, TargetFault, UnknownCause, Verdict, Why};

use super::{Payload, Runner};
use crate::REVISION;
use crate::clock::Clock;
use crate::letters::LetterId;

impl Runner {
    pub(super) fn dead_letter(&self, letter: DeadLetter<Payload>) {
        let id =
            LetterId { partition: letter.partition, tenure: letter.tenure, offset: letter.offset };
        let letters = self.letters.as_ref().expect("the rules ask for letters where there are any");
        let seats = self.seats.borrow();
        let seat = &seats[letter.partition.0 as usize];
        let topic_id = seat.assigned.as_ref().and_then(|seated| seated.topic_id.clone());
        let (now, wall) = (self.clock.now(), Clock::wall_ms());
        let wall = |at| wall - now.since(at).as_millis() as i64;
        let answer = letter.answer.as_ref();
        let story = forebay_wire::dead_letter::DeadLetter {
            cluster: None,
            topic: seat.partition.topic.to_string(),
            topic_id: topic_id.as_deref().map(str::to_owned),
            partition: seat.partition.partition,
            offset: letter.offset.0,
            timestamp: letter.payload.timestamp_ms,
            subscription: self.name.clone(),
            group: self.group.clone(),
            attempts: letter.charged,
            deliveries: letter.deliveries,
            first_failed: letter.failed.map(|(first, _)| wall(first)),
            last_failed: letter.failed.map(|(_, last)| wall(last)),
            revision: REVISION.to_owned(),
            why: why(letter.why).to_owned(),
            verdict: answer.map(|answer| verdict(answer.verdict).to_owned()),
            status: answer.and_then(|answer| answer.status),
            reason: answer.and_then(|answer| answer.reason.as_deref()).map(str::to_owned),
        };
        tracing::warn!(
            subscription = self.name,
            "{} offset {} goes to {}: {}, last {}",
            seat.partition,
            letter.offset.0,
            letters.topic(),
            story.why,
            story.verdict.as_deref().unwrap_or("unknown")
        );
        letters.send(id, &letter.payload, story);
    }

    pub(super) fn take_letters(&self) {
        let Some(letters) = &self.letters else { return };
        for (LetterId { partition, tenure, offset }, outcome) in letters.take() {
            let written = outcome.is_ok();
            let fails = outcome.err().map(|error| error.to_string());
            if let Some(reason) = &fails
                && self.letters_fail.borrow().is_none()
            {
                tracing::error!(
                    subscription = self.name,
                    "dead letters can't be written: {reason}"
                );
            }
            self.letters_fail.replace(fails);
            self.handle(Input::DeadLettered { partition, tenure, offset, written });
        }
    }
}

pub(super) const fn why(why: Why) -> &'static str {
    match why {
        Why::Rejected => "rejected",
        Why::Exhausted => "exhausted",
        Why::Command => "command",
    }
}

/// A verdict in the contract's words.
pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accept",
        Verdict::Retry { .. } => "retry",
        Verdict::Reject { .. } => "reject",
        Verdict::BackPressure { .. } => "back-pressure",
        Verdict::TargetFault(TargetFault::Name) => "target fault: its name does not resolve",
        Verdict::TargetFault(TargetFault::Refused) => "target fault: nothing listens there",
        Verdict::TargetFault(TargetFault::Connect) => "target fault: no connection",
        Verdict::TargetFault(TargetFault::Tls) => "target fault: no TLS handshake",
        Verdict::TargetFault(TargetFault::Status) => {
            "target fault: no answer of a consumer service"
        }
        Verdict::Unknown(UnknownCause::Deadline) => "unknown: no answer in time",
        Verdict::Unknown(UnknownCause::ConnectionLost) => "unknown: the connection was lost",
        Verdict::Unknown(UnknownCause::Unreadable) => "unknown: an answer that can't be read",
        Verdict::Unknown(UnknownCause::Abandoned) => "unknown: given up",
    }
}
