//! A subscription's snapshot: the core's view, with names, log ends and the story of what blocks.

use forebay_core::{Blocked, PartitionStage, PartitionView, Verdict};
use forebay_kafka::TopicPartition;

use super::{Runner, Seated};
use crate::snapshot::{BlockedSnapshot, EndpointSnapshot, PartitionSnapshot, Snapshot};

impl Runner {
    pub(super) fn snapshot(&self) -> Snapshot {
        let view = self.core.borrow().view();
        let seats = self.seats.borrow();
        let assigned = seats.iter().enumerate().filter_map(|(index, seat)| {
            let known = view.partitions.iter().find(|known| known.partition.0 as usize == index);
            Some(self.partition(&seat.partition, seat.assigned.as_ref()?, known))
        });
        let mut partitions: Vec<PartitionSnapshot> = assigned.collect();
        partitions.sort_by(|one, other| one.partition.cmp(&other.partition));
        Snapshot {
            name: self.plan.name.clone(),
            group: self.plan.intake.group.clone(),
            topics: self.plan.intake.topics.clone(),
            kafka: self.kafka.borrow().clone(),
            partitions,
            endpoints: view
                .endpoints
                .iter()
                .map(|endpoint| EndpointSnapshot {
                    url: self.url(endpoint.endpoint.0),
                    state: endpoint.state,
                    in_flight: endpoint.in_flight,
                })
                .collect(),
            counts: view.counts,
            in_flight: view.in_flight,
            in_flight_max: self.plan.rules.in_flight_max,
            settled_per_second: self.rate.get().per_second,
            rebalances: self.rebalances.get(),
        }
    }

    fn partition(
        &self,
        partition: &TopicPartition,
        seated: &Seated,
        view: Option<&PartitionView>,
    ) -> PartitionSnapshot {
        PartitionSnapshot {
            partition: partition.clone(),
            hold: seated.hold.clone(),
            tenure: view.map_or(0, |view| view.tenure.0),
            stage: view.map_or(PartitionStage::Claiming, |view| view.stage),
            commit_point: view.map_or(-1, |view| view.commit_point.0),
            // What was read is there, whatever was last heard of the log's end.
            log_end: self
                .intake
                .watermarks(partition)
                .map(|marks| marks.log_end.max(view.map_or(0, |view| view.position.0))),
            held: view.map_or(0, |view| view.held),
            held_bytes: view.map_or(0, |view| view.held_bytes),
            in_flight: view.map_or(0, |view| view.in_flight),
            window_full: view.is_some_and(|view| view.window_full),
            blocked: view
                .and_then(|view| view.blocked.as_ref())
                .map(|blocked| self.blocked(blocked)),
        }
    }

    fn blocked(&self, blocked: &Blocked) -> BlockedSnapshot {
        let endpoint = self.url(blocked.endpoint.0);
        let last = match (blocked.status, &blocked.reason) {
            (Some(status), Some(reason)) => format!("{status} ({reason})"),
            (Some(status), None) => status.to_string(),
            (None, Some(reason)) => reason.to_string(),
            (None, None) => match blocked.verdict {
                Verdict::Unknown(_) => "no answer in time".to_owned(),
                verdict => format!("{verdict:?}"),
            },
        };
        let words = format!(
            "offset {}, {} deliveries, last {last} from {endpoint}, {} settled behind it",
            blocked.offset.0, blocked.deliveries, blocked.settled_behind
        );
        BlockedSnapshot {
            offset: blocked.offset.0,
            deliveries: blocked.deliveries,
            charged: blocked.charged,
            endpoint,
            status: blocked.status,
            words,
        }
    }

    fn url(&self, endpoint: u32) -> String {
        self.endpoints.borrow()[endpoint as usize].endpoint().url()
    }
}
