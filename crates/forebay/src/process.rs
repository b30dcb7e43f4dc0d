//! What a process owes those who started it: a ready file, and an orderly end on a signal.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Signal as Number, getpid, kill_process};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};

/// Written once everything listens.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Ready {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kafka: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) control: Option<SocketAddr>,
    /// Where the demo's own service takes deliveries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<SocketAddr>,
    pub(crate) pid: u32,
}

impl Ready {
    /// Appears whole or not at all, so that whoever waits for the file can read it at once.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let write = || -> std::io::Result<()> {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let half = directory.join(format!(".{name}.{}", self.pid));
            let mut file = std::fs::File::create(&half)?;
            serde_json::to_writer(&mut file, self)?;
            file.write_all(b"\n")?;
            std::fs::rename(half, path)
        };
        write().map_err(|error| {
            let message = format!("cannot write the ready file {}: {error}", path.display());
            Failure::new(Exit::Usage, message)
        })
    }
}

/// The signals that end a process: the first asks it to finish, the second makes it.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one, and says how the process ends by it.
    pub(crate) async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Done,
        }
    }
}

/// SIGHUP: the configuration has changed.
pub(crate) fn hangups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// How long a process that lost its parent may take to end in order.
const ORPHAN: Duration = Duration::from_secs(3);

/// Ends this process once its standard input closes: when whoever started it and holds the other
/// end says so, or is gone, by whatever way.
#[expect(clippy::disallowed_methods, reason = "a thread that has nothing to do but wait")]
pub(crate) fn end_with_stdin() {
    std::thread::spawn(|| {
        // An input that can't be read has nobody at its other end either.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = kill_process(getpid(), Number::TERM);
        std::thread::sleep(ORPHAN);
        std::process::exit(Exit::Interrupted as i32);
    });
}

/// For commands that block their thread: whether a signal asked them to finish. A second signal
/// ends the process on the spot.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(crate) fn listen() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = runtime.block_on(async { Signals::listen() })?;
        let asked = Arc::new(AtomicBool::new(false));
        let told = asked.clone();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async {
                signals.next().await;
                told.store(true, Ordering::Relaxed);
                signals.next().await;
                std::process::exit(Exit::Interrupted as i32);
            });
        })?;
        Ok(Self(asked))
    }

    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Prints to standard output; a reader that went away is no failure.
pub(crate) fn print(text: &str) -> crate::exit::Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Usage, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(Exit::Done),
    }
}
