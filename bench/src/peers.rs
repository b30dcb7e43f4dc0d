//! Who is measured. A peer is a file here and a line in [`all`].

pub(crate) mod gateway;
pub(crate) mod raw;
mod wrk;

use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::cpu;
use crate::rounds::Plan;
use crate::service::Service;

/// What every peer is asked to do in a round.
#[derive(Clone, Copy)]
pub(crate) struct Round<'a> {
    /// The service that accepts everything.
    pub(crate) service: &'a Service,
    pub(crate) seconds: u64,
    pub(crate) in_flight: usize,
    pub(crate) keys: usize,
}

/// What a peer did in a round.
pub(crate) struct Done {
    pub(crate) accepted: u64,
    pub(crate) seconds: f64,
    /// Processor seconds of each of its processes, by name; the service comes last.
    pub(crate) cpu: Vec<(&'static str, f64)>,
    /// Of the whole machine meanwhile.
    pub(crate) machine: cpu::Machine,
}

pub(crate) trait Peer {
    fn name(&self) -> &'static str;
    /// The peer that it is set against: what it could be at best.
    fn limit(&self) -> Option<&'static str>;
    /// Sends the canonical workload for the round's time; errs if any record was not accepted.
    fn run(&mut self, round: Round<'_>) -> anyhow::Result<Done>;
}

/// Those that are asked for, in the table's order.
pub(crate) fn all(plan: &Plan) -> anyhow::Result<Vec<Box<dyn Peer>>> {
    let mut peers: Vec<Box<dyn Peer>> = Vec::new();
    if plan.wants("wrk") {
        peers.push(Box::new(wrk::Wrk::new()?));
    }
    if plan.wants("raw") {
        peers.push(Box::new(raw::Raw));
    }
    if plan.wants("gateway") {
        let forebay = plan.forebay()?;
        peers.push(Box::new(gateway::Gateway::start("gateway", "raw", &forebay, plan)?));
    }
    if let Some(forebay) = &plan.other {
        peers.push(Box::new(gateway::Gateway::start("other", "gateway", forebay, plan)?));
    }
    ensure!(!peers.is_empty(), "no peer is named so; there are wrk, raw and gateway");
    Ok(peers)
}

/// The last line that a client prints.
#[derive(Deserialize)]
struct Said {
    accepted: u64,
    failed: u64,
    seconds: f64,
}

/// Runs a client that is one process and ends with a line of JSON.
fn run_client(
    name: &'static str,
    command: &mut Command,
    service: &Service,
) -> anyhow::Result<Done> {
    let read = || anyhow::Ok((cpu::of_ended_children()?, service.cpu()?, cpu::of_machine()?));
    let before = read()?;
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting {name}: {:?}", command.get_program()))?;
    let after = read()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{name} ended with {}: {text}", output.status);
    let last = text.trim_end().lines().last().unwrap_or_default();
    let said: Said =
        serde_json::from_str(last).with_context(|| format!("{name} printed {text}"))?;
    ensure!(said.failed == 0, "{name}: {} records were not accepted", said.failed);
    Ok(Done {
        accepted: said.accepted,
        seconds: said.seconds,
        cpu: vec![(name, after.0 - before.0), ("service", after.1 - before.1)],
        machine: after.2 - before.2,
    })
}
