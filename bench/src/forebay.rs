//! `forebay` as child processes: a broker, and gateways that read from it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use forebay_kafka::{Admin, NewTopic, Properties};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::process::Process;

/// For each thing that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A broker on a port of its own.
pub(crate) struct Broker {
    pub(crate) process: Process,
    /// Where it listens.
    pub(crate) kafka: String,
}

/// What a broker writes once it listens; of it, what is needed here.
#[derive(Deserialize)]
struct BrokerReady {
    kafka: String,
}

/// The same of a gateway.
#[derive(Deserialize)]
struct GatewayReady {
    control: SocketAddr,
}

impl Broker {
    /// Its data goes into a part of `directory`.
    pub(crate) fn start(forebay: &Path, directory: &Path) -> anyhow::Result<Self> {
        let ready = directory.join("broker.json");
        let mut command = command(forebay, "broker", &ready);
        command.arg("--data").arg(directory.join("data"));
        command.args(["--listen", "127.0.0.1:0"]);
        let mut process = Process::spawn("the broker", &mut command)?;
        let BrokerReady { kafka } = wait_ready(&mut process, &ready)?;
        Ok(Self { process, kafka })
    }

    pub(crate) fn properties(&self) -> anyhow::Result<Properties> {
        let given = [("bootstrap.servers".to_owned(), self.kafka.clone())].into();
        Properties::parse(&given)
            .map_err(|refused| anyhow::anyhow!("properties refused: {refused:?}"))
    }

    pub(crate) fn create_topic(&self, name: &str, partitions: usize) -> anyhow::Result<()> {
        let topic = NewTopic {
            name: name.to_owned(),
            partitions: i32::try_from(partitions)?,
            replication: -1,
            configs: BTreeMap::new(),
        };
        Ok(Admin::new(&self.properties()?, PATIENCE)?.create_topic(&topic)?)
    }

    /// The configuration of a gateway between this broker and one service.
    pub(crate) fn gateway_of(
        &self,
        group: &str,
        topic: &str,
        service: SocketAddr,
        in_flight: usize,
    ) -> String {
        format!(
            "[kafka]\n\
             \"bootstrap.servers\" = \"{}\"\n\
             [control]\n\
             listen = \"127.0.0.1:0\"\n\
             [[subscription]]\n\
             name = \"payments\"\n\
             topics = [\"{topic}\"]\n\
             group = \"{group}\"\n\
             [subscription.target]\n\
             url = \"http://{service}/records\"\n\
             in_flight = {in_flight}\n",
            self.kafka
        )
    }
}

/// Starts a gateway and does not wait for it. `stem`: a path for its files, without an ending.
pub(crate) fn start_gateway(forebay: &Path, stem: &Path, config: &str) -> anyhow::Result<Process> {
    let file = stem.with_extension("toml");
    std::fs::write(&file, config)?;
    let mut command = command(forebay, "run", &stem.with_extension("json"));
    Process::spawn("the gateway", command.arg("--config").arg(&file))
}

/// A gateway whose control API is spoken to.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    control: SocketAddr,
}

impl Gateway {
    /// As [`start_gateway`], and listens when this returns.
    pub(crate) fn start(forebay: &Path, stem: &Path, config: &str) -> anyhow::Result<Self> {
        let mut process = start_gateway(forebay, stem, config)?;
        let GatewayReady { control } = wait_ready(&mut process, &stem.with_extension("json"))?;
        Ok(Self { process, control })
    }

    /// What `/api/v1/subscriptions/<rest>` answers; errs unless that is 200 and JSON.
    pub(crate) fn ask(&self, method: &str, rest: &str) -> anyhow::Result<Value> {
        let mut stream = TcpStream::connect(self.control).context("asking the gateway")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "{method} /api/v1/subscriptions/{rest} HTTP/1.1\r\nhost: control\r\n\
             content-length: 0\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{method} {rest}: {answer}");
        serde_json::from_str(body).with_context(|| format!("the gateway said {answer}"))
    }
}

#[allow(clippy::disallowed_methods, reason = "measuring takes time, and nothing else waits")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn command(forebay: &Path, name: &str, ready: &Path) -> Command {
    let mut command = Command::new(forebay);
    let level = std::env::var("FOREBAY_LOG").unwrap_or_else(|_| "error".to_owned());
    command.env("FOREBAY_LOG", level).arg(name).arg("--ready-file").arg(ready);
    command
}

fn wait_ready<T: DeserializeOwned>(process: &mut Process, path: &Path) -> anyhow::Result<T> {
    let begin = Instant::now();
    while !path.exists() {
        process.expect_running()?;
        ensure!(begin.elapsed() < PATIENCE, "{} does not appear", path.display());
        pause(Duration::from_millis(10));
    }
    let text = std::fs::read_to_string(path)?;
    serde_json::from_str(&text).with_context(|| format!("{} holds {text}", path.display()))
}
