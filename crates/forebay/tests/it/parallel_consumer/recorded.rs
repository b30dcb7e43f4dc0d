//! What the last acknowledged commits of a group record as completed.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_wire::completion::Completion;
use forebay_wire::parallel_consumer;

use super::process::{Completed, read_by_itself};
use crate::system::kafka::Kafka;

/// By partition.
pub(super) struct Recorded(BTreeMap<i32, Row>);

struct Row {
    point: i64,
    metadata: String,
    map: Completion,
}

impl Recorded {
    pub(super) fn read(kafka: &Kafka, group: &str) -> Self {
        let offsets = kafka.admin().group_offsets(group).expect("the group's offsets");
        let row = |entry: forebay_kafka::GroupOffset| {
            let (point, metadata) = (entry.offset, entry.metadata);
            let map = parallel_consumer::decode(&metadata, point).unwrap_or_default();
            (entry.partition.partition, Row { point, metadata, map })
        };
        Self(offsets.into_iter().map(row).collect())
    }

    pub(super) fn is_completed(&self, partition: i32, offset: i64) -> bool {
        let row = self.0.get(&partition);
        row.is_some_and(|row| {
            offset < row.point || (row.map.end > row.point && row.map.is_settled(offset))
        })
    }

    /// Partitions with something that is known beyond the commit point.
    pub(super) fn maps(&self) -> usize {
        self.0.values().filter(|row| row.map.end > row.point).count()
    }

    /// How far the shortest map reaches.
    pub(super) fn least_beyond(&self) -> i64 {
        self.0.values().map(|row| row.map.end - row.point).min().unwrap_or(0)
    }

    /// The bytes that name the encodings.
    pub(super) fn encodings_raw(&self) -> BTreeSet<u8> {
        let maps = self.0.values().filter_map(|row| STANDARD.decode(&row.metadata).ok());
        maps.filter_map(|bytes| bytes.first().copied()).collect()
    }

    pub(super) fn encodings(&self) -> String {
        self.encodings_raw().into_iter().map(char::from).collect()
    }

    /// Fails the test unless our reader says of each map what Parallel Consumer's own says.
    #[track_caller]
    pub(super) fn assert_read_as_by_itself(all: &[Self]) {
        let rows: Vec<&Row> = all.iter().flat_map(|one| one.0.values()).collect();
        let commits: Vec<_> = rows.iter().map(|row| (row.point, &*row.metadata)).collect();
        let ours = rows.iter().map(|row| {
            let open = row.map.open.iter().cloned().flatten();
            (row.map.end - 1, open.collect::<Vec<i64>>())
        });
        assert_eq!(ours.collect::<Vec<_>>(), read_by_itself(&commits));
    }

    /// Fails the test unless all that is recorded was completed, as the function itself wrote.
    #[track_caller]
    pub(super) fn assert_true(
        &self,
        topic: &str,
        records: &BTreeSet<(i32, i64)>,
        completed: &Completed,
    ) {
        let recorded = records.iter().filter(|(at, offset)| self.is_completed(*at, *offset));
        let never: Vec<_> = recorded
            .filter(|(at, offset)| !completed.contains(&(topic.to_owned(), *at, *offset)))
            .collect();
        assert!(never.is_empty(), "recorded and never completed: {never:?}");
    }
}

/// Whether nobody is in the group any more.
pub(super) fn is_empty(kafka: &Kafka, group: &str) -> Option<()> {
    let described = kafka.admin().describe_groups(&[group]).ok()?;
    (described.first()?.state == "Empty").then_some(())
}
