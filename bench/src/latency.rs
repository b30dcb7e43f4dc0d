//! How much later a record arrives through the gateway than from the raw client, at half of the load
//! that the gateway can take: from the moment it is due at its sender until the service has it whole.
//!
//! Three ways, interleaved: `raw` sends from memory; `kafka` is produced to the embedded broker and
//! read by a plain consumer, which no gateway can be earlier than; `gateway` goes all the way. What
//! the gateway adds is set against `raw`; how much of that is Kafka's, the line between them shows.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use forebay_kafka::{Producer, Properties, ReadFrom, Reader, ReaderItem, Send, SendError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cpu;
use crate::forebay::{Broker, PATIENCE, pause, start_gateway};
use crate::pace::{age, pace};
use crate::peers::{self, Peer as _, Round};
use crate::rounds;
use crate::service::Service;
use crate::workload::{KEYS, PARTITIONS, VALUE_BYTES, Workload};

const TOPIC: &str = "payments";

#[derive(clap::Args)]
pub(crate) struct Plan {
    /// How often every way is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of one measurement
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Records a second [default: half of what the gateway does in a turn of three seconds]
    #[arg(long)]
    rate: Option<u64>,
    /// The forebay to measure [default: beside this program]
    #[arg(long, value_name = "PATH")]
    forebay: Option<std::path::PathBuf>,
}

/// How long records were under way, in microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Ages {
    pub(crate) records: usize,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) most: u64,
}

impl Ages {
    /// `None` of none.
    pub(crate) fn of(mut micros: Vec<u64>) -> Option<Self> {
        micros.sort_unstable();
        let at = |share: usize| micros.get((micros.len() * share / 100).min(micros.len() - 1));
        let most = *micros.last()?;
        Some(Self { records: micros.len(), p50: *at(50)?, p99: *at(99)?, most })
    }
}

pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let load = cpu::load_average()?;
    let forebay = match &plan.forebay {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("forebay"),
    };
    let (rate, most) = match plan.rate {
        Some(rate) => (rate, None),
        None => {
            let most = saturated(&forebay)?;
            (most / 2, Some(most))
        }
    };
    ensure!(rate > 0, "a rate of nothing has no latency");
    let directory = TempDir::new().context("a directory for the broker's data")?;
    let broker = Broker::start(&forebay, directory.path())?;
    let given = [("bootstrap.servers", broker.kafka.as_str()), ("linger.ms", "0")];
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let properties = Properties::parse(&given)
        .map_err(|refused| anyhow::anyhow!("properties refused: {refused:?}"))?;
    broker.create_topic(TOPIC, PARTITIONS)?;
    let service = Service::start(Duration::ZERO, true)?;
    let config = broker.gateway_of("payments", TOPIC, service.address, 256);
    let mut gateway = start_gateway(&forebay, &directory.path().join("gateway"), &config)?;
    let there = || Ok(service.count()?.accepted);
    // The first records are for opening connections.
    produce(&properties, rate, 1)?;
    until(rate, there)?;

    let mut rows: [Vec<Ages>; 3] = Default::default();
    for number in 0..plan.rounds {
        for way in (0..3).map(|at| (at + number) % 3) {
            service.ages()?;
            let before = there()?;
            let ages = match way {
                0 => {
                    peers::raw::run_at(rate, plan.seconds, service.address)?;
                    service.ages()?
                }
                1 => {
                    let ages = consumer(&properties, rate, plan.seconds)?;
                    // The gateway, which reads the topic too, is through with it.
                    until(before + rate * plan.seconds, there)?;
                    Some(ages)
                }
                _ => {
                    produce(&properties, rate, plan.seconds)?;
                    until(before + rate * plan.seconds, there)?;
                    service.ages()?
                }
            };
            gateway.expect_running()?;
            let ages = ages.context("nothing arrived")?;
            writeln!(std::io::stderr(), "round {}: {:>8} {ages:?}", number + 1, WAYS[way])?;
            rows[way].push(ages);
        }
    }
    print(plan, rate, most, load, &rows)
}

const WAYS: [&str; 3] = ["raw", "kafka", "gateway"];

/// What the gateway does in a second where it need not wait for anything.
fn saturated(forebay: &std::path::Path) -> anyhow::Result<u64> {
    let service = Service::start(Duration::ZERO, false)?;
    let plan = rounds::Plan::of(3, forebay);
    let mut gateway = peers::gateway::Gateway::start("gateway", "raw", forebay, &plan)?;
    let round = Round { service: &service, seconds: 3, in_flight: 256, keys: KEYS };
    let done = gateway.run(round)?;
    Ok((done.accepted as f64 / done.seconds) as u64)
}

fn produce(properties: &Properties, rate: u64, seconds: u64) -> anyhow::Result<()> {
    let producer = Producer::new(properties, "latency")?;
    let workload = Workload::new(KEYS);
    pace(rate, seconds, |index, value| {
        let (key, _) = workload.parts(index);
        let record = Send {
            topic: TOPIC,
            partition: Some(i32::try_from(workload.partition(index))?),
            key: Some(key),
            value: Some(&value),
            headers: &[],
            timestamp_ms: None,
        };
        match producer.send(record, Box::new(|_| ())) {
            Ok(()) => Ok(()),
            Err(SendError::Full(_)) => bail!("the broker is too slow for {rate} records a second"),
            Err(SendError::Refused(error)) => Err(error.into()),
        }
    })?;
    Ok(producer.flush(PATIENCE)?)
}

/// Reads what is produced meanwhile.
fn consumer(properties: &Properties, rate: u64, seconds: u64) -> anyhow::Result<Ages> {
    let mut reader = Reader::start(properties, TOPIC, None, ReadFrom::End, PATIENCE)?;
    let wanted = usize::try_from(rate * seconds)?;
    let ready = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut ages = Vec::with_capacity(wanted);
            let begin = Instant::now();
            while ages.len() < wanted && begin.elapsed() < PATIENCE {
                match reader.next(Duration::from_millis(100)) {
                    Some(ReaderItem::Record(_, record)) => {
                        let age = record.value().and_then(age).context("a value without a time")?;
                        ages.push(u64::try_from(age.as_micros())?);
                    }
                    Some(ReaderItem::Failed(error)) => return Err(error.into()),
                    Some(ReaderItem::End(_)) | None => {
                        ready.store(reader.is_at_end(), Ordering::Relaxed);
                    }
                }
            }
            ensure!(ages.len() == wanted, "{} of {wanted} records were read", ages.len());
            Ok(ages)
        });
        // It begins at the end: what is produced before it is there would not be seen.
        while !ready.load(Ordering::Relaxed) && !reading.is_finished() {
            pause(Duration::from_millis(10));
        }
        produce(properties, rate, seconds)?;
        let ages: anyhow::Result<Vec<u64>> = reading.join().expect("reading does not panic");
        Ages::of(ages?).context("nothing was read")
    })
}

fn until(accepted: u64, there: impl Fn() -> anyhow::Result<u64>) -> anyhow::Result<()> {
    let begin = Instant::now();
    while there()? < accepted {
        ensure!(begin.elapsed() < PATIENCE, "the service has {} of {accepted}", there()?);
        pause(Duration::from_millis(10));
    }
    Ok(())
}

fn print(
    plan: &Plan,
    rate: u64,
    most: Option<u64>,
    load: f64,
    rows: &[Vec<Ages>; 3],
) -> anyhow::Result<()> {
    let median = |way: usize, figure: fn(&Ages) -> u64| {
        let mut all: Vec<u64> = rows[way].iter().map(figure).collect();
        all.sort_unstable();
        all[all.len() / 2]
    };
    let figures: [fn(&Ages) -> u64; 3] = [|ages| ages.p50, |ages| ages.p99, |ages| ages.most];
    let of = |way: usize| figures.map(|figure| median(way, figure));
    let mut out = std::io::stdout().lock();
    let half = most.map_or(String::new(), |most| format!(", half of the gateway's {most}"));
    writeln!(
        out,
        "{VALUE_BYTES}-byte records, {KEYS} keys, {PARTITIONS} partitions, {rate} a second{half}; \
         {} rounds of {} s; microseconds from due to received, medians of the rounds",
        plan.rounds, plan.seconds
    )?;
    writeln!(
        out,
        "{:<10}{:>8}{:>8}{:>8}   added: {:>8}{:>8}",
        "way", "p50", "p99", "max", "p50", "p99"
    )?;
    let raw = of(0);
    let mut ways = serde_json::Map::new();
    for (way, name) in WAYS.iter().enumerate() {
        let [p50, p99, max] = of(way);
        let added = [p50.saturating_sub(raw[0]), p99.saturating_sub(raw[1])];
        let shown =
            if way == 0 { Default::default() } else { added.map(|added| added.to_string()) };
        writeln!(out, "{name:<10}{p50:>8}{p99:>8}{max:>8}{:>18}{:>8}", shown[0], shown[1])?;
        let line: Value = json!({"p50": p50, "p99": p99, "max": max, "rounds": rows[way]});
        ways.insert((*name).to_owned(), line);
    }
    let report = json!({"per_second": rate, "saturated": most, "load_average": load, "ways": ways});
    writeln!(out, "{report}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_by_rank() {
        let ages = Ages::of((1..=200).rev().collect()).unwrap();
        assert_eq!((ages.records, ages.p50, ages.p99, ages.most), (200, 101, 199, 200));
        assert!(Ages::of(Vec::new()).is_none());
    }
}
