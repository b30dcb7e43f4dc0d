//! Which keys stand in which table, for whoever wrote one into another. A test compares this with
//! the reference.

/// Tables and their keys; those of `[kafka]` are Kafka's.
pub(super) const TABLES: &[(&str, &[&str])] = &[
    ("kafka", &["embedded"]),
    ("broker", &["listen", "data"]),
    ("control", &["listen", "token", "instance", "advertise"]),
    (
        "subscription",
        &["name", "topics", "group", "consumers", "order", "delivery", "start", "takeover"],
    ),
    (
        "subscription.target",
        &[
            "url",
            "endpoints",
            "deadline",
            "grace",
            "discovery",
            "recycle",
            "in_flight",
            "in_flight_max",
            "rate",
            "headers",
            "max_header_bytes",
            "max_value_bytes",
        ],
    ),
    ("subscription.target.tls", &["ca", "certificate", "key", "server_name"]),
    ("subscription.retry", &["attempts", "backoff", "on_exhausted", "on_reject"]),
    ("subscription.evidence", &["wait"]),
    ("subscription.dead_letter", &["topic", "names"]),
    ("subscription.park", &["topic", "after"]),
    ("subscription.hold", &["records", "bytes", "window"]),
    ("subscription.commit", &["mode", "interval", "drain"]),
];

/// Tables that are written as lists, with one of their keys each: the parser would take what is in
/// them for the table's values, one after another.
pub(super) fn lists_for_tables(text: &str) -> Vec<(String, String)> {
    let Ok(whole) = text.parse::<toml::Table>() else { return Vec::new() };
    let subscriptions = whole.get("subscription").and_then(toml::Value::as_array);
    let subscriptions: Vec<_> =
        subscriptions.into_iter().flatten().filter_map(toml::Value::as_table).collect();
    let tables = TABLES.iter().filter(|(table, _)| match table.split_once('.') {
        None => *table != "subscription" && is_list(&whole, table),
        Some((_, path)) => subscriptions.iter().any(|subscription| is_list(subscription, path)),
    });
    tables.map(|(table, keys)| ((*table).to_owned(), keys[0].to_owned())).collect()
}

fn is_list(table: &toml::Table, path: &str) -> bool {
    let (name, inner) = path.split_once('.').unwrap_or((path, ""));
    match table.get(name) {
        Some(toml::Value::Array(_)) => inner.is_empty(),
        Some(toml::Value::Table(table)) => is_list(table, inner),
        _ => false,
    }
}

/// Where a key belongs that is unknown where it stands, in words.
pub(super) fn home(key: &str) -> Option<String> {
    let written = |table: &str| match table {
        "subscription" => "[[subscription]]".to_owned(),
        table => format!("[{table}]"),
    };
    if let Some((table, _)) = TABLES.iter().find(|(table, _)| last(table) == key) {
        return Some(format!("that table is {}", written(table)));
    }
    let homes = TABLES.iter().filter(|(_, keys)| keys.contains(&key));
    let homes: Vec<String> = homes.map(|(table, _)| written(table)).collect();
    (!homes.is_empty()).then(|| format!("it belongs into {}", homes.join(" or ")))
}

fn last(table: &str) -> &str {
    table.rsplit('.').next().unwrap_or(table)
}
