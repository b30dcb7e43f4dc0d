//! Three Apache Kafka nodes on the loopback: each a process that is killed, frozen or started again
//! on its data, each with a proxy of its own that clients come in by.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use forebay_kafka::{Admin, Properties, TopicDescription};
use forebay_trial::{Link, Proxy};
use serde_json::Value;

use crate::system::kafka::Kafka;
use crate::system::process::within;

pub(super) const NODES: usize = 3;
/// A node's start on a machine that is busy with everything else here.
const START: Duration = Duration::from_secs(90);
/// One question to the cluster while it may be in pieces.
const ASK: Duration = Duration::from_secs(5);

pub(super) struct Cluster {
    directory: PathBuf,
    nodes: Vec<Node>,
}

struct Node {
    /// As `host:port`: where nobody stands between.
    direct: String,
    proxy: Proxy,
    process: Option<Child>,
}

impl Cluster {
    /// Returns once all nodes answer.
    pub(super) fn start(directory: &Path) -> Self {
        let proxies = [(); NODES].map(|()| Proxy::open().expect("the loopback has free ports"));
        let advertised = proxies.each_ref().map(|proxy| proxy.address().to_string()).join(",");
        let count = NODES.to_string();
        let planned = Command::new(script())
            .args(["plan", "--nodes", &count, "--advertise", &advertised, "--dir"])
            .arg(directory)
            .output()
            .expect("the script can be run");
        assert!(planned.status.success(), "{}", String::from_utf8_lossy(&planned.stderr));
        let plan: Value = serde_json::from_slice(&planned.stdout).expect("JSON");
        let node = |(proxy, planned): (Proxy, &Value)| {
            let address = |name: &str| planned[name].as_str().expect("an address").to_owned();
            proxy.lead_to(address("kafka").parse().expect("host:port"));
            Node { direct: address("direct"), proxy, process: None }
        };
        let planned = plan["nodes"].as_array().expect("a list");
        let nodes = proxies.into_iter().zip(planned).map(node).collect();
        let mut cluster = Self { directory: directory.to_owned(), nodes };
        for node in 0..NODES {
            cluster.spawn(node);
        }
        for node in 0..NODES {
            cluster.await_node(node);
        }
        cluster
    }

    /// As clients of the product see it: through the proxies.
    pub(super) fn through_proxies(&self) -> String {
        let each = self.nodes.iter().map(|node| node.proxy.address().to_string());
        each.collect::<Vec<_>>().join(",")
    }

    /// As a test sees it, whatever the proxies do.
    pub(super) fn direct(&self) -> Kafka {
        let each: Vec<&str> = self.nodes.iter().map(|node| node.direct.as_str()).collect();
        Kafka { broker: None, address: each.join(",") }
    }

    pub(super) fn admin(&self) -> Admin {
        Admin::new(&self.direct().properties(), ASK).expect("a client can be made")
    }

    /// One client for what is asked again and again.
    pub(super) fn properties(&self, more: &[(&str, &str)]) -> Properties {
        let servers = self.direct().address;
        let given =
            [("bootstrap.servers", servers.as_str())].into_iter().chain(more.iter().copied());
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Properties::parse(&given).expect("these properties are right")
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self, node: usize) {
        let mut process = self.nodes[node].process.take().expect("it runs");
        process.kill().expect("our own child");
        process.wait().expect("our own child");
    }

    /// `STOP` freezes it, `CONT` lets it go on.
    pub(super) fn signal(&self, node: usize, name: &str) {
        let pid = self.nodes[node].process.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill(1)").success());
    }

    /// Starts nodes again that were killed, on their data. Returns once they answer.
    pub(super) fn start_again(&mut self, nodes: &[usize]) {
        for node in nodes {
            self.spawn(*node);
        }
        for node in nodes {
            self.await_node(*node);
        }
    }

    pub(super) fn set_link(&self, node: usize, link: Link) {
        self.nodes[node].proxy.set(link);
    }

    pub(super) fn set_links(&self, link: Link) {
        self.nodes.iter().for_each(|node| node.proxy.set(link));
    }

    /// The node that leads a partition, where some node does.
    pub(super) fn leader(&self, topic: &str, partition: i32) -> Option<usize> {
        let topic = self.admin().describe_topic(topic).ok()??;
        let layout = topic.partitions.iter().find(|layout| layout.partition == partition)?;
        usize::try_from(layout.leader).ok()?.checked_sub(1)
    }

    /// The node that coordinates a group.
    pub(super) fn coordinator(&self, group: &str) -> Option<usize> {
        let described = self.admin().describe_groups(&[group]).ok()?;
        let id = described.first()?.coordinator.rsplit_once('(')?.1.strip_suffix(')')?;
        id.parse::<usize>().ok()?.checked_sub(1)
    }

    /// Waits until no partition is led by this node, or by none.
    pub(super) fn await_leaders_without(&self, node: usize) {
        let dead = node as i32 + 1;
        self.await_topics("leaders have moved", |topic| {
            topic.partitions.iter().all(|layout| ![dead, -1].contains(&layout.leader))
        });
    }

    /// Waits until every partition is in sync on all nodes.
    pub(super) fn await_whole(&self) {
        self.await_topics("all replicas are in sync", |topic| {
            topic.partitions.iter().all(|layout| layout.in_sync.len() == layout.replicas.len())
        });
    }

    fn await_topics(&self, what: &str, holds: impl Fn(&TopicDescription) -> bool) {
        let admin = self.admin();
        within(START, what, || admin.topics().ok()?.iter().all(&holds).then_some(()));
    }

    /// Runs one of Kafka's own tools to a good end.
    pub(super) fn tool(&self, class: &str, args: &[&str]) {
        let ran = Command::new(script())
            .args(["tool", class, "--bootstrap-server", &self.direct().address])
            .args(args)
            .output()
            .expect("the script can be run");
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{class}: {said}{}", String::from_utf8_lossy(&ran.stderr));
    }

    fn spawn(&mut self, node: usize) {
        let _ = std::fs::remove_file(self.ready(node));
        let log = self.directory.join(format!("node-{node}.log"));
        let log = File::options().create(true).append(true).open(log).expect("a file");
        let child = Command::new(script())
            .args(["start", "--until-stdin-closes", "--node", &(node + 1).to_string(), "--dir"])
            .arg(&self.directory)
            .arg("--ready-file")
            .arg(self.ready(node))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.nodes[node].process = Some(child.expect("the script can be run"));
    }

    fn await_node(&mut self, node: usize) {
        let (ready, directory) = (self.ready(node), self.directory.clone());
        let process = self.nodes[node].process.as_mut().expect("it was started");
        within(START, "a node answers", || {
            let ended = process.try_wait().expect("our own child");
            assert!(ended.is_none(), "node {node} ended, see {}", directory.display());
            ready.exists().then_some(())
        });
    }

    fn ready(&self, node: usize) -> PathBuf {
        self.directory.join(format!("ready-{node}.json"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.nodes.iter_mut().filter_map(|node| node.process.as_mut()) {
            // They may have ended before.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/apache-kafka/kafka")
}
