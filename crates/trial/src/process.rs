//! The service as a process that is told what to do on its standard input.
//!
//! It prints one JSON line when it listens, `{"service":"127.0.0.1:40001","pid":…}`, and one for
//! each [`Order`] that it was given, `"done"` or `{"refused":"why"}`, once that holds.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::journal::Writer;
use crate::script::{Script, ScriptError};
use crate::service::Service;

/// A line on its standard input.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Another script, from now on.
    Play(Script),
    SwitchOn(String),
    SwitchOff(String),
    /// No listener and no connections, until `up`.
    Down,
    Up,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    Done,
    Refused(String),
}

/// Written to the ready file, and printed, once it listens.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Ready {
    pub service: SocketAddr,
    pub pid: u32,
}

/// Why it can't serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error("cannot write the journal {0}: {1}")]
    Journal(String, io::Error),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[error("cannot tell that it is ready: {0}")]
    Ready(io::Error),
}

/// Serves until the process is killed, and listens to orders until their end. With
/// `until_stdin_closes` that end is its own.
pub fn serve(
    script: &Path,
    journal: &Path,
    listen: SocketAddr,
    ready_file: Option<&Path>,
    until_stdin_closes: bool,
) -> Result<(), ServeError> {
    let script = Script::read(script)?;
    let journal = Writer::create(journal)
        .map_err(|error| ServeError::Journal(journal.display().to_string(), error))?;
    let service = Service::of_process(listen, script, journal)
        .map_err(|error| ServeError::Listen(listen, error))?;
    let ready = Ready { service: service.address(), pid: std::process::id() };
    if let Some(path) = ready_file {
        write_whole(path, &ready).map_err(ServeError::Ready)?;
    }
    say(&ready).map_err(ServeError::Ready)?;
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        // Who does not listen does not care.
        let _ = say(&obey(&service, &line));
    }
    if until_stdin_closes {
        return Ok(());
    }
    loop {
        std::thread::park();
    }
}

fn obey(service: &Service, line: &str) -> Reply {
    let order = match serde_json::from_str(line) {
        Ok(order) => order,
        Err(error) => return Reply::Refused(error.to_string()),
    };
    match order {
        Order::Play(script) => {
            if let Err(error) = script.check() {
                return Reply::Refused(error.to_string());
            }
            service.play(script);
        }
        Order::SwitchOn(name) => service.switch_on(&name),
        Order::SwitchOff(name) => service.switch_off(&name),
        Order::Down => drop(service.down()),
        Order::Up => service.up(),
    }
    Reply::Done
}

fn say(what: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, what)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// It appears whole or not at all, so that whoever waits for it can read it at once.
fn write_whole(path: &Path, ready: &Ready) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut half = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    serde_json::to_writer(&mut half, ready)?;
    half.write_all(b"\n")?;
    half.persist(path)?;
    Ok(())
}
