//! What a service writes down about its deliveries: the only evidence that the judge hears.
//!
//! - A file for each process, a JSON object for each line: `started` when a delivery comes in,
//!   `accepted` before it is answered. `delivery` numbers the deliveries of a process from 0.
//! - A line is written in one call and stays when its process is killed. Only the last line of a
//!   killed process may be torn; it then never happened.
//! - Nothing is synced: journals outlive processes, not the machine.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::clock;
use super::judge::Delivery;

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Started { delivery: usize, at: u64, what: Arrival },
    Accepted { delivery: usize, at: u64 },
}

/// A delivery as its request tells it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Arrival {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) key: Option<String>,
    pub(super) digest: u64,
    pub(super) tenure: i64,
    pub(super) attempt: u32,
}

/// Of a record's value; the same in all processes of one binary.
pub(super) fn digest(value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(value);
    hasher.finish()
}

/// A journal as its service writes it.
#[derive(Debug)]
pub(super) struct Writer {
    file: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    deliveries: usize,
}

impl Writer {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = File::create(path)?;
        Ok(Self { file: Mutex::new(Open { file, deliveries: 0 }) })
    }

    /// Returns the delivery's number.
    pub(super) fn started(&self, what: Arrival) -> io::Result<usize> {
        let mut open = self.file.lock().expect("nothing that holds the lock panics");
        let delivery = open.deliveries;
        open.deliveries += 1;
        open.write(&Line::Started { delivery, at: clock::now(), what })?;
        Ok(delivery)
    }

    pub(super) fn accepted(&self, delivery: usize) -> io::Result<()> {
        let mut open = self.file.lock().expect("nothing that holds the lock panics");
        open.write(&Line::Accepted { delivery, at: clock::now() })
    }
}

impl Open {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text)
    }
}

/// All journals, read as they grow.
#[derive(Debug, Default)]
pub(super) struct Journals {
    files: Vec<Growing>,
    deliveries: Vec<Delivery>,
}

#[derive(Debug)]
struct Growing {
    file: File,
    instance: usize,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
    /// Where its deliveries stand among all, by their numbers.
    places: Vec<usize>,
}

impl Journals {
    pub(super) fn open(&mut self, path: &Path, instance: usize) -> io::Result<()> {
        let file = File::open(path)?;
        self.files.push(Growing { file, instance, rest: Vec::new(), places: Vec::new() });
        Ok(())
    }

    /// Reads what was written since.
    pub(super) fn read(&mut self) -> io::Result<&[Delivery]> {
        for growing in &mut self.files {
            growing.file.read_to_end(&mut growing.rest)?;
            let whole = growing.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let lines: Vec<u8> = growing.rest.drain(..whole).collect();
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                growing.take(serde_json::from_slice(line)?, &mut self.deliveries)?;
            }
        }
        Ok(&self.deliveries)
    }

    pub(super) fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }
}

impl Growing {
    fn take(&mut self, line: Line, deliveries: &mut Vec<Delivery>) -> io::Result<()> {
        match line {
            Line::Started { at, what, .. } => {
                self.places.push(deliveries.len());
                deliveries.push(Delivery {
                    instance: self.instance,
                    partition: what.partition,
                    offset: what.offset,
                    key: what.key,
                    digest: what.digest,
                    tenure: what.tenure,
                    started: at,
                    accepted: None,
                });
            }
            Line::Accepted { delivery, at } => {
                let place = self.places.get(delivery).ok_or_else(|| {
                    io::Error::other("a journal accepts a delivery that it never started")
                })?;
                deliveries[*place].accepted = Some(at);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(offset: i64) -> Arrival {
        let key = Some("N1 \"quoted\"".to_owned());
        let topic = "flights".to_owned();
        Arrival { topic, partition: 3, offset, key, digest: u64::MAX, tenure: 9, attempt: 1 }
    }

    #[test]
    fn what_is_written_is_read_as_it_grows_and_a_torn_end_never_happened() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal");
        let writer = Writer::create(&path).expect("created");
        let mut journals = Journals::default();
        journals.open(&path, 4).expect("opened");
        let one = writer.started(arrival(1)).expect("written");
        let two = writer.started(arrival(2)).expect("written");
        writer.accepted(two).expect("written");
        let accepted = |all: &[Delivery]| -> Vec<_> {
            all.iter().map(|delivery| (delivery.offset, delivery.accepted.is_some())).collect()
        };
        assert_eq!(accepted(journals.read().expect("read")), [(1, false), (2, true)]);
        let torn = br#"{"accepted":{"deliv"#;
        writer.file.lock().expect("no panics").file.write_all(torn).expect("written");
        assert_eq!(accepted(journals.read().expect("read")), [(1, false), (2, true)]);
        let end = format!("ery\":{one},\"at\":7}}}}\n");
        writer.file.lock().expect("no panics").file.write_all(end.as_bytes()).expect("written");
        let read = journals.read().expect("read");
        assert_eq!(read[0].accepted, Some(7));
        assert_eq!((read[0].instance, read[0].tenure, read[0].digest), (4, 9, u64::MAX));
        assert_eq!(read[0].key.as_deref(), Some("N1 \"quoted\""));
    }
}
