//! The whole way of a record: a topic on the embedded broker, filled beforehand, that the gateway
//! drains into the service. Broker and gateway are processes of their own, of one `forebay` binary.
//!
//! Measured is a stretch in the middle of the draining, by what the service says it has accepted.
//! Every round is a group of its own, so that it begins at the start of the same backlog.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use forebay_kafka::{Producer, Send, SendError};
use tempfile::TempDir;

use super::{Done, Peer, Round};
use crate::cpu;
use crate::forebay::{self, Broker, PATIENCE, pause};
use crate::process::Process;
use crate::rounds::Plan;
use crate::service::{Count, Service};
use crate::workload::{PARTITIONS, Workload};

const TOPIC: &str = "payments";
/// From the first record on, before measuring begins.
const WARM_UP: Duration = Duration::from_millis(500);

pub(crate) struct Gateway {
    name: &'static str,
    limit: &'static str,
    forebay: PathBuf,
    broker: Broker,
    /// Records in the topic.
    backlog: u64,
    rounds: u32,
    directory: TempDir,
}

impl Gateway {
    /// Starts a broker and fills its topic.
    pub(crate) fn start(
        name: &'static str,
        limit: &'static str,
        forebay: &Path,
        plan: &Plan,
    ) -> anyhow::Result<Self> {
        let backlog = plan.backlog();
        let directory = TempDir::new().context("a directory for the broker's data")?;
        let broker = Broker::start(forebay, directory.path())?;
        fill(&broker, backlog, plan.keys).context("filling the topic")?;
        Ok(Self { name, limit, forebay: forebay.to_owned(), broker, backlog, rounds: 0, directory })
    }

    fn read(&self, gateway: &Process, service: &Service) -> anyhow::Result<Reading> {
        let count = service.count()?;
        let cpu = [gateway.cpu()?, self.broker.process.cpu()?, service.cpu()?];
        Ok(Reading { count, cpu, machine: cpu::of_machine()? })
    }
}

struct Reading {
    count: Count,
    /// Of gateway, broker and service.
    cpu: [f64; 3],
    machine: cpu::Machine,
}

impl Peer for Gateway {
    fn name(&self) -> &'static str {
        self.name
    }

    fn limit(&self) -> Option<&'static str> {
        Some(self.limit)
    }

    fn run(&mut self, round: Round<'_>) -> anyhow::Result<Done> {
        self.rounds += 1;
        let stem = self.directory.path().join(format!("round-{}", self.rounds));
        let idle = round.service.count()?.accepted;
        let group = format!("round-{}", self.rounds);
        let config = self.broker.gateway_of(&group, TOPIC, round.service.address, round.in_flight);
        let mut gateway = forebay::start_gateway(&self.forebay, &stem, &config)?;
        let begin = Instant::now();
        while round.service.count()?.accepted == idle {
            gateway.expect_running()?;
            ensure!(begin.elapsed() < PATIENCE, "the gateway delivers nothing");
            pause(Duration::from_millis(10));
        }
        pause(WARM_UP);
        let first = self.read(&gateway, round.service)?;
        pause(Duration::from_secs(round.seconds));
        let last = self.read(&gateway, round.service)?;
        gateway.expect_running()?;
        ensure!(
            last.count.accepted - idle + round.in_flight as u64 <= self.backlog,
            "the backlog of {} records was drained before the round was over; give more",
            self.backlog
        );
        let names = ["gateway", "broker", "service"].into_iter();
        let cpu = last.cpu.iter().zip(first.cpu).map(|(last, first)| last - first);
        Ok(Done {
            accepted: last.count.accepted - first.count.accepted,
            seconds: last.count.seconds - first.count.seconds,
            cpu: names.zip(cpu).collect(),
            machine: last.machine - first.machine,
        })
    }
}

fn fill(broker: &Broker, records: u64, keys: usize) -> anyhow::Result<()> {
    let properties = broker.properties()?;
    broker.create_topic(TOPIC, PARTITIONS)?;
    let producer = Producer::new(&properties, "backlog")?;
    let failed = std::sync::Arc::new(std::sync::Mutex::new(None));
    let workload = Workload::new(keys);
    for index in 0..usize::try_from(records)? {
        let (key, value) = workload.parts(index);
        let record = Send {
            topic: TOPIC,
            partition: Some(workload.partition(index) as i32),
            key: Some(key),
            value: Some(value),
            headers: &[],
            timestamp_ms: None,
        };
        let heard = std::sync::Arc::clone(&failed);
        let mut delivery: forebay_kafka::Delivery = Box::new(move |result| {
            if let Err(error) = result {
                heard.lock().expect("nobody panics with it").get_or_insert(error);
            }
        });
        loop {
            match producer.send(record, delivery) {
                Ok(()) => break,
                Err(SendError::Full(back)) => delivery = back,
                Err(SendError::Refused(error)) => return Err(error.into()),
            }
            producer.wait_for_room(PATIENCE);
        }
    }
    producer.flush(PATIENCE)?;
    let failed = failed.lock().expect("nobody panics with it").take();
    match failed {
        Some(error) => bail!(error),
        None => Ok(()),
    }
}
