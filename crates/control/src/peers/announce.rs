//! Saying where this process answers: when it is not alone in a group, again every hour, and taking
//! it back at the end. What can't be written is tried again, and said once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_gateway::{Handle, Handles};
use forebay_kafka::Properties;
use forebay_wire::Announcement;

use super::{Peers, announcement, lock, whom};
use crate::blocking::blocking;

/// How often to look whether there is something to say.
const LOOK: Duration = Duration::from_secs(1);
/// Those who read forget what is older than a few of these.
const AGAIN: Duration = Duration::from_secs(3_600);
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// What was announced.
pub(super) struct Stated {
    said: Announcement,
    properties: Arc<Properties>,
    due: Instant,
    /// Why it could not be written.
    failed: Option<String>,
}

pub(super) async fn forever(peers: &Peers, handles: Handles) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        let handles = handles.all();
        for handle in &handles {
            state(peers, handle).await;
        }
        forget(peers, &handles).await;
    }
}

/// Announces this process as a member of one group, if others may want to know and it is due.
async fn state(peers: &Peers, handle: &Handle) {
    let fellows = handle.fellows();
    let by_epochs = handle.properties().joins_by_epochs();
    let (own, name) = (handle.instance_id(), handle.name());
    if !whom::has_company(own, name, fellows.as_deref(), by_epochs) {
        return;
    }
    let Some(address) = peers.address(handle) else { return };
    let key = (handle.group().to_owned(), handle.instance_id().to_owned());
    let before = {
        let stated = lock(&peers.0.stated);
        let before = stated.get(&key);
        if before.is_some_and(|it| it.said.address == address && Instant::now() < it.due) {
            return;
        }
        before.and_then(|it| it.failed.clone())
    };
    let said = announcement(handle, address);
    let (properties, all) = (handle.properties().clone(), vec![said.clone()]);
    let written = blocking(move || forebay_kafka::announce(&properties, &all)).await;
    let failed = written.err();
    let (name, address) = (handle.name(), &said.address);
    match (&before, &failed) {
        (_, None) => tracing::debug!(subscription = name, "announced that it answers at {address}"),
        (Some(before), Some(failed)) if before == failed => {}
        (_, Some(failed)) => tracing::warn!(
            subscription = name,
            "other processes of the group can't ask this one, which could not say where it answers: \
             {failed}; trying on"
        ),
    }
    let due = Instant::now() + if failed.is_none() { AGAIN } else { AFTER_FAILURE };
    let properties = handle.properties().clone();
    lock(&peers.0.stated).insert(key, Stated { said, properties, due, failed });
}

/// Takes back what was said of subscriptions that this process has no longer.
async fn forget(peers: &Peers, handles: &[Handle]) {
    let gone: Vec<Stated> = {
        let mut stated = lock(&peers.0.stated);
        let has = |(group, id): &(String, String)| {
            handles.iter().any(|it| it.group() == group && it.instance_id() == id)
        };
        let keys: Vec<_> = stated.keys().filter(|key| !has(key)).cloned().collect();
        keys.iter().filter_map(|key| stated.remove(key)).collect()
    };
    take_back_these(gone).await;
}

pub(super) async fn take_back(peers: &Peers) {
    let all = std::mem::take(&mut *lock(&peers.0.stated));
    take_back_these(all.into_values().collect::<Vec<_>>()).await;
}

async fn take_back_these(gone: Vec<Stated>) {
    // One cluster, mostly; what was never written needs no taking back.
    let mut by_cluster: BTreeMap<String, (Arc<Properties>, Vec<Announcement>)> = BTreeMap::new();
    for Stated { said, properties, failed, .. } in gone {
        if failed.is_none() {
            let servers = properties.servers().to_owned();
            by_cluster.entry(servers).or_insert((properties, Vec::new())).1.push(said);
        }
    }
    for (properties, all) in by_cluster.into_values() {
        let taken = blocking(move || forebay_kafka::take_back(&properties, &all)).await;
        if let Err(error) = taken {
            tracing::debug!("others will ask this process in vain for a while: {error}");
        }
    }
}
