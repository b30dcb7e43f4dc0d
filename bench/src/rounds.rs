//! Interleaved rounds: in each, every peer runs once, so that what the machine does meanwhile
//! falls on all of them alike.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use crate::cpu;
use crate::peers::{self, Peer, Round};

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
}

/// All turns of one peer.
pub(crate) struct Turns {
    pub(crate) peer: &'static str,
    pub(crate) turns: Vec<Turn>,
}

pub(crate) struct Turn {
    pub(crate) per_second: f64,
    /// Processor seconds for a million records, by process; the service comes last.
    pub(crate) cpu_per_million: Vec<(&'static str, f64)>,
}

pub(crate) fn run(plan: &Plan) -> anyhow::Result<Vec<Turns>> {
    let service = Service::start()?;
    let round =
        Round { service: service.address, seconds: plan.seconds, in_flight: plan.in_flight };
    let mut peers = peers::all()?;
    let mut results: Vec<Turns> =
        peers.iter().map(|peer| Turns { peer: peer.name(), turns: Vec::new() }).collect();
    let count = peers.len();
    for number in 0..plan.rounds {
        // Nobody always goes first.
        for at in (0..count).map(|at| (at + number) % count) {
            let turn = turn(peers[at].as_mut(), &service, round)?;
            let name = results[at].peer;
            writeln!(
                std::io::stderr(),
                "round {}: {name:>8} {:>9.0}/s",
                number + 1,
                turn.per_second
            )?;
            results[at].turns.push(turn);
        }
    }
    Ok(results)
}

fn turn(peer: &mut dyn Peer, service: &Service, round: Round) -> anyhow::Result<Turn> {
    let before = cpu::of(service.child.id())?;
    let done = peer.run(round)?;
    let served = cpu::of(service.child.id())? - before;
    let mut cpu = done.cpu;
    cpu.push(("service", served));
    let millions = done.accepted as f64 / 1e6;
    Ok(Turn {
        per_second: done.accepted as f64 / done.seconds,
        cpu_per_million: cpu.into_iter().map(|(name, used)| (name, used / millions)).collect(),
    })
}

/// The service's process, which ends with this.
struct Service {
    child: Child,
    address: SocketAddr,
}

impl Service {
    fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("service")
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the service")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the service has no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().context("the service did not say where it listens")?;
        Ok(Self { child, address })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself, which the round has then told.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
