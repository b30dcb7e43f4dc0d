//! Rows of a file or of standard input, to be made into records: CSV, NDJSON or plain lines,
//! Zstandard or not.
//!
//! Every row knows its line, and so does every error. The first row that can't be read ends the
//! rows. A row is at most [`lines::LARGEST_ROW`] bytes, so a file without line ends or with a quote left
//! open costs no more memory than that.

use std::fmt;
use std::io;
use std::path::Path;

mod csv;
mod lines;
mod ndjson;
mod open;

pub(crate) use open::{Input, Progress};

use csv::Csv;
use lines::Lines;
use ndjson::Ndjson;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A header, then rows as RFC 4180 has them
    Csv,
    /// A JSON value a line; blank lines are skipped
    Ndjson,
    /// Each line is a record
    Lines,
}

impl Format {
    /// By the name, with or without `.zst` at its end.
    pub(crate) fn of(path: &Path) -> Self {
        let name = path.to_string_lossy().to_lowercase();
        let name = name.strip_suffix(".zst").unwrap_or(&name);
        if name.ends_with(".csv") {
            Self::Csv
        } else if name.ends_with(".ndjson") || name.ends_with(".jsonl") {
            Self::Ndjson
        } else {
            Self::Lines
        }
    }
}

/// Which part of a row is the key, and which the value.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) format: Format,
    /// Column or field; not for lines.
    pub(crate) key: Option<String>,
    /// Texts that stand for a null key.
    pub(crate) null_keys: Vec<String>,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// CSV: a JSON object; else the line as it stands.
    Whole,
    /// CSV: the row as it stands.
    Raw,
    /// This column or field alone; not for lines.
    Part(String),
}

impl Shape {
    fn key(&self, key: Vec<u8>) -> Option<Vec<u8>> {
        let is_null = self.null_keys.iter().any(|null| null.as_bytes() == key);
        (!is_null).then_some(key)
    }
}

/// What becomes a record. `line` counts from 1; it is the first of a row of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) key: Option<Vec<u8>>,
    /// `None` only for JSON's null as the value.
    pub(crate) value: Option<Vec<u8>>,
}

/// What is wrong with an input, and where in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("cannot open {name}: {source}")]
    Open { name: String, source: io::Error },
    #[error("cannot read {name} after line {line}: {source}")]
    Read { name: String, line: u64, source: io::Error },
    #[error("{name}:{line}: {what}")]
    Malformed { name: String, line: u64, what: String },
}

/// What is wrong with a row, before it is known where it is.
#[derive(Debug)]
pub(crate) struct Malformed {
    line: u64,
    what: String,
}

impl Malformed {
    fn new(line: u64, what: impl fmt::Display) -> Self {
        Self { line, what: what.to_string() }
    }
}

/// Why there is no further row.
#[derive(Debug)]
enum Ended {
    Malformed(Malformed),
    Read(io::Error),
}

impl From<Malformed> for Ended {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// The rows of one input. After an error there are no more.
pub(crate) struct Rows {
    name: String,
    lines: Lines,
    reader: Reader,
    shape: Shape,
    ended: bool,
}

enum Reader {
    Csv(Box<Csv>),
    Ndjson(Ndjson),
    Lines,
}

impl Rows {
    /// Reads nothing yet.
    pub(crate) fn new(input: Input, shape: Shape) -> Self {
        let reader = match shape.format {
            Format::Csv => Reader::Csv(Box::default()),
            Format::Ndjson => Reader::Ndjson(Ndjson::default()),
            Format::Lines => Reader::Lines,
        };
        Self { name: input.name, lines: Lines::new(input.bytes), reader, shape, ended: false }
    }

    fn read(&mut self) -> Result<Option<Row>, Ended> {
        match &mut self.reader {
            Reader::Csv(csv) => csv.next(&mut self.lines, &self.shape),
            Reader::Ndjson(ndjson) => ndjson.next(&mut self.lines, &self.shape),
            Reader::Lines => {
                let mut value = Vec::new();
                let line = self.lines.next(&mut value)?;
                Ok(line.map(|line| {
                    lines::trim_end(&mut value);
                    Row { line, key: None, value: Some(value) }
                }))
            }
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Row, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let line = self.lines.line();
        match self.read() {
            Ok(row) => {
                self.ended = row.is_none();
                row.map(Ok)
            }
            Err(ended) => {
                self.ended = true;
                let name = self.name.clone();
                Some(Err(match ended {
                    Ended::Malformed(Malformed { line, what }) => {
                        InputError::Malformed { name, line, what }
                    }
                    Ended::Read(source) => InputError::Read { name, line, source },
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests;
