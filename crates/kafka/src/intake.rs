//! The intake of one subscription: a member of its consumer group that reads steadily.
//!
//! It promises that membership never waits for a record: polling goes on whatever the worker does
//! (C4), each partition has a bounded queue of its own and only the full one stops being fetched
//! (P3), a rebalance takes fetching from nobody but the partitions that move (P11), commits go out
//! for owned partitions only and never back (P2, P8), and a position that is gone is an event,
//! never a jump.
//!
//! Two librdkafka clients stand behind it. The *member* joins the group, is told the assignment,
//! commits, and fetches nothing. The *fetcher* is never in the group and reads what the member
//! owns. One client can't do both: librdkafka stops all fetching of a member, and throws away what
//! it had read ahead, from the moment of a rebalance until the application has let go of what was
//! revoked, which is exactly the time in which we drain.
//!
//! It leaves out what a record means, which offsets to commit, and when.

mod book;
mod epochs;
mod events;
mod lookup;
mod member;
mod poll;
mod queue;
mod reach;
mod shared;
mod slots;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::commit::Commit;
use crate::error::KafkaError;
use crate::properties::Properties;
use crate::record::TopicPartition;

pub use events::{
    Assigned, Fellow, IntakeEvent, LossCause, Rebalance, RebalanceCause, Stored, TakenBy,
};
pub use queue::PartitionQueue;
pub use shared::Watermarks;

use shared::{Command, Farewell, Shared};

/// What an intake reads, as whom, and how much of it it may hold.
#[derive(Clone)]
pub struct IntakeConfig {
    pub properties: Properties,
    /// Plain names; no patterns.
    pub topics: Vec<String>,
    pub group: String,
    /// `group.instance.id`: with it a restart within the session timeout causes no rebalance
    /// (KIP-345).
    pub instance_id: Option<String>,
    /// Where partitions without a committed offset start.
    pub start: StartPolicy,
    /// Those of the topics that start at their beginning, whatever `start` says.
    pub from_beginning: Vec<String>,
    /// Most records held in all queues of this intake together, which are fewer while that keeps the
    /// worker busy; librdkafka's read-ahead may hold as many again.
    pub records_max: usize,
    /// Most bytes held in all queues together; librdkafka's read-ahead may hold as many again.
    pub bytes_max: usize,
    /// How long a revoked partition may take to be drained, from [`IntakeEvent::Revoked`] on.
    pub drain: Duration,
    /// Whether `Latest` and `Time` are resolved once for the group, which `__forebay` keeps for
    /// ever; else once for this intake.
    pub keeps_book: bool,
    /// Reads out of commit metadata for which topic, by its id, a commit was made, if it says so. A
    /// commit for another topic than there is now is of one that was deleted: its partition starts
    /// at the beginning.
    pub committed_for: Option<fn(&str) -> Option<String>>,
    /// Whether a member of this instance id is of our kind, as are those with our client id.
    pub kin: Option<Kin>,
}

/// Tells a member's kind by its instance id.
pub type Kin = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Where to start a partition that has no committed offset. `Latest` and `Time` are resolved for
/// all partitions of a topic when the group first meets it; one that appears later, and all of a
/// topic that was deleted and made anew, start at their beginning, so that nothing of them is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartPolicy {
    Earliest,
    Latest,
    /// Do not start, whenever the partition appeared: [`Assigned::start`] is `None` until
    /// [`Intake::seek`].
    None,
    /// At the first record whose timestamp (ms since the epoch) is not before this one.
    Time(i64),
}

/// A running intake. Dropping it leaves as [`Intake::close`] does, without waiting.
pub struct Intake {
    shared: Arc<Shared>,
    poller: Mutex<Option<JoinHandle<()>>>,
}

impl Intake {
    /// Joins the group from a thread of its own; an unreachable cluster is an event, not an error.
    ///
    /// `waker` is called from the poll thread when there is a new event, or a record in a queue
    /// that the worker had emptied; never otherwise. It must not block.
    pub fn start(
        config: IntakeConfig,
        waker: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Self, KafkaError> {
        let shared = Arc::new(Shared::new(waker));
        let poller = poll::spawn(config, shared.clone())?;
        shared.set_poller(poller.thread().clone());
        Ok(Self { shared, poller: Mutex::new(Some(poller)) })
    }

    /// The next event, oldest first. Never blocks.
    pub fn next_event(&self) -> Option<IntakeEvent> {
        self.shared.next_event()
    }

    /// Sends commits soon; answers come as [`IntakeEvent::Committed`] or
    /// [`IntakeEvent::CommitFailed`], one for each partition and request.
    ///
    /// One request is out at a time; while it is, a newer commit of a partition replaces one that
    /// waits (the replaced one gets no answer of its own). A partition that is not ours, or was
    /// released, is answered with a failure and never sent.
    pub fn commit(&self, commits: impl IntoIterator<Item = Commit>) {
        self.shared.command(commits.into_iter().map(Command::Commit));
    }

    /// Says that a revoked partition is drained: what was to be committed of it was given to
    /// [`Intake::commit`] before. The group gets it when all partitions of that revocation are
    /// released and committed, or their deadline is over.
    pub fn release(&self, partition: TopicPartition) {
        self.shared.command([Command::Release(partition)]);
    }

    /// Takes back what was not sent yet of this partition's commits; it is answered with
    /// [`IntakeEvent::Forgotten`]. What was sent already is answered as ever.
    pub fn forget(&self, partition: TopicPartition) {
        self.shared.command([Command::Forget(partition)]);
    }

    /// Goes on reading at `offset`; what the queue held is dropped. For operators' commands, for
    /// partitions that were held back, and after [`IntakeEvent::OutOfRange`].
    pub fn seek(&self, partition: TopicPartition, offset: i64) {
        self.shared.command([Command::Seek(partition, offset)]);
    }

    /// The log's ends as last heard, at most some seconds ago; `None` before the first answer.
    pub fn watermarks(&self, partition: &TopicPartition) -> Option<Watermarks> {
        self.shared.watermarks(partition)
    }

    /// Leaves: sends what waits to be committed, then closes. A static member does not tell the
    /// group, so that its next start causes no rebalance; another member does.
    ///
    /// Returns whether all was done before the deadline; if not, it goes on in the background.
    pub fn close(&self, deadline: Duration) -> bool {
        self.end(deadline, Farewell::ToReturn)
    }

    /// The same, and the group forgets a static member at once: others get what it had. Not where it
    /// joined by epochs (KIP-848): there what it had is kept for it until its session ends.
    pub fn resign(&self, deadline: Duration) -> bool {
        self.end(deadline, Farewell::ForGood)
    }

    fn end(&self, deadline: Duration, farewell: Farewell) -> bool {
        let Some(poller) = self.poller() else { return true };
        self.shared.command([Command::Close(deadline, farewell)]);
        let end = Instant::now() + deadline;
        let closed = self.shared.wait_closed(end);
        if closed {
            // The thread has nothing left to do but return.
            let _ = poller.join();
        }
        closed
    }

    fn poller(&self) -> Option<JoinHandle<()>> {
        self.poller.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        if self.poller().is_some() {
            let command = Command::Close(Duration::from_secs(1), Farewell::ToReturn);
            self.shared.command([command]);
        }
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").finish_non_exhaustive()
    }
}

/// Lets go of partitions while a consumer is being dropped, so that its closing can end.
pub(crate) fn give_back(
    consumer: &rdkafka::consumer::BaseConsumer<crate::logs::Logs>,
    list: &rdkafka::TopicPartitionList,
) {
    use rdkafka::consumer::Consumer;
    let result = match consumer.rebalance_protocol() {
        rdkafka::consumer::RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        _ => consumer.unassign(),
    };
    if let Err(error) = result {
        tracing::debug!(%error, "could not let go of partitions while closing");
    }
}
