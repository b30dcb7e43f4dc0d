//! Gateway processes of one group, each with a name of its own that it keeps over restarts.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::system::process::{Forebay, file};

/// How the group finds its members and what they read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// With `group.instance.id`, KIP-345.
    ClassicStatic,
    /// KIP-848.
    Consumer,
}

/// A member is given up by the group after this long without a word, in seconds.
pub(super) const SESSION: u64 = 6;

pub(super) struct Fleet {
    directory: PathBuf,
    kafka: String,
    protocol: Protocol,
    subscriptions: String,
    gateways: Vec<Option<Forebay>>,
}

/// A subscription of the name of its topic and group.
pub(super) fn subscription(name: &str, endpoints: &[String]) -> String {
    format!(
        "[[subscription]]\nname = {name:?}\ntopics = [{name:?}]\n\
         dead_letter = {{ topic = \"{name}.dead\" }}\n\
         [subscription.target]\nendpoints = {endpoints:?}\ndeadline = \"5s\"\n"
    )
}

impl Fleet {
    /// This many, all started.
    pub(super) fn start(
        directory: &Path,
        kafka: &str,
        protocol: Protocol,
        subscriptions: String,
        count: usize,
    ) -> Self {
        let (directory, kafka) = (directory.to_owned(), kafka.to_owned());
        let gateways = (0..count).map(|_| None).collect();
        let mut fleet = Self { directory, kafka, protocol, subscriptions, gateways };
        for gateway in 0..count {
            fleet.start_one(gateway);
        }
        fleet
    }

    pub(super) fn len(&self) -> usize {
        self.gateways.len()
    }

    pub(super) fn start_one(&mut self, gateway: usize) {
        let own = self.directory.join(format!("gateway-{gateway}"));
        std::fs::create_dir_all(&own).expect("a directory");
        let group = match self.protocol {
            Protocol::ClassicStatic => format!(
                "\"session.timeout.ms\" = {:?}\n\"heartbeat.interval.ms\" = \"1500\"\n",
                (1000 * SESSION).to_string()
            ),
            Protocol::Consumer => "\"group.protocol\" = \"consumer\"\n".to_owned(),
        };
        let text = format!(
            "[kafka]\n\"bootstrap.servers\" = {:?}\n\"metadata.max.age.ms\" = \"3000\"\n{group}\
             [control]\nlisten = \"127.0.0.1:0\"\ninstance = \"gateway-{gateway}\"\n{}",
            self.kafka, self.subscriptions
        );
        let config = file(&own, &text);
        let args = ["run", "-c", config.to_str().expect("UTF-8")];
        self.gateways[gateway] = Some(Forebay::start(&own, &args));
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self, gateway: usize) {
        self.gateways[gateway].take().expect("it runs").kill();
    }

    /// SIGTERM, which must end it in good order.
    pub(super) fn terminate(&mut self, gateway: usize) {
        let code = self.gateways[gateway].take().expect("it runs").terminate();
        assert_eq!(code, 0, "gateway {gateway} ends in good order");
    }

    pub(super) fn signal(&self, gateway: usize, name: &str) {
        self.one(gateway).signal(name);
    }

    /// Partitions of a subscription that a gateway says are its own.
    pub(super) fn owned(&self, gateway: usize, name: &str) -> Vec<i32> {
        let (_, body) =
            self.one(gateway).get(&format!("/api/v1/subscriptions/{name}?scope=process"));
        let shown: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
        let partitions = shown["partitions"].as_array().cloned().unwrap_or_default();
        let number = |one: &Value| i32::try_from(one["partition"].as_i64()?).ok();
        partitions.iter().filter_map(number).collect()
    }

    fn one(&self, gateway: usize) -> &Forebay {
        self.gateways[gateway].as_ref().expect("it runs")
    }
}
