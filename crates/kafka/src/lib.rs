//! All that Forebay does as a Kafka client, over librdkafka.
//!
//! | part | does |
//! |---|---|
//! | [`Properties`] | reads Kafka's own (Java) property names, translates or refuses them |
//! | [`Intake`] | one group member: bounded queues of records, hand-over with draining, commits |
//! | [`Producer`] | idempotent producing with back-pressure |
//! | [`Admin`] | topics, groups and offsets of a cluster |
//! | [`Reader`] | reads partitions without a group |
//! | [`announce`], [`announced`] | where the processes of a group answer |
//! | [`CommandRings`], [`commands`] | what operators told them |
//!
//! Nothing here knows what is done with a record. librdkafka's types stay inside, and so do its
//! logs, which go to `tracing`. Unsafe code lives in `native` alone.

mod admin;
mod announcements;
mod commands;
mod commit;
mod error;
mod intake;
mod keep;
mod logs;
mod native;
mod produce;
mod properties;
mod reader;
mod record;
mod token;
mod trouble;

pub use admin::{
    Admin, ConfigEntry, GroupDescription, GroupListing, GroupOffset, ListedOffset, Member,
    NewTopic, OffsetSpec, Rights, TopicDescription, TopicLayout,
};
pub use announcements::{ANNOUNCED_MAX, announce, announced, take_back};
pub use commands::{CommandRings, Membership, commands};
pub use commit::Commit;
pub use error::KafkaError;
pub use intake::{
    Assigned, Fellow, Intake, IntakeConfig, IntakeEvent, Kin, LossCause, PartitionQueue, Rebalance,
    RebalanceCause, StartPolicy, Stored, TakenBy, Watermarks,
};
pub use produce::{Delivery, Produced, Producer, Send, SendError};
pub use properties::{FetchBytes, Properties, PropertyError, PropertyFault};
pub use reader::{ReadFrom, Reader, ReaderItem};
pub use record::{Headers, Record, TopicPartition};
