//! `forebay produce`: rows of a file become records of a topic.
//!
//! Rows are read on a thread of their own, a few ahead, so that a signal is heard while standard
//! input is silent. Sending stops at the first row that can't be read, is too large or fails, so
//! that what is in the topic is a beginning of the input; what was queued by then is waited for.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use forebay_kafka::{KafkaError, NewTopic, Producer, Send, SendError};
use serde_json::json;

use crate::cli::cluster::Output;
use crate::cli::produce::Produce;
use crate::cluster::{Cluster, Found, failure};
use crate::commands::pace::Pace;
use crate::exit::{Exit, Failure, Outcome};
use crate::input::{Format, Input, InputError, Row, Rows, Shape, Value};
use crate::output::{print_json, size};
use crate::process::{Interrupt, print};

mod bar;
mod limit;
mod tally;

use bar::Bar;
use limit::Limit;
use tally::Tally;

/// How long anything is waited for before signals are looked at again.
const LOOK_UP: Duration = Duration::from_millis(100);
/// Rows that are read ahead of sending.
const READ_AHEAD: usize = 64;

pub(crate) fn run(args: &Produce) -> Outcome {
    let shape = shape(args)?;
    let input = Input::open(&args.input).map_err(Failure::of(Exit::Usage))?;
    let interrupt = Interrupt::listen().map_err(Failure::of(Exit::Usage))?;
    let mut cluster = Cluster::new(&args.cluster)?;
    topic(&cluster, args)?;
    let limit = Limit::find(&mut cluster, &args.topic)?;
    let producer = Producer::new(&cluster.properties, "produce").map_err(failure)?;
    let bar = Bar::new(&input.progress);
    let name = input.name.clone();
    let mut sending = Sending {
        args,
        producer,
        limit,
        tally: Arc::default(),
        pace: args.rate.map(Pace::new),
        bar,
        interrupt,
        patience: cluster.timeout,
    };
    let began = Instant::now();
    let end = sending.send_all(&rows(input, shape)?);
    let left = sending.wait_for_answers(&end);
    sending.bar.clear();
    sending.report(&name, end, left, began.elapsed())
}

fn shape(args: &Produce) -> Result<Shape, Failure> {
    let usage = |message: &str| Err(Failure::new(Exit::Usage, message));
    let format = args.format.unwrap_or_else(|| Format::of(&args.input));
    if format == Format::Lines && (args.key.is_some() || args.value.is_some()) {
        return usage(
            "--key and --value name a part of a row, and lines have none; say --format csv or \
             ndjson if that is what the input holds",
        );
    }
    if format != Format::Csv && args.raw {
        return usage("--raw is for csv; lines and ndjson are sent as they stand anyway");
    }
    let value = match &args.value {
        Some(name) => Value::Part(name.clone()),
        None if args.raw => Value::Raw,
        None => Value::Whole,
    };
    Ok(Shape { format, key: args.key.clone(), null_keys: args.null_key.clone(), value })
}

/// Sees to it that there is the topic.
fn topic(cluster: &Cluster, args: &Produce) -> Result<(), Failure> {
    let name = &args.topic;
    match (cluster.find_topic(name)?, args.partitions) {
        (Found::Topic(topic), Some(wanted)) if topic.partitions.len() != wanted as usize => {
            let has = topic.partitions.len();
            let message = format!(
                "--partitions {wanted}: topic `{name}` is there already, with {has} partitions; \
                 leave --partitions out to write to it"
            );
            Err(Failure::new(Exit::Usage, message))
        }
        (Found::Topic(_), _) => Ok(()),
        (Found::None(Failure { exit, message }), None) => {
            let joint = if message.ends_with('?') { "" } else { ";" };
            Err(Failure::new(exit, format!("{message}{joint} --partitions N makes it")))
        }
        (Found::None(_), Some(partitions)) => {
            let topic = NewTopic {
                name: name.clone(),
                partitions,
                replication: -1,
                configs: Default::default(),
            };
            cluster.admin.create_topic(&topic).map_err(failure)
        }
    }
}

type Read = Result<Row, InputError>;

fn rows(input: Input, shape: Shape) -> Result<Receiver<Read>, Failure> {
    let (into, rows) = sync_channel(READ_AHEAD);
    let read = move || {
        for row in Rows::new(input, shape) {
            if into.send(row).is_err() {
                return;
            }
        }
    };
    // Never joined: it may wait for standard input for ever.
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(read)
        .map_err(Failure::of(Exit::Usage))?;
    Ok(rows)
}

/// Why sending ended.
enum End {
    Input,
    Unreadable(InputError),
    TooLarge {
        line: u64,
        bytes: usize,
    },
    Refused {
        line: u64,
        error: KafkaError,
    },
    /// A record that was sent before was not acknowledged; the tally knows which.
    Failed,
    Interrupted,
}

struct Sending<'a> {
    args: &'a Produce,
    producer: Producer,
    limit: Option<Limit>,
    tally: Arc<Tally>,
    pace: Option<Pace>,
    bar: Bar,
    interrupt: Interrupt,
    /// How long an interrupted command waits for answers.
    patience: Duration,
}

impl Sending<'_> {
    fn send_all(&mut self, rows: &Receiver<Read>) -> End {
        loop {
            if self.tally.failed() > 0 {
                return End::Failed;
            }
            if self.interrupt.asked() {
                return End::Interrupted;
            }
            let sent = match rows.recv_timeout(LOOK_UP) {
                Ok(Ok(row)) => self.send(&row),
                Ok(Err(error)) => return End::Unreadable(error),
                Err(RecvTimeoutError::Disconnected) => return End::Input,
                Err(RecvTimeoutError::Timeout) => Ok(()),
            };
            if let Err(end) = sent {
                return end;
            }
            self.bar.show(&self.tally);
        }
    }

    fn send(&mut self, row: &Row) -> Result<(), End> {
        let line = row.line;
        let headers: Vec<(&str, Option<&[u8]>)> = self
            .args
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), Some(value.as_bytes())))
            .collect();
        let record = Send {
            topic: &self.args.topic,
            partition: None,
            key: row.key.as_deref(),
            value: row.value.as_deref(),
            headers: &headers,
            timestamp_ms: None,
        };
        if let Some(bytes) = self.limit.as_ref().and_then(|limit| limit.passed_by(&record)) {
            return Err(End::TooLarge { line, bytes });
        }
        if let Some(pace) = &mut self.pace {
            let (interrupt, bar, tally) = (&self.interrupt, &mut self.bar, &self.tally);
            let goes_on = pace.wait(|| {
                bar.show(tally);
                !interrupt.asked() && tally.failed() == 0
            });
            if !goes_on {
                return Ok(());
            }
        }
        let bytes = row.key.as_ref().map_or(0, Vec::len) + row.value.as_ref().map_or(0, Vec::len);
        let mut delivery = Tally::delivery(&self.tally, line, bytes as u64);
        loop {
            match self.producer.send(record, delivery) {
                Ok(()) => {
                    self.tally.sent();
                    return Ok(());
                }
                Err(SendError::Refused(error)) => return Err(End::Refused { line, error }),
                Err(SendError::Full(back)) => delivery = back,
            }
            if self.interrupt.asked() || self.tally.failed() > 0 {
                return Ok(());
            }
            self.producer.wait_for_room(LOOK_UP);
            self.bar.show(&self.tally);
        }
    }

    /// Every record is answered, by `delivery.timeout.ms` at the latest; somebody who interrupted
    /// waits no longer than for any other answer. Returns how many have none.
    fn wait_for_answers(&mut self, end: &End) -> u64 {
        let mut deadline = None;
        if matches!(end, End::Interrupted) {
            crate::logs::say(
                "forebay: interrupted; waiting for what was queued, a second ^C does not",
            );
        }
        while self.tally.unanswered() > 0 {
            if self.interrupt.asked() {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.patience);
                if Instant::now() >= deadline {
                    break;
                }
            }
            // A timeout of this slice is no failure.
            let _ = self.producer.flush(LOOK_UP);
            self.bar.show(&self.tally);
        }
        self.tally.unanswered()
    }

    fn report(&self, input: &str, end: End, unanswered: u64, took: Duration) -> Outcome {
        let tally = &self.tally;
        let (records, bytes) = (tally.acknowledged(), tally.bytes());
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = records as f64 / took.as_secs_f64().max(0.001);
        if self.args.output == Output::Json {
            print_json(&json!({
                "topic": self.args.topic,
                "records": records,
                "bytes": bytes,
                "failed": tally.failed(),
                "unanswered": unanswered,
                "seconds": (took.as_secs_f64() * 1000.0).round() / 1000.0,
                "records_per_second": rate.round(),
            }))?;
        }
        let so_far = format!("{records} records were acknowledged");
        if let Some((line, error)) = tally.first_failure() {
            let failed = tally.failed();
            let message = format!(
                "{failed} records were not acknowledged, the first of {input}:{line}: {error}; \
                 {so_far}"
            );
            return Err(Failure::new(Exit::Unreachable, message));
        }
        let (exit, what) = match end {
            End::Input | End::Failed if !self.interrupt.asked() || unanswered == 0 => {
                if self.args.output == Output::Json {
                    return Ok(Exit::Done);
                }
                let (size, seconds) = (size(bytes), took.as_secs_f64());
                return print(&format!("{so_far}: {size} in {seconds:.1} s, {rate:.0}/s\n"));
            }
            End::Input | End::Failed | End::Interrupted => {
                let left = match unanswered {
                    0 => String::new(),
                    left => format!(", {left} had no answer yet and may be in the topic or not"),
                };
                let message = format!("interrupted: {so_far}{left}");
                return Err(Failure::new(Exit::Interrupted, message));
            }
            End::Unreadable(error) => (Exit::Usage, error.to_string()),
            End::TooLarge { line, bytes } => {
                let limit = self.limit.as_ref().map(ToString::to_string).unwrap_or_default();
                (Exit::Unreachable, format!("{input}:{line}: a record of {bytes} bytes; {limit}"))
            }
            End::Refused { line, error } => (Exit::Unreachable, format!("{input}:{line}: {error}")),
        };
        let message = format!("{what}. Nothing was sent from there on; {so_far} before it");
        Err(Failure::new(exit, message))
    }
}
