//! What a cluster says of itself, as far as it tells us: the topics and groups that a configuration
//! names, the brokers and their settings. What is hidden from us stays unknown.

use std::collections::{BTreeMap, BTreeSet};

use forebay_kafka::{
    Admin, ConfigEntry, GroupDescription, KafkaError, Member, Rights, TopicDescription,
};

use crate::config::Config;

/// A cluster, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) brokers: usize,
    /// Settings of one broker; those that it hides are absent.
    pub(crate) settings: BTreeMap<String, String>,
    /// Of those that the configuration names, those that are there.
    pub(crate) topics: BTreeMap<String, Topic>,
    pub(crate) groups: BTreeMap<String, Group>,
    /// What could not be asked, and why.
    pub(crate) unknown: Vec<String>,
}

/// A topic that is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topic {
    pub(crate) partitions: usize,
    /// Copies of the partition that has fewest.
    pub(crate) replication: usize,
    /// Copies in sync, of the partition that has fewest.
    pub(crate) in_sync: usize,
    /// Partitions that nobody leads.
    pub(crate) leaderless: usize,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) rights: Rights,
}

/// A group, which may have no members.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) members: Vec<Member>,
    pub(crate) rights: Rights,
}

impl Facts {
    /// Asks a cluster about all that the configuration names. Fails where nobody answers; what is
    /// only refused is noted as unknown.
    pub(crate) fn ask(config: &Config, admin: &Admin) -> Result<Self, KafkaError> {
        let brokers = admin.brokers()?;
        let mut facts = Self { brokers: brokers.len(), ..Self::default() };
        if let Some(broker) = brokers.first() {
            let settings = facts.may(admin.broker_configs(*broker))?;
            facts.settings = map(settings.unwrap_or_default());
        }
        let named = names(config);
        let described = admin.topics()?;
        let there = described.iter().filter(|topic| named.contains(topic.name.as_str()));
        for topic in there {
            let settings = facts.may(admin.topic_configs(&topic.name))?;
            facts.topics.insert(topic.name.clone(), Topic::new(topic, settings));
        }
        facts.ask_rights(&named, admin)?;
        facts.ask_groups(config, admin)?;
        Ok(facts)
    }

    fn ask_rights(&mut self, named: &BTreeSet<&str>, admin: &Admin) -> Result<(), KafkaError> {
        let named: Vec<&str> = named.iter().copied().collect();
        let rights = self.may(admin.topic_rights(&named))?.unwrap_or_default();
        for (name, rights) in rights {
            // One that is hidden from us is there all the same.
            self.topics.entry(name).or_default().rights = rights;
        }
        Ok(())
    }

    fn ask_groups(&mut self, config: &Config, admin: &Admin) -> Result<(), KafkaError> {
        for subscription in &config.subscriptions {
            let name = subscription.get_ref().group();
            let described = self.may(admin.describe_groups(&[name]))?.unwrap_or_default();
            let members = described.into_iter().next().map(|group: GroupDescription| group.members);
            let rights = self.may(admin.group_rights(name))?.flatten().unwrap_or_default();
            let group = Group { members: members.unwrap_or_default(), rights };
            self.groups.insert(name.to_owned(), group);
        }
        Ok(())
    }

    /// An answer, or that it was refused; no answer at all is an error.
    fn may<T>(&mut self, answer: Result<T, KafkaError>) -> Result<Option<T>, KafkaError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error @ KafkaError::Refused { .. }) => {
                self.unknown.push(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A number among the broker's settings.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.settings.get(name)?.parse().ok()
    }
}

impl Topic {
    fn new(topic: &TopicDescription, settings: Option<Vec<ConfigEntry>>) -> Self {
        let least = |count: fn(&forebay_kafka::TopicLayout) -> usize| {
            topic.partitions.iter().map(count).min().unwrap_or(0)
        };
        Self {
            partitions: topic.partitions.len(),
            replication: least(|layout| layout.replicas.len()),
            in_sync: least(|layout| layout.in_sync.len()),
            leaderless: topic.partitions.iter().filter(|layout| layout.leader < 0).count(),
            settings: map(settings.unwrap_or_default()),
            rights: Rights::default(),
        }
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.settings.get(name)?.parse().ok()
    }

    /// Whether this topic is known by more than its name.
    pub(crate) fn is_seen(&self) -> bool {
        self.partitions > 0
    }
}

fn map(entries: Vec<ConfigEntry>) -> BTreeMap<String, String> {
    entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()
}

/// Every topic that the configuration names.
fn names(config: &Config) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for subscription in &config.subscriptions {
        let subscription = subscription.get_ref();
        names.extend(subscription.topics.get_ref().iter().map(String::as_str));
        names.extend(
            subscription.dead_letter.iter().map(|it| it.get_ref().topic.get_ref().as_str()),
        );
        names.extend(subscription.park.iter().map(|it| it.get_ref().topic.get_ref().as_str()));
    }
    names
}
