//! `forebay dead-letters`: lists, shows, sends back and purges what was given up.
//!
//! A dead letter topic is read up to where it ended when the command began. It is read twice: marks
//! stand behind the letters that they are about, so all of them are read first, and only they are
//! kept. What is no letter of ours is left out and counted.

use std::collections::{BTreeMap, BTreeSet};

use forebay_kafka::KafkaError;

use crate::cli::dead_letters::{Action, DeadLetters, Place};
use crate::cluster::{Cluster, failure};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};

mod bar;
mod list;
mod outbox;
mod purge;
mod redrive;
mod select;
mod show;
mod shown;
mod summary;
mod topic;
mod work;

pub(crate) fn run(args: &DeadLetters) -> Outcome {
    match &args.action {
        Action::List(args) => list::run(args),
        Action::Show(args) => show::run(args),
        Action::Redrive(args) => redrive::run(args),
        Action::Purge(args) => purge::run(args),
    }
}

/// The cluster, and the name of the dead letter topic.
fn find(place: &Place, subscription: Option<&str>) -> Result<(Cluster, String), Failure> {
    let Some(path) = &place.cluster.config else {
        let topic = place.topic.clone().expect("the command line asks for a topic or a file");
        return Ok((Cluster::new(&place.cluster)?, topic));
    };
    let config = Config::load(path)?;
    let topic = match &place.topic {
        Some(topic) => topic.clone(),
        None => topic_of(&config, subscription)
            .map_err(|what| Failure::new(Exit::Usage, format!("{}: {what}", path.display())))?,
    };
    Ok((Cluster::of_file(&config, &place.cluster)?, topic))
}

/// The one dead letter topic that the file has, or that its subscription of this name has.
fn topic_of(config: &Config, subscription: Option<&str>) -> Result<String, String> {
    let subscriptions = config.subscriptions.iter().map(|known| known.get_ref());
    let topics: BTreeSet<&String> = subscriptions
        .filter(|known| subscription.is_none_or(|name| name == known.name.get_ref()))
        .filter_map(|known| Some(known.dead_letter.as_ref()?.get_ref().topic.get_ref()))
        .collect();
    let mut all = topics.iter();
    match (all.next(), all.next()) {
        (Some(only), None) => Ok((*only).clone()),
        (None, _) => {
            Err("no such subscription has a dead letter topic; name one with --topic".into())
        }
        (Some(_), Some(_)) => {
            let names: Vec<_> = topics.iter().map(|topic| topic.as_str()).collect();
            let names = names.join(", ");
            Err(format!("it has several dead letter topics; say --topic with one of: {names}"))
        }
    }
}

/// Largest batch that is put together where topics would take larger ones.
const LARGEST_BATCH: u64 = 1_000_000;

/// Fits the producer to the topics that it will write to: a letter may be as large as the largest
/// of them takes, and batches of several are as small as the smallest does. Topics whose settings
/// are hidden from us have the defaults. Gives how long each keeps its records, in ms, where that is
/// known and not for ever.
fn fit<'a>(
    cluster: &mut Cluster,
    topics: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, i64>, Failure> {
    let (mut sizes, mut retention) = (Vec::new(), BTreeMap::new());
    for topic in topics {
        match cluster.admin.topic_configs(topic) {
            Ok(configs) => {
                let number = |name: &str| {
                    let config = configs.iter().find(|config| config.name == name)?;
                    config.value.as_ref()?.parse::<i64>().ok()
                };
                let size = number("max.message.bytes").and_then(|size| u64::try_from(size).ok());
                sizes.extend(size);
                let kept = number("retention.ms").filter(|kept| *kept >= 0);
                retention.extend(kept.map(|kept| (topic.to_owned(), kept)));
            }
            Err(error @ KafkaError::Refused { .. }) => {
                tracing::debug!(%error, "the topic's largest record is not known");
            }
            Err(error) => return Err(failure(error)),
        }
    }
    if let (Some(smallest), Some(largest)) = (sizes.iter().min(), sizes.iter().max()) {
        let largest = largest.clamp(&1_000, &1_000_000_000);
        cluster.set_default("max.request.size", largest.to_string())?;
        cluster.set_default("batch.size", smallest.clamp(&1, &LARGEST_BATCH).to_string())?;
    }
    // Of a key one letter is out at a time: each would wait for others to share its batch.
    cluster.set_default("linger.ms", "0".to_owned())?;
    Ok(retention)
}
