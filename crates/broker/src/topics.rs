//! The topics of the broker: looking them up, creating, changing and deleting them.
//!
//! Look-ups take a read lock for an instant. Changes are serialised by the catalog's lock, under
//! which they do their IO, so callers run them off the async threads. A topic keeps its random id
//! for life; one that is deleted and made anew is another topic.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use forebay_log::{DataDir, DataDirError, PartitionDir, Recovery, Syncer};
use forebay_wire::offsets_topic;
use uuid::Uuid;

use crate::catalog::{Catalog, TopicRecord};
use crate::config::{BrokerConfig, StartError};
use crate::partition::Partition;
use crate::topic_config::{ConfigError, TopicConfig};

/// Most partitions a topic may have; far beyond one machine's use, and a bound on memory.
pub(crate) const MAX_PARTITIONS: i32 = 10_000;

pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    config: RwLock<Arc<TopicConfig>>,
    partitions: RwLock<Arc<[Arc<Partition>]>>,
}

impl Topic {
    pub(crate) fn is_internal(&self) -> bool {
        self.name == offsets_topic::TOPIC
    }

    pub(crate) fn config(&self) -> Arc<TopicConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn partitions(&self) -> Arc<[Arc<Partition>]> {
        Arc::clone(&self.partitions.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        let partitions = self.partitions.read().unwrap_or_else(PoisonError::into_inner);
        partitions.get(usize::try_from(index).ok()?).cloned()
    }
}

/// Why a topic was not created, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TopicError {
    #[error("a topic name has 1 to 249 letters, digits, '.', '_' or '-', and is not '.' or '..'")]
    Name,
    #[error("the topic exists already")]
    Exists,
    #[error("there is no such topic")]
    Unknown,
    #[error("a topic has 1 to {MAX_PARTITIONS} partitions")]
    Partitions,
    #[error("the topic has {0} partitions already and their number can only grow")]
    NotMore(i32),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the data directory refused: {0}")]
    Storage(String),
}

impl From<DataDirError> for TopicError {
    fn from(error: DataDirError) -> Self {
        Self::Storage(error.to_string())
    }
}

fn storage(error: impl std::error::Error) -> TopicError {
    TopicError::Storage(error.to_string())
}

#[derive(Default)]
struct Index {
    by_name: BTreeMap<String, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

pub(crate) struct Topics {
    index: RwLock<Index>,
    catalog: Mutex<Catalog>,
    data: DataDir,
    syncer: Syncer,
    defaults: TopicConfig,
}

impl Topics {
    /// Opens every log that the catalog names and removes what a crash left half made.
    pub(crate) fn open(
        data: DataDir,
        syncer: Syncer,
        config: &BrokerConfig,
    ) -> Result<Self, StartError> {
        let path = data.path().to_owned();
        let directories =
            data.partitions().map_err(|error| StartError::from_data_dir(error, &path))?;
        let catalog = Catalog::open(&path, directories.is_empty())?;
        let defaults = TopicConfig::defaults(config);
        let topics =
            Self { index: RwLock::default(), catalog: Mutex::new(catalog), data, syncer, defaults };
        let mut found: HashMap<(String, i32), PartitionDir> = HashMap::new();
        for directory in directories {
            found.insert((directory.topic.clone(), directory.partition), directory);
        }
        let records = topics.catalog().topics().clone();
        for (name, record) in &records {
            let mut directories = Vec::new();
            for index in 0..record.partitions {
                let directory = found.remove(&(name.clone(), index));
                let directory = directory.filter(|directory| {
                    directory.topic_id.is_none_or(|id| id == *record.id.as_bytes())
                });
                directories.push(directory.ok_or_else(|| StartError::Damaged {
                    path: path.clone(),
                    what: format!("the log of {name}-{index} is missing"),
                })?);
            }
            let recovery = if topics.data.was_clean() { Recovery::Trust } else { Recovery::Tail };
            let topic = topics.topic(name, record, &directories, recovery)?;
            topics.insert(Arc::new(topic));
        }
        for (name, index) in found.keys() {
            tracing::info!(topic = name, partition = index, "removing an unfinished partition");
            let removed = topics.data.delete_partition(name, *index);
            removed.map_err(|error| StartError::from_data_dir(error, &path))?;
        }
        Ok(topics)
    }

    fn topic(
        &self,
        name: &str,
        record: &TopicRecord,
        directories: &[PartitionDir],
        recovery: Recovery,
    ) -> Result<Topic, StartError> {
        let config = self.defaults.with(&record.configs).unwrap_or_else(|error| {
            tracing::warn!(topic = name, %error, "stored configuration is not valid; using defaults");
            self.defaults.clone()
        });
        let partitions = self.open_logs(directories, &config, recovery)?;
        Ok(Topic {
            name: name.to_owned(),
            id: record.id,
            config: RwLock::new(Arc::new(config)),
            partitions: RwLock::new(partitions.into()),
        })
    }

    fn open_logs(
        &self,
        directories: &[PartitionDir],
        config: &TopicConfig,
        recovery: Recovery,
    ) -> Result<Vec<Arc<Partition>>, StartError> {
        let epoch = self.data.leader_epoch();
        let open = |directory: &PartitionDir| {
            let (index, path) = (directory.partition, &directory.path);
            Partition::open(index, path, config.log(), recovery, &self.syncer, epoch)
                .map(Arc::new)
                .map_err(StartError::io(path))
        };
        directories.iter().map(open).collect()
    }

    fn insert(&self, topic: Arc<Topic>) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.by_id.insert(topic.id, Arc::clone(&topic));
        index.by_name.insert(topic.name.clone(), topic);
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        // The catalog undoes in memory what it could not store, before anything can panic.
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cluster_id(&self) -> &str {
        self.data.cluster_id()
    }

    pub(crate) fn defaults(&self) -> &TopicConfig {
        &self.defaults
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).by_id.get(&id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.by_name.values().cloned().collect()
    }

    /// Checks a topic that is to be created, without creating it.
    pub(crate) fn check_new(
        &self,
        name: &str,
        partitions: i32,
        configs: &BTreeMap<String, String>,
    ) -> Result<TopicConfig, TopicError> {
        if !is_valid_name(name) {
            return Err(TopicError::Name);
        }
        if self.get(name).is_some() {
            return Err(TopicError::Exists);
        }
        if !(1..=MAX_PARTITIONS).contains(&partitions) {
            return Err(TopicError::Partitions);
        }
        Ok(self.defaults.with(configs)?)
    }

    /// Creates a topic durably. Blocks on IO.
    pub(crate) fn create(
        &self,
        name: &str,
        partitions: i32,
        configs: BTreeMap<String, String>,
    ) -> Result<Arc<Topic>, TopicError> {
        let mut catalog = self.catalog();
        self.check_new(name, partitions, &configs)?;
        let record = TopicRecord { id: Uuid::new_v4(), partitions, configs };
        let made = self.data.create_partitions(name, *record.id.as_bytes(), 0..partitions)?;
        let topic = self.topic(name, &record, &made, Recovery::Trust).map_err(storage);
        let topic = topic.and_then(|topic| {
            catalog.put(name, Some(record)).map_err(storage)?;
            Ok(Arc::new(topic))
        });
        match topic {
            Ok(topic) => {
                self.insert(Arc::clone(&topic));
                Ok(topic)
            }
            Err(error) => {
                self.remove_unfinished(&made);
                Err(error)
            }
        }
    }

    /// Directories without a topic; what can't be removed now goes at the next start.
    fn remove_unfinished(&self, directories: &[PartitionDir]) {
        for directory in directories {
            let removed = self.data.delete_partition(&directory.topic, directory.partition);
            if let Err(error) = removed {
                tracing::warn!(%error, "an unfinished partition stays until the next start");
            }
        }
    }

    /// Adds partitions up to `count`. Blocks on IO.
    pub(crate) fn grow(&self, name: &str, count: i32) -> Result<(), TopicError> {
        let mut catalog = self.catalog();
        let (topic, mut record) = self.find(&catalog, name)?;
        self.check_grow(&topic, count)?;
        let made =
            self.data.create_partitions(name, *topic.id.as_bytes(), record.partitions..count)?;
        let added = self.open_logs(&made, &topic.config(), Recovery::Trust).map_err(storage);
        record.partitions = count;
        let added = added.and_then(|added| {
            catalog.put(name, Some(record)).map_err(storage)?;
            Ok(added)
        });
        let added = added.inspect_err(|_| self.remove_unfinished(&made))?;
        let grown = topic.partitions().iter().cloned().chain(added).collect();
        *topic.partitions.write().unwrap_or_else(PoisonError::into_inner) = grown;
        Ok(())
    }

    pub(crate) fn check_grow(&self, topic: &Topic, count: i32) -> Result<(), TopicError> {
        let current = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
        if count <= current {
            return Err(TopicError::NotMore(current));
        }
        if count > MAX_PARTITIONS {
            return Err(TopicError::Partitions);
        }
        Ok(())
    }

    /// Changes a topic's own settings by `change`; with `dry_run` only says whether that is
    /// allowed. Blocks on IO.
    pub(crate) fn alter(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), ConfigError>,
        dry_run: bool,
    ) -> Result<(), TopicError> {
        let mut catalog = self.catalog();
        let (topic, mut record) = self.find(&catalog, name)?;
        change(&mut record.configs)?;
        let config = self.defaults.with(&record.configs)?;
        if dry_run {
            return Ok(());
        }
        catalog.put(name, Some(record)).map_err(storage)?;
        for partition in topic.partitions().iter() {
            partition.set_config(config.log());
        }
        *topic.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        Ok(())
    }

    /// Deletes a topic and its data. Blocks on IO.
    pub(crate) fn delete(&self, name: &str) -> Result<(), TopicError> {
        let mut catalog = self.catalog();
        let (topic, record) = self.find(&catalog, name)?;
        catalog.put(name, None).map_err(storage)?;
        {
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            index.by_name.remove(name);
            index.by_id.remove(&record.id);
        }
        for partition in topic.partitions().iter() {
            drop(partition.take_log());
            self.data.delete_partition(name, partition.index)?;
        }
        Ok(())
    }

    fn find(&self, catalog: &Catalog, name: &str) -> Result<(Arc<Topic>, TopicRecord), TopicError> {
        let topic = self.get(name).ok_or(TopicError::Unknown)?;
        let record = catalog.topics().get(name).cloned().ok_or(TopicError::Unknown)?;
        Ok((topic, record))
    }

    /// A producer id never used before. Blocks on IO now and then.
    pub(crate) fn next_producer_id(&self) -> Result<i64, TopicError> {
        self.catalog().next_producer_id().map_err(storage)
    }

    /// Nothing becomes durable any more: lets go of all who wait.
    pub(crate) fn fail(&self) {
        for topic in self.all() {
            topic.partitions().iter().for_each(|partition| partition.fail());
        }
    }

    /// Closes all logs and marks the directory as clean. Blocks on IO.
    pub(crate) fn close(self) -> Result<(), TopicError> {
        for topic in self.all() {
            for partition in topic.partitions().iter() {
                if let Some(log) = partition.take_log() {
                    log.close().map_err(storage)?;
                }
            }
        }
        drop(self.syncer);
        Ok(self.data.close()?)
    }
}

fn is_valid_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !matches!(name, "" | "." | "..") && name.len() <= 249 && name.bytes().all(legal)
}
