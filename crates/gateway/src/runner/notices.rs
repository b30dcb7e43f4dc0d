//! What is said in the log of a subscription that is held, of records that wait for an operator,
//! and of endpoints that fail: the beginning and the end of a hold once each, of records one a second
//! at most, of an endpoint as it begins to fail.

use forebay_core::{Answer, Instant};

use super::failures::Failures;
use super::{Delivery, Runner};
use crate::snapshot::Holder;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Noticed {
    budget: Option<Instant>,
    target: Option<Instant>,
    /// Records that began to wait for an operator.
    stuck: u64,
}

impl Runner {
    /// Says what is new. To be called about once a second.
    pub(super) fn notice(&self, now: Instant) {
        let view = self.core.borrow().view();
        let held = self.held(&view);
        let mut noticed = self.noticed.borrow_mut();
        let Noticed { budget, target, stuck } = &mut *noticed;
        for (by, since) in [(Holder::Budget, budget), (Holder::Target, target)] {
            let held = held.iter().find(|held| held.by == by);
            match (held, *since) {
                (Some(held), None) => {
                    *since = Some(now);
                    let (by, why) = (by.name(), &held.words);
                    say!(self, warn, "held by its {by}: {why}");
                }
                (None, Some(began)) => {
                    *since = None;
                    let (by, age) = (by.name(), now.since(began).as_secs());
                    say!(self, info, "no longer held by its {by}, after {age} s");
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        let new = view.counts.stuck.saturating_sub(*stuck);
        *stuck = view.counts.stuck;
        if new > 0 {
            self.tell_of_stuck(new);
        }
    }

    /// Says of an answer what is new in it. Where all is well that is nothing.
    pub(super) fn notice_answer(&self, delivery: &Delivery, answer: &Answer, now: Instant) {
        if !Failures::is_one(answer) {
            return;
        }
        let mut failures = self.failures.borrow_mut();
        let Some(failure) = failures.heard(delivery.endpoint, answer, now) else { return };
        let (endpoint, words) = (self.url(failure.endpoint.0), &failure.words);
        let offset = delivery.id.offset.0;
        let partition = &self.seats.borrow()[delivery.id.partition.0 as usize].partition;
        tracing::warn!(
            subscription = self.name,
            "{endpoint} begins to fail: {words} for {partition} offset {offset}; it is said again \
             once it was well for a while"
        );
    }

    fn tell_of_stuck(&self, new: u64) {
        let core = self.core.borrow();
        let Some((id, offset)) = core.last_stuck() else { return };
        let seats = self.seats.borrow();
        let partition = &seats[id.0 as usize].partition;
        let words = match core.trouble(id, offset) {
            Some(blocked) => self.blocked(&blocked, &seats).words,
            None => format!("offset {} waited for an operator", offset.0),
        };
        let more = match new - 1 {
            0 => String::new(),
            more => format!(" ({more} more since the last line like this)"),
        };
        say!(self, warn, "{partition} {words}{more}");
    }
}
