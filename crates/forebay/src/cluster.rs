//! A cluster as the command line names it: its properties, an admin client, and the questions that
//! several commands ask first. Errors say which servers, and what the user can do.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_kafka::{Admin, KafkaError, Properties, TopicDescription};

use crate::cli::cluster::Cluster as Args;
use crate::config::problem::nearest;
use crate::config::{Config, plan};
use crate::exit::{Exit, Failure};

const DEFAULT_SERVERS: &str = "127.0.0.1:9092";

pub(crate) struct Cluster {
    given: BTreeMap<String, String>,
    pub(crate) properties: Properties,
    pub(crate) admin: Admin,
    /// Bounds each request.
    pub(crate) timeout: Duration,
}

impl Cluster {
    /// Sends nothing yet.
    pub(crate) fn new(args: &Args) -> Result<Self, Failure> {
        match &args.config {
            Some(path) => Self::of_file(&Config::load(path)?, args),
            None => Self::with(given(args)?, args),
        }
    }

    /// The cluster of a configuration file; properties of `args` count before the file's.
    pub(crate) fn of_file(config: &Config, args: &Args) -> Result<Self, Failure> {
        let mut given = plan::given(config, &config.broker.listen)?;
        given.extend(args.properties.iter().cloned());
        if given.get("bootstrap.servers").is_some_and(|servers| servers.ends_with(":0")) {
            let message = "the embedded broker has any port there is (`broker.listen` with port 0), so \
                           only `forebay run` knows it: give it a port, or name the address that it \
                           told with -X bootstrap.servers=HOST:PORT";
            return Err(Failure::new(Exit::Configuration, message));
        }
        Self::with(given, args)
    }

    fn with(given: BTreeMap<String, String>, args: &Args) -> Result<Self, Failure> {
        let properties = parse(&given)?;
        let timeout = args.timeout.0;
        if timeout.is_zero() {
            return Err(Failure::new(Exit::Usage, "--timeout 0 leaves Kafka no time to answer"));
        }
        let admin = Admin::new(&properties, timeout).map_err(failure)?;
        Ok(Self { given, properties, admin, timeout })
    }

    /// What the user set of this property.
    pub(crate) fn given(&self, property: &str) -> Option<&str> {
        self.given.get(property).map(String::as_str)
    }

    /// The properties with one more, unless the user set that.
    pub(crate) fn set_default(&mut self, property: &str, value: String) -> Result<(), Failure> {
        if !self.given.contains_key(property) {
            self.given.insert(property.to_owned(), value);
            self.properties = parse(&self.given)?;
        }
        Ok(())
    }

    /// A topic, or `None`. Asks for all topics: asking for one would create it on brokers that
    /// create topics on demand.
    pub(crate) fn find_topic(&self, name: &str) -> Result<Found, Failure> {
        let topics = self.admin.topics().map_err(failure)?;
        let servers = self.properties.servers();
        let described = topics.iter().find(|topic| topic.name == name);
        Ok(match described {
            Some(topic) => Found::Topic(topic.clone()),
            None => {
                let known = topics.iter().map(|topic| topic.name.as_str());
                let hint = hint(name, known, topics.len(), "topics");
                let message = format!("there is no topic `{name}` on {servers}{hint}");
                Found::None(Failure::new(Exit::Unreachable, message))
            }
        })
    }

    /// A topic that must be there.
    pub(crate) fn topic(&self, name: &str) -> Result<TopicDescription, Failure> {
        match self.find_topic(name)? {
            Found::Topic(topic) => Ok(topic),
            Found::None(failure) => Err(failure),
        }
    }
}

/// A topic, or the words for its absence.
pub(crate) enum Found {
    Topic(TopicDescription),
    None(Failure),
}

/// Names near the one that is not known, or how many there are.
pub(crate) fn hint<'a>(
    unknown: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    count: usize,
    of_what: &str,
) -> String {
    match nearest(unknown, known) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if count == 0 => format!("; it has no {of_what}"),
        None if count == 1 => format!("; `forebay {of_what} list` shows the one there is"),
        None => format!("; `forebay {of_what} list` shows the {count} there are"),
    }
}

/// An error of Kafka's, with advice where nobody answered.
pub(crate) fn failure(error: KafkaError) -> Failure {
    let advice = match &error {
        KafkaError::Timeout { .. } | KafkaError::Unreachable { .. } => {
            "; is Kafka running there, and is that its address? --timeout waits longer"
        }
        _ => "",
    };
    Failure::new(Exit::Unreachable, format!("{error}{advice}"))
}

fn given(args: &Args) -> Result<BTreeMap<String, String>, Failure> {
    let mut given: BTreeMap<String, String> = args.properties.iter().cloned().collect();
    match &args.kafka {
        Some(_) if given.contains_key("bootstrap.servers") => {
            let message = "--kafka and -X bootstrap.servers both name the servers; give one";
            return Err(Failure::new(Exit::Usage, message));
        }
        Some(servers) => {
            given.insert("bootstrap.servers".to_owned(), servers.clone());
        }
        None => {
            let default = || DEFAULT_SERVERS.to_owned();
            given.entry("bootstrap.servers".to_owned()).or_insert_with(default);
        }
    }
    Ok(given)
}

fn parse(given: &BTreeMap<String, String>) -> Result<Properties, Failure> {
    Properties::parse(given).map_err(|errors| {
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::new(Exit::Usage, told.join("\n"))
    })
}
