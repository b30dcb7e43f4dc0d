//! Configurations that work and do not do what somebody expects of them.
//!
//! What can't work at all is refused when a file is read (`config/check.rs`, and the properties'
//! own rules). Here are the rest: rules over the file alone, and over the file and what a cluster
//! says of itself. A rule is a pure function; it asks nobody and knows no clock. All of them are
//! documented in `docs/reference/lint.md`, which is made from [`RULES`].

use std::collections::BTreeMap;
use std::ops::Range;

use crate::config::{Config, Subscription};

mod alone;
mod durability;
pub(crate) mod facts;
mod fit;
mod group;
mod topics;

use facts::Facts;
pub(crate) use topics::made_by_gateway;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// It will not work, or loses what was promised to be kept.
    Error,
    /// It works, and does not do what somebody would expect.
    Warning,
}

/// One rule.
pub(crate) struct Rule {
    /// Stable, for people and programs to name it by.
    pub(crate) name: &'static str,
    pub(crate) severity: Severity,
    /// Whether it needs what a cluster says.
    pub(crate) cluster: bool,
    /// When it finds something, for the reference.
    pub(crate) when: &'static str,
    /// What to do then.
    pub(crate) advice: &'static str,
    find: fn(&Seen<'_>) -> Vec<Hit>,
}

/// What a rule looks at.
pub(crate) struct Seen<'a> {
    pub(crate) config: &'a Config,
    /// Kafka's properties by their own names, secrets resolved.
    pub(crate) given: &'a BTreeMap<String, String>,
    pub(crate) facts: Option<&'a Facts>,
}

/// What a rule found, and where in the file.
#[derive(Debug)]
pub(crate) struct Hit {
    at: At,
    what: String,
    /// Stands in the advice where the rule says TOPIC.
    topic: Option<String>,
}

/// A place in the file.
#[derive(Clone, Debug)]
enum At {
    Span(Range<usize>),
    /// A quoted key, found by its name.
    Key(&'static str),
}

/// A rule's finding.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) rule: &'static str,
    pub(crate) severity: Severity,
    /// Bytes of the file's text.
    pub(crate) span: Option<Range<usize>>,
    pub(crate) what: String,
    /// When the rule finds something.
    pub(crate) when: &'static str,
    pub(crate) advice: String,
}

/// All rules, in the order of the reference.
pub(crate) fn rules() -> impl Iterator<Item = &'static Rule> {
    [alone::RULES, group::RULES, topics::RULES, durability::RULES, fit::RULES].into_iter().flatten()
}

/// Everything that the rules find, errors first, then in the order of the file.
pub(crate) fn lint(seen: &Seen<'_>) -> Vec<Finding> {
    let applies = |rule: &&Rule| !rule.cluster || seen.facts.is_some();
    let mut findings: Vec<Finding> = rules()
        .filter(applies)
        .flat_map(|rule| (rule.find)(seen).into_iter().map(move |hit| seen.finding(rule, hit)))
        .collect();
    findings.sort_by_key(|it| (it.severity, it.span.as_ref().map(|span| span.start)));
    findings
}

impl<'a> Seen<'a> {
    fn finding(&self, rule: &'static Rule, hit: Hit) -> Finding {
        let span = match hit.at {
            At::Span(span) => Some(span).filter(|span| !span.is_empty()),
            At::Key(key) => self.config.source.problem_at(key, String::new()).span,
        };
        let Rule { name, severity, when, advice, .. } = *rule;
        let advice =
            hit.topic.map_or_else(|| advice.to_owned(), |topic| advice.replace("TOPIC", &topic));
        Finding { rule: name, severity, span, what: hit.what, when, advice }
    }

    fn text(&self, property: &str) -> Option<&'a str> {
        self.given.get(property).map(|text| text.trim())
    }

    /// A number of Kafka's, as given or by Java's default.
    fn number(&self, property: &str, default: i64) -> i64 {
        self.text(property).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    fn subscriptions(&self) -> impl Iterator<Item = &'a Subscription> + use<'a> {
        self.config.subscriptions.iter().map(|entry| entry.get_ref())
    }

    /// What the cluster says; only rules that need it ask.
    fn facts(&self) -> &'a Facts {
        self.facts.expect("a rule that needs a cluster is not asked without")
    }
}

impl Hit {
    fn at(span: Range<usize>, what: impl Into<String>) -> Self {
        Self { at: At::Span(span), what: what.into(), topic: None }
    }

    /// About a topic.
    fn topic(span: Range<usize>, topic: &str, what: impl Into<String>) -> Self {
        Self { topic: Some(topic.to_owned()), ..Self::at(span, what) }
    }

    /// About a property of Kafka's.
    fn key(key: &'static str, what: impl Into<String>) -> Self {
        Self { at: At::Key(key), what: what.into(), topic: None }
    }
}

/// The longest that a record's retries take by their pauses alone; `None` where they never end.
fn retries(subscription: &Subscription) -> Option<std::time::Duration> {
    let attempts = subscription.retry.attempts.get_ref().number();
    if attempts == u32::MAX {
        return None;
    }
    let (first, most) = (subscription.retry.backoff.first, subscription.retry.backoff.most);
    let (mut pause, mut sum) = (first, std::time::Duration::ZERO);
    for done in 1..attempts {
        if pause >= most {
            return Some(sum.saturating_add(most.saturating_mul(attempts - done)));
        }
        sum = sum.saturating_add(pause);
        pause = pause.saturating_mul(2).min(most);
    }
    Some(sum)
}

#[cfg(test)]
mod tests;
