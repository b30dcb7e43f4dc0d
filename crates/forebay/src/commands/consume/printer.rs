//! Records as text: a line each.

use std::io::{self, BufWriter, StdoutLock, Write};

use forebay_kafka::{Record, TopicPartition};
use serde::Serialize;

use crate::cli::cluster::Output;
use crate::output::or_dash;
use crate::text::{Header, headers, shown, text, time};

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
        let time = or_dash(time(record.timestamp_ms));
        let (number, offset) = (partition.partition, record.offset);
        let (key, value) = (shown(record.key()), shown(record.value()));
        writeln!(self.out, "{number:<9}  {offset:<10}  {time:24}  {key:16}  {value}")
    }

    fn json_line(&mut self, partition: &TopicPartition, record: &Record) -> io::Result<()> {
        let (key, key_encoding) = text(record.key());
        let (value, value_encoding) = text(record.value());
        let line = Line {
            topic: &partition.topic,
            partition: partition.partition,
            offset: record.offset,
            timestamp: (record.timestamp_ms >= 0).then_some(record.timestamp_ms),
            key,
            key_encoding,
            value,
            value_encoding,
            headers: headers(record),
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
