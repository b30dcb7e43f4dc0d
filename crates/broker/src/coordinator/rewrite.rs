//! Keeping `__consumer_offsets` small without compaction.
//!
//! Once a partition has grown enough, all its groups are written anew and what lies before is
//! dropped. Each group is written under its lock, so the new records, with those that follow
//! them, tell everything, whatever happens meanwhile; nothing is dropped before they are durable.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;

use super::store::Change;
use super::{Cell, Coordinator, Offsets, apply, settle};
use crate::clock::now_ms;
use crate::partition::Partition;

impl Coordinator {
    /// Rewrites one partition; on an error the old records just stay.
    pub(super) async fn rewrite(self: Arc<Self>, partition: Arc<Partition>) {
        let Ok(from) = partition.log_end() else { return };
        let cells: Vec<_> = self.cells().values().cloned().collect();
        for cell in cells {
            if self.store.partition_of(&cell.id) == partition.index
                && let Err(error) = self.rewrite_group(&cell).await
            {
                tracing::warn!(group = cell.id, ?error, "can't rewrite; keeping the old records");
                return;
            }
        }
        let dropped = tokio::task::spawn_blocking(move || partition.delete_before(from)).await;
        if let Ok(Err(error)) = dropped {
            tracing::warn!(%error, "can't drop old records of __consumer_offsets");
        }
    }

    async fn rewrite_group(&self, cell: &Cell) -> Result<(), ResponseError> {
        let place = {
            let inner = cell.lock();
            let mut offsets = inner.offsets.clone();
            for (_, changes) in &inner.unsettled {
                apply(&mut offsets, changes.clone());
            }
            let changes = all(&offsets);
            self.store.append_whole(&cell.id, inner.stored_state.as_ref(), &changes, now_ms())?
        };
        settle(place).await
    }
}

fn all(offsets: &Offsets) -> Vec<Change> {
    let mut changes = Vec::new();
    for (topic, partitions) in offsets {
        for (partition, committed) in partitions {
            let committed = Some(committed.clone());
            changes.push(Change { topic: topic.clone(), partition: *partition, committed });
        }
    }
    changes
}
