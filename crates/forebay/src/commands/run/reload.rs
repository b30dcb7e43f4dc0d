//! Taking a changed configuration file while the gateway runs.
//!
//! What can change without touching a group does: targets, limits, rules, new subscriptions and
//! removed ones. What can't is named, and stays as it was. A file that is wrong changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use forebay_gateway::{Gateway, Plan};
use forebay_kafka::Properties;
use forebay_push::Tls;

use crate::config::{Config, plan};

/// A running gateway, and the file that it runs by.
pub(super) struct Reloading {
    /// None where the gateway runs by flags alone.
    pub(super) path: Option<PathBuf>,
    /// Of the embedded broker.
    pub(super) listen: String,
    applied: Applied,
}

/// Parts of a configuration, to see what differs.
struct Applied {
    /// `[kafka]`, `[broker]` and `[control]`, as text.
    process: BTreeMap<&'static str, String>,
    subscriptions: BTreeMap<String, Part>,
}

/// A subscription's text, and what the files held that its TLS goes by.
#[derive(Clone, PartialEq)]
struct Part {
    text: String,
    tls: Tls,
}

impl Reloading {
    pub(super) fn new(
        path: Option<PathBuf>,
        listen: String,
        config: &Config,
        plans: &[Plan],
    ) -> Self {
        Self { path, listen, applied: Applied::of(config, plans) }
    }

    /// Reads the file and takes it. Says what has changed and what has not, a line for each.
    pub(super) async fn reload(&mut self, gateway: &mut Gateway) -> Result<Vec<String>, String> {
        let Some(path) = &self.path else {
            return Err("the gateway runs by flags, so there is no file to read again".to_owned());
        };
        let words = |error: &dyn std::error::Error| error.to_string();
        let config = Config::load(path).map_err(|error| words(&error))?;
        let properties: Properties =
            plan::properties(&config, &self.listen).map_err(|error| words(&error))?;
        let plans = plan::plans(&config, &properties).map_err(|error| words(&error))?;
        let wanted = Applied::of(&config, &plans);
        let mut lines = self.applied.refuse_process(&wanted);
        self.remove(&wanted, gateway, &mut lines).await;
        for plan in plans {
            self.take(plan, &wanted, gateway, &mut lines).await;
        }
        if lines.is_empty() {
            lines.push("nothing has changed".to_owned());
        }
        Ok(lines)
    }

    async fn remove(&mut self, wanted: &Applied, gateway: &mut Gateway, lines: &mut Vec<String>) {
        let gone = self.applied.subscriptions.keys();
        let gone = gone.filter(|name| !wanted.subscriptions.contains_key(*name));
        for name in gone.cloned().collect::<Vec<_>>() {
            gateway.remove(&name).await;
            self.applied.subscriptions.remove(&name);
            lines.push(format!("{name}: drained and stopped"));
        }
    }

    async fn take(
        &mut self,
        plan: Plan,
        wanted: &Applied,
        gateway: &mut Gateway,
        lines: &mut Vec<String>,
    ) {
        let (name, part) = (plan.name.clone(), &wanted.subscriptions[&plan.name]);
        let line = match (self.applied.subscriptions.get(&name), gateway.handles().find(&name)) {
            (Some(before), Some(_)) if before == part => return,
            (before, Some(handle)) => match gateway.change(&handle, &plan).await {
                Ok(()) if before.is_some_and(|before| before.text == part.text) => {
                    "certificates read anew".to_owned()
                }
                Ok(()) => "changed".to_owned(),
                Err(error) => {
                    lines.push(format!("{name}: not changed: {error}"));
                    return;
                }
            },
            (_, None) => match gateway.add(plan).await {
                Ok(()) => "started".to_owned(),
                Err(error) => {
                    lines.push(format!("{name}: not started: {error}"));
                    return;
                }
            },
        };
        lines.push(format!("{name}: {line}"));
        self.applied.subscriptions.insert(name, part.clone());
    }
}

impl Applied {
    fn of(config: &Config, plans: &[Plan]) -> Self {
        fn text(part: &impl serde::Serialize) -> String {
            toml::to_string(part).unwrap_or_default()
        }
        let process = [
            ("kafka", text(&config.kafka)),
            ("broker", text(&config.broker)),
            ("control", text(&config.control)),
        ];
        let subscriptions = config.subscriptions.iter().zip(plans).map(|(entry, plan)| {
            let part = Part { text: text(entry.get_ref()), tls: plan.tls.clone() };
            (plan.name.clone(), part)
        });
        Self { process: process.into(), subscriptions: subscriptions.collect() }
    }

    fn refuse_process(&self, wanted: &Self) -> Vec<String> {
        let changed = self.process.iter().filter(|(name, text)| wanted.process[**name] != **text);
        let line = |(name, _): (&&str, &String)| {
            format!("[{name}]: not changed: that needs a restart of the process")
        };
        changed.map(line).collect()
    }
}
