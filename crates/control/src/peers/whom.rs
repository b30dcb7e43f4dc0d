//! Whom to ask: pure decisions about the other processes of a group, from what Kafka says of its
//! members, what they announced, and what they answered.
//!
//! A process may have several members in the group, its consumers. It is asked once, as its first
//! one, whose id is the process's in announcements and requests.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use forebay_gateway::first_id;
use forebay_kafka::{Fellow, TopicPartition};
use forebay_wire::Announcement;
use serde_json::Value;

/// Processes of a group that are asked; more are not looked at.
const PEERS_MAX: usize = 256;
/// Announcements are written again every hour: one that is older than this is of a process that is
/// gone.
const SILENT_MAX_MS: i64 = 3 * 3_600_000;

/// Another process of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its first consumer's `group.instance.id`.
    pub(crate) instance_id: String,
    /// Its `control.instance`.
    pub(crate) instance: String,
    pub(crate) at: At,
    /// What it has, as Kafka said last; none where Kafka does not tell.
    pub(crate) partitions: Option<Vec<TopicPartition>>,
}

/// Where a process answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// `host:port`.
    Address(String),
    /// It announced an address and took it back: it has ended in order.
    Ended,
    /// Nobody knows, for this reason.
    Unknown(String),
}

/// What is known of addresses: by instance id, none for those that took theirs back; or why they
/// can't be known.
pub(crate) type Announced = Result<BTreeMap<String, Option<Announcement>>, String>;

/// Whether others can want to ask this process, so that it says where it answers.
pub(crate) fn has_company(
    own: &str,
    subscription: &str,
    fellows: Option<&[Fellow]>,
    by_epochs: bool,
) -> bool {
    match fellows {
        // Not every broker tells who is in such a group.
        None => by_epochs,
        Some(fellows) => {
            let mut processes = fellows.iter().filter_map(|fellow| process(fellow, subscription));
            processes.any(|process| process != own)
        }
    }
}

/// The id of the process that a member of our kind belongs to.
pub(crate) fn process<'a>(fellow: &'a Fellow, subscription: &str) -> Option<&'a str> {
    let id = fellow.member.instance_id.as_deref().filter(|id| fellow.is_kin && !id.is_empty())?;
    Some(first_id(id, subscription).unwrap_or(id))
}

/// The other processes of the group of `own`, by instance id. Those that Kafka names; where it
/// names nobody, those that announced themselves and were not silent for long.
pub(crate) fn peers(
    own: &str,
    subscription: &str,
    fellows: Option<&[Fellow]>,
    announced: &Announced,
    now_ms: i64,
) -> Vec<Peer> {
    let mut found: Vec<Peer> = match (fellows, announced) {
        (Some(fellows), _) => {
            let mut peers: BTreeMap<&str, Peer> = BTreeMap::new();
            for fellow in fellows {
                let Some(id) = process(fellow, subscription).filter(|id| *id != own) else {
                    continue;
                };
                let peer = peers.entry(id).or_insert_with(|| Peer {
                    instance: instance(id, subscription),
                    instance_id: id.to_owned(),
                    at: address(id, &fellow.member.host, announced),
                    partitions: None,
                });
                let rows = peer.partitions.get_or_insert_default();
                rows.extend(fellow.member.assignment.iter().cloned());
                rows.sort();
            }
            peers.into_values().collect()
        }
        (None, Ok(announced)) => {
            let fresh = announced.values().flatten().filter(|it| {
                it.instance_id != own && now_ms.saturating_sub(it.at_ms) <= SILENT_MAX_MS
            });
            let peer = |it: &Announcement| Peer {
                instance_id: it.instance_id.clone(),
                instance: instance(&it.instance_id, subscription),
                at: At::Address(it.address.clone()),
                partitions: None,
            };
            fresh.map(peer).collect()
        }
        (None, Err(_)) => Vec::new(),
    };
    found.truncate(PEERS_MAX);
    found
}

fn address(instance_id: &str, host: &str, announced: &Announced) -> At {
    let host = host.trim_start_matches('/');
    match announced {
        Ok(announced) => match announced.get(instance_id) {
            Some(Some(it)) => At::Address(it.address.clone()),
            Some(None) => At::Ended,
            None => {
                At::Unknown(format!("it has not said where it answers; Kafka sees it at {host}"))
            }
        },
        Err(why) => {
            At::Unknown(format!("where it answers is not known: {why}; Kafka sees it at {host}"))
        }
    }
}

/// The process's own name, without the subscription's behind it.
pub(crate) fn instance(instance_id: &str, subscription: &str) -> String {
    let name = instance_id.strip_suffix(subscription).and_then(|name| name.strip_suffix('-'));
    name.unwrap_or(instance_id).to_owned()
}

/// Whether a request may go there. Without a token only to this machine: off it every control API
/// has one, and an announcement alone shall not have us send commands to strangers.
pub(crate) fn may_ask(address: &str, has_token: bool) -> Result<(), String> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if has_token || local {
        return Ok(());
    }
    Err("it is on another machine, and this process has no control.token to ask it with".to_owned())
}

/// Where this process says that it answers: as configured, else where it listens; where that is
/// every address, at the one that Kafka sees.
pub(crate) fn advertised(
    configured: Option<&str>,
    listens: SocketAddr,
    seen_at: Option<&str>,
) -> Option<String> {
    if let Some(configured) = configured {
        return Some(configured.to_owned());
    }
    if !listens.ip().is_unspecified() {
        return Some(listens.to_string());
    }
    let ip: IpAddr = seen_at?.trim_start_matches('/').parse().ok()?;
    Some(SocketAddr::new(ip, listens.port()).to_string())
}

/// What a process answered, or why it did not.
pub(crate) type Said = Result<Value, String>;

/// Who has a partition that this process has not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Owner<'a> {
    Peer(&'a Peer),
    /// Kafka gave it to this one, which did not answer.
    Unreachable(&'a Peer, String),
    /// No gateway.
    Foreign(String),
    /// Nobody who answered, and these did not answer and may have it.
    Unknown(Vec<String>),
    Nobody,
}

/// What who says so itself has is believed before what Kafka said last.
pub(crate) fn owner<'a>(
    wanted: &TopicPartition,
    said: &'a [(Peer, Said)],
    fellows: Option<&[Fellow]>,
) -> Owner<'a> {
    let having = said.iter().filter_map(|(peer, said)| {
        let row = partition(said.as_ref().ok()?, wanted)?;
        Some((peer, row["stage"] == "draining"))
    });
    // One that drains it is about to have it no longer.
    if let Some((peer, _)) = having.min_by_key(|(_, draining)| *draining) {
        return Owner::Peer(peer);
    }
    let silent = || said.iter().filter_map(|(peer, said)| Some((peer, said.as_ref().err()?)));
    let has = |peer: &Peer| peer.partitions.as_ref().map(|all| all.contains(wanted));
    if let Some((peer, why)) = silent().find(|(peer, _)| has(peer) == Some(true)) {
        return Owner::Unreachable(peer, why.clone());
    }
    let foreign = fellows.into_iter().flatten().find(|fellow| {
        let known = fellow.member.instance_id.as_deref();
        let is_asked = said.iter().any(|(peer, _)| Some(peer.instance_id.as_str()) == known);
        !fellow.is_kin && !is_asked && fellow.member.assignment.contains(wanted)
    });
    if let Some(Fellow { member, .. }) = foreign {
        let host = member.host.trim_start_matches('/');
        return Owner::Foreign(format!("client id {}, at {host}", member.client_id));
    }
    let unknown: Vec<String> =
        silent().filter(|(peer, _)| has(peer).is_none()).map(|(peer, why)| peer.ask(why)).collect();
    if unknown.is_empty() { Owner::Nobody } else { Owner::Unknown(unknown) }
}

/// A partition's row in what a process said of its subscription.
fn partition<'a>(said: &'a Value, wanted: &TopicPartition) -> Option<&'a Value> {
    said["partitions"].as_array()?.iter().find(|row| {
        row["topic"].as_str() == Some(&wanted.topic) && row["partition"] == wanted.partition
    })
}

impl Peer {
    /// Whom to ask instead, and why.
    pub(crate) fn ask(&self, why: &str) -> String {
        match &self.at {
            At::Address(address) => format!("{} at http://{address}: {why}", self.instance),
            At::Ended | At::Unknown(_) => format!("{}: {why}", self.instance),
        }
    }
}

#[cfg(test)]
mod tests;
