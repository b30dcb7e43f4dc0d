//! `forebay groups rebalances`: what a running gateway saw of its groups' rebalances.

use serde_json::{Value, json};

use crate::cli::cluster::Output;
use crate::cli::groups::Rebalances;
use crate::commands::client::Client;
use crate::exit::Outcome;
use crate::output::{Table, print_json};
use crate::process::print;

pub(super) fn run(args: &Rebalances) -> Outcome {
    let mut answer = Client::new(&args.gateway)?.get("/api/v1/rebalances")?;
    if let (Some(group), Some(all)) = (&args.group, answer["rebalances"].as_array_mut()) {
        all.retain(|one| one["group"] == json!(group));
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
