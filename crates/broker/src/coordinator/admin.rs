//! What is told about groups, and what administrators may do to them.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;

use super::store::Change;
use super::{Cell, Coordinator, Offsets, settle};
use crate::clock::now_ms;
use crate::groups::{Snapshot, State};

pub(crate) struct Described {
    pub(crate) state: State,
    pub(crate) snapshot: Snapshot,
}

impl Coordinator {
    /// All committed offsets of a group, none where it is unknown.
    pub(crate) fn offsets(&self, group: &str) -> Offsets {
        self.get(group).map(|cell| cell.lock().offsets.clone()).unwrap_or_default()
    }

    /// Group id, protocol type and state of every group.
    pub(crate) fn list(&self) -> Vec<(String, String, State)> {
        let cells: Vec<_> = self.cells().values().cloned().collect();
        let describe = |cell: Arc<Cell>| {
            let inner = cell.lock();
            (cell.id.clone(), inner.group.protocol_type().to_owned(), inner.group.state())
        };
        cells.into_iter().map(describe).collect()
    }

    pub(crate) fn describe(&self, group: &str) -> Option<Described> {
        let cell = self.get(group)?;
        let inner = cell.lock();
        Some(Described { state: inner.group.state(), snapshot: inner.group.snapshot() })
    }

    /// Deletes a group without members, with its offsets.
    pub(crate) async fn delete(self: &Arc<Self>, group: &str) -> Result<(), ResponseError> {
        let cell = self.get(group).ok_or(ResponseError::GroupIdNotFound)?;
        let place = {
            let mut inner = cell.lock();
            if !inner.group.is_unused() {
                return Err(ResponseError::NonEmptyGroup);
            }
            let changes: Vec<Change> = removals(&inner.offsets, |_, _| true);
            let place = self.store.append_end(&cell.id, &changes, now_ms())?;
            inner.group.kill();
            inner.offsets.clear();
            inner.stored_state = None;
            place
        };
        self.cells().remove(group);
        settle(Some(place)).await
    }

    /// Deletes some of a group's offsets. Partitions of topics that members read are refused.
    pub(crate) async fn delete_offsets(
        self: &Arc<Self>,
        group: &str,
        partitions: &[(String, i32)],
    ) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
        let cell = self.get(group).ok_or(ResponseError::GroupIdNotFound)?;
        let (place, answers) = {
            let mut inner = cell.lock();
            let mut changes = Vec::new();
            let mut answers = Vec::new();
            for (topic, partition) in partitions {
                if inner.group.subscribes_to(topic) {
                    answers.push(Err(ResponseError::GroupSubscribedToTopic));
                    continue;
                }
                answers.push(Ok(()));
                changes.push(Change {
                    topic: topic.clone(),
                    partition: *partition,
                    committed: None,
                });
            }
            (self.record(&cell.id, &mut inner, changes)?, answers)
        };
        self.settle_changes(&cell, place).await?;
        Ok(answers)
    }

    /// A deleted topic's offsets go with it, in every group, as in Kafka.
    pub(crate) async fn forget_topic(self: &Arc<Self>, topic: &str) -> Result<(), ResponseError> {
        let cells: Vec<_> = self.cells().values().cloned().collect();
        for cell in cells {
            let place = {
                let mut inner = cell.lock();
                let changes = removals(&inner.offsets, |name, _| name == topic);
                self.record(&cell.id, &mut inner, changes)?
            };
            self.settle_changes(&cell, place).await?;
        }
        Ok(())
    }
}

fn removals(offsets: &Offsets, which: impl Fn(&str, i32) -> bool) -> Vec<Change> {
    let mut changes = Vec::new();
    for (topic, partitions) in offsets {
        for partition in partitions.keys().copied().filter(|partition| which(topic, *partition)) {
            changes.push(Change { topic: topic.clone(), partition, committed: None });
        }
    }
    changes
}
