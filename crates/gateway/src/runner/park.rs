//! The park topic from the reader's side: which records came by it, how far the group is done with
//! it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::{Answer, CommitPoint, Input, Offset, PartitionId, Past};
use forebay_kafka::{Admin, KafkaError, OffsetSpec, Record, TopicPartition};
use forebay_push::{Connections, Names, Origin};
use forebay_wire::Replay;
use forebay_wire::parked::Parked;

use super::deliver::unsendable;
use super::{Delivery, Runner};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A record, and where it is from if it came by the park topic.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    pub(super) record: Record,
    pub(super) from: Option<Rc<Parked>>,
}

impl Payload {
    /// A record of the park topic that does not say where it is from is delivered as one of that
    /// topic: somebody else wrote it.
    pub(super) fn new(record: Record, is_park: bool) -> Self {
        let from = is_park.then(|| Parked::parse(record.headers())).flatten();
        Self { record, from: from.map(Rc::new) }
    }

    /// Which reading again of the record it is, where this is what the core counts for the partition
    /// by which it came.
    pub(super) fn replay(&self, counted: u32) -> Replay {
        match &self.from {
            None => Replay { number: counted, of_park: 0 },
            Some(from) => {
                let Replay { number, of_park } = from.replay;
                Replay { number, of_park: of_park.max(counted) }
            }
        }
    }

    pub(super) fn past(&self) -> Past {
        let past = |from: &Rc<Parked>| Past { charged: from.attempts, deliveries: from.deliveries };
        self.from.as_ref().map_or(Past::default(), past)
    }
}

/// How far the group is done with a partition of the park topic.
struct Told {
    partition: i32,
    point: i64,
    end: i64,
}

impl Runner {
    pub(super) fn is_park(&self, partition: &TopicPartition) -> bool {
        self.plan.borrow().park_topic() == Some(&*partition.topic)
    }

    /// Whether keys of a partition may be parked: not those that were.
    pub(super) fn parks(&self, partition: &TopicPartition) -> bool {
        self.park.is_some() && !self.is_park(partition)
    }

    /// A record that was parked is delivered under the names of where it is from.
    pub(super) async fn deliver_parked(
        &self,
        delivery: &Delivery,
        from: &Parked,
        connections: &Connections,
        deadline: tokio::time::Instant,
    ) -> Answer {
        let origin = self.parked_origin(delivery, from);
        let record = &delivery.payload.record;
        let request = forebay_push::Record {
            offset: Offset(from.offset),
            replay: delivery.payload.replay(delivery.replay),
            timestamp: record.timestamp_ms,
            key: record.key(),
            value: record.value_bytes(),
            headers: record.headers().filter(|(name, value)| !from.added(name, *value)),
            attempt: delivery.id.number,
        };
        match connections.deliver(&origin, &request, deadline).await {
            Ok(answer) => answer,
            Err(does_not_fit) => unsendable(does_not_fit.to_string()),
        }
    }

    fn parked_origin(&self, delivery: &Delivery, from: &Parked) -> Origin {
        let seats = self.seats.borrow();
        let seat = &seats[delivery.id.partition.0 as usize].partition;
        Origin::new(Names {
            subscription: &self.name,
            group: &self.group,
            topic: &from.topic,
            topic_id: from.topic_id.as_deref(),
            partition: from.partition,
            park: Some((&seat.topic, seat.partition)),
            tenure: delivery.id.tenure,
        })
    }

    /// Records of a partition that were read and are not settled.
    pub(super) fn unsettled(&self, id: PartitionId) -> usize {
        let view = self.core.borrow().view();
        let view = view.partitions.iter().find(|view| view.partition == id);
        view.map_or(0, |view| view.held)
    }

    /// What was parked there is lost, and was settled where it is from.
    pub(super) fn park_is_gone(&self, partition: &TopicPartition, unsettled: usize) {
        if unsettled > 0 {
            say!(
                self,
                error,
                "{partition} is gone with {unsettled} parked records, or more: they were not delivered, \
                 and never will be"
            );
        }
        self.handle(Input::ParkGone { partition: partition.partition });
    }

    /// Asks Kafka how far the group is done with what is parked, and tells the core.
    pub(super) fn ask_park(self: &Rc<Self>) {
        let partitions = self.core.borrow().parked_in();
        let plan = self.plan.borrow();
        let Some(park) = plan.park.as_ref().filter(|_| !partitions.is_empty()) else { return };
        if self.asking.replace(true) {
            return;
        }
        let (runner, properties) = (self.clone(), park.properties.clone());
        let (topic, group) = (park.topic.clone(), self.group.clone());
        tokio::task::spawn_local(async move {
            let asked = runner.clock.now();
            let admin = runner.admin.borrow_mut().take();
            let answer = tokio::task::spawn_blocking(move || {
                let admin = match admin {
                    Some(admin) => admin,
                    None => Arc::new(Admin::new(&properties, PATIENCE)?),
                };
                let told = ask(&admin, &group, &topic)?;
                Ok::<_, KafkaError>((admin, told))
            });
            match answer.await {
                Ok(Ok((admin, told))) => {
                    runner.admin.replace(Some(admin));
                    for Told { partition, point, end } in told {
                        let (point, end) = (CommitPoint(point), CommitPoint(end));
                        runner.handle(Input::ParkCommitted { partition, asked, point, end });
                    }
                    runner.news.notify_one();
                }
                // It is asked again; until then keys stay parked.
                Ok(Err(error)) => say!(
                    runner,
                    warn,
                    "how far the park topic is committed can't be asked: {error}"
                ),
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
            runner.asking.set(false);
        });
    }
}

fn ask(admin: &Admin, group: &str, topic: &str) -> Result<Vec<Told>, KafkaError> {
    let mut offsets = admin.group_offsets(group)?;
    offsets.retain(|offset| &*offset.partition.topic == topic);
    let wanted: Vec<_> =
        offsets.iter().map(|offset| (offset.partition.clone(), OffsetSpec::Latest)).collect();
    let ends = admin.offsets(&wanted)?;
    let told = offsets.iter().zip(ends).filter_map(|(offset, end)| {
        let end = end.offset.ok()??;
        Some(Told { partition: offset.partition.partition, point: offset.offset, end })
    });
    Ok(told.collect())
}

/// The hash of a key. It is kept in Kafka, so it is the same in every release: FNV-1a, 64 bits.
pub(super) fn hash(key: &[u8]) -> u64 {
    key.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keys_hash_is_the_published_one_for_ever() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
