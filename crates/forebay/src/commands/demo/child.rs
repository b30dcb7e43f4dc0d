//! A process of this same binary that the demo started, and ends.
//!
//! It is in a process group of its own, so that Ctrl-C reaches the demo alone; it ends with its
//! standard input, which the demo holds, so it can't outlive the demo whatever ends that.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{ChildStdin, Command};

use crate::exit::{Exit, Failure};
use crate::process::Ready;

/// Lines of a child's log that are shown if it fails.
const LAST_LINES: usize = 8;

pub(super) struct Child {
    name: String,
    process: tokio::process::Child,
    /// Held apart: waiting for a process would close it.
    stdin: Option<ChildStdin>,
    ready: PathBuf,
    log: PathBuf,
}

impl Child {
    /// `name` is unique in `directory`, which gets its ready file and its log.
    pub(super) fn start(directory: &Path, name: &str, arguments: &[&str]) -> Result<Self, Failure> {
        let ready = directory.join(format!("{name}.json"));
        let log = directory.join(format!("{name}.log"));
        let start = || {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(arguments).arg("--until-stdin-closes").arg("--ready-file").arg(&ready);
            command.process_group(0).kill_on_drop(true);
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(File::create(&log)?);
            command.spawn()
        };
        let mut process = start()
            .map_err(|error| Failure::new(Exit::Usage, format!("cannot start {name}: {error}")))?;
        let stdin = process.stdin.take();
        Ok(Self { name: name.to_owned(), process, stdin, ready, log })
    }

    /// Its addresses, once everything listens. Fails if it ended instead.
    pub(super) fn ready(&mut self) -> Result<Option<Ready>, Failure> {
        if let Ok(text) = std::fs::read(&self.ready) {
            let ready = serde_json::from_slice(&text);
            return ready.map(Some).map_err(Failure::of(Exit::Usage));
        }
        self.check().map(|()| None)
    }

    /// Fails if it has ended, with the last it had to say.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        let ended = self.process.try_wait().map_err(Failure::of(Exit::Usage))?;
        let Some(status) = ended else { return Ok(()) };
        let exit = match status.code() {
            Some(3) => Exit::Configuration,
            Some(4) => Exit::Unreachable,
            Some(5) => Exit::DataInUse,
            _ => Exit::Broken,
        };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ");
        let message = format!("{} ended unexpectedly, {status}; it said:\n  {last}", self.name);
        Err(Failure::new(exit, message))
    }

    /// SIGKILL. Returns when the process is gone.
    pub(super) async fn kill(&mut self) {
        // It fails only for a process that has ended.
        let _ = self.process.kill().await;
        self.stdin = None;
    }

    /// SIGTERM, and SIGKILL for one that does not end within `patience`.
    pub(super) async fn end(&mut self, patience: Duration) {
        let pid = self.process.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // As above; its id is not given to another before it is waited for.
            let _ = kill_process(pid, Signal::TERM);
        }
        if tokio::time::timeout(patience, self.process.wait()).await.is_err() {
            self.kill().await;
        }
    }
}
