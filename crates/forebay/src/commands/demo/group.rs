//! What Kafka itself knows of the group: its generations and commit points, as they are written to
//! `__consumer_offsets`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use forebay_kafka::{Admin, KafkaError, Properties, ReadFrom, Reader, ReaderItem};
use forebay_wire::offsets_topic::{Entry, TOPIC, partition_of_group};

use super::pause::pause;

/// The topic is made when the first group asks for it, and its leaders may take a while.
const APPEARS: Duration = Duration::from_secs(30);
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The group so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// All generations that had members, in the order of their numbers.
    pub(super) generations: BTreeSet<i32>,
    pub(super) commit_points: BTreeMap<i32, i64>,
    /// Why nothing more is heard, where that is so.
    pub(super) failed: Option<String>,
}

/// Reads along on a thread of its own, from before the group's first record on.
pub(super) struct Watch {
    group: Arc<Mutex<Group>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// `group` must be new: what was written about it earlier is not read.
    pub(super) fn start(
        admin: &Admin,
        properties: &Properties,
        group: &str,
    ) -> Result<Self, KafkaError> {
        let partitions = partitions_of_the_topic(admin, group)?;
        let partition = partition_of_group(group, partitions);
        let began = Instant::now();
        let reader = loop {
            let reader =
                Reader::start(properties, TOPIC, Some(&[partition]), ReadFrom::Beginning, APPEARS);
            match reader {
                Err(error) if error.may_retry() && began.elapsed() < APPEARS => {
                    pause(ASK_AGAIN);
                }
                other => break other?,
            }
        };
        let known = Arc::new(Mutex::new(Group::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (known, stop, name) = (known.clone(), stop.clone(), group.to_owned());
            std::thread::spawn(move || listen(reader, &name, &known, &stop))
        };
        Ok(Self { group: known, stop, thread: Some(thread) })
    }

    pub(super) fn group(&self) -> Group {
        lock(&self.group).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic has ended the process already.
            let _ = thread.join();
        }
    }
}

/// Asking for a group makes the topic where there is none yet.
fn partitions_of_the_topic(admin: &Admin, group: &str) -> Result<i32, KafkaError> {
    let began = Instant::now();
    loop {
        let asked = admin.describe_groups(&[group]).map(drop);
        let found = asked.and_then(|()| admin.describe_topic(TOPIC));
        match found {
            Ok(Some(topic)) if !topic.partitions.is_empty() => {
                return Ok(i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX));
            }
            Err(error) if !error.may_retry() || began.elapsed() > APPEARS => return Err(error),
            Ok(_) if began.elapsed() > APPEARS => {
                let doing = format!("find topic {TOPIC}");
                return Err(KafkaError::Fatal { doing, reason: "it does not appear".into() });
            }
            Ok(_) | Err(_) => pause(ASK_AGAIN),
        }
    }
}

fn listen(mut reader: Reader, name: &str, known: &Mutex<Group>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        match reader.next(ASK_AGAIN) {
            Some(ReaderItem::Record(_, record)) => {
                let Some(key) = record.key() else { continue };
                let entry = Entry::decode(key, record.value());
                let mut group = lock(known);
                match entry {
                    Ok(entry) => take(&mut group, name, entry),
                    Err(error) => group.failed = Some(error.to_string()),
                }
            }
            Some(ReaderItem::Failed(error)) if !error.may_retry() => {
                lock(known).failed = Some(error.to_string());
            }
            Some(ReaderItem::Failed(_) | ReaderItem::End(_)) | None => {}
        }
    }
}

fn take(known: &mut Group, name: &str, entry: Entry) {
    match entry {
        Entry::Group { group, value: Some(value) } if group == name => {
            if !value.members.is_empty() {
                known.generations.insert(value.generation);
            }
        }
        Entry::Offset { key, value: Some(value) } if key.group == name => {
            known.commit_points.insert(key.partition, value.offset);
        }
        Entry::Group { .. } | Entry::Offset { .. } | Entry::Unknown { .. } => {}
    }
}

fn lock(group: &Mutex<Group>) -> MutexGuard<'_, Group> {
    group.lock().expect("nothing that holds the lock panics")
}
