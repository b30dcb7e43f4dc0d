//! The broker the suite runs against, and topics in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use forebay_kafka::{Admin, Delivery, NewTopic, Producer, Properties, Send, SendError};
use forebay_trial::Proxy;

/// No single wait of a test is longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// `host:port` of the suite's broker.
pub(crate) fn servers() -> &'static str {
    static SERVERS: OnceLock<String> = OnceLock::new();
    SERVERS.get_or_init(|| match std::env::var("FOREBAY_TEST_KAFKA") {
        Ok(servers) => servers,
        Err(_) => {
            // Never waited for: it ends when this process does, and its standard input with it.
            let broker = Broker::start(None);
            let servers = broker.servers.clone();
            std::mem::forget(broker);
            servers
        }
    })
}

/// An Apache Kafka that belongs to one test, or to the suite.
pub(crate) struct Broker {
    pub(crate) servers: String,
    process: Child,
    directory: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Broker {
    /// With a port, or any free one.
    pub(crate) fn start(port: Option<u16>) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let directory = temporary.path().to_owned();
        Self::start_in(&directory, port, Some(temporary))
    }

    /// Clients that come in through the proxy are told of no other way; `servers` is one beside it.
    pub(crate) fn behind(proxy: &Proxy) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let mut plan = Command::new(script());
        plan.args(["plan", "--nodes", "1", "--advertise", &proxy.address().to_string(), "--dir"]);
        let planned = plan.arg(temporary.path()).output().expect("the script can be run");
        assert!(planned.status.success(), "{}", String::from_utf8_lossy(&planned.stderr));
        let planned: serde_json::Value = serde_json::from_slice(&planned.stdout).expect("JSON");
        let address =
            |name: &str| planned["nodes"][0][name].as_str().expect("an address").to_owned();
        proxy.lead_to(address("kafka").parse().expect("host:port"));
        let directory = temporary.path().to_owned();
        let mut broker = Self::run(&directory, &["--node", "1"], Some(temporary));
        broker.servers = address("direct");
        broker
    }

    fn start_in(directory: &Path, port: Option<u16>, temporary: Option<tempfile::TempDir>) -> Self {
        match port {
            Some(port) => Self::run(directory, &["--port", &port.to_string()], temporary),
            None => Self::run(directory, &[], temporary),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "another process can only be asked again")]
    fn run(directory: &Path, more: &[&str], temporary: Option<tempfile::TempDir>) -> Self {
        let ready = directory.join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let mut command = Command::new(script());
        command.args(["start", "--until-stdin-closes", "--dir"]).arg(directory);
        command.arg("--ready-file").arg(&ready).args(more);
        let mut process = command.stdin(Stdio::piped()).spawn().expect("the script can be run");
        let started = Instant::now();
        // The first run fetches the jars.
        while !ready.exists() {
            let ended = process.try_wait().expect("our own child");
            assert!(ended.is_none(), "Apache Kafka did not start: {ended:?}");
            assert!(started.elapsed() < Duration::from_secs(300), "Apache Kafka is not ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        let ready = std::fs::read(&ready).expect("it was just written");
        let ready: serde_json::Value = serde_json::from_slice(&ready).expect("JSON");
        let servers = ready["kafka"].as_str().expect("an address").to_owned();
        Self { servers, process, directory: directory.to_owned(), _temporary: temporary }
    }

    pub(crate) fn port(&self) -> u16 {
        let port = self.servers.rsplit(':').next().expect("host:port");
        port.parse().expect("a port")
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("our own child");
        self.process.wait().expect("our own child");
    }

    /// Stops it as a stalled machine would (`STOP`), or lets it go on (`CONT`).
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.expect("kill(1)").success());
    }

    /// Starts it again on its data and its port.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let again = Self::start_in(&self.directory, Some(self.port()), None);
        self.process = again.into_process();
    }

    fn into_process(mut self) -> Child {
        let placeholder = Command::new("true").spawn().expect("true(1)");
        std::mem::replace(&mut self.process, placeholder)
    }
}

/// Kafka's own command line, which changes settings.
pub(crate) fn configure(what: &[&str], how: &[&str]) {
    let mut command = Command::new(script());
    command.args(["tool", "kafka.admin.ConfigCommand", "--bootstrap-server", servers()]);
    let done = command.args(what).args(how).output().expect("the script can be run");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/apache-kafka/kafka")
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn properties(servers: &str) -> Properties {
    properties_with(servers, &[])
}

pub(crate) fn properties_with(servers: &str, more: &[(&str, &str)]) -> Properties {
    let mut given = BTreeMap::from([("bootstrap.servers".to_owned(), servers.to_owned())]);
    given.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Properties::parse(&given).expect("these properties are right")
}

pub(crate) fn admin() -> Admin {
    Admin::new(&properties(servers()), PATIENCE).expect("an admin client")
}

/// A name that no other test uses, in this run or another on the same broker.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_millis();
    format!("{name}-{now}-{}-{count}", std::process::id())
}

/// A new topic on the suite's broker.
pub(crate) fn topic(name: &str, partitions: i32) -> String {
    topic_with(name, partitions, &[])
}

pub(crate) fn topic_with(name: &str, partitions: i32, configs: &[(&str, &str)]) -> String {
    let name = unique(name);
    create(&admin(), &name, partitions, configs);
    name
}

pub(crate) fn create(admin: &Admin, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let configs = configs.iter().map(own).collect();
    let topic = NewTopic { name: name.to_owned(), partitions, replication: 1, configs };
    admin.create_topic(&topic).expect("the topic can be made");
}

pub(crate) fn producer(servers: &str) -> Producer {
    Producer::new(&properties(servers), "test").expect("a producer")
}

/// Produces values `"<from>"` … to one partition and waits until they are there.
pub(crate) fn fill(topic: &str, partition: i32, values: std::ops::Range<i64>) {
    let producer = producer(servers());
    for value in values {
        put(&producer, topic, partition, value.to_string().as_bytes());
    }
    producer.flush(PATIENCE).expect("all is acknowledged");
}

/// One record with a key, in a topic of one partition, as soon as it is there.
pub(crate) fn put_keyed(topic: &str, key: &str, value: &[u8]) {
    let producer = producer(servers());
    let record = Send {
        topic,
        partition: Some(0),
        key: Some(key.as_bytes()),
        value: Some(value),
        headers: &[],
        timestamp_ms: None,
    };
    let delivered = Box::new(|result: Result<_, _>| {
        result.expect("delivered");
    });
    assert!(producer.send(record, delivered).is_ok());
    producer.flush(PATIENCE).expect("it is acknowledged");
}

pub(crate) fn put(producer: &Producer, topic: &str, partition: i32, value: &[u8]) {
    let record = Send {
        topic,
        partition: Some(partition),
        key: None,
        value: Some(value),
        headers: &[],
        timestamp_ms: None,
    };
    let mut delivery: Delivery = Box::new(|result| {
        result.expect("delivered");
    });
    loop {
        match producer.send(record, delivery) {
            Ok(()) => return,
            Err(SendError::Full(back)) => delivery = back,
            Err(SendError::Refused(error)) => panic!("{error}"),
        }
        producer.wait_for_room(PATIENCE);
    }
}
