//! The benchmark: one workload, several peers, interleaved rounds in one run.
//!
//! `run` starts the service that answers at once, lets each peer send it the canonical workload in
//! turn, and prints a table and, as the last line, JSON. A peer is a file in `peers/`; each but the
//! first is set against the one that is its limit: the gateway against the same client driven from
//! memory, and that against `wrk`. `scenarios` measures the gateway against services that are slow,
//! broken, overloaded or gone, instead; `latency` how much later a record arrives through it, and
//! `map` what it costs to say beside a commit what is settled beyond it.
//!
//! The service that answers at once and the peer that drives `forebay-push` from memory are
//! subcommands of the same binary, so that each is a process of its own whose processor time can be
//! told apart.
#![forbid(unsafe_code)]

mod cpu;
mod forebay;
mod latency;
mod map;
mod pace;
mod peers;
mod process;
mod report;
mod rounds;
mod scenarios;
mod service;
mod workload;

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures deliveries of the canonical workload against the limit")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure all peers in interleaved rounds
    Run(rounds::Plan),
    /// Measure what the gateway does while the service does its worst
    Scenarios(scenarios::Plan),
    /// Measure how much later records arrive through the gateway, at half of its load
    Latency(latency::Plan),
    /// Measure what the completion map costs each commit
    Map(map::Plan),
    /// Answer every request with 200; prints its address
    Service {
        /// How long each answer takes
        #[arg(long, default_value_t = 0)]
        delay_ms: u64,
        /// Keep how old the records are that arrive
        #[arg(long)]
        ages: bool,
    },
    /// Deliver from memory to a service; prints what was done as JSON
    Raw {
        #[arg(long)]
        to: SocketAddr,
        #[arg(long)]
        seconds: u64,
        #[arg(long)]
        in_flight: usize,
        #[arg(long)]
        keys: usize,
        /// Records a second [default: as many as can be]
        #[arg(long)]
        rate: Option<u64>,
    },
}

/// As the gateway's, so that the raw client is the limit in this, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Run(plan) => {
            let load = cpu::load_average()?;
            report::print(&plan, load, &rounds::run(&plan)?)
        }
        Command::Scenarios(plan) => scenarios::run(&plan),
        Command::Latency(plan) => latency::run(&plan),
        Command::Map(plan) => map::run(&plan),
        Command::Service { delay_ms, ages } => {
            service::serve(Duration::from_millis(delay_ms), ages)
        }
        Command::Raw { to, seconds, in_flight, keys, rate } => {
            peers::raw::drive(to, seconds, in_flight, keys, rate)
        }
    }
}
