//! What the broker must remember besides logs: topics with their configurations, producer ids.
//!
//! One JSON file, `catalog.json`, replaced atomically (temporary file, fsync, rename, fsync of
//! the directory) at each change; it is small and changes are rare. A topic exists from the
//! moment it stands here: directories are made before, and removed after. The logs' own
//! `partition.metadata` repeat the topic ids, for Kafka's tools.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::StartError;

const VERSION: u32 = 1;
const FILE: &str = "catalog.json";

/// Producer ids are handed out from blocks, so that not every producer costs a write.
const PRODUCER_ID_BLOCK: i64 = 1000;

#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    version: u32,
    next_producer_id: i64,
    topics: BTreeMap<String, TopicRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TopicRecord {
    #[serde(with = "uuid_text")]
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
    /// Only what was set for this topic.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) configs: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(crate) struct Catalog {
    path: PathBuf,
    contents: Contents,
    producer_ids: std::ops::Range<i64>,
}

impl Catalog {
    /// Reads the catalog of `data`; a new directory (`is_new`) begins with an empty one, an old
    /// one without its catalog is damaged. The empty one is stored at once, so that directories
    /// which a crash leaves half made are told from those of a catalog that is gone.
    pub(crate) fn open(data: &Path, is_new: bool) -> Result<Self, StartError> {
        let path = data.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => {
                let contents = parse(&path, &bytes)?;
                Ok(Self { path, contents, producer_ids: 0..0 })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_new => {
                let contents =
                    Contents { version: VERSION, next_producer_id: 0, topics: BTreeMap::new() };
                let catalog = Self { path, contents, producer_ids: 0..0 };
                catalog.store().map_err(StartError::io(&catalog.path))?;
                Ok(catalog)
            }
            Err(source) => Err(StartError::Io { path, source }),
        }
    }

    pub(crate) fn topics(&self) -> &BTreeMap<String, TopicRecord> {
        &self.contents.topics
    }

    /// Sets or removes one topic; on an error nothing has changed.
    pub(crate) fn put(&mut self, name: &str, record: Option<TopicRecord>) -> io::Result<()> {
        let before = match record {
            Some(record) => self.contents.topics.insert(name.to_owned(), record),
            None => self.contents.topics.remove(name),
        };
        let stored = self.store();
        if stored.is_err() {
            match before {
                Some(before) => self.contents.topics.insert(name.to_owned(), before),
                None => self.contents.topics.remove(name),
            };
        }
        stored
    }

    /// A producer id that was never handed out before, crash or not.
    pub(crate) fn next_producer_id(&mut self) -> io::Result<i64> {
        if self.producer_ids.is_empty() {
            let first = self.contents.next_producer_id;
            let end = first + PRODUCER_ID_BLOCK;
            self.contents.next_producer_id = end;
            if let Err(error) = self.store() {
                self.contents.next_producer_id = first;
                return Err(error);
            }
            self.producer_ids = first..end;
        }
        Ok(self.producer_ids.next().expect("the block was just filled"))
    }

    fn store(&self) -> io::Result<()> {
        let temporary = self.path.with_extension("json.tmp");
        let mut file = File::create(&temporary)?;
        serde_json::to_writer_pretty(&mut file, &self.contents)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        let directory = self.path.parent().expect("the catalog lies in the data directory");
        File::open(directory)?.sync_all()
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Contents, StartError> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let damaged = |error: serde_json::Error| StartError::Damaged {
        path: path.to_owned(),
        what: error.to_string(),
    };
    // The version alone first: a newer format may differ in everything else.
    let Version { version } = serde_json::from_slice(bytes).map_err(damaged)?;
    if version > VERSION {
        let path = path.to_owned();
        return Err(StartError::NewerVersion { path, found: version, known: VERSION });
    }
    serde_json::from_slice(bytes).map_err(damaged)
}

mod uuid_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Uuid, D::Error> {
        Uuid::parse_str(&String::deserialize(input)?).map_err(Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> TopicRecord {
        TopicRecord { id: Uuid::new_v4(), partitions: 3, configs: BTreeMap::new() }
    }

    #[test]
    fn what_was_put_is_there_after_reopening() {
        let data = tempfile::tempdir().unwrap();
        let mut catalog = Catalog::open(data.path(), true).unwrap();
        let kept = record();
        catalog.put("kept", Some(kept.clone())).unwrap();
        catalog.put("gone", Some(record())).unwrap();
        catalog.put("gone", None).unwrap();
        let again = Catalog::open(data.path(), false).unwrap();
        assert_eq!(again.topics().get("kept"), Some(&kept));
        assert_eq!(again.topics().len(), 1);
    }

    #[test]
    fn producer_ids_do_not_repeat_after_a_restart() {
        let data = tempfile::tempdir().unwrap();
        let mut catalog = Catalog::open(data.path(), true).unwrap();
        let before = [catalog.next_producer_id().unwrap(), catalog.next_producer_id().unwrap()];
        let mut again = Catalog::open(data.path(), false).unwrap();
        let after = again.next_producer_id().unwrap();
        assert_ne!(before[0], before[1]);
        assert!(after > before[1]);
    }

    #[test]
    fn a_newer_or_broken_or_missing_catalog_is_named() {
        let data = tempfile::tempdir().unwrap();
        let open = || Catalog::open(data.path(), false).unwrap_err();
        assert!(matches!(open(), StartError::Io { .. }));
        fs::write(data.path().join(FILE), r#"{"version": 2, "else": true}"#).unwrap();
        assert!(matches!(open(), StartError::NewerVersion { found: 2, known: 1, .. }));
        fs::write(data.path().join(FILE), "{").unwrap();
        assert!(matches!(open(), StartError::Damaged { .. }));
    }
}
