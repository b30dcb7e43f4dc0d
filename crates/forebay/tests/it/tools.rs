//! The tools around a Kafka: `produce`, `consume`, `topics`, `groups` and `dead-letters`; and
//! `check-config`, which asks one.

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Ran, Running, forebay, forebay_fed, unique};
use crate::system::kafka::Kafka;

mod check_config;
mod consume;
mod dead_letters;
mod groups;
mod produce;
mod reach;
mod topics;

/// A Kafka, and a topic in it that is this test's own.
struct Bench {
    directory: TempDir,
    kafka: Kafka,
    topic: String,
}

impl Bench {
    /// The topic does not exist yet.
    fn without_topic(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let kafka = Kafka::start(directory.path());
        Self { directory, kafka, topic: unique(name) }
    }

    fn new(name: &str, partitions: i32) -> Self {
        let bench = Self::without_topic(name);
        bench.kafka.create(&bench.topic, partitions);
        bench
    }

    /// `command … --kafka this one`.
    fn args<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [args, &["--kafka", &self.kafka.address]].concat()
    }

    fn run(&self, args: &[&str]) -> Ran {
        forebay(&self.args(args))
    }

    fn produce(&self, args: &[&str], input: &[u8]) -> Ran {
        let args = [&["produce", "--topic", self.topic.as_str()], args].concat();
        forebay_fed(&self.args(&args), input)
    }

    fn start(&self, args: &[&str]) -> Running {
        Running::start(&self.args(args))
    }

    /// All records of the topic, each a JSON object.
    fn records(&self, args: &[&str]) -> Vec<Value> {
        let args =
            [&["consume", "--topic", self.topic.as_str(), "--output", "json"], args].concat();
        lines(&self.run(&args).done())
    }

    /// A file in the test's own directory.
    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn values(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["value"].as_str().expect("text")).collect()
}
