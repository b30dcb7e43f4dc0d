//! How a service behaves: a list of rules of which the first that matches decides.
//!
//! A script is a value. Tests build one ([`Script::answering`], [`Rule`]'s methods); processes read
//! one from a TOML file of the same shape, in which unknown keys are refused. Times in files are
//! milliseconds. What no rule matches is answered 200.
//!
//! Two things stand before the rules because a request must be read to be matched: [`Greeting`]s
//! say what a new connection gets, and `refuse` when there is no listener at all.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod act;
mod when;

pub use act::{Act, Answer, Broken, Greet, Limit, Over, Read};
pub use when::{Range, Share, When, Window};

/// The whole behaviour of a service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// Of all random delays.
    pub seed: u64,
    /// While this holds, connections are refused and those that were open are closed.
    pub refuse: Option<Window>,
    /// It keeps state as a careful service does: what is of an older tenure than it has heard of,
    /// or done after its deadline, is refused with 503 and does nothing.
    pub fenced: bool,
    /// For all requests, before their rules' delays.
    pub limit: Option<Limit>,
    /// For requests whose rule names none.
    pub delay: Option<Delay>,
    #[serde(rename = "greeting")]
    pub greetings: Vec<Greeting>,
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
}

/// What a request gets.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(default)]
    pub when: When,
    /// The work on the record; it is finished even if the client leaves.
    #[serde(default)]
    pub delay: Option<Delay>,
    pub act: Act,
}

/// What a new connection gets.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Greeting {
    #[serde(default)]
    pub during: Window,
    /// Only each n-th connection during that time.
    #[serde(default)]
    pub every: Option<u64>,
    pub act: Greet,
}

/// A time; random between two where `to_ms` is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    pub ms: u64,
    #[serde(default)]
    pub to_ms: Option<u64>,
}

impl From<Duration> for Delay {
    fn from(time: Duration) -> Self {
        Self { ms: millis(time), to_ms: None }
    }
}

impl From<std::ops::Range<Duration>> for Delay {
    fn from(times: std::ops::Range<Duration>) -> Self {
        Self { ms: millis(times.start), to_ms: Some(millis(times.end)) }
    }
}

/// Why a file is no script.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error("cannot read {0}: {1}")]
    Unreadable(String, std::io::Error),
    #[error("{0} is no script: {1}")]
    Malformed(String, toml::de::Error),
    /// Rules that would divide by zero, or ask for headers that are none.
    #[error("{0}")]
    Impossible(String),
}

impl Script {
    /// Accepts everything at once.
    pub fn accepting() -> Self {
        Self::default()
    }

    /// Answers this status to everything.
    pub fn answering(status: u16) -> Self {
        Self::default().rule(Rule::answering(status))
    }

    /// Does this with everything.
    pub fn doing(act: Act) -> Self {
        Self::default().rule(Rule::new(act))
    }

    /// Adds a rule after those that are there.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    #[must_use]
    pub fn greeting(mut self, greeting: Greeting) -> Self {
        self.greetings.push(greeting);
        self
    }

    #[must_use]
    pub fn limit(self, limit: Limit) -> Self {
        Self { limit: Some(limit), ..self }
    }

    #[must_use]
    pub fn delay(self, delay: impl Into<Delay>) -> Self {
        Self { delay: Some(delay.into()), ..self }
    }

    #[must_use]
    pub fn refuse(self, during: Window) -> Self {
        Self { refuse: Some(during), ..self }
    }

    /// Refuses former owners, and what comes too late; see [`Script::fenced`].
    #[must_use]
    pub fn fence(self) -> Self {
        Self { fenced: true, ..self }
    }

    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// From a TOML file.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ScriptError::Unreadable(name.clone(), error))?;
        let script: Self =
            toml::from_str(&text).map_err(|error| ScriptError::Malformed(name, error))?;
        script.check()?;
        Ok(script)
    }

    /// Fails for what can't be acted on.
    pub fn check(&self) -> Result<(), ScriptError> {
        let impossible = |text: &str| Err(ScriptError::Impossible(text.to_owned()));
        for rule in &self.rules {
            if rule.when.share.is_some_and(|share| share.of == 0) || rule.when.every == Some(0) {
                return impossible("a share of 0 parts, or every 0th request");
            }
            if rule.act.answer().is_some_and(|answer| !answer.is_sound()) {
                return impossible("a status is 200 to 999, and a header one line of text");
            }
        }
        let whole =
            |act: &Act| matches!(act, Act::Answer(_) | Act::Hang | Act::Close { .. } | Act::Crash);
        if self.fenced && !self.rules.iter().all(|rule| whole(&rule.act)) {
            return impossible("a fenced service answers wholly or not at all");
        }
        if self.greetings.iter().any(|greeting| greeting.every == Some(0)) {
            return impossible("every 0th connection");
        }
        match &self.limit {
            Some(Limit { per_second: Some(0), .. } | Limit { concurrent: Some(0), .. }) => {
                impossible("a limit of 0: a service that never answers is an act, `hang`")
            }
            _ => Ok(()),
        }
    }
}

/// Conditions and delays are added to a rule in any order; all conditions must hold.
impl Rule {
    pub fn new(act: Act) -> Self {
        Self { when: When::default(), delay: None, act }
    }

    pub fn answering(status: u16) -> Self {
        Self::new(Act::Answer(Answer::status(status)))
    }

    #[must_use]
    pub fn delay(self, delay: impl Into<Delay>) -> Self {
        Self { delay: Some(delay.into()), ..self }
    }

    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.when.keys.push(key.to_owned());
        self
    }

    /// `count` of `of` parts of all keys: `share(1, 100)` is about a hundredth of them.
    #[must_use]
    pub fn share(mut self, count: u64, of: u64) -> Self {
        self.when.share = Some(Share { count, of });
        self
    }

    /// One record.
    #[must_use]
    pub fn at(mut self, partition: i32, offset: i64) -> Self {
        self.when.partition = Some(partition);
        self.when.offset = Some(Range { from: Some(offset), to: Some(offset) });
        self
    }

    #[must_use]
    pub fn topic(mut self, topic: &str) -> Self {
        self.when.topic = Some(topic.to_owned());
        self
    }

    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.when.partition = Some(partition);
        self
    }

    /// Attempts up to this one.
    #[must_use]
    pub fn attempts_to(mut self, attempt: i64) -> Self {
        self.when.attempt = Some(Range { from: None, to: Some(attempt) });
        self
    }

    #[must_use]
    pub fn during(mut self, window: Window) -> Self {
        self.when.during = window;
        self
    }

    /// While this switch is on.
    #[must_use]
    pub fn while_on(self, switch: &str) -> Self {
        self.during(Window::while_on(switch))
    }

    /// Each n-th request that fulfils the other conditions.
    #[must_use]
    pub fn every(mut self, n: u64) -> Self {
        self.when.every = Some(n);
        self
    }

    /// No more than this many requests.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.when.times = Some(n);
        self
    }
}

impl Greeting {
    pub fn new(act: Greet) -> Self {
        Self { during: Window::default(), every: None, act }
    }

    #[must_use]
    pub fn during(self, during: Window) -> Self {
        Self { during, ..self }
    }

    #[must_use]
    pub fn every(self, n: u64) -> Self {
        Self { every: Some(n), ..self }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
