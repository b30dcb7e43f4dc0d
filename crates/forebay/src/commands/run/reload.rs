//! Taking a changed configuration file while the gateway runs.
//!
//! What can change without touching a group does: targets, limits, rules, new subscriptions and
//! removed ones. What can't is named, and stays as it was. A file that is wrong changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use forebay_control::Reloaded;
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
    pub(super) async fn reload(&mut self, gateway: &mut Gateway) -> Result<Reloaded, String> {
        let Some(path) = &self.path else {
            return Err("the gateway runs by flags, so there is no file to read again".to_owned());
        };
        let words = |error: &dyn std::error::Error| error.to_string();
        let config = Config::load(path).map_err(|error| words(&error))?;
        let properties: Properties =
            plan::properties(&config, &self.listen).map_err(|error| words(&error))?;
        let plans = plan::plans(&config, &properties).map_err(|error| words(&error))?;
        let wanted = Applied::of(&config, &plans);
        let refused = self.applied.refuse_process(&wanted);
        let changes = self.remove(&wanted, gateway).await;
        let mut reloaded = Reloaded { changes, refused };
        for plan in plans {
            let name = plan.name.clone();
            let (lines, what) = match self.take(plan, &wanted, gateway).await {
                Ok(None) => continue,
                Ok(Some(what)) => (&mut reloaded.changes, what.to_owned()),
                Err(why) => (&mut reloaded.refused, why),
            };
            lines.push(format!("{name}: {what}"));
        }
        if reloaded.changes.is_empty() && reloaded.refused.is_empty() {
            reloaded.changes.push("nothing has changed".to_owned());
        }
        Ok(reloaded)
    }

    async fn remove(&mut self, wanted: &Applied, gateway: &mut Gateway) -> Vec<String> {
        let mut lines = Vec::new();
        let gone = self.applied.subscriptions.keys();
        let gone = gone.filter(|name| !wanted.subscriptions.contains_key(*name));
        for name in gone.cloned().collect::<Vec<_>>() {
            gateway.remove(&name).await;
            self.applied.subscriptions.remove(&name);
            lines.push(format!("{name}: drained and stopped"));
        }
        lines
    }

    /// Takes one subscription. Says what it came to, if anything, or why it stays as it was.
    async fn take(
        &mut self,
        plan: Plan,
        wanted: &Applied,
        gateway: &mut Gateway,
    ) -> Result<Option<&'static str>, String> {
        let (name, part) = (plan.name.clone(), &wanted.subscriptions[&plan.name]);
        let before = self.applied.subscriptions.get(&name);
        let what = match gateway.handles().find(&name) {
            Some(_) if before == Some(part) => return Ok(None),
            Some(handle) => {
                let changed = gateway.change(&handle, &plan).await;
                changed.map_err(|error| format!("not changed: {error}"))?;
                match before.is_some_and(|before| before.text == part.text) {
                    true => "certificates read anew",
                    false => "changed",
                }
            }
            None => {
                let added = gateway.add(plan).await;
                added.map_err(|error| format!("not started: {error}"))?;
                "started"
            }
        };
        self.applied.subscriptions.insert(name, part.clone());
        Ok(Some(what))
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
