//! Records as text: a line each.

use std::fmt::Write as _;
use std::io::{self, BufWriter, StdoutLock, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use forebay_kafka::{Record, TopicPartition};
use serde::Serialize;

use crate::cli::cluster::Output;

/// Why printing ends.
#[derive(Debug)]
pub(super) enum Stop {
    /// All that was asked for is printed.
    Counted,
    /// Nobody reads our output any more, which is no failure: `forebay consume … | head`.
    ReaderGone,
    Failed(io::Error),
    Interrupted,
}

pub(super) struct Printer {
    out: BufWriter<StdoutLock<'static>>,
    output: Output,
    left: Option<u64>,
    titled: bool,
}

impl Printer {
    pub(super) fn new(output: Output, count: Option<u64>) -> Self {
        let out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
        Self { out, output, left: count, titled: false }
    }

    /// The last of those asked for is printed, and an error all the same: `Stop::Counted`.
    pub(super) fn print(
        &mut self,
        partition: &TopicPartition,
        record: &Record,
    ) -> Result<(), Stop> {
        let written = match self.output {
            Output::Table => self.table_line(partition, record),
            Output::Json => self.json_line(partition, record),
        };
        written.map_err(stop)?;
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                return Err(self.flush().err().unwrap_or(Stop::Counted));
            }
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), Stop> {
        self.out.flush().map_err(stop)
    }

    fn table_line(&mut self, partition: &TopicPartition, record: &Record) -> io::Result<()> {
        if !self.titled {
            self.titled = true;
            let (time, key) = ("TIMESTAMP", "KEY");
            writeln!(self.out, "PARTITION  OFFSET      {time:24}  {key:16}  VALUE")?;
        }
        let time = jiff::Timestamp::from_millisecond(record.timestamp_ms)
            .ok()
            .filter(|_| record.timestamp_ms >= 0)
            .map_or_else(|| "-".to_owned(), |time| format!("{time:.3}"));
        let (number, offset) = (partition.partition, record.offset);
        let (key, value) = (shown(record.key()), shown(record.value()));
        writeln!(self.out, "{number:<9}  {offset:<10}  {time:24}  {key:16}  {value}")
    }

    fn json_line(&mut self, partition: &TopicPartition, record: &Record) -> io::Result<()> {
        let (key, key_encoding) = text(record.key());
        let (value, value_encoding) = text(record.value());
        let headers = record.headers().map(|(name, value)| {
            let (value, value_encoding) = text(value);
            Header { name, value, value_encoding }
        });
        let line = Line {
            topic: &partition.topic,
            partition: partition.partition,
            offset: record.offset,
            timestamp: (record.timestamp_ms >= 0).then_some(record.timestamp_ms),
            key,
            key_encoding,
            value,
            value_encoding,
            headers: headers.collect(),
        };
        serde_json::to_writer(&mut self.out, &line)?;
        self.out.write_all(b"\n")
    }
}

fn stop(error: io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Stop::ReaderGone,
        _ => Stop::Failed(error),
    }
}

/// A record as JSON; an encoding is absent where its text is null.
#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_encoding: Option<&'static str>,
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_encoding: Option<&'static str>,
    headers: Vec<Header<'a>>,
}

#[derive(Serialize)]
struct Header<'a> {
    name: &'a str,
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_encoding: Option<&'static str>,
}

fn text(bytes: Option<&[u8]>) -> (Option<String>, Option<&'static str>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => (None, None),
        Some((_, Ok(text))) => (Some(text.to_owned()), Some("utf8")),
        Some((bytes, Err(_))) => (Some(STANDARD.encode(bytes)), Some("base64")),
    }
}

/// For a terminal, which must not be told what to do by a record: control characters and bytes
/// that are no text are escaped.
fn shown(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "-".to_owned() };
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter.is_control() {
                shown.extend(letter.escape_default());
            } else {
                shown.push(letter);
            }
        }
        for byte in chunk.invalid() {
            write!(shown, "\\x{byte:02x}").expect("a String takes all");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_cannot_talk_to_the_terminal() {
        assert_eq!(shown(Some(b"a\x1b[2J\n\xff\xc3\xa9")), "a\\u{1b}[2J\\n\\xff\u{e9}");
        assert_eq!(shown(None), "-");
        assert_eq!(shown(Some(b"")), "");
    }

    #[test]
    fn bytes_that_are_no_text_are_base64() {
        assert_eq!(text(Some(b"\xff\x00")), (Some("/wA=".to_owned()), Some("base64")));
        assert_eq!(text(Some("é".as_bytes())), (Some("é".to_owned()), Some("utf8")));
        assert_eq!(text(None), (None, None));
    }
}
