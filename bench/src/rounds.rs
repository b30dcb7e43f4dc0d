//! Interleaved rounds: in each, every peer runs once, so that what the machine does meanwhile
//! falls on all of them alike.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::peers::{self, Peer, Round};
use crate::service::Service;
use crate::workload::KEYS;

/// Of a gateway, in a second: more than any machine at hand can.
const BACKLOG_PER_SECOND: u64 = 200_000;

#[derive(clap::Args, Clone)]
pub(crate) struct Plan {
    /// How often every peer runs
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Length of one peer's turn
    #[arg(long, default_value_t = 3)]
    pub(crate) seconds: u64,
    /// Requests out at the same time, each on its own connection
    #[arg(long, default_value_t = 256)]
    pub(crate) in_flight: usize,
    /// How long the service takes for each answer
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) delay_ms: u64,
    /// Keys; one is a single hot key
    #[arg(long, default_value_t = KEYS)]
    pub(crate) keys: usize,
    /// Records for the gateway to drain [default: enough for a turn of 200000 a second]
    #[arg(long)]
    backlog: Option<u64>,
    /// The forebay to measure [default: beside this program]
    #[arg(long, value_name = "PATH")]
    forebay: Option<PathBuf>,
    /// Measure only this peer; may be given more than once
    #[arg(long, value_name = "PEER")]
    only: Vec<String>,
    /// Another build of forebay, measured beside it as the peer `other`
    #[arg(long, value_name = "PATH")]
    pub(crate) other: Option<PathBuf>,
}

impl Plan {
    /// One turn of the canonical workload.
    pub(crate) fn of(seconds: u64, forebay: &Path) -> Self {
        Self {
            rounds: 1,
            seconds,
            in_flight: 256,
            delay_ms: 0,
            keys: KEYS,
            backlog: None,
            forebay: Some(forebay.to_owned()),
            only: Vec::new(),
            other: None,
        }
    }

    pub(crate) fn forebay(&self) -> anyhow::Result<PathBuf> {
        Ok(match &self.forebay {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("forebay"),
        })
    }

    pub(crate) fn wants(&self, peer: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == peer)
    }

    pub(crate) fn backlog(&self) -> u64 {
        self.backlog.unwrap_or(BACKLOG_PER_SECOND * (self.seconds + 1))
    }
}

/// All turns of one peer.
pub(crate) struct Turns {
    pub(crate) peer: &'static str,
    pub(crate) limit: Option<&'static str>,
    pub(crate) turns: Vec<Turn>,
}

pub(crate) struct Turn {
    pub(crate) per_second: f64,
    /// Processor seconds for a million records, by process; the service comes last.
    pub(crate) cpu_per_million: Vec<(&'static str, f64)>,
    /// Processors that were busy with something else, on average.
    pub(crate) others: f64,
    /// Processors that a hypervisor withheld, on average.
    pub(crate) stolen: f64,
}

pub(crate) fn run(plan: &Plan) -> anyhow::Result<Vec<Turns>> {
    let service = Service::start(Duration::from_millis(plan.delay_ms), false)?;
    let Plan { seconds, in_flight, keys, .. } = *plan;
    let round = Round { service: &service, seconds, in_flight, keys };
    let mut peers = peers::all(plan)?;
    let empty = peers.iter().map(|peer| Turns {
        peer: peer.name(),
        limit: peer.limit(),
        turns: Vec::new(),
    });
    let mut results: Vec<Turns> = empty.collect();
    let count = peers.len();
    for number in 0..plan.rounds {
        // Nobody always goes first.
        for at in (0..count).map(|at| (at + number) % count) {
            let turn = turn(peers[at].as_mut(), round)?;
            let (number, name, rate) = (number + 1, results[at].peer, turn.per_second);
            let Turn { others, stolen, .. } = turn;
            writeln!(
                std::io::stderr(),
                "round {number}: {name:>8} {rate:>9.0}/s; of the processors, others had \
                 {others:.2}, the hypervisor {stolen:.2}"
            )?;
            results[at].turns.push(turn);
        }
    }
    Ok(results)
}

fn turn(peer: &mut dyn Peer, round: Round<'_>) -> anyhow::Result<Turn> {
    let done = peer.run(round)?;
    let ours: f64 = done.cpu.iter().map(|(_, used)| used).sum();
    let millions = done.accepted as f64 / 1e6;
    Ok(Turn {
        per_second: done.accepted as f64 / done.seconds,
        others: (done.machine.worked - ours).max(0.0) / done.seconds,
        stolen: done.machine.stolen / done.seconds,
        cpu_per_million: done.cpu.into_iter().map(|(name, used)| (name, used / millions)).collect(),
    })
}
