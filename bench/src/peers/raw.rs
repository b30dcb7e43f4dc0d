//! The limit for the gateway: `forebay-push` driven from memory, one thread, a local task for each
//! delivery slot, as the gateway has them.

use std::cell::Cell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use forebay_core::Verdict;
use forebay_push::{Connections, Endpoint, Limits};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use super::{Done, Peer, Round, run_client};
use crate::workload::Workload;

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
) -> anyhow::Result<()> {
    let endpoint = Endpoint::parse(&format!("http://{to}/records"), "v1")?;
    let limits = Limits { max_resting: in_flight, ..Limits::default() };
    let connections = Rc::new(Connections::new(endpoint, limits));
    let workload = Rc::new(Workload::new(keys));
    let counts = Rc::new(Counts::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    LocalSet::new().block_on(&runtime, async {
        let mut slots = JoinSet::new();
        for _ in 0..in_flight {
            let (connections, workload) = (Rc::clone(&connections), Rc::clone(&workload));
            slots.spawn_local(slot(connections, workload, Rc::clone(&counts), end));
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
        let answer = connections.deliver(origin, &record, now + DEADLINE).await;
        let count = match answer {
            Ok(answer) if answer.verdict == Verdict::Accept => &counts.accepted,
            _ => &counts.failed,
        };
        count.set(count.get() + 1);
    }
}
