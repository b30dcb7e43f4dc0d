//! Groups of a cluster: who is in them, and what they have committed.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::Admin;
use crate::error::KafkaError;
use crate::logs::Logs;
use crate::native::admin::{NativeGroup, NativeMember};
use crate::native::token::WithToken;
use crate::record::TopicPartition;

/// What a group's offsets are answered with that has no coordinator for a moment.
const BETWEEN_COORDINATORS: [Code; 3] =
    [Code::NotCoordinator, Code::CoordinatorNotAvailable, Code::CoordinatorLoadInProgress];
/// Between two such questions.
const PAUSE: Duration = Duration::from_millis(100);

/// A group as [`Admin::groups`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    pub group: String,
    /// In Kafka's words: Empty, Stable, PreparingRebalance, …
    pub state: String,
}

/// A group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    pub group: String,
    pub state: String,
    /// The assignment strategy in use; empty where there is none.
    pub assignor: String,
    /// The coordinating broker, as `host:port (id)`.
    pub coordinator: String,
    pub members: Vec<Member>,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub member_id: String,
    pub client_id: String,
    /// As the broker shows it, such as `/127.0.0.1`.
    pub host: String,
    pub instance_id: Option<String>,
    pub assignment: Vec<TopicPartition>,
}

/// A committed offset of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    pub partition: TopicPartition,
    /// Exclusive end of what is done.
    pub offset: i64,
    pub metadata: String,
}

impl Admin {
    /// Deletes a group that has no members, with its offsets.
    pub fn delete_group(&self, group: &str) -> Result<(), KafkaError> {
        let doing = format!("delete group {group}");
        self.native().delete_group(group).map_err(|failed| self.failed(&doing, failed))
    }

    /// All groups, by name.
    pub fn groups(&self) -> Result<Vec<GroupListing>, KafkaError> {
        let groups = self.native().groups();
        let groups = groups.map_err(|failed| self.failed("list groups", failed))?;
        let mut groups: Vec<_> =
            groups.into_iter().map(|(group, state)| GroupListing { group, state }).collect();
        groups.sort_by(|a, b| a.group.cmp(&b.group));
        Ok(groups)
    }

    /// In the order asked for; a group that does not exist has state `Dead`.
    pub fn describe_groups(&self, groups: &[&str]) -> Result<Vec<GroupDescription>, KafkaError> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let doing = format!("describe group {}", groups.join(", "));
        let described = self.native().describe_groups(groups);
        let described = described.map_err(|failed| self.failed(&doing, failed))?;
        described.into_iter().map(|group| self.group(group)).collect()
    }

    fn group(&self, group: NativeGroup) -> Result<GroupDescription, KafkaError> {
        let state = match group.error {
            // Since Kafka 4 a group that does not exist is an error (KIP-1043).
            Some((Code::GroupIdNotFound, _)) => "Dead".to_owned(),
            Some(failed) => {
                return Err(self.failed(&format!("describe group {}", group.group), failed));
            }
            None => group.state,
        };
        Ok(GroupDescription {
            group: group.group,
            state,
            assignor: group.assignor,
            coordinator: group.coordinator,
            members: group.members.into_iter().map(Member::from).collect(),
        })
    }

    /// All committed offsets of a group; none for a group that does not exist.
    pub fn group_offsets(&self, group: &str) -> Result<Vec<GroupOffset>, KafkaError> {
        let doing = format!("list the offsets of group {group}");
        let asked = self.asked(&doing);
        let mut all = TopicPartitionList::new();
        for topic in self.topics()? {
            for layout in topic.partitions {
                all.add_partition(&topic.name, layout.partition);
            }
        }
        let mut asking = self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        let consumer = match asking.take().filter(|(known, _)| known == group) {
            Some((_, consumer)) => consumer,
            None => self.member_that_never_joins(group)?,
        };
        let answer = self.committed_of(&consumer, &all);
        *asking = Some((group.to_owned(), consumer));
        drop(asking);
        let mut offsets = Vec::new();
        for row in answer.map_err(|error| asked.error(&error))?.elements() {
            match row.error() {
                Ok(()) => {}
                // Nothing of a topic that we must not see is shown.
                Err(error)
                    if error.rdkafka_error_code() == Some(Code::TopicAuthorizationFailed) =>
                {
                    continue;
                }
                Err(error) => return Err(asked.error(&error)),
            }
            if let Offset::Offset(offset) = row.offset() {
                offsets.push(GroupOffset {
                    partition: TopicPartition::new(row.topic(), row.partition()),
                    offset,
                    metadata: row.metadata().to_owned(),
                });
            }
        }
        offsets.sort_by(|a, b| a.partition.cmp(&b.partition));
        Ok(offsets)
    }

    /// Asks again while the group is between two coordinators.
    fn committed_of(
        &self,
        consumer: &BaseConsumer<Logs>,
        all: &TopicPartitionList,
    ) -> Result<TopicPartitionList, rdkafka::error::KafkaError> {
        let end = Instant::now() + self.timeout;
        loop {
            let answer = consumer.committed_offsets(all.clone(), self.timeout);
            let code = match &answer {
                Err(error) => error.rdkafka_error_code(),
                Ok(list) => {
                    let failed = list.elements().iter().find_map(|row| row.error().err());
                    failed.and_then(|error| error.rdkafka_error_code())
                }
            };
            let moving = code.is_some_and(|code| BETWEEN_COORDINATORS.contains(&code));
            let again = moving && Instant::now() < end;
            // Its logs wait there; and a pause before the next question.
            while consumer.poll(if again { PAUSE } else { Duration::ZERO }).is_some() {}
            if !again {
                return answer;
            }
        }
    }

    /// A client for the group's offsets. librdkafka's own admin request for them, which would need
    /// no list of partitions, ends the process where the group has just got another coordinator.
    fn member_that_never_joins(
        &self,
        group: &str,
    ) -> Result<WithToken<BaseConsumer<Logs>>, KafkaError> {
        let client: BaseConsumer<_> = self
            .properties
            .consumer()
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .create_with_context(self.logs.clone())
            .map_err(|error| KafkaError::made(&error))?;
        WithToken::new(client, |it| it.client().native_client(), self.properties.token())
            .map_err(|error| KafkaError::made(&error))
    }
}

impl From<NativeMember> for Member {
    fn from(member: NativeMember) -> Self {
        let rows = member.assignment.into_iter();
        Self {
            member_id: member.member_id,
            client_id: member.client_id,
            host: member.host,
            instance_id: member.instance_id,
            assignment: rows.map(|row| TopicPartition::new(row.topic, row.partition)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;
    use crate::properties::Properties;

    #[test]
    fn a_group_that_has_just_got_another_coordinator_is_asked_again() {
        let cluster = MockCluster::new(3).expect("a cluster in this process");
        let given = [("bootstrap.servers".to_owned(), cluster.bootstrap_servers())];
        let properties = Properties::parse(&given.into()).expect("an address is enough");
        let admin = Admin::new(&properties, Duration::from_secs(10)).expect("a client");
        let moved = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR];
        cluster.request_errors(RDKafkaApiKey::OffsetFetch, &moved);
        assert_eq!(admin.group_offsets("group").expect("an answer"), []);
    }
}
