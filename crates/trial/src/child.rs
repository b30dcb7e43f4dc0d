//! A service that is a process of its own: it can really be killed, and really crash.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use socket2::Socket;

use crate::clock;
use crate::judge::Kill;
use crate::port::{self, bind};
use crate::process::{Order, Ready, Reply};
use crate::script::Script;

/// Processes at one address, one after another; the last is killed when this is dropped.
///
/// Each process is an instance of its own, with a journal of its own in the directory.
#[derive(Debug)]
pub struct Child {
    binary: PathBuf,
    directory: PathBuf,
    address: SocketAddr,
    /// Bound and never listening: nobody else gets the port between two processes.
    _port: Socket,
    instance: usize,
    process: std::process::Child,
    orders: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Child {
    /// `binary`: `forebay-trial`. Returns once it listens.
    pub fn start(
        binary: &Path,
        directory: &Path,
        instance: usize,
        script: &Script,
    ) -> io::Result<Self> {
        let port = bind(port::ANY)?;
        let address = port.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let (process, orders, replies) = spawn(binary, directory, instance, script, address)?;
        let (binary, directory) = (binary.to_owned(), directory.to_owned());
        Ok(Self { binary, directory, address, _port: port, instance, process, orders, replies })
    }

    pub fn url(&self) -> String {
        format!("http://{}/records", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where instances of this directory write their journals.
    pub fn journal(directory: &Path, instance: usize) -> PathBuf {
        directory.join(format!("journal-{instance}"))
    }

    /// Returns once the order holds.
    pub fn tell(&mut self, order: &Order) -> io::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.orders.write_all(&line)?;
        let mut reply = String::new();
        self.replies.read_line(&mut reply)?;
        match serde_json::from_str(&reply)? {
            Reply::Done => Ok(()),
            Reply::Refused(why) => Err(io::Error::other(why)),
        }
    }

    /// SIGKILL. Returns when the process is gone, with the evidence for the judge.
    pub fn kill(&mut self) -> io::Result<Kill> {
        let at = clock::now();
        self.process.kill()?;
        self.process.wait()?;
        Ok(Kill::Service { instance: self.instance, at })
    }

    /// Returns once it has ended by itself, by a crash of its script.
    pub fn wait_for_crash(&mut self) -> io::Result<()> {
        self.process.wait().map(drop)
    }

    /// Another process at the same address, once the last one is gone.
    pub fn start_again(&mut self, instance: usize, script: &Script) -> io::Result<()> {
        let started = spawn(&self.binary, &self.directory, instance, script, self.address)?;
        (self.process, self.orders, self.replies) = started;
        self.instance = instance;
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

type Started = (std::process::Child, ChildStdin, BufReader<ChildStdout>);

fn spawn(
    binary: &Path,
    directory: &Path,
    instance: usize,
    script: &Script,
    address: SocketAddr,
) -> io::Result<Started> {
    let file = directory.join(format!("script-{instance}.toml"));
    std::fs::write(&file, toml::to_string(script).map_err(io::Error::other)?)?;
    let mut process = Command::new(binary)
        .args(["serve", "--until-stdin-closes", "--listen", &address.to_string(), "--script"])
        .arg(&file)
        .arg("--journal")
        .arg(Child::journal(directory, instance))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let orders = process.stdin.take().expect("piped");
    let mut replies = BufReader::new(process.stdout.take().expect("piped"));
    let mut line = String::new();
    replies.read_line(&mut line)?;
    let _: Ready = serde_json::from_str(&line)?;
    Ok((process, orders, replies))
}
