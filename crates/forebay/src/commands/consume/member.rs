//! Reading as a member of a consumer group: what is printed is committed, and nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use forebay_kafka::{
    Commit, Intake, IntakeConfig, IntakeEvent, PartitionQueue, Record, StartPolicy, TopicPartition,
};

use super::LOOK_UP;
use super::printer::{Printer, Stop};
use crate::cli::consume::{Consume, From};
use crate::cluster::{Cluster, failure};
use crate::exit::{Exit, Failure};
use crate::process::Interrupt;

const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// Taken from one queue before the next has its turn.
const TURN: usize = 500;

/// A partition that is ours.
struct Owned {
    queue: Arc<PartitionQueue>,
    /// Exclusive end of what is printed, if it is to be committed.
    printed: Option<i64>,
}

struct Member<'a> {
    intake: Intake,
    owned: HashMap<TopicPartition, Owned>,
    printer: &'a mut Printer,
    committed: Instant,
}

pub(super) fn read(
    args: &Consume,
    group: &str,
    cluster: &Cluster,
    interrupt: &Interrupt,
    printer: &mut Printer,
) -> Result<Stop, Failure> {
    let config = config(args, group, cluster)?;
    let (wake, woken): (SyncSender<()>, Receiver<()>) = sync_channel(1);
    // A full channel holds a wake-up already.
    let waker = Arc::new(move || {
        let _ = wake.try_send(());
    });
    let intake = Intake::start(config, waker).map_err(failure)?;
    let mut member = Member { intake, owned: HashMap::new(), printer, committed: Instant::now() };
    let stop = member.run(interrupt, &woken);
    member.commit();
    member.intake.close(cluster.timeout);
    stop
}

fn config(args: &Consume, group: &str, cluster: &Cluster) -> Result<IntakeConfig, Failure> {
    let start = match args.from {
        From::Beginning => StartPolicy::Earliest,
        From::End => StartPolicy::Latest,
        From::Time(ms) => StartPolicy::Time(ms),
        From::Offset(_) => {
            let message = "--from OFFSET is for reading without --group: a group starts at its \
                           committed offsets";
            return Err(Failure::new(Exit::Usage, message));
        }
    };
    Ok(IntakeConfig {
        properties: cluster.properties.clone(),
        topics: vec![args.topic.clone()],
        group: group.to_owned(),
        instance_id: None,
        from_beginning: Vec::new(),
        start,
        records_max: 10_000,
        bytes_max: 32 << 20,
        drain: Duration::from_secs(5),
        // Looking at a topic leaves nothing behind but what is committed.
        keeps_book: false,
        committed_for: None,
        kin: None,
    })
}

impl Member<'_> {
    fn run(&mut self, interrupt: &Interrupt, woken: &Receiver<()>) -> Result<Stop, Failure> {
        let mut records = Vec::new();
        loop {
            if interrupt.asked() {
                return Ok(self.printer.flush().err().unwrap_or(Stop::Interrupted));
            }
            while let Some(event) = self.intake.next_event() {
                // An event may commit, and what is committed was shown.
                if let Err(stop) = self.printer.flush() {
                    return Ok(stop);
                }
                self.hear(event)?;
            }
            let mut idle = true;
            for (partition, owned) in &mut self.owned {
                idle &= owned.queue.take(TURN, 1 << 20, &mut records) == 0;
                for record in records.drain(..) {
                    if let Err(stop) = print(self.printer, partition, owned, &record) {
                        return Ok(stop);
                    }
                }
            }
            if idle || self.committed.elapsed() > COMMIT_INTERVAL {
                if let Err(stop) = self.printer.flush() {
                    return Ok(stop);
                }
                self.commit();
            }
            if idle {
                // The intake has the other end: nothing woke us, or something did.
                let _ = woken.recv_timeout(LOOK_UP);
            }
        }
    }

    fn hear(&mut self, event: IntakeEvent) -> Result<(), Failure> {
        match event {
            IntakeEvent::Assigned(assigned) => {
                let owned = Owned { queue: assigned.queue, printed: None };
                self.owned.insert(assigned.partition, owned);
            }
            IntakeEvent::Revoked(partitions) => {
                self.commit();
                for partition in partitions {
                    self.owned.remove(&partition);
                    self.intake.release(partition);
                }
            }
            IntakeEvent::Lost(partitions, _) => {
                for partition in &partitions {
                    self.owned.remove(partition);
                }
            }
            IntakeEvent::OutOfRange { partition, offset, log_start, log_end } => {
                let message = format!(
                    "{partition}: the group's offset {offset} is not in the log, which is from \
                     {log_start} to {log_end}; set it anew, or read without --group"
                );
                return Err(Failure::new(Exit::Unreachable, message));
            }
            IntakeEvent::Unavailable { error, .. } => {
                tracing::warn!("{error}; trying on");
            }
            IntakeEvent::StartsUnknown { reason } => {
                tracing::warn!("{reason}; trying on");
            }
            IntakeEvent::Unreachable { reason } => {
                tracing::warn!("Kafka can't be reached: {reason}; trying on");
            }
            IntakeEvent::CommitFailed { partition, offset, error, retry } => {
                tracing::warn!("{partition}: offset {offset} is not committed: {error}");
                let owned = self.owned.get_mut(&partition).filter(|_| retry);
                if let Some(owned) = owned {
                    owned.printed.get_or_insert(offset);
                }
            }
            IntakeEvent::Fatal(error) => return Err(failure(error)),
            IntakeEvent::WaitsForId { reason, .. } => {
                tracing::warn!("the group has our instance id in use: {reason}; trying on");
            }
            IntakeEvent::Committed { .. }
            | IntakeEvent::Forgotten { .. }
            | IntakeEvent::Reachable
            | IntakeEvent::Available { .. }
            | IntakeEvent::StartsKnown
            | IntakeEvent::Session(_)
            | IntakeEvent::SessionUnknown { .. }
            | IntakeEvent::Rebalanced(_)
            | IntakeEvent::Foreign(_)
            | IntakeEvent::Members(_) => {}
        }
        Ok(())
    }

    fn commit(&mut self) {
        self.committed = Instant::now();
        let commits = self.owned.iter_mut().filter_map(|(partition, owned)| {
            let offset = owned.printed.take()?;
            Some(Commit { partition: partition.clone(), offset, metadata: String::new() })
        });
        self.intake.commit(commits.collect::<Vec<_>>());
    }
}

/// Counts a record as printed even if it was the last that was asked for.
fn print(
    printer: &mut Printer,
    partition: &TopicPartition,
    owned: &mut Owned,
    record: &Record,
) -> Result<(), Stop> {
    let printed = printer.print(partition, record);
    if matches!(printed, Ok(()) | Err(Stop::Counted)) {
        owned.printed = Some(record.offset + 1);
    }
    printed
}
