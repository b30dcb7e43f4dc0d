//! The endpoints of a target whose names are resolved again and again.
//!
//! Each address of a name is an endpoint of its own. A lookup that fails, or finds nothing, changes
//! no list: the addresses that were found last are delivered to until there is a better answer, and
//! the failure is told. Before the first answer the name itself is the endpoint, so that deliveries
//! say what is wrong with it. Left out: SRV records, and how long an answer is valid.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use forebay_push::Endpoint;
use tokio::sync::Notify;

use crate::ENDPOINTS_MAX;
use crate::plan::Discovery;

/// How often names are resolved.
const INTERVAL: Duration = Duration::from_secs(5);

/// Finds a name's addresses.
pub(crate) trait Resolve {
    /// In any order, and some perhaps twice. Errs with the reason in words.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String>;
}

/// The resolver of the system: its files, its name servers and its timeouts.
pub(crate) struct System;

impl Resolve for System {
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        let found = tokio::net::lookup_host((host, 0)).await.map_err(|error| error.to_string())?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// The endpoints as they were listed, and what their names were last found to mean.
pub(crate) struct Names {
    subscription: String,
    listed: RefCell<Vec<Listed>>,
    relisted: Notify,
}

struct Listed {
    endpoint: Endpoint,
    follows: bool,
    found: Found,
}

/// What is known of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    /// In order; empty before the first answer.
    addresses: Vec<IpAddr>,
    /// Why the last lookup gave nothing.
    fails: Option<String>,
}

impl Found {
    /// What is known after this answer.
    fn after(&self, answer: Result<Vec<IpAddr>, String>) -> Self {
        let fails = match answer {
            Ok(mut addresses) if !addresses.is_empty() => {
                addresses.sort_unstable();
                addresses.dedup();
                addresses.truncate(ENDPOINTS_MAX);
                return Self { addresses, fails: None };
            }
            Ok(_) => "the name has no address".to_owned(),
            Err(reason) => reason,
        };
        Self { addresses: self.addresses.clone(), fails: Some(fails) }
    }
}

impl Names {
    pub(crate) fn new(subscription: &str, endpoints: &[Endpoint], discovery: Discovery) -> Self {
        let listed = RefCell::new(list(endpoints, discovery, &[]));
        Self { subscription: subscription.to_owned(), listed, relisted: Notify::new() }
    }

    /// Takes a changed list. What is known of a name that stays is kept; the others are resolved at
    /// once.
    pub(crate) fn relist(&self, endpoints: &[Endpoint], discovery: Discovery) {
        let listed = list(endpoints, discovery, &self.listed.borrow());
        self.listed.replace(listed);
        self.relisted.notify_one();
    }

    /// Where deliveries go.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let (mut endpoints, mut urls) = (Vec::new(), BTreeSet::new());
        for Listed { endpoint, found, .. } in self.listed.borrow().iter() {
            let named = found.addresses.is_empty().then(|| endpoint.clone());
            let addressed = found.addresses.iter().map(|address| endpoint.at(*address));
            // Two names of one address are one endpoint.
            endpoints.extend(
                named.into_iter().chain(addressed).filter(|endpoint| urls.insert(endpoint.url())),
            );
        }
        endpoints.truncate(ENDPOINTS_MAX);
        endpoints
    }

    /// Why names can't be resolved at the moment, if there are such.
    pub(crate) fn fails(&self) -> Option<String> {
        let listed = self.listed.borrow();
        let fails = listed.iter().filter_map(|listed| {
            let fails = listed.found.fails.as_ref()?;
            Some(format!("{}: {fails}", listed.endpoint.host()))
        });
        let mut fails: Vec<String> = fails.collect();
        fails.dedup();
        (!fails.is_empty()).then(|| fails.join("; "))
    }

    fn hosts(&self) -> Vec<String> {
        let listed = self.listed.borrow();
        let followed = listed.iter().filter(|listed| listed.follows);
        let mut hosts: Vec<String> =
            followed.map(|listed| listed.endpoint.host().to_owned()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    /// Says whether the addresses have changed.
    fn take(&self, host: &str, answer: &Result<Vec<IpAddr>, String>) -> bool {
        let (mut changed, mut told) = (false, false);
        for listed in self.listed.borrow_mut().iter_mut() {
            if !listed.follows || listed.endpoint.host() != host {
                continue;
            }
            let found = listed.found.after(answer.clone());
            changed |= found.addresses != listed.found.addresses;
            if found != listed.found && !told {
                self.tell(host, &found);
                told = true;
            }
            listed.found = found;
        }
        changed
    }

    fn tell(&self, host: &str, found: &Found) {
        let (subscription, addresses) = (&self.subscription, &found.addresses);
        match &found.fails {
            Some(fails) if addresses.is_empty() => {
                tracing::error!(subscription, "{host} does not resolve: {fails}");
            }
            Some(fails) => {
                let count = addresses.len();
                tracing::warn!(
                    subscription,
                    "{host} does not resolve, its {count} last addresses stay: {fails}"
                );
            }
            None => tracing::info!(subscription, "{host} is {addresses:?}"),
        }
    }
}

fn list(endpoints: &[Endpoint], discovery: Discovery, before: &[Listed]) -> Vec<Listed> {
    let follows = discovery == Discovery::Dns;
    let found = |endpoint: &Endpoint| {
        let mut known = before.iter().filter(|known| follows && known.follows);
        let known = known.find(|known| known.endpoint.host() == endpoint.host());
        known.map(|known| known.found.clone()).unwrap_or_default()
    };
    let listed = |endpoint: &Endpoint| {
        let (endpoint, found) = (endpoint.clone(), found(endpoint));
        Listed { endpoint, follows, found }
    };
    endpoints.iter().map(listed).collect()
}

/// Follows the names for as long as it is polled, and tells of each changed list.
pub(crate) async fn follow(names: &Names, resolver: &impl Resolve, tell: impl Fn(Vec<Endpoint>)) {
    loop {
        let hosts = names.hosts();
        for host in &hosts {
            let answer = resolver.addresses(host).await;
            if names.take(host, &answer) {
                tell(names.endpoints());
            }
        }
        let again = async {
            match hosts.is_empty() {
                true => std::future::pending().await,
                false => tokio::time::sleep(INTERVAL).await,
            }
        };
        tokio::select! {
            () = again => {}
            () = names.relisted.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests;
