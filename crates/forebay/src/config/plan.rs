//! From a checked configuration to what the gateway runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::{Backoff, Guarantee, Planted, Rules, Takeover};
use forebay_gateway::{Discovery, LettersPlan, ParkPlan, Plan, REVISION, first_id};
use forebay_kafka::{IntakeConfig, Properties, PropertyFault, StartPolicy};
use forebay_push::{Endpoint, Identity, Limits, Tls, TlsFiles, TlsPart};
use forebay_wire::commit_metadata::{self, CommitMetadata};
use forebay_wire::dead_letter;

use super::problem::Problem;
use super::secret::Property;
use super::{
    CommitMode, Config, ConfigError, Delivery, ForeignNames, GiveUp, Order, Start, Subscription,
    Target,
};
use crate::cli::Run;

/// Kafka's properties as the file has them, secrets in their places. `embedded` is the address of
/// the broker in this process.
pub(crate) fn given(
    config: &Config,
    embedded: &str,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut given = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, property) in &config.kafka.properties {
        match property.resolve() {
            Ok(value) => {
                given.insert(name.clone(), value);
            }
            Err(error) => problems.push(config.source.problem_at(name, error.to_string())),
        }
    }
    if config.kafka.embedded {
        given.insert("bootstrap.servers".into(), embedded.into());
    }
    if problems.is_empty() { Ok(given) } else { Err(config.source.found(problems)) }
}

/// The same, translated.
pub(crate) fn properties(config: &Config, embedded: &str) -> Result<Properties, ConfigError> {
    let given = given(config, embedded)?;
    Properties::parse(&given).map_err(|errors| {
        let problem = |error: &forebay_kafka::PropertyError| {
            let mut message = error.to_string();
            // What stands elsewhere is a secret, whatever its property is for.
            if let Some(Property::Elsewhere(_)) = config.kafka.properties.get(&error.name) {
                let value = given[&error.name].trim();
                message = message.replace(&format!("{value:?}"), "what stands there");
                message = match value {
                    "" => message,
                    value => message.replace(value, "what stands there"),
                };
            }
            // What is not in the file has its default; then the other one is to be looked at.
            let place = match &error.fault {
                PropertyFault::Contradiction { other, .. } if !given.contains_key(&error.name) => {
                    other
                }
                _ => &error.name,
            };
            config.source.problem_at(place, message)
        };
        config.source.found(errors.iter().map(problem).collect())
    })
}

const CLUSTER: &str = "`\"bootstrap.servers\" = \"HOST:PORT\"` under [kafka]";

/// That there is something to run: a cluster, and a subscription to it.
pub(crate) fn is_whole(config: &Config) -> Result<(), ConfigError> {
    let kafka = &config.kafka;
    let cluster = kafka.embedded || kafka.properties.contains_key("bootstrap.servers");
    let missing = match (cluster, config.subscriptions.is_empty()) {
        (true, false) => return Ok(()),
        (true, true) => "there is no [[subscription]], so there is nothing to run".to_owned(),
        (false, true) => {
            format!("there is nothing to run: it needs {CLUSTER}, and a [[subscription]]")
        }
        (false, false) => {
            let meant = kafka.properties.keys().find(|name| name.starts_with("bootstrap"));
            let meant = meant.map_or_else(String::new, |name| format!(" (`{name}` is none)"));
            format!("it names no cluster{meant}: it needs {CLUSTER}, or `embedded = true` there")
        }
    };
    Err(config.source.found(vec![Problem { span: None, message: missing }]))
}

/// What requests to the control API must carry.
pub(crate) fn token(config: &Config) -> Result<Option<String>, ConfigError> {
    let Some(token) = &config.control.token else { return Ok(None) };
    let refused = |why: String| config.source.found(vec![Problem::at(token.span(), why)]);
    match token.get_ref().resolve() {
        Ok(token) if token.is_empty() => Err(refused("the token is empty".to_owned())),
        Ok(token) => Ok(Some(token)),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// All subscriptions, ready to run.
pub(crate) fn plans(config: &Config, properties: &Properties) -> Result<Vec<Plan>, ConfigError> {
    let instance = config.control.instance();
    let subscriptions = config.subscriptions.iter();
    subscriptions.map(|entry| plan(config, entry.get_ref(), properties, &instance)).collect()
}

fn plan(
    config: &Config,
    subscription: &Subscription,
    properties: &Properties,
    instance: &str,
) -> Result<Plan, ConfigError> {
    let target = subscription.target.get_ref();
    let endpoints = target.urls().map(|url| {
        Endpoint::parse(url.get_ref(), REVISION)
            .map_err(|error| config.source.found(vec![Problem::at(url.span(), error.to_string())]))
    });
    let name = subscription.name.get_ref().clone();
    let drain = subscription.commit.drain.0;
    let kin = name.clone();
    let park = subscription.park.as_ref().map(|park| park.get_ref().topic.get_ref().clone());
    let intake = IntakeConfig {
        properties: properties.clone(),
        topics: subscription.topics.get_ref().iter().chain(&park).cloned().collect(),
        from_beginning: park.iter().cloned().collect(),
        group: subscription.group().to_owned(),
        instance_id: Some(format!("{instance}-{name}")),
        start: match &subscription.start {
            None => properties.start().unwrap_or(StartPolicy::Earliest),
            Some(Start::Earliest) => StartPolicy::Earliest,
            Some(Start::Latest) => StartPolicy::Latest,
            Some(Start::Time(time)) => StartPolicy::Time(time.0),
            Some(Start::None) => StartPolicy::None,
        },
        // Of what may be held, the core has half; the queues and librdkafka a quarter each.
        records_max: subscription.hold.records.get_ref() / 4,
        bytes_max: subscription.hold.bytes.get_ref().0 / 4,
        // The last commit of the core's own drain must fit in.
        drain: drain + LAST_COMMIT,
        keeps_book: true,
        committed_for: Some(|metadata| CommitMetadata::decode(metadata).ok()?.topic_id),
        kin: Some(Arc::new(move |id: &str| first_id(id, &kin).is_some())),
    };
    Ok(Plan {
        name,
        consumers: *subscription.consumers.get_ref(),
        rules: rules(subscription, target, properties.session_timeout()),
        intake,
        endpoints: endpoints.collect::<Result<_, _>>()?,
        limits: Limits {
            max_header_bytes: target.max_header_bytes.get_ref().0,
            record_headers: target.headers.as_deref().map(Arc::from),
            max_resting: subscription.in_flight().1,
            max_age: (target.discovery == super::Discovery::Vip).then_some(target.recycle.0),
            ..Limits::default()
        },
        tls: tls(config, target)?,
        discovery: match target.discovery {
            super::Discovery::List | super::Discovery::Vip => Discovery::Listed,
            super::Discovery::Dns => Discovery::Dns,
        },
        letters: subscription.dead_letter.as_ref().map(|letters| letters.get_ref()).map(
            |letters| LettersPlan {
                properties: properties.clone(),
                topic: letters.topic.get_ref().clone(),
                foreign: letters.names.map(|names| match names {
                    ForeignNames::Spring => dead_letter::ForeignNames::Spring,
                    ForeignNames::Kip1191 => dead_letter::ForeignNames::Kip1191,
                }),
            },
        ),
        park: park.map(|topic| ParkPlan { properties: properties.clone(), topic }),
        max_value_bytes: target.max_value_bytes.get_ref().0,
    })
}

/// Records that may be given up in five minutes beside 1 % of those accepted: of each subscription,
/// in each process.
const GIVEN_UP_FREE: usize = 20;

/// Reads what the target's TLS goes by, where some of its addresses want it.
fn tls(config: &Config, target: &Target) -> Result<Tls, ConfigError> {
    let Some(said) = target.tls.as_ref().map(toml::Spanned::get_ref) else {
        let secure = target.urls().find(|url| url.get_ref().starts_with("https:"));
        return secure.map_or_else(
            || Ok(Tls::default()),
            |url| {
                Tls::load(&TlsFiles::default()).map_err(|error| {
                    config.source.found(vec![Problem::at(url.span(), error.to_string())])
                })
            },
        );
    };
    let path = |path: &Option<toml::Spanned<PathBuf>>| path.as_ref().map(|it| it.get_ref().clone());
    let span = |path: &Option<toml::Spanned<PathBuf>>| path.as_ref().map(toml::Spanned::span);
    let identity = path(&said.certificate).zip(path(&said.key));
    let files = TlsFiles {
        authorities: path(&said.ca),
        identity: identity.map(|(certificate, key)| Identity { certificate, key }),
        server_name: said.server_name.as_ref().map(|name| name.get_ref().clone()),
    };
    Tls::load(&files).map_err(|error| {
        let span = match error.part() {
            TlsPart::Authorities => span(&said.ca),
            TlsPart::Certificate => span(&said.certificate),
            TlsPart::Key => span(&said.key),
            TlsPart::ServerName => said.server_name.as_ref().map(toml::Spanned::span),
        };
        config.source.found(vec![Problem { span, message: error.to_string() }])
    })
}

/// How long a revoked partition waits for its last commit after its drain.
const LAST_COMMIT: Duration = Duration::from_secs(2);

fn rules(subscription: &Subscription, target: &Target, session: Duration) -> Rules {
    let records_max = subscription.hold.records.get_ref() / 2;
    let (in_flight, in_flight_max) = subscription.in_flight();
    let retry = &subscription.retry;
    let park_topic = subscription.park.as_ref().map(|park| park.get_ref().topic.get_ref().as_str());
    let dead_letters = subscription.dead_letter.is_some();
    let gives_up = |rule: &Option<_>| match subscription.gives_up(rule.as_ref()) {
        GiveUp::DeadLetter => forebay_core::GiveUp::DeadLetter,
        GiveUp::Hold => forebay_core::GiveUp::Hold,
        GiveUp::Drop => forebay_core::GiveUp::Drop,
    };
    Rules {
        order: match subscription.order {
            Order::Key => forebay_core::Order::Key,
            Order::Partition => forebay_core::Order::Partition,
            Order::None => forebay_core::Order::None,
        },
        guarantee: match (subscription.delivery, subscription.commit.mode) {
            (Delivery::AtMostOnce, _) => Guarantee::AtMostOnce,
            (Delivery::AtLeastOnce, CommitMode::Auto) => Guarantee::Automatic,
            (Delivery::AtLeastOnce, CommitMode::Settled) => Guarantee::AtLeastOnce,
        },
        in_flight,
        in_flight_max,
        rate_max: target.rate.as_ref().map(|rate| *rate.get_ref()),
        records_max,
        bytes_max: subscription.hold.bytes.get_ref().0 / 2,
        window_max: *subscription.hold.window.get_ref(),
        map_max: commit_metadata::map_max(commit_metadata::MAX_LEN, park_topic),
        deadline: target.deadline.get_ref().0,
        grace: target.grace.0,
        backoff: Backoff { first: retry.backoff.first, most: retry.backoff.most },
        attempts: retry.attempts.get_ref().number(),
        given_up_free: GIVEN_UP_FREE,
        dead_letters,
        on_exhausted: gives_up(&retry.on_exhausted),
        on_reject: gives_up(&retry.on_reject),
        park_after: subscription.park.as_ref().map(|park| park.get_ref().after.0),
        evidence_wait: subscription.evidence.wait.0,
        ejects: target.discovery != super::Discovery::Vip,
        probe_interval: Duration::from_secs(1),
        commit_interval: subscription.commit.interval(),
        commit_retry: Duration::from_millis(500),
        session,
        takeover: match subscription.takeover {
            super::Takeover::Safe => Takeover::Safe,
            super::Takeover::Fast => Takeover::Fast,
        },
        drain: subscription.commit.drain.0,
        last_commit: LAST_COMMIT,
        planted: Planted::NONE,
    }
}

/// `forebay run` without a file: the same configuration, written by flags.
pub(crate) fn from_flags(args: &Run) -> Result<Config, ConfigError> {
    for url in &args.to {
        Endpoint::parse(url, REVISION)
            .map_err(|error| ConfigError::Flag { flag: "--to", reason: error.to_string() })?;
    }
    let mut subscription = toml::Table::new();
    let strings = |list: &[String]| list.iter().cloned().map(toml::Value::from).collect::<Vec<_>>();
    let name = args.group.as_ref().unwrap_or(&args.topic[0]);
    subscription.insert("name".into(), name.clone().into());
    subscription.insert("topics".into(), strings(&args.topic).into());
    let mut target = toml::Table::new();
    target.insert("endpoints".into(), strings(&args.to).into());
    subscription.insert("target".into(), target.into());
    let mut kafka = toml::Table::new();
    for (name, value) in &args.properties {
        kafka.insert(name.clone(), value.clone().into());
    }
    kafka.insert("bootstrap.servers".into(), args.kafka.clone().unwrap_or_default().into());
    let mut file = toml::Table::new();
    file.insert("kafka".into(), kafka.into());
    file.insert("subscription".into(), vec![toml::Value::from(subscription)].into());
    let mut config: Config = toml::from_str(&file.to_string()).map_err(|error| {
        ConfigError::Flag { flag: "the command line:", reason: error.message().to_owned() }
    })?;
    config.source.name = "the command line".into();
    config.check()?;
    config.subscriptions[0].get_mut().order = args.order;
    Ok(config)
}
