//! `forebay subscriptions`: a running gateway, seen and commanded over its control API.

use serde_json::{Value, json};

use crate::cli::cluster::Output;
use crate::cli::consume::From;
use crate::cli::subscriptions::{Action, Record, Seek, Subscriptions};
use crate::commands::client::Client;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Table, or_dash, print_json};
use crate::process::print;
use crate::text::{shown, time};

const ALL: &str = "/api/v1/subscriptions";

pub(crate) fn run(args: &Subscriptions) -> Outcome {
    let client = Client::new(&args.gateway)?;
    let output = args.gateway.output;
    match &args.action {
        Action::List => list(&client, output),
        Action::Show { name } => {
            let shown = client.get(&of(name, ""))?;
            if output == Output::Json { print_json(&shown) } else { print(&story(&shown)) }
        }
        Action::Pause { name } => turn(&client, name, "pause", output),
        Action::Resume { name } => turn(&client, name, "resume", output),
        Action::Seek(args) => seek(&client, args, output),
        Action::Retry(record) => decide(&client, record, "retry", output),
        Action::Skip(record) => decide(&client, record, "skip", output),
        Action::DeadLetter(record) => decide(&client, record, "dead-letter", output),
        Action::Commands { name } => commands(&client, name.as_deref(), output),
        Action::Reload => reload(&client, output),
    }
}

/// What can't be taken without a restart is a failure: whoever changed the file believes it holds.
fn reload(client: &Client, output: Output) -> Outcome {
    let answer = client.post("/api/v1/reload", &json!({}))?;
    let lines = |of: &str| -> Vec<String> {
        answer[of].as_array().into_iter().flatten().map(text).collect()
    };
    let refused = lines("refused");
    if output == Output::Json {
        print_json(&answer)?;
        return Ok(if refused.is_empty() { Exit::Done } else { Exit::Broken });
    }
    let changes: String = lines("changes").iter().map(|line| format!("{line}\n")).collect();
    print(&changes)?;
    match refused.is_empty() {
        true => Ok(Exit::Done),
        false => Err(Failure::new(Exit::Broken, refused.join("\n"))),
    }
}

fn of(name: &str, what: &str) -> String {
    let set = percent_encoding::NON_ALPHANUMERIC;
    format!("{ALL}/{}{what}", percent_encoding::utf8_percent_encode(name, set))
}

fn decide(client: &Client, record: &Record, what: &str, output: Output) -> Outcome {
    let place = &record.place;
    let body =
        json!({ "topic": place.topic, "partition": place.partition, "offset": place.offset });
    done(&client.post(&of(&record.name, &format!("/records/{what}")), &body)?, output)
}

/// Pauses or resumes; what was so before is said to be.
fn turn(client: &Client, name: &str, what: &str, output: Output) -> Outcome {
    let before = client.get(&of(name, ""))?;
    let after = client.post(&of(name, &format!("/{what}")), &json!({}))?;
    let was_held = held_by(&before).split(',').any(|by| matches!(by, "operator" | "budget"));
    let already = match what {
        "pause" if before["paused"] == true => "was paused already",
        "resume" if !was_held => "was not paused",
        _ => return done(&after, output),
    };
    if output == Output::Json {
        return print_json(&after);
    }
    print(&format!("{}: {already}; nothing has changed\n", text(&after["name"])))
}

/// What was done to the group, and by whom.
fn commands(client: &Client, name: Option<&str>, output: Output) -> Outcome {
    let path = name.map_or_else(|| "/api/v1/commands".to_owned(), |name| of(name, "/commands"));
    let answer = client.get(&path)?;
    if output == Output::Json {
        return print_json(&answer);
    }
    let mut table = Table::new(&["AT", "INSTANCE", "FROM", "COMMAND", "OUTCOME"]);
    for one in answer["commands"].as_array().into_iter().flatten() {
        let at = or_dash(one["at_ms"].as_i64().and_then(time));
        // Whoever may write to `__forebay` may have written these.
        let cells = ["instance", "from", "command", "outcome"].map(|name| one[name].as_str());
        let cells = cells.map(|cell| shown(cell.map(str::as_bytes)));
        table.row([at].into_iter().chain(cells));
    }
    let missing = answer["missing"].as_str();
    let missing = missing.map_or(String::new(), |what| format!("{what}\n"));
    print(&format!("{}{missing}", table.render()))
}

/// What a command led to: the subscription after it.
fn done(shown: &Value, output: Output) -> Outcome {
    if output == Output::Json {
        return print_json(shown);
    }
    let name = text(&shown["name"]);
    let held = shown["held"].as_str().map_or(String::new(), |held| format!(" ({held})"));
    let waits = shown["waits_for"].as_str().map_or(String::new(), |why| format!("; {why}"));
    let records = if shown["troubled"] == 1 { "record" } else { "records" };
    print(&format!("{name}: done{waits}; {} {records} in trouble{held}\n", shown["troubled"]))
}

fn seek(client: &Client, args: &Seek, output: Output) -> Outcome {
    let to = match args.to {
        From::Beginning => json!("beginning"),
        From::End => json!("end"),
        From::Offset(offset) => json!({ "offset": offset }),
        From::Time(ms) => json!({ "time": ms }),
    };
    let mut body = json!({ "to": to, "dry_run": args.dry_run });
    if !args.partition.is_empty() {
        body["partitions"] = json!(args.partition);
    }
    if let Some(topic) = &args.topic {
        body["topic"] = json!(topic);
    }
    let answer = client.post(&of(&args.name, "/seek"), &body)?;
    if output == Output::Json {
        return print_json(&answer);
    }
    let mut table = Table::new(&["TOPIC", "PARTITION", "FROM", "TO", "INSTANCE"]);
    for moved in answer["partitions"].as_array().into_iter().flatten() {
        table.row(["topic", "partition", "from", "to", "instance"].map(|name| text(&moved[name])));
    }
    let end = if args.dry_run { "nothing was changed: this was a dry run\n" } else { "" };
    print(&format!("{}{end}", table.render()))
}

fn list(client: &Client, output: Output) -> Outcome {
    let answer = client.get(ALL)?;
    if output == Output::Json {
        return print_json(&answer);
    }
    let mut table =
        Table::new(&["NAME", "GROUP", "LAG", "RATE", "IN-FLIGHT", "TROUBLED", "CAPPED-BY", "HELD"]);
    for one in answer["subscriptions"].as_array().into_iter().flatten() {
        table.row([
            text(&one["name"]),
            text(&one["group"]),
            lag(one),
            text(&one["settled_per_second"]),
            format!("{}/{}", one["in_flight"], one["in_flight_limit"]),
            text(&one["troubled"]),
            text(&one["bottleneck"]["cap"]),
            held_by(one),
        ]);
    }
    let all = answer["subscriptions"].as_array().into_iter().flatten();
    let unheard: String =
        all.map(|one| unheard(one, &format!("{}: ", text(&one["name"])))).collect();
    print(&format!("{}{unheard}", table.render()))
}

/// Processes of the group that are not in what is shown, and why; a line for each.
fn unheard(shown: &Value, before: &str) -> String {
    let silent = shown["processes"].as_array().into_iter().flatten();
    let silent = silent.filter_map(|one| {
        let count = one["partitions"].as_array().map_or(0, Vec::len);
        Some(format!("{before}not shown: {count} partitions of {}\n", one["error"].as_str()?))
    });
    let unknown = shown["processes_unknown"].as_str();
    let unknown = unknown.map(|why| format!("{before}other processes are not shown: {why}\n"));
    silent.chain(unknown).collect()
}

/// With a sign that there is more, while that of some partitions is not known.
fn lag(shown: &Value) -> String {
    let more = if shown["lag_partial"] == true { "+" } else { "" };
    format!("{}{more}", text(&shown["lag"]))
}

/// Who holds it, in a word each.
fn held_by(shown: &Value) -> String {
    let by: Vec<_> = shown["held_by"].as_array().into_iter().flatten().map(text).collect();
    if by.is_empty() { "-".to_owned() } else { by.join(",") }
}

/// One subscription for people.
fn story(shown: &Value) -> String {
    let mut story = format!(
        "{} (group {}), lag {}, {} records/s, {} in flight of {}\ncapped by {}\n",
        text(&shown["name"]),
        text(&shown["group"]),
        lag(shown),
        shown["settled_per_second"],
        shown["in_flight"],
        shown["in_flight_limit"],
        text(&shown["bottleneck"]["words"]),
    );
    story.push_str(&unheard(shown, ""));
    if let Some(held) = shown["held"].as_str() {
        story.push_str(&format!("held: {held}\n"));
    }
    if let Some(reason) = shown["kafka_reason"].as_str() {
        story.push_str(&format!("Kafka ({}): {reason}\n", text(&shown["kafka"])));
    }
    if let Some(error) = shown["dead_letters"]["error"].as_str() {
        story.push_str(&format!("dead letters can't be written: {error}\n"));
    }
    if let Some(error) = shown["park"]["error"].as_str() {
        story.push_str(&format!("keys can't be parked: {error}\n"));
    }
    let part = |title: &[&str], list: &Value, names: &[&str]| {
        let mut table = Table::new(title);
        let rows = list.as_array().into_iter().flatten();
        let rows: Vec<_> = rows.map(|row| names.iter().map(|name| cell(row, name))).collect();
        let empty = rows.is_empty();
        rows.into_iter().for_each(|row| table.row(row));
        if empty { String::new() } else { format!("\n{}", table.render()) }
    };
    story.push_str(&part(
        &[
            "TOPIC",
            "PARTITION",
            "INSTANCE",
            "STAGE",
            "COMMIT-POINT",
            "LOG-END",
            "LAG",
            "HELD",
            "HOLD",
        ],
        &shown["partitions"],
        &[
            "topic",
            "partition",
            "instance",
            "stage",
            "commit_point",
            "log_end",
            "lag",
            "held",
            "hold",
        ],
    ));
    story.push_str(&part(
        &["ENDPOINT", "INSTANCE", "STATE", "IN-FLIGHT", "LIMIT", "LATENCY-MS", "FAULT"],
        &shown["endpoints"],
        &["url", "instance", "state", "in_flight", "limit", "latency_ms", "fault"],
    ));
    story.push_str(&part(
        &["TROUBLE", "PARTITION", "OFFSET", "STORY"],
        &shown["troubles"],
        &["topic", "partition", "offset", "reason"],
    ));
    story
}

fn cell(row: &Value, name: &str) -> String {
    match name {
        // It was never measured.
        "latency_ms" if row[name] == 0.0 => "-".to_owned(),
        _ => text(&row[name]),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.1}", number.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_that_was_never_measured_is_not_shown_as_none_at_all() {
        let cell = |latency: f64| cell(&json!({ "latency_ms": latency }), "latency_ms");
        assert_eq!([cell(0.0), cell(1.25)], ["-", "1.2"]);
        assert_eq!(super::cell(&json!({ "lag": 0 }), "lag"), "0");
    }

    #[test]
    fn a_lag_that_is_not_all_of_it_shows_that() {
        assert_eq!(lag(&json!({ "lag": 1330, "lag_partial": true })), "1330+");
        assert_eq!(lag(&json!({ "lag": 1330, "lag_partial": false })), "1330");
        assert_eq!(lag(&json!({ "lag": 1330 })), "1330", "as an older gateway says");
    }
}
