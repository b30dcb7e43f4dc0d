//! `forebay groups rebalances`: what a running gateway saw of its groups' rebalances.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cli::cluster::Output;
use crate::cli::groups::Rebalances;
use crate::commands::client::Client;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Table, print_json};
use crate::process::print;

pub(super) fn run(args: &Rebalances) -> Outcome {
    let client = Client::new(&args.gateway)?;
    let mut answer = client.get("/api/v1/rebalances")?;
    if let (Some(group), Some(all)) = (&args.group, answer["rebalances"].as_array_mut()) {
        all.retain(|one| one["group"] == json!(group));
        if all.is_empty() {
            known(&client.get("/api/v1/subscriptions")?, group)?;
        }
    }
    if args.gateway.output == Output::Json {
        return print_json(&answer);
    }
    let mut table =
        Table::new(&["AT", "GROUP", "GENERATION", "CAUSE", "LOST", "GAINED", "STILL-MS"]);
    for one in answer["rebalances"].as_array().into_iter().flatten() {
        let at = one["at_ms"].as_i64().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let text = |name: &str| one[name].as_str().unwrap_or("-").to_owned();
        table.row([
            at.map_or("-".to_owned(), |at| at.to_string()),
            text("group"),
            one["generation"].as_i64().map_or("-".to_owned(), |number| number.to_string()),
            text("cause"),
            moved(&one["lost"]),
            moved(&one["gained"]),
            one["longest_still_ms"].to_string(),
        ]);
    }
    print(&table.render())
}

/// Refuses a group that no subscription of the gateway has.
fn known(shown: &Value, group: &str) -> Result<(), Failure> {
    let all = shown["subscriptions"].as_array().into_iter().flatten();
    let groups: BTreeSet<&str> = all.filter_map(|one| one["group"].as_str()).collect();
    if groups.contains(group) {
        return Ok(());
    }
    let groups: Vec<String> = groups.iter().map(|group| format!("`{group}`")).collect();
    let message = format!("the gateway has no group `{group}`; it has {}", groups.join(", "));
    Err(Failure::new(Exit::Unreachable, message))
}

/// Partitions by topic, as in `payments[0,2,3]`; many are counted.
fn moved(list: &Value) -> String {
    const NAMED: usize = 12;
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    if list.is_empty() {
        return "-".to_owned();
    }
    if list.len() > NAMED {
        return format!("{} partitions", list.len());
    }
    let mut topics: std::collections::BTreeMap<&str, Vec<i64>> = std::collections::BTreeMap::new();
    for one in list {
        let number = one["partition"].as_i64().unwrap_or(-1);
        topics.entry(one["topic"].as_str().unwrap_or("-")).or_default().push(number);
    }
    let topics = topics.into_iter().map(|(topic, mut numbers)| {
        numbers.sort_unstable();
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        format!("{topic}[{}]", numbers.join(","))
    });
    topics.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_the_gateway_does_not_have_is_refused() {
        let shown =
            json!({ "subscriptions": [{ "group": "a" }, { "group": "b" }, { "group": "a" }] });
        assert!(known(&shown, "b").is_ok());
        let refused = known(&shown, "nope").unwrap_err();
        assert_eq!(refused.exit, Exit::Unreachable);
        assert_eq!(refused.message, "the gateway has no group `nope`; it has `a`, `b`");
    }

    #[test]
    fn partitions_are_shown_by_topic() {
        let list = json!([
            { "topic": "b", "partition": 2, "still_ms": null },
            { "topic": "a", "partition": 0, "still_ms": 3 },
            { "topic": "b", "partition": 0, "still_ms": 3 },
        ]);
        assert_eq!(moved(&list), "a[0] b[0,2]");
        assert_eq!(moved(&json!([])), "-");
        let many: Vec<Value> =
            (0..40).map(|number| json!({ "topic": "t", "partition": number })).collect();
        assert_eq!(moved(&json!(many)), "40 partitions");
    }
}
