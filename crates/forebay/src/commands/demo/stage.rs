//! What the demo runs on: a cluster, the gateway, and instances of the service.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forebay_kafka::{Admin, NewTopic, Properties};

use super::control::Control;
use super::script::Plan;
use super::troupe::{ChildId, Troupe};
use crate::exit::{Exit, Failure};

pub(super) const PARTITIONS: usize = 8;
/// How long one service works on a record.
const WORK_MS: &str = "8";
/// A single instance keeps up with a little less than this share of the rate, so that growing the
/// service is seen to help.
const RATE_OF_A_WORKER: f64 = 140.0;
const SUBSCRIPTION: &str = "demo";
/// How long a cluster may take to answer at all, and then to each question.
const REACHING: Duration = Duration::from_secs(5);
const ASKING: Duration = Duration::from_secs(20);
/// The gateway drains for 10 s at most.
const ENDING: Duration = Duration::from_secs(15);

/// The cluster, and the topic and group that are the demo's own.
pub(super) struct Cluster {
    pub(super) servers: String,
    pub(super) topic: String,
    pub(super) properties: Properties,
    pub(super) admin: Admin,
}

impl Cluster {
    /// Makes the topic there. Blocks.
    pub(super) fn open(servers: &str, topic: &str) -> Result<Self, Failure> {
        let given = BTreeMap::from([("bootstrap.servers".to_owned(), servers.to_owned())]);
        let properties = Properties::parse(&given).map_err(|errors| {
            let words: Vec<_> = errors.iter().map(ToString::to_string).collect();
            Failure::new(Exit::Usage, format!("--kafka {servers}: {}", words.join("; ")))
        })?;
        Admin::new(&properties, REACHING)?.cluster_id()?;
        let admin = Admin::new(&properties, ASKING)?;
        admin.create_topic(&NewTopic {
            name: topic.to_owned(),
            partitions: PARTITIONS as i32,
            replication: -1,
            configs: BTreeMap::new(),
        })?;
        let (servers, topic) = (servers.to_owned(), topic.to_owned());
        Ok(Self { servers, topic, properties, admin })
    }

    /// Leaves nothing on somebody else's cluster: the group goes with its topic, once its member's
    /// session has ended. Blocks.
    pub(super) fn remove_topic(&self) -> Result<(), Failure> {
        Ok(self.admin.delete_topic(&self.topic)?)
    }

    /// The group has the topic's name.
    pub(super) fn group(&self) -> &str {
        &self.topic
    }

    /// By topic and partition.
    pub(super) fn commit_points(&self) -> Result<BTreeMap<(String, i32), i64>, Failure> {
        let offsets = self.admin.group_offsets(self.group())?;
        let each = offsets
            .into_iter()
            .map(|row| ((row.partition.topic.to_string(), row.partition.partition), row.offset));
        Ok(each.collect())
    }
}

/// One instance of the service. Its number is its place, and is never used again.
pub(super) struct Service {
    pub(super) state: ServiceState,
    pub(super) journal: PathBuf,
    child: ChildId,
    url: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceState {
    Serving,
    /// Off the list; it still works on what it has.
    Leaving,
    Ended,
    Killed,
}

pub(super) struct Stage<'a> {
    pub(super) troupe: &'a mut Troupe,
    pub(super) cluster: Arc<Cluster>,
    pub(super) services: Vec<Service>,
    workers: String,
    order: &'static str,
    gateway: Option<ChildId>,
    gateways: usize,
    control: Option<Control>,
}

/// Starts the embedded broker.
pub(super) async fn broker(troupe: &mut Troupe) -> Result<String, Failure> {
    let data = troupe.directory().join("broker");
    let data = path(&data)?;
    let broker = troupe.start("broker", &["broker", "--listen", "127.0.0.1:0", "--data", data])?;
    let ready = troupe.await_ready(broker).await?;
    ready.kafka.ok_or_else(|| Failure::new(Exit::Unreachable, "the broker told no address"))
}

impl<'a> Stage<'a> {
    pub(super) fn new(troupe: &'a mut Troupe, cluster: Arc<Cluster>, plan: &Plan) -> Self {
        Self {
            troupe,
            cluster,
            services: Vec::new(),
            workers: (plan.rate / RATE_OF_A_WORKER).ceil().to_string(),
            order: if plan.without_order { "none" } else { "key" },
            gateway: None,
            gateways: 0,
            control: None,
        }
    }

    /// Starts more instances side by side. They get nothing before they are listed.
    pub(super) async fn start_services(&mut self, count: usize) -> Result<(), Failure> {
        let mut started = Vec::new();
        for number in self.services.len()..self.services.len() + count {
            let journal = self.troupe.directory().join(format!("journal-{number}"));
            let name = format!("service-{number}");
            let file = path(&journal)?;
            let arguments = [
                "demo-service",
                "--journal",
                file,
                "--work-ms",
                WORK_MS,
                "--workers",
                &self.workers,
            ];
            started.push((self.troupe.start(&name, &arguments)?, journal));
        }
        for (child, journal) in started {
            let ready = self.troupe.await_ready(child).await?;
            let address = ready.service.ok_or_else(|| {
                Failure::new(Exit::Unreachable, "a service of the demo told no address")
            })?;
            let url = format!("http://{address}/records");
            self.services.push(Service { state: ServiceState::Serving, journal, child, url });
        }
        Ok(())
    }

    /// Instances that are serving, by their numbers.
    pub(super) fn serving(&self) -> Vec<usize> {
        let all = self.services.iter().enumerate();
        let serving = all.filter(|(_, service)| service.state == ServiceState::Serving);
        serving.map(|(number, _)| number).collect()
    }

    fn urls(&self) -> Vec<String> {
        self.serving().into_iter().map(|number| self.services[number].url.clone()).collect()
    }

    /// Starts the gateway on what is serving now. Always the same instance of the same group.
    pub(super) fn start_gateway(&mut self) -> Result<(), Failure> {
        let file = self.troupe.directory().join("forebay.toml");
        std::fs::write(&file, self.configuration()).map_err(Failure::of(Exit::Usage))?;
        self.gateways += 1;
        let name = format!("gateway-{}", self.gateways);
        self.gateway = Some(self.troupe.start(&name, &["run", "-c", path(&file)?])?);
        self.control = None;
        Ok(())
    }

    fn configuration(&self) -> String {
        let string = |text: &str| toml::Value::from(text).to_string();
        let topic = string(&self.cluster.topic);
        let servers = string(&self.cluster.servers);
        let urls = self.urls();
        let urls: Vec<String> = urls.iter().map(|url| string(url)).collect();
        format!(
            "[kafka]\n\"bootstrap.servers\" = {servers}\n\
             [control]\nlisten = \"127.0.0.1:0\"\ninstance = \"demo\"\n\
             [[subscription]]\nname = \"{SUBSCRIPTION}\"\ntopics = [{topic}]\ngroup = {topic}\n\
             order = {}\ntakeover = \"fast\"\n[subscription.target]\nendpoints = [{}]\n",
            string(self.order),
            urls.join(", ")
        )
    }

    /// Whether the gateway delivers from every partition.
    pub(super) async fn gateway_delivers(&mut self) -> Result<bool, Failure> {
        let Some(gateway) = self.gateway else { return Ok(false) };
        if self.control.is_none() {
            let address = self.troupe.ready(gateway)?.and_then(|ready| ready.control);
            self.control = address.map(|address| Control::new(address, SUBSCRIPTION));
        }
        match &self.control {
            Some(control) => Ok(control.subscription().await?.active() == PARTITIONS),
            None => Ok(false),
        }
    }

    pub(super) async fn kill_gateway(&mut self) {
        self.control = None;
        if let Some(gateway) = self.gateway.take() {
            self.troupe.kill(gateway).await;
        }
    }

    pub(super) async fn end_gateway(&mut self) {
        self.control = None;
        if let Some(gateway) = self.gateway.take() {
            self.troupe.end(gateway, ENDING).await;
        }
    }

    /// Tells the gateway which instances are serving.
    pub(super) async fn list_services(&self) -> Result<(), Failure> {
        self.control()?.set_endpoints(&self.urls()).await.map(drop)
    }

    /// Whether nothing is in flight to an instance that is off the list.
    pub(super) async fn is_drained(&self) -> Result<bool, Failure> {
        Ok(self.control()?.subscription().await?.is_drained())
    }

    fn control(&self) -> Result<&Control, Failure> {
        let gone = || Failure::new(Exit::Unreachable, "the gateway's control API is not there");
        self.control.as_ref().ok_or_else(gone)
    }

    pub(super) async fn kill_service(&mut self, number: usize) {
        self.services[number].state = ServiceState::Killed;
        self.troupe.kill(self.services[number].child).await;
    }

    pub(super) async fn end_service(&mut self, number: usize) {
        self.troupe.end(self.services[number].child, ENDING).await;
        self.services[number].state = ServiceState::Ended;
    }
}

fn path(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        let message = format!("the temporary directory {} has no UTF-8 name", path.display());
        Failure::new(Exit::Usage, message)
    })
}
