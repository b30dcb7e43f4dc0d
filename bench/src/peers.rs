//! Who is measured. A peer is a file here and a line in [`all`].

pub(crate) mod raw;
mod wrk;

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::cpu;

/// What every peer is asked to do in a round.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    /// The service that answers at once.
    pub(crate) service: SocketAddr,
    pub(crate) seconds: u64,
    pub(crate) in_flight: usize,
}

/// What a peer did in a round.
pub(crate) struct Done {
    pub(crate) accepted: u64,
    pub(crate) seconds: f64,
    /// Processor seconds of each of its processes, by name; the service is not among them.
    pub(crate) cpu: Vec<(&'static str, f64)>,
}

pub(crate) trait Peer {
    fn name(&self) -> &'static str;
    /// Sends the canonical workload for the round's time; errs if any record was not accepted.
    fn run(&mut self, round: Round) -> anyhow::Result<Done>;
}

/// In the table's order; the first is what the others are set against.
pub(crate) fn all() -> anyhow::Result<Vec<Box<dyn Peer>>> {
    Ok(vec![Box::new(wrk::Wrk::new()?), Box::new(raw::Raw)])
}

/// The last line that a client prints.
#[derive(Deserialize)]
struct Said {
    accepted: u64,
    failed: u64,
    seconds: f64,
}

/// Runs a client that is one process and ends with a line of JSON.
fn run_client(name: &'static str, command: &mut Command) -> anyhow::Result<Done> {
    let before = cpu::of_ended_children()?;
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting {name}: {:?}", command.get_program()))?;
    let used = cpu::of_ended_children()? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{name} ended with {}: {text}", output.status);
    let last = text.trim_end().lines().last().unwrap_or_default();
    let said: Said =
        serde_json::from_str(last).with_context(|| format!("{name} printed {text}"))?;
    ensure!(said.failed == 0, "{name}: {} records were not accepted", said.failed);
    Ok(Done { accepted: said.accepted, seconds: said.seconds, cpu: vec![(name, used)] })
}
