//! Kafka's client properties by their own (Java) names, translated for librdkafka.
//!
//! People know Java's names, so those are what is read. Where librdkafka names a property
//! differently, gives it another scope or another default, it is told what Java would mean; what
//! Forebay itself must own is refused with the reason; what is unknown, impossible or
//! contradictory is an error with the name of the property. All errors are told at once, and none
//! of them, nor `Debug`, ever shows the value of a secret.

mod check;
mod jaas;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::intake::StartPolicy;
use crate::token::TokenFile;
use check::Given;
use jaas::Login;
use table::{Kind, Property, To};

/// Checked properties of one cluster. Secrets never show in `Debug`.
#[derive(Clone)]
pub struct Properties {
    servers: String,
    translated: Vec<(Scope, &'static str, String)>,
    max_poll_records: Option<usize>,
    start: Option<StartPolicy>,
    fetch: FetchBytes,
    api_timeout: Duration,
    session: Duration,
    joins_by_epochs: bool,
    token: Option<TokenFile>,
}

/// Which clients a translated property is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    All,
    Consumer,
    Producer,
}

/// How much a consumer asks for at a time, in bytes; a record that is larger comes all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchBytes {
    /// `fetch.max.bytes`: of all partitions of one broker.
    pub whole: usize,
    /// `max.partition.fetch.bytes`: of each of them.
    pub partition: usize,
}

/// What is wrong with one property.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {fault}")]
pub struct PropertyError {
    pub name: String,
    pub fault: PropertyFault,
}

/// The ways in which a property can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyFault {
    #[error("Kafka has no such client property{}", nearest.as_ref().map(|name| format!("; did you mean {name}?")).unwrap_or_default())]
    Unknown { nearest: Option<String> },
    /// Kafka has it, and it is not the user's to set here.
    #[error("can't be set: {reason}")]
    Refused { reason: String },
    #[error("impossible value: {reason}")]
    Impossible { reason: String },
    #[error("contradicts {other}: {reason}")]
    Contradiction { other: String, reason: String },
    #[error("must be set")]
    Missing,
}

/// Java's defaults where librdkafka has others, and what a fixed intake wants.
const DEFAULTS: &[(Scope, &str, &str)] = &[
    (Scope::All, "client.id", "forebay"),
    (Scope::All, "socket.timeout.ms", "30000"),
    (Scope::All, "socket.connection.setup.timeout.ms", "10000"),
    (Scope::All, "reconnect.backoff.ms", "50"),
    (Scope::All, "reconnect.backoff.max.ms", "1000"),
    (Scope::All, "log.connection.close", "false"),
    (Scope::Consumer, "check.crcs", "true"),
    // librdkafka would not fetch a partition for a second once enough is read ahead.
    (Scope::Consumer, "fetch.queue.backoff.ms", "5"),
    (Scope::Consumer, "isolation.level", "read_committed"),
    (Scope::Producer, "message.max.bytes", "1048576"),
    (Scope::Producer, "queue.buffering.max.kbytes", "32768"),
    (Scope::Producer, "delivery.timeout.ms", "120000"),
    (Scope::Producer, "enable.idempotence", "true"),
    (Scope::Producer, "acks", "all"),
    (Scope::Producer, "partitioner", "murmur2_random"),
];

/// Kafka's 50 MiB and 1 MiB would leave a processor's cache before they are sent; and what a fetch
/// brings of one partition beyond its queue's share holds up the others behind it, until it is thrown
/// away and fetched again.
const FETCH: FetchBytes = FetchBytes { whole: 1 << 20, partition: 128 << 10 };

/// Kafka's default of `session.timeout.ms`.
const SESSION: Duration = Duration::from_secs(45);
/// Kafka's default of `group.consumer.session.timeout.ms`, less that of
/// `group.consumer.heartbeat.interval.ms`: such a session does not count from commits.
const BROKERS_SESSION: Duration = Duration::from_secs(45 - 5);

impl Properties {
    /// Reads properties as a user wrote them.
    pub fn parse(given: &BTreeMap<String, String>) -> Result<Self, Vec<PropertyError>> {
        let mut errors = Vec::new();
        let mut known: BTreeMap<&'static str, String> = BTreeMap::new();
        for (name, value) in given {
            match accept(name, value) {
                Ok(property) => {
                    known.insert(property.name, value.trim().to_owned());
                }
                Err(fault) => errors.push(PropertyError { name: name.clone(), fault }),
            }
        }
        let given = Given(known);
        check::combinations(&given, &mut errors);
        let mut translated = Vec::new();
        for (name, value) in &given.0 {
            let property = table::find(name).expect("accepted above");
            match translate(property, value, &given) {
                Ok(pairs) => translated.extend(pairs),
                Err(fault) => errors.push(PropertyError { name: (*name).to_owned(), fault }),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let joins_by_epochs = given.text("group.protocol") == Some("consumer");
        Ok(Self {
            servers: given.text("bootstrap.servers").unwrap_or_default().to_owned(),
            translated,
            max_poll_records: given
                .number("max.poll.records")
                .and_then(|number| usize::try_from(number).ok()),
            start: given.text("auto.offset.reset").map(|reset| match reset {
                "earliest" => StartPolicy::Earliest,
                "latest" => StartPolicy::Latest,
                _ => StartPolicy::None,
            }),
            fetch: FetchBytes::of(&given),
            session: match joins_by_epochs {
                true => BROKERS_SESSION,
                false => given
                    .ms("session.timeout.ms", 45_000)
                    .try_into()
                    .map_or(SESSION, Duration::from_millis),
            },
            api_timeout: Duration::from_millis(
                given
                    .number("default.api.timeout.ms")
                    .and_then(|number| u64::try_from(number).ok())
                    .unwrap_or(60_000),
            ),
            joins_by_epochs,
            token: given.text(TOKEN_URL).and_then(file_of).map(TokenFile::new),
        })
    }

    /// Whether the value of a property of this name must not be shown. Of names that Kafka does not
    /// have, those that sound like it: they may be misspelt.
    pub fn is_secret(name: &str) -> bool {
        match table::find(name) {
            Some(property) => matches!(property.kind, Kind::Secret),
            None => ["pass", "secret", "jaas", "key", "token"].iter().any(|it| name.contains(it)),
        }
    }

    /// `bootstrap.servers`, for messages.
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// `session.timeout.ms`: how long the group takes a member for alive that commits and then says
    /// nothing. By `group.protocol=consumer` it is the broker's to say; then this is its default.
    pub fn session_timeout(&self) -> Duration {
        self.session
    }

    /// `max.poll.records`, where it was given: the most a worker should take at once.
    pub fn max_poll_records(&self) -> Option<usize> {
        self.max_poll_records
    }

    /// `auto.offset.reset`, where it was given: the start of subscriptions that name none.
    pub fn start(&self) -> Option<StartPolicy> {
        self.start
    }

    /// How much is fetched at a time, as given or by default.
    pub fn fetch(&self) -> FetchBytes {
        self.fetch
    }

    /// `default.api.timeout.ms` (60 s): how long a call to the cluster may take.
    pub fn api_timeout(&self) -> Duration {
        self.api_timeout
    }

    /// `group.protocol=consumer`: members join as KIP-848 says, which Kafka 4 offers.
    pub fn joins_by_epochs(&self) -> bool {
        self.joins_by_epochs
    }

    /// `client.id`, as given or by default.
    pub(crate) fn client_id(&self) -> String {
        self.admin().get("client.id").unwrap_or_default().to_owned()
    }

    /// Where clients have their OAUTHBEARER token from, if they show one.
    pub(crate) fn token(&self) -> Option<&TokenFile> {
        self.token.as_ref()
    }

    pub(crate) fn consumer(&self) -> ClientConfig {
        self.client(&[Scope::All, Scope::Consumer])
    }

    pub(crate) fn producer(&self) -> ClientConfig {
        self.client(&[Scope::All, Scope::Producer])
    }

    pub(crate) fn admin(&self) -> ClientConfig {
        self.client(&[Scope::All])
    }

    fn client(&self, scopes: &[Scope]) -> ClientConfig {
        let mut client = ClientConfig::new();
        // Else the wrapper asks the `log` crate, which nobody listens to here.
        client.set_log_level(RDKafkaLogLevel::Info);
        for (scope, name, value) in DEFAULTS {
            if scopes.contains(scope) {
                client.set(*name, *value);
            }
        }
        for (scope, name, value) in &self.translated {
            if scopes.contains(scope) {
                client.set(*name, value);
            }
        }
        client
    }
}

impl FetchBytes {
    fn of(given: &Given) -> Self {
        let number = |name| given.number(name).and_then(|number| usize::try_from(number).ok());
        // Where a fetch is to wait for more, one partition may have to bring it all.
        let least = number("fetch.min.bytes").unwrap_or(0);
        Self {
            whole: number("fetch.max.bytes").unwrap_or(FETCH.whole.max(least)),
            partition: number("max.partition.fetch.bytes").unwrap_or(FETCH.partition.max(least)),
        }
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Properties").field("servers", &self.servers).finish_non_exhaustive()
    }
}

/// Finds a property that may be set, with a value of its kind.
fn accept(name: &str, value: &str) -> Result<&'static Property, PropertyFault> {
    let Some(property) = table::find(name) else {
        return Err(match table::refused_family(name) {
            Some(reason) => PropertyFault::Refused { reason: reason.to_owned() },
            None => PropertyFault::Unknown { nearest: table::nearest(name).map(str::to_owned) },
        });
    };
    if let To::Refused(reason) = property.to {
        return Err(PropertyFault::Refused { reason: reason.to_owned() });
    }
    property.kind.check(value.trim()).map_err(|fault| match (name, fault) {
        ("acks", PropertyFault::Impossible { reason }) => {
            PropertyFault::Impossible { reason: format!("{reason}: {WEAK_ACKS}") }
        }
        (_, fault) => fault,
    })?;
    Ok(property)
}

/// Why dead letters and parked records are never written so.
const WEAK_ACKS: &str = "with 1 a record that Kafka took is lost when its leader fails before others \
                         have it; with 0 nobody knows whether it was taken, so nothing is retried";

type Pairs = Vec<(Scope, &'static str, String)>;

/// What librdkafka is told for one property.
fn translate(property: &Property, value: &str, given: &Given) -> Result<Pairs, PropertyFault> {
    let same = |scope, name| vec![(scope, name, value.to_owned())];
    Ok(match property.to {
        To::Ours | To::Refused(_) => Vec::new(),
        To::All(name) => same(Scope::All, name),
        To::Consumer(name) => same(Scope::Consumer, name),
        To::Producer(name) => same(Scope::Producer, name),
        To::Special => special(property.name, value, given)?,
    })
}

/// Those whose values, not only names, differ from librdkafka's.
fn special(name: &str, value: &str, given: &Given) -> Result<Pairs, PropertyFault> {
    let all = |name, value: &str| (Scope::All, name, value.to_owned());
    Ok(match name {
        "security.protocol" => vec![all("security.protocol", &value.to_lowercase())],
        "request.timeout.ms" => vec![
            all("socket.timeout.ms", value),
            (Scope::Producer, "request.timeout.ms", value.to_owned()),
        ],
        "metadata.max.age.ms" => vec![all("topic.metadata.refresh.interval.ms", value)],
        // Java says −1 for the system's default, librdkafka 0.
        "receive.buffer.bytes" => {
            vec![all("socket.receive.buffer.bytes", if value == "-1" { "0" } else { value })]
        }
        "send.buffer.bytes" => {
            vec![all("socket.send.buffer.bytes", if value == "-1" { "0" } else { value })]
        }
        "buffer.memory" => {
            let kbytes = given.number(name).unwrap_or(0) / 1024;
            vec![(Scope::Producer, "queue.buffering.max.kbytes", kbytes.max(1).to_string())]
        }
        "ssl.endpoint.identification.algorithm" => {
            let algorithm = if value.is_empty() { "none" } else { "https" };
            vec![all("ssl.endpoint.identification.algorithm", algorithm)]
        }
        "ssl.truststore.location" => {
            if is_binary_store(value) {
                return Err(impossible("only PEM files of certificates can be read; convert it"));
            }
            vec![all("ssl.ca.location", value)]
        }
        "ssl.keystore.location" => match given.text("ssl.keystore.type") {
            Some("PKCS12") => vec![all("ssl.keystore.location", value)],
            None if is_pkcs12(value) => vec![all("ssl.keystore.location", value)],
            None if is_binary_store(value) => {
                return Err(impossible("JKS can't be read; convert it to PKCS12 or PEM"));
            }
            _ => vec![all("ssl.key.location", value), all("ssl.certificate.location", value)],
        },
        "sasl.jaas.config" => match jaas::parse(value).map_err(impossible)? {
            Login::Password { username, password, .. } => {
                vec![all("sasl.username", &username), all("sasl.password", &password)]
            }
            Login::Token => Vec::new(),
            Login::Unsecured { principal, life_seconds } => {
                let life = life_seconds.unwrap_or(3_600);
                let claims = format!("principal={principal} lifeSeconds={life}");
                vec![
                    all("enable.sasl.oauthbearer.unsecure.jwt", "true"),
                    all("sasl.oauthbearer.config", &claims),
                ]
            }
        },
        TOKEN_URL => {
            if file_of(value).is_none() {
                let reason = "only file:///PATH, with the path of a file that holds the token and \
                              is kept fresh by others; this build asks no token endpoint";
                return Err(impossible(reason));
            }
            // So that whoever keeps the token fresh can wait for when it is wanted.
            vec![all("enable_sasl_queue", "true")]
        }
        _ => unreachable!("the table marks no other property as special"),
    })
}

const TOKEN_URL: &str = "sasl.oauthbearer.token.endpoint.url";

/// The path in a `file:` URL, which is absolute.
fn file_of(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("file://")?;
    path.starts_with('/').then(|| PathBuf::from(path))
}

fn impossible(reason: &str) -> PropertyFault {
    PropertyFault::Impossible { reason: reason.to_owned() }
}

fn is_pkcs12(path: &str) -> bool {
    [".p12", ".pfx"].iter().any(|end| path.to_lowercase().ends_with(end))
}

fn is_binary_store(path: &str) -> bool {
    is_pkcs12(path) || path.to_lowercase().ends_with(".jks")
}

impl Kind {
    /// Whether a value is of this kind. Messages never show it where it may be a secret.
    fn check(self, value: &str) -> Result<(), PropertyFault> {
        let wrong = |reason: String| Err(PropertyFault::Impossible { reason });
        match self {
            Self::Text | Self::Secret if value.contains('\0') => {
                wrong("it has a zero byte in it".to_owned())
            }
            Self::Text | Self::Secret => Ok(()),
            Self::Flag => match value {
                "true" | "false" => Ok(()),
                _ => wrong(format!("{value:?} is neither true nor false")),
            },
            Self::Number(least, most) => match value.parse::<i64>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                Ok(number) => wrong(format!("{number} is not within {least} and {most}")),
                Err(_) => wrong(format!("{value:?} is no whole number")),
            },
            Self::Choice(choices) if choices.contains(&value) => Ok(()),
            Self::Choice(choices) => wrong(format!("{value:?} is none of {}", choices.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests;
