//! What a service writes down about its deliveries: the only evidence that the judge hears.
//!
//! - A file for each process, a JSON object for each line: `begun` when a delivery has come in,
//!   `ended` just before it is answered, `untold` where the client did not get that answer, `stray`
//!   for what was no delivery. `delivery` numbers the deliveries of a process from 0.
//! - A line is written in one call and stays when its process is killed. Only the last line of a
//!   killed process may be torn; it then never happened.
//! - Nothing is synced: journals outlive processes, not the machine.
//!
//! Services in this process write into a [`Journal`] in memory instead, on which tests wait.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::delivery::{Answered, Arrival, Delivery, Ended};
use crate::fence::Fence;

mod memory;

pub use memory::{Journal, Request};

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Begun { delivery: usize, at: u64, what: Arrival },
    Ended { delivery: usize, at: u64, answered: Answered },
    Untold { delivery: usize, at: u64 },
    Stray { at: u64 },
}

/// A journal as its service writes it. Holds nothing of what it wrote.
#[derive(Debug)]
pub struct Writer {
    file: Mutex<Open>,
    fence: Fence,
}

#[derive(Debug)]
struct Open {
    file: File,
    deliveries: usize,
}

impl Writer {
    /// Empties a file that is there already.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::create(path)?;
        let file = Mutex::new(Open { file, deliveries: 0 });
        Ok(Self { file, fence: Fence::default() })
    }

    pub(crate) fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Returns the delivery's number.
    pub fn begun(&self, what: Arrival) -> io::Result<usize> {
        let mut open = self.file.lock().expect("nothing that holds the lock panics");
        let delivery = open.deliveries;
        open.deliveries += 1;
        open.write(&Line::Begun { delivery, at: clock::now(), what })?;
        Ok(delivery)
    }

    /// To be written before the answer is sent.
    pub fn ended(&self, delivery: usize, answered: Answered) -> io::Result<()> {
        self.write(|at| Line::Ended { delivery, at, answered })
    }

    /// The client was gone before it had all of the answer.
    pub fn untold(&self, delivery: usize) -> io::Result<()> {
        self.write(|at| Line::Untold { delivery, at })
    }

    /// A request came in that is no delivery.
    pub fn stray(&self) -> io::Result<()> {
        self.write(|at| Line::Stray { at })
    }

    fn write(&self, line: impl FnOnce(u64) -> Line) -> io::Result<()> {
        let mut open = self.file.lock().expect("nothing that holds the lock panics");
        open.write(&line(clock::now()))
    }
}

impl Open {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text)
    }
}

/// All journals of a trial, read as they grow.
#[derive(Debug, Default)]
pub struct Journals {
    files: Vec<Growing>,
    deliveries: Vec<Delivery>,
    strays: usize,
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
    pub fn open(&mut self, path: &Path, instance: usize) -> io::Result<()> {
        let file = File::open(path)?;
        self.files.push(Growing { file, instance, rest: Vec::new(), places: Vec::new() });
        Ok(())
    }

    /// Reads what was written since.
    pub fn read(&mut self) -> io::Result<&[Delivery]> {
        for growing in &mut self.files {
            growing.file.read_to_end(&mut growing.rest)?;
            let whole = growing.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let lines: Vec<u8> = growing.rest.drain(..whole).collect();
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let line = serde_json::from_slice(line)?;
                self.strays += usize::from(matches!(line, Line::Stray { .. }));
                growing.take(line, &mut self.deliveries)?;
            }
        }
        Ok(&self.deliveries)
    }

    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// Requests so far that were no deliveries.
    pub fn strays(&self) -> usize {
        self.strays
    }
}

impl Growing {
    fn take(&mut self, line: Line, deliveries: &mut Vec<Delivery>) -> io::Result<()> {
        match line {
            Line::Begun { at, what, .. } => {
                self.places.push(deliveries.len());
                let instance = self.instance;
                deliveries.push(Delivery { instance, what, started: at, ended: None });
            }
            Line::Ended { delivery, at, answered } => {
                let ended = Ended { at, answered, told: true };
                self.find(delivery, deliveries)?.ended = Some(ended);
            }
            Line::Untold { delivery, .. } => {
                if let Some(ended) = &mut self.find(delivery, deliveries)?.ended {
                    ended.told = false;
                }
            }
            Line::Stray { .. } => {}
        }
        Ok(())
    }

    fn find<'a>(&self, number: usize, all: &'a mut [Delivery]) -> io::Result<&'a mut Delivery> {
        let place = self.places.get(number).and_then(|place| all.get_mut(*place));
        place.ok_or_else(|| io::Error::other("a journal ends a delivery that it never began"))
    }
}

#[cfg(test)]
mod tests;
