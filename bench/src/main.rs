//! The benchmark: one workload, several peers, interleaved rounds in one run.
//!
//! `run` starts the service that answers at once, lets each peer send it the canonical workload in
//! turn, and prints a table and, as the last line, JSON. A peer is a file in `peers/`; each but the
//! first is set against the one that is its limit: the gateway against the same client driven from
//! memory, and that against `wrk`. `scenarios` measures the gateway against services that are slow,
//! broken, overloaded or gone, instead.
//!
//! The service that answers at once and the peer that drives `forebay-push` from memory are
//! subcommands of the same binary, so that each is a process of its own whose processor time can be
//! told apart.
#![forbid(unsafe_code)]

mod cpu;
mod forebay;
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
    /// Answer every request with 200; prints its address
    Service {
        /// How long each answer takes
        #[arg(long, default_value_t = 0)]
        delay_ms: u64,
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
    },
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Run(plan) => {
            let load = cpu::load_average()?;
            report::print(&plan, load, &rounds::run(&plan)?)
        }
        Command::Scenarios(plan) => scenarios::run(&plan),
        Command::Service { delay_ms } => service::serve(Duration::from_millis(delay_ms)),
        Command::Raw { to, seconds, in_flight, keys } => {
            peers::raw::drive(to, seconds, in_flight, keys)
        }
    }
}
