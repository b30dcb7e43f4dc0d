//! The limit for the gateway: `forebay-push` driven from memory, one thread, a local task for each
//! delivery slot, as the gateway has them. As fast as it can, or at a rate, in time.

use std::cell::Cell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use forebay_core::{Answer, Verdict};
use forebay_push::{Connections, DoesNotFit, Endpoint, Limits, Record, Tls};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use super::{Done, Peer, Round, Said, run_client};
use crate::pace::pace;
use crate::workload::{KEYS, Workload};

const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Raw;

impl Peer for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn limit(&self) -> Option<&'static str> {
        Some("wrk")
    }

    fn run(&mut self, round: Round<'_>) -> anyhow::Result<Done> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("raw").arg("--to").arg(round.service.address.to_string());
        command.arg("--seconds").arg(round.seconds.to_string());
        command.arg("--in-flight").arg(round.in_flight.to_string());
        command.arg("--keys").arg(round.keys.to_string());
        run_client(self.name(), &mut command, round.service)
    }
}

/// Lets it send so many records a second, each as soon as it is due.
pub(crate) fn run_at(rate: u64, seconds: u64, to: SocketAddr) -> anyhow::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("raw").arg("--to").arg(to.to_string());
    let numbers = [("--seconds", seconds), ("--rate", rate), ("--in-flight", 256)];
    for (name, number) in numbers {
        command.arg(name).arg(number.to_string());
    }
    let output = command.arg("--keys").arg(KEYS.to_string()).stderr(Stdio::inherit()).output()?;
    let said: Said =
        serde_json::from_slice(&output.stdout).context("the raw client says nothing")?;
    ensure!(said.failed == 0, "raw: {} records were not accepted", said.failed);
    Ok(())
}

#[derive(Default)]
struct Counts {
    next: Cell<usize>,
    accepted: Cell<u64>,
    failed: Cell<u64>,
}

/// The process behind the peer.
pub(crate) fn drive(
    to: SocketAddr,
    seconds: u64,
    in_flight: usize,
    keys: usize,
    rate: Option<u64>,
) -> anyhow::Result<()> {
    let endpoint = Endpoint::parse(&format!("http://{to}/records"), "v1")?;
    let limits = Limits { max_resting: in_flight, ..Limits::default() };
    let connections = Rc::new(Connections::new(endpoint, limits, Tls::default()));
    let workload = Rc::new(Workload::new(keys));
    let counts = Rc::new(Counts::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    LocalSet::new().block_on(&runtime, async {
        let mut slots = JoinSet::new();
        let paced = rate.map(|rate| paced(rate, seconds));
        for _ in 0..in_flight {
            let (connections, workload) = (Rc::clone(&connections), Rc::clone(&workload));
            let counts = Rc::clone(&counts);
            match &paced {
                Some(due) => {
                    slots.spawn_local(slot_in_time(connections, workload, counts, due.clone()))
                }
                None => slots.spawn_local(slot(connections, workload, counts, end)),
            };
        }
        slots.join_all().await;
    });
    let seconds = begin.elapsed().as_secs_f64();
    let (accepted, failed) = (counts.accepted.get(), counts.failed.get());
    let done = serde_json::json!({"accepted": accepted, "failed": failed, "seconds": seconds});
    writeln!(std::io::stdout(), "{done}")?;
    Ok(())
}

async fn slot(
    connections: Rc<Connections>,
    workload: Rc<Workload>,
    counts: Rc<Counts>,
    end: Instant,
) {
    loop {
        let now = Instant::now();
        if now >= end {
            return;
        }
        let index = counts.next.replace(counts.next.get() + 1);
        let (origin, record) = workload.record(index);
        counts.count(connections.deliver(origin, &record, now + DEADLINE).await);
    }
}

/// Records that are due, by their numbers; none once there are no more.
type Due = Rc<Mutex<mpsc::Receiver<(usize, Bytes)>>>;

/// A thread keeps the time, for a task's clock has no more than milliseconds.
fn paced(rate: u64, seconds: u64) -> Due {
    let (sender, due) = mpsc::channel(1 << 16);
    let send = move |index, value| Ok(sender.blocking_send((index, value))?);
    std::thread::spawn(move || pace(rate, seconds, send));
    Rc::new(Mutex::new(due))
}

async fn slot_in_time(
    connections: Rc<Connections>,
    workload: Rc<Workload>,
    counts: Rc<Counts>,
    due: Due,
) {
    loop {
        let next = due.lock().await.recv().await;
        let Some((index, value)) = next else { return };
        let (origin, record) = workload.record(index);
        let record = Record { value: Some(value), ..record };
        counts.count(connections.deliver(origin, &record, Instant::now() + DEADLINE).await);
    }
}

impl Counts {
    fn count(&self, answer: Result<Answer, DoesNotFit>) {
        let count = match answer {
            Ok(answer) if answer.verdict == Verdict::Accept => &self.accepted,
            _ => &self.failed,
        };
        count.set(count.get() + 1);
    }
}
