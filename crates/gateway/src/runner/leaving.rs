//! Records that leave, dead letters and parked ones: their story in words, and what became of it.

use forebay_core::{DeadLetter, Input, Park, ParkPlace, TargetFault, UnknownCause, Verdict, Why};
use forebay_wire::parked::Parked;
use forebay_wire::{Replay, dead_letter};

use super::park::Payload;
use super::{Runner, Seat};
use crate::REVISION;
use crate::clock::Clock;
use crate::leaving::LeavingId;

/// Where a record is from, whether or not it came by the park topic.
struct Place {
    topic: String,
    topic_id: Option<String>,
    partition: i32,
    offset: i64,
}

impl Place {
    fn of(seat: &Seat, payload: &Payload) -> Self {
        match payload.from.as_deref() {
            Some(from) => Self {
                topic: from.topic.clone(),
                topic_id: from.topic_id.clone(),
                partition: from.partition,
                offset: from.offset,
            },
            None => Self {
                topic: seat.partition.topic.to_string(),
                topic_id: (seat.assigned.as_ref())
                    .and_then(|seated| seated.topic_id.as_deref().map(str::to_owned)),
                partition: seat.partition.partition,
                offset: payload.record.offset,
            },
        }
    }
}

impl Runner {
    pub(super) fn dead_letter(&self, letter: DeadLetter<Payload>) {
        let (partition, tenure, offset) = (letter.partition, letter.tenure, letter.offset);
        let letters = self.letters.as_ref().expect("the rules ask for letters where there are any");
        let seats = self.seats.borrow();
        let seat = &seats[partition.0 as usize];
        let Place { topic, topic_id, partition: number, offset: at } =
            Place::of(seat, &letter.payload);
        let from = letter.payload.from.as_deref();
        let failed = letter.failed.map(|(first, last)| (self.wall(first), self.wall(last)));
        let answer = letter.answer.as_ref();
        let record = &letter.payload.record;
        let story = dead_letter::DeadLetter {
            cluster: letters.cluster().map(str::to_owned),
            topic,
            topic_id,
            partition: number,
            offset: at,
            replay: self.replay_of(&letter),
            timestamp: record.timestamp_ms,
            subscription: self.name.clone(),
            group: self.group.clone(),
            attempts: letter.charged,
            deliveries: letter.deliveries,
            first_failed: from
                .and_then(|from| from.first_failed)
                .or(failed.map(|(first, _)| first)),
            last_failed: failed.map(|(_, last)| last),
            revision: REVISION.to_owned(),
            why: why(letter.why).to_owned(),
            verdict: answer.map(|answer| verdict(answer.verdict).to_owned()),
            status: answer.and_then(|answer| answer.status),
            reason: answer.and_then(|answer| answer.reason.as_deref()).map(str::to_owned),
        };
        say!(
            self,
            warn,
            "{} offset {} goes to {}: {}{}",
            seat.partition,
            offset.0,
            letters.topic(),
            given_up(letter.why, letter.charged),
            self.last_words(&letter)
        );
        let foreign = self.plan.borrow().letters.as_ref().and_then(|plan| plan.foreign);
        let added = story.added(foreign);
        let keeps =
            |name: &str, value: Option<&[u8]>| !from.is_some_and(|from| from.added(name, value));
        letters.send(LeavingId { partition, tenure, offset }, record, None, keeps, &added);
    }

    /// In which reading again a record died; one that had died before and was sent back, at least in
    /// that one.
    fn replay_of(&self, letter: &DeadLetter<Payload>) -> Replay {
        let headers = letter.payload.record.headers();
        letter.payload.replay(letter.replay).max(Replay::of_origin(headers, &self.group))
    }

    /// The answer that was the last one, and whose, as the end of a sentence.
    fn last_words(&self, letter: &DeadLetter<Payload>) -> String {
        let (Some(answer), Some(endpoint)) = (&letter.answer, letter.endpoint) else {
            return String::new();
        };
        let last = last(answer.verdict, answer.status, answer.reason.as_deref());
        format!(", last {last} from {}", self.url(endpoint.0))
    }

    pub(super) fn take_letters(&self) {
        let Some(letters) = &self.letters else { return };
        for (id, outcome) in letters.take() {
            let LeavingId { partition, tenure, offset } = id;
            let written = outcome.is_ok();
            let fails = outcome.err().map(|error| error.to_string());
            let is_news =
                self.letters_fail.borrow_mut().heard(id, fails.as_deref(), self.clock.now());
            if let Some(reason) = fails.filter(|_| is_news) {
                say!(self, error, "dead letters can't be written: {reason}");
            }
            self.handle(Input::DeadLettered { partition, tenure, offset, written });
        }
    }

    pub(super) fn park(&self, park: &Park<Payload>) {
        let Park { partition, tenure, offset, to, .. } = *park;
        let writer = self.park.as_ref().expect("the rules ask for parking where there is a topic");
        let record = &park.payload.record;
        let seats = self.seats.borrow();
        let seat = &seats[partition.0 as usize];
        let Place { topic, topic_id, partition: number, offset: at } =
            Place::of(seat, &park.payload);
        let failed = park.failed.map(|(first, last)| (self.wall(first), self.wall(last)));
        let answer = park.answer.as_ref();
        let story = Parked {
            topic,
            topic_id,
            partition: number,
            offset: at,
            replay: park.payload.replay(park.replay),
            attempts: park.charged,
            deliveries: park.deliveries,
            first_failed: failed.map(|(first, _)| first),
            last_failed: failed.map(|(_, last)| last),
            verdict: answer.map(|answer| verdict(answer.verdict).to_owned()),
            status: answer.and_then(|answer| answer.status),
            reason: answer.and_then(|answer| answer.reason.as_deref()).map(str::to_owned),
        };
        if failed.is_some() {
            say!(
                self,
                warn,
                "{} offset {} and its key make room: they go to {}",
                seat.partition,
                offset.0,
                writer.topic()
            );
        }
        let mut added = story.headers();
        // One that was sent back keeps the name that it had before.
        if record.headers().any(|(name, _)| name == dead_letter::ORIGIN) {
            added.retain(|(name, _)| *name != dead_letter::ORIGIN);
        }
        let id = LeavingId { partition, tenure, offset };
        let keeps = |name: &str, _: Option<&[u8]>| !name.starts_with(forebay_wire::parked::PREFIX);
        writer.send(id, record, to, keeps, &added);
    }

    pub(super) fn take_parked(&self) {
        let Some(writer) = &self.park else { return };
        for (id, outcome) in writer.take() {
            let LeavingId { partition, tenure, offset } = id;
            let place = |at: &forebay_kafka::Produced| ParkPlace {
                partition: at.partition,
                offset: at.offset,
            };
            let at = outcome.as_ref().ok().map(place);
            let fails = outcome.err().map(|error| error.to_string());
            let is_news =
                self.park_fails.borrow_mut().heard(id, fails.as_deref(), self.clock.now());
            if let Some(reason) = fails.filter(|_| is_news) {
                say!(self, error, "records can't be parked: {reason}");
            }
            self.handle(Input::Parked { partition, tenure, offset, at });
        }
    }

    /// Milliseconds since the epoch.
    fn wall(&self, at: forebay_core::Instant) -> i64 {
        Clock::wall_ms() - self.clock.now().since(at).as_millis() as i64
    }
}

pub(super) const fn why(why: Why) -> &'static str {
    match why {
        Why::Rejected => "rejected",
        Why::Exhausted => "exhausted",
        Why::Command => "command",
    }
}

/// Why it was given up, as the beginning of a sentence.
fn given_up(why: Why, charged: u32) -> String {
    let attempts = if charged == 1 { "attempt" } else { "attempts" };
    match why {
        Why::Rejected => "rejected".to_owned(),
        Why::Exhausted => format!("exhausted after {charged} {attempts}"),
        Why::Command => format!("an operator said so after {charged} {attempts}"),
    }
}

/// An answer in a few words: its status and reason, as far as there are any.
pub(super) fn last(ended: Verdict, status: Option<u16>, reason: Option<&str>) -> String {
    match (status, reason) {
        (Some(status), Some(reason)) => format!("{status} ({reason})"),
        (Some(status), None) => status.to_string(),
        (None, Some(reason)) => reason.to_owned(),
        (None, None) => verdict(ended).to_owned(),
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
        Verdict::TargetFault(TargetFault::Tls(_)) => "target fault: no TLS handshake",
        Verdict::TargetFault(TargetFault::Status) => {
            "target fault: no answer of a consumer service"
        }
        Verdict::Unknown(UnknownCause::Deadline) => "unknown: no answer in time",
        Verdict::Unknown(UnknownCause::ConnectionLost) => "unknown: the connection was lost",
        Verdict::Unknown(UnknownCause::Unreadable) => "unknown: an answer that can't be read",
        Verdict::Unknown(UnknownCause::Abandoned) => "unknown: given up",
    }
}
