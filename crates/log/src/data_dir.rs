//! The directory that holds all partitions of one broker, owned by one process at a time.
//!
//! - `.lock` is locked (flock) for as long as the directory is open.
//! - `meta.properties` has the format version, the cluster's id and the leader epoch.
//! - `.kafka_cleanshutdown` stands only between a clean end and the next start. Where it is
//!   missing the leader epoch is bumped, so that clients learn that the end may have gone back.
//! - `<topic>-<partition>/` is a log; `…-delete/` is one that is gone but for its files.

use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::files;

/// The newest format that this program reads and the one it writes.
const FORMAT: u32 = 1;
const LOCK: &str = ".lock";
const META: &str = "meta.properties";
const CLEAN: &str = ".kafka_cleanshutdown";
const PARTITION_META: &str = "partition.metadata";
const DELETED: &str = "-delete";
/// Kafka's limit for a topic's name.
const TOPIC_MAX: usize = 249;

/// Why a data directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("{} is in use by another process", path.display())]
    InUse { path: PathBuf },
    #[error("{} has format version {found}, this program knows up to {known}", path.display())]
    NewerVersion { path: PathBuf, found: u32, known: u32 },
    #[error("{} holds files, but is no data directory of Forebay", path.display())]
    Foreign { path: PathBuf },
    #[error("{}: {what}", path.display())]
    Damaged { path: PathBuf, what: &'static str },
    #[error("{name:?} is no legal topic name")]
    TopicName { name: String },
    #[error("{topic}-{partition} exists already")]
    Exists { topic: String, partition: i32 },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// One partition's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDir {
    pub topic: String,
    pub partition: i32,
    /// The topic's id (KIP-516); `None` where `partition.metadata` is missing.
    pub topic_id: Option<[u8; 16]>,
    pub path: PathBuf,
}

/// An open data directory, locked until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    meta: Meta,
    was_clean: bool,
    deleted: AtomicU64,
    /// Held for its lock.
    _lock: File,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Meta {
    cluster_id: String,
    leader_epoch: i32,
}

impl DataDir {
    /// Opens or creates the directory and takes its lock. `new_cluster_id` is asked only where
    /// the directory is new. Unless it was closed cleanly, the leader epoch is bumped.
    pub fn open(
        path: &Path,
        new_cluster_id: impl FnOnce() -> String,
    ) -> Result<Self, DataDirError> {
        if path.is_file() {
            let what = "a file is there, and the data need a directory";
            return Err(at(path)(io::Error::new(io::ErrorKind::NotADirectory, what)));
        }
        fs::create_dir_all(path).map_err(at(path))?;
        let lock = lock(path)?;
        let meta_path = path.join(META);
        let (meta, was_clean) = match files::read_if_there(&meta_path).map_err(at(&meta_path))? {
            Some(bytes) => {
                let mut meta = Meta::parse(&meta_path, &bytes)?;
                let was_clean = path.join(CLEAN).exists();
                if !was_clean {
                    meta.leader_epoch = meta.leader_epoch.saturating_add(1);
                    files::replace(&meta_path, meta.text().as_bytes()).map_err(at(&meta_path))?;
                }
                (meta, was_clean)
            }
            None => {
                refuse_foreign(path)?;
                let meta = Meta { cluster_id: new_cluster_id(), leader_epoch: 0 };
                files::replace(&meta_path, meta.text().as_bytes()).map_err(at(&meta_path))?;
                (meta, true)
            }
        };
        // From here on this process may write, so a crash must not look clean.
        files::remove_if_there(&path.join(CLEAN)).map_err(at(path))?;
        files::sync_dir(path).map_err(at(path))?;
        Ok(Self { path: path.to_owned(), meta, was_clean, deleted: AtomicU64::new(0), _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn cluster_id(&self) -> &str {
        &self.meta.cluster_id
    }

    /// Whether the last process closed every log before it ended; true where there was none.
    pub const fn was_clean(&self) -> bool {
        self.was_clean
    }

    /// Leader epoch of all partitions for as long as this process runs.
    pub const fn leader_epoch(&self) -> i32 {
        self.meta.leader_epoch
    }

    /// All partitions, by topic and number; what was being deleted is removed on the way.
    pub fn partitions(&self) -> Result<Vec<PartitionDir>, DataDirError> {
        let mut partitions = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(at(&self.path))? {
            let path = entry.map_err(at(&self.path))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if !path.is_dir() {
                continue;
            }
            if name.ends_with(DELETED) {
                fs::remove_dir_all(&path).map_err(at(&path))?;
            } else if let Some((topic, partition)) = parse_dir_name(name) {
                let topic_id = read_topic_id(&path)?;
                partitions.push(PartitionDir { topic, partition, topic_id, path });
            }
        }
        partitions.sort_unstable_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Ok(partitions)
    }

    /// Creates the directories of a new topic's partitions, or of added ones. They are durable
    /// when this returns; after an error or a crash some of them may be there.
    pub fn create_partitions(
        &self,
        topic: &str,
        topic_id: [u8; 16],
        partitions: Range<i32>,
    ) -> Result<Vec<PartitionDir>, DataDirError> {
        if !is_topic_name(topic) {
            return Err(DataDirError::TopicName { name: topic.to_owned() });
        }
        let meta = format!("version: 0\ntopic_id: {}\n", URL_SAFE_NO_PAD.encode(topic_id));
        let mut created = Vec::new();
        for partition in partitions {
            let path = self.partition_path(topic, partition);
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(DataDirError::Exists { topic: topic.to_owned(), partition });
                }
                result => result.map_err(at(&path))?,
            }
            files::replace(&path.join(PARTITION_META), meta.as_bytes()).map_err(at(&path))?;
            let (topic, topic_id) = (topic.to_owned(), Some(topic_id));
            created.push(PartitionDir { topic, partition, topic_id, path });
        }
        files::sync_dir(&self.path).map_err(at(&self.path))?;
        Ok(created)
    }

    /// Deletes a partition's directory: once this returns it does not come back. One that is not
    /// there counts as deleted. Its log may still be open; readers keep what they hold.
    pub fn delete_partition(&self, topic: &str, partition: i32) -> Result<(), DataDirError> {
        if !is_topic_name(topic) {
            return Err(DataDirError::TopicName { name: topic.to_owned() });
        }
        let path = self.partition_path(topic, partition);
        let gone = self.unused_deleted_path();
        match fs::rename(&path, &gone) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result.map_err(at(&path))?,
        }
        files::sync_dir(&self.path).map_err(at(&self.path))?;
        fs::remove_dir_all(&gone).map_err(at(&gone))
    }

    /// Says that every log was closed, each without an error; the next start then trusts what it
    /// finds. One that is dropped instead is as after a crash.
    pub fn close(self) -> Result<(), DataDirError> {
        // Kafka's own form of the file.
        let marker = self.path.join(CLEAN);
        files::replace(&marker, b"{\"version\":0,\"brokerEpoch\":-1}").map_err(at(&marker))
    }

    /// A name that no earlier deletion, which may not be finished, has taken.
    fn unused_deleted_path(&self) -> PathBuf {
        loop {
            let number = self.deleted.fetch_add(1, Ordering::Relaxed);
            let path = self.path.join(format!("{number}{DELETED}"));
            if !path.exists() {
                return path;
            }
        }
    }

    fn partition_path(&self, topic: &str, partition: i32) -> PathBuf {
        self.path.join(format!("{topic}-{partition}"))
    }
}

impl Meta {
    fn text(&self) -> String {
        let Self { cluster_id, leader_epoch } = self;
        format!(
            "forebay.format.version={FORMAT}\ncluster.id={cluster_id}\n\
             forebay.leader.epoch={leader_epoch}\n"
        )
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, DataDirError> {
        let damaged = |what| DataDirError::Damaged { path: path.to_owned(), what };
        let text = str::from_utf8(bytes).map_err(|_| damaged("is not text"))?;
        let value = |name: &str| {
            text.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| *key == name)
        };
        let number = |name: &str| value(name).and_then(|(_, value)| value.parse::<u32>().ok());
        let found = number("forebay.format.version")
            .ok_or_else(|| damaged("does not say its format version"))?;
        if found > FORMAT {
            let path = path.parent().unwrap_or(path).to_owned();
            return Err(DataDirError::NewerVersion { path, found, known: FORMAT });
        }
        let (_, cluster_id) = value("cluster.id").ok_or_else(|| damaged("has no cluster id"))?;
        let leader_epoch = number("forebay.leader.epoch")
            .and_then(|epoch| i32::try_from(epoch).ok())
            .ok_or_else(|| damaged("has no leader epoch"))?;
        Ok(Self { cluster_id: cluster_id.to_owned(), leader_epoch })
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    |source| DataDirError::Io { path: path.to_owned(), source }
}

fn lock(path: &Path) -> Result<File, DataDirError> {
    let lock_path = path.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(at(&lock_path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(DataDirError::Io { path: lock_path, source }),
    }
}

/// A directory without `meta.properties` must be empty: what else it holds is not ours to list,
/// let alone to delete.
fn refuse_foreign(path: &Path) -> Result<(), DataDirError> {
    for entry in fs::read_dir(path).map_err(at(path))? {
        let name = entry.map_err(at(path))?.file_name();
        let name = name.to_string_lossy();
        // The root of a mounted volume is as good as empty.
        if name != LOCK && name != "lost+found" && !name.ends_with(files::TEMPORARY) {
            return Err(DataDirError::Foreign { path: path.to_owned() });
        }
    }
    Ok(())
}

/// Kafka's rule for topic names; it also keeps them from naming another directory.
fn is_topic_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=TOPIC_MAX).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(legal)
}

fn parse_dir_name(name: &str) -> Option<(String, i32)> {
    let (topic, digits) = name.rsplit_once('-')?;
    let partition: i32 = digits.parse().ok()?;
    // Only names that we would write ourselves: no sign, no leading zero.
    let is_ours = partition.to_string() == digits && is_topic_name(topic);
    is_ours.then(|| (topic.to_owned(), partition))
}

fn read_topic_id(dir: &Path) -> Result<Option<[u8; 16]>, DataDirError> {
    let path = dir.join(PARTITION_META);
    let Some(bytes) = files::read_if_there(&path).map_err(at(&path))? else { return Ok(None) };
    let damaged = || DataDirError::Damaged { path: path.clone(), what: "has no topic id" };
    let text = str::from_utf8(&bytes).map_err(|_| damaged())?;
    let id = text.lines().find_map(|line| line.strip_prefix("topic_id: ")).ok_or_else(damaged)?;
    let id = URL_SAFE_NO_PAD.decode(id.trim()).map_err(|_| damaged())?;
    id.try_into().map(Some).map_err(|_| damaged())
}

#[cfg(test)]
mod tests;
