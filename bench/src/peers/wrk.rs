//! `wrk` with one thread: how fast a client can be at all. It sends the very header block and body
//! of the canonical workload's first record, again and again, built once before it starts, so that
//! nothing but sending and receiving is measured.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use forebay_push::{Endpoint, RequestWriter};
use tempfile::TempDir;

use super::{Done, Peer, Round, run_client};
use crate::workload::{KEYS, VALUE_BYTES, Workload};

pub(crate) struct Wrk {
    scripts: TempDir,
}

impl Wrk {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { scripts: TempDir::new().context("a directory for wrk's script")? })
    }
}

impl Peer for Wrk {
    fn name(&self) -> &'static str {
        "wrk"
    }

    fn limit(&self) -> Option<&'static str> {
        None
    }

    fn run(&mut self, round: Round<'_>) -> anyhow::Result<Done> {
        let url = format!("http://{}/records", round.service.address);
        let path = self.scripts.path().join("record.lua");
        std::fs::write(&path, script(&Endpoint::parse(&url, "v1")?)?)?;
        let mut command = Command::new("wrk");
        command.arg("--threads").arg("1");
        command.arg("--connections").arg(round.in_flight.to_string());
        command.arg("--duration").arg(format!("{}s", round.seconds));
        command.arg("--script").arg(&path).arg(&url);
        run_client(self.name(), &mut command, round.service)
            .context("is the package wrk installed?")
    }
}

fn script(endpoint: &Endpoint) -> anyhow::Result<String> {
    let workload = Workload::new(KEYS);
    let (origin, record) = workload.record(0);
    let request =
        RequestWriter::new(8 << 10).write(endpoint, origin, &record, Duration::from_secs(30))?;
    let mut lua = String::from("wrk.method = 'POST'\n");
    writeln!(lua, "wrk.body = string.rep('x', {VALUE_BYTES})")?;
    for (name, value) in request.headers() {
        // None of the workload's values holds a quote.
        writeln!(lua, "wrk.headers['{name}'] = '{}'", value.to_str()?)?;
    }
    // wrk adds its own `Host` unless it finds that spelling, and its own length in any case.
    lua.push_str("wrk.headers['Host'] = wrk.headers['host']; wrk.headers['host'] = nil\n");
    lua.push_str("wrk.headers['content-length'] = nil\n");
    lua.push_str(
        "function done(summary, latency, requests)
           local e = summary.errors
           local failed = e.connect + e.read + e.write + e.status + e.timeout
           io.write(string.format('{\"accepted\": %d, \"failed\": %d, \"seconds\": %f}\\n',
             summary.requests, failed, summary.duration / 1e6))
         end\n",
    );
    Ok(lua)
}
