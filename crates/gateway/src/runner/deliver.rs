//! One delivery at a time, for as long as the core has another one for the slot.

use std::rc::Rc;

use forebay_core::{Answer, Input, Verdict};
use forebay_push::Origin;

use super::{Delivery, Runner, Seat};
use crate::slot::Rest;

impl Runner {
    pub(super) async fn deliver(&self, delivery: &Delivery) -> Answer {
        let record = &delivery.payload.record;
        let value = record.value_bytes();
        let length = value.as_ref().map_or(0, |value| value.len());
        let most = self.plan.borrow().max_value_bytes;
        if length > most {
            return unsendable(format!("its value of {length} bytes is over {most} bytes"));
        }
        let connections = self.endpoints.borrow()[delivery.endpoint.0 as usize].clone();
        let deadline = self.clock.at(delivery.deadline);
        if let Some(from) = &delivery.payload.from {
            return self.deliver_parked(delivery, from, &connections, deadline).await;
        }
        let Some(origin) = self.origin(delivery) else { return Answer::overdue() };
        let request = forebay_push::Record {
            offset: delivery.id.offset,
            replay: delivery.payload.replay(delivery.replay),
            timestamp: record.timestamp_ms,
            key: record.key(),
            value,
            headers: record.headers(),
            attempt: delivery.id.number,
        };
        match connections.deliver(&origin, &request, deadline).await {
            Ok(answer) => answer,
            Err(does_not_fit) => unsendable(does_not_fit.to_string()),
        }
    }

    /// The headers that all records of the delivery's partition and tenure share; none where the
    /// partition has gone meanwhile, and nobody waits for the answer.
    pub(super) fn origin(&self, delivery: &Delivery) -> Option<Rc<Origin>> {
        let mut seats = self.seats.borrow_mut();
        let Seat { partition, assigned } = &mut seats[delivery.id.partition.0 as usize];
        let seated = assigned.as_mut()?;
        if let Some((tenure, origin)) = &seated.origin
            && *tenure == delivery.id.tenure
        {
            return Some(origin.clone());
        }
        let origin = Rc::new(Origin::new(forebay_push::Names {
            subscription: &self.name,
            group: &self.group,
            topic: &partition.topic,
            topic_id: seated.topic_id.as_deref(),
            partition: partition.partition,
            park: None,
            tenure: delivery.id.tenure,
        }));
        seated.origin = Some((delivery.id.tenure, origin.clone()));
        Some(origin)
    }
}

/// Makes deliveries one after another; rests in between.
pub(super) async fn slot(runner: Rc<Runner>, first: Delivery) {
    let rest = Rest::new();
    let mut delivery = first;
    loop {
        let answer = runner.deliver(&delivery).await;
        let now = runner.clock.now();
        runner.notice_answer(&delivery, &answer, now);
        runner.handle_at(Input::Answered { id: delivery.id, answer }, now);
        drop(delivery);
        runner.answered.notify_one();
        delivery = runner.slots.rest(&rest).await;
    }
}

/// Drives the core after answers, once for all that came together.
pub(super) async fn follow_answers(runner: Rc<Runner>) {
    loop {
        runner.answered.notified().await;
        runner.drive(runner.clock.now());
    }
}

/// A record that can't be put into a request: no evidence is needed that it is to blame.
pub(super) fn unsendable(reason: String) -> Answer {
    let verdict = Verdict::Reject { said: true };
    Answer { verdict, status: None, reason: Some(reason.into()) }
}
