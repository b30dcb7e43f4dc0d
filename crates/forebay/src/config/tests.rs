use std::path::Path;

use proptest::prelude::*;

use super::*;

mod shown;

const WHOLE: &str = r#"
[kafka]
"bootstrap.servers" = "127.0.0.1:9092"

[[subscription]]
name = "payments"
topics = ["payments"]

[subscription.target]
url = "http://payments:8080/records"
"#;

fn parse(text: &str) -> Result<Config, String> {
    let source = Source { name: "forebay.toml".into(), text: text.into() };
    Config::parse(source).map_err(|error| error.to_string())
}

fn effective(config: &Config) -> String {
    let properties = plan::properties(config, "127.0.0.1:9092").unwrap();
    config.effective(&properties).unwrap()
}

/// The error that a change of the plain file leads to.
fn refused(from: &str, to: &str) -> String {
    let text = WHOLE.replace(from, to);
    assert_ne!(text, WHOLE, "`{from}` is in the file");
    parse(&text).unwrap_err()
}

#[test]
fn a_plain_file_gets_the_documented_defaults() {
    let config = parse(WHOLE).unwrap();
    let subscription = config.subscriptions[0].get_ref();
    assert_eq!(subscription.group(), "payments");
    let target = subscription.target.get_ref();
    assert_eq!(target.deadline.get_ref().to_string(), "30s");
    assert_eq!(target.grace.to_string(), "1s");
    assert_eq!(subscription.in_flight(), (256, 4_096));
    assert_eq!(subscription.commit.interval().as_millis(), 100);
    assert_eq!(subscription.retry.attempts.get_ref().number(), 10);
    assert_eq!(subscription.commit.drain.to_string(), "10s");
    assert_eq!(*subscription.hold.records.get_ref(), 20_000);
}

/// What a file comes to.
fn planned(text: &str) -> Result<forebay_gateway::Plan, String> {
    let config = parse(text)?;
    let words = |error: ConfigError| error.to_string();
    let properties = plan::properties(&config, "").map_err(words)?;
    Ok(plan::plans(&config, &properties).map_err(words)?.remove(0))
}

#[test]
fn what_runs_by_a_plain_file_is_what_the_contract_says() {
    use std::time::Duration;
    let plan = planned(WHOLE).unwrap();
    let (rules, second) = (plan.rules, Duration::from_secs(1));
    assert_eq!((rules.deadline, rules.grace, rules.drain), (30 * second, second, 10 * second));
    assert_eq!((rules.backoff.first, rules.backoff.most), (second / 5, 30 * second));
    assert_eq!((rules.attempts, rules.evidence_wait), (10, Some(600 * second)));
    assert_eq!((rules.in_flight, rules.in_flight_max), (256, 4_096));
    assert_eq!((rules.commit_interval, rules.probe_interval), (second / 10, second));
    assert_eq!(rules.guarantee, forebay_core::Guarantee::AtLeastOnce);
    // The rest of 20,000 and 64 MiB is in the intake's queues and in librdkafka, in equal parts.
    assert_eq!((rules.records_max, plan.intake.records_max), (10_000, 5_000));
    assert_eq!((rules.bytes_max, plan.intake.bytes_max), (32 << 20, 16 << 20));
    assert_eq!((plan.max_value_bytes, plan.limits.max_header_bytes), (16 << 20, 8 << 10));
}

#[test]
fn a_target_names_the_record_headers_that_it_wants() {
    let sent = |said: &str| {
        let plan = planned(&WHOLE.replace("url =", &format!("{said}\nurl ="))).unwrap();
        plan.limits.record_headers.map(|names| names.to_vec())
    };
    assert_eq!(sent(""), None, "all");
    assert_eq!(sent("headers = []"), Some(vec![]));
    let named = ["trace-id".to_owned(), "Tenant".to_owned()];
    assert_eq!(sent("headers = [\"trace-id\", \"Tenant\"]"), Some(named.to_vec()));
}

#[test]
fn what_is_given_up_goes_where_the_file_says_else_to_the_dead_letters_else_nowhere() {
    use forebay_core::GiveUp;
    let rules = |more: &str| {
        let rules = planned(&format!("{WHOLE}\n{more}")).unwrap().rules;
        (rules.on_exhausted, rules.on_reject)
    };
    let letters = "[subscription.dead_letter]\ntopic = \"dead\"\n";
    let said = "[subscription.retry]\non_exhausted = \"drop\"\non_reject = \"hold\"\n";
    assert_eq!(rules(""), (GiveUp::Hold, GiveUp::Hold));
    assert_eq!(rules(letters), (GiveUp::DeadLetter, GiveUp::DeadLetter));
    assert_eq!(rules(&format!("{letters}{said}")), (GiveUp::Drop, GiveUp::Hold));
}

#[test]
fn what_tls_goes_by_is_told_at_its_line_where_it_cannot_be_used() {
    let tls = |lines: &str| {
        WHOLE.replace("http:", "https:") + "[subscription.target.tls]\n" + lines + "\n"
    };
    let error = planned(&tls("ca = \"no-such-file.pem\"")).err().unwrap();
    assert!(error.starts_with("forebay.toml:12: cannot read no-such-file.pem"), "{error}");
    let error = planned(&tls("server_name = \"not a name\"")).err().unwrap();
    assert!(error.starts_with("forebay.toml:12: \"not a name\" is no name"), "{error}");
    let error = parse(&tls("certificate = \"c.pem\"")).unwrap_err();
    assert!(error.contains("forebay.toml:12: `certificate` needs its `key`"), "{error}");
    let error = parse(&tls("key = \"c.key\"")).unwrap_err();
    assert!(error.contains("`key` needs its `certificate`"), "{error}");
    let error = parse(&tls("ca = \"ca.pem\"").replace("https:", "http:")).unwrap_err();
    assert!(
        error.contains("forebay.toml:11: [subscription.target.tls] is for https://"),
        "{error}"
    );
}

#[test]
fn a_name_without_quotes_and_a_number_without_unit_are_told_at_their_lines() {
    let error = refused("\"bootstrap.servers\" =", "bootstrap.servers =");
    assert!(error.starts_with("forebay.toml:3: put the name in quotes"), "{error}");
    assert!(error.contains("\"bootstrap.servers\" = "), "{error}");
    let error = refused("url =", "deadline = 5\nurl =");
    assert!(error.starts_with("forebay.toml:10: ") && error.contains("\"5s\""), "{error}");
    let error = refused("url =", "max_value_bytes = 5\nurl =");
    assert!(error.contains("\"5MiB\""), "{error}");
}

#[test]
fn a_file_without_a_subscription_or_a_cluster_is_told_what_is_missing_in_one_complaint() {
    let whole = |text: &str| {
        let config = parse(text).unwrap();
        plan::is_whole(&config).map_err(|error| error.to_string())
    };
    assert_eq!(whole(WHOLE), Ok(()));
    let (kafka, rest) = WHOLE.split_at(WHOLE.find("[[").unwrap());
    assert!(whole(kafka).unwrap_err().contains("there is no [[subscription]]"));
    assert!(whole(rest).unwrap_err().contains("bootstrap.servers"));
    assert_eq!(whole(&format!("[kafka]\nembedded = true\n{rest}")), Ok(()));
    let error = whole("").unwrap_err();
    assert!(error.contains("bootstrap.servers") && error.contains("[[subscription]]"), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn what_is_wrong_with_a_flag_is_told_by_the_flag_and_not_by_a_line() {
    use clap::Parser as _;
    let refused = |to: &str, topic: &str| {
        let args = ["forebay", "run", "--kafka", "127.0.0.1:1", "--topic", topic, "--to", to];
        let crate::cli::Command::Run(args) = crate::cli::Cli::parse_from(args).command else {
            panic!("it is run")
        };
        plan::from_flags(&args).unwrap_err().to_string()
    };
    let error = refused("localhost:8000/records", "payments");
    assert!(error.starts_with("--to ") && error.ends_with("write http://localhost:8000/records"));
    let error = refused("http://localhost:8000/records", "a b");
    assert!(error.starts_with("the command line: `a b` is no topic's name"), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn a_key_in_the_wrong_table_is_told_where_it_belongs() {
    let error = refused("topics =", "deadline = 30\ntopics =");
    assert!(error.contains("unknown key `deadline` here; it belongs into [subscription.target]"));
    let error = parse(&format!("{WHOLE}[subscription.tls]\nca = \"c.pem\"\n")).unwrap_err();
    assert!(error.contains("that table is [subscription.target.tls]"), "{error}");
    let error = refused("url =", "topic = \"dead\"\nurl =");
    assert!(error.contains("[subscription.dead_letter] or [subscription.park]"), "{error}");
    let error = refused("url =", "deadlin = \"5s\"\nurl =");
    assert!(error.contains("did you mean `deadline`?"), "{error}");
}

#[test]
fn subscriptions_that_are_no_list_are_told_how_a_list_is_written() {
    let one = refused("[[subscription]]", "[subscription]");
    let two = WHOLE.replace("[[subscription]]", "[subscription]\nname = \"a\"\n[subscription]");
    for error in [
        one,
        parse(&two).unwrap_err(),
        parse(&format!("{WHOLE}[subscription.target]\n")).unwrap_err(),
    ] {
        assert!(error.contains("begins with [[subscription]]"), "{error}");
    }
}

#[test]
fn each_documented_key_has_its_table() {
    let tables = keys::TABLES.iter();
    let known =
        tables.flat_map(|(table, keys)| keys.iter().map(move |key| format!("{table}.{key}")));
    let mut known: Vec<String> = known.collect();
    let mut documented: Vec<&str> = reference::OPTIONS.iter().map(|option| option.key).collect();
    known.sort();
    documented.sort_unstable();
    assert_eq!(known, documented);
}

#[test]
fn a_value_of_another_kind_is_told_with_the_kinds_there_are() {
    let text = format!("{WHOLE}[subscription.retry]\nattempts = \"3\"\n");
    let error = parse(&text).unwrap_err();
    let said = "forebay.toml:12: `attempts` is a whole number without quotes, or \"unlimited\"";
    assert!(error.starts_with(said), "{error}");
    for value in ["1.5", "[]", "{ evn = \"A\" }"] {
        let error = refused("[kafka]", &format!("[kafka]\n\"client.id\" = {value}"));
        assert!(error.contains("text in quotes, a whole number") && !error.contains("untagged"));
    }
}

#[test]
fn the_example_that_the_readme_names_is_a_whole_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/forebay.toml");
    let config = Config::load(&path).unwrap();
    assert_eq!(config.subscriptions.len(), 1);
}

#[test]
fn relative_paths_are_of_the_files_directory_and_errors_name_what_was_tried() {
    let directory = tempfile::tempdir().unwrap();
    let kafka = "[broker]\ndata = \"data\"\n[control]\ntoken = { file = \"token\" }\n[kafka]\n\
                 \"ssl.truststore.location\" = \"sub/ca.pem\"\n\
                 \"sasl.password\" = { file = \"/abs/password\" }";
    let text = WHOLE.replace("[kafka]", kafka).replace("http:", "https:");
    let path = directory.path().join("forebay.toml");
    std::fs::write(&path, text + "[subscription.target.tls]\nca = \"c.pem\"\n").unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.broker.data, directory.path().join("data"));
    let property = |name: &str| format!("{:?}", config.kafka.properties[name]);
    assert_eq!(property("sasl.password"), "(file /abs/password)");
    let Property::Text(store) = &config.kafka.properties["ssl.truststore.location"] else {
        panic!("it is text")
    };
    assert_eq!(Path::new(store), directory.path().join("sub/ca.pem"));
    let properties = forebay_kafka::Properties::parse(
        &[("bootstrap.servers".to_owned(), "127.0.0.1:9092".to_owned())].into(),
    );
    let error = plan::plans(&config, &properties.unwrap()).err().unwrap().to_string();
    let tried = directory.path().join("c.pem").display().to_string();
    assert!(error.contains(&format!("cannot read {tried}")), "{error}");
    let error = plan::token(&config).unwrap_err().to_string();
    assert!(error.contains(&directory.path().join("token").display().to_string()), "{error}");
}

#[test]
fn one_number_of_deliveries_in_flight_is_both_start_and_bound() {
    let in_flight = |lines: &str| {
        let text = WHOLE.replace("url =", &format!("{lines}\nurl ="));
        parse(&text).unwrap().subscriptions[0].get_ref().in_flight()
    };
    assert_eq!(in_flight("in_flight = 20"), (20, 20));
    assert_eq!(in_flight("in_flight = 20\nin_flight_max = 80"), (20, 80));
    assert_eq!(in_flight("in_flight_max = 80"), (80, 80));
    assert!(refused("url =", "in_flight = 9\nin_flight_max = 8\nurl =").contains("is below"));
}

#[test]
fn consumers_need_their_part_of_every_bound() {
    let with = |consumers: usize, subscription: &str, target: &str| {
        let text = WHOLE
            .replace("topics =", &format!("consumers = {consumers}\n{subscription}\ntopics ="))
            .replace("url =", &format!("{target}\nurl ="));
        parse(&text)
    };
    assert!(with(16, "", "").is_ok());
    assert!(
        with(3, "hold = { records = 12, bytes = \"3MiB\" }", "in_flight = 3\nrate = 3").is_ok()
    );
    for consumers in [0, 17] {
        let error = with(consumers, "", "").unwrap_err();
        assert!(error.starts_with("forebay.toml:7: `consumers` is between 1 and 16"), "{error}");
    }
    for (subscription, target, line, what) in [
        ("", "in_flight = 2", 12, "target.in_flight"),
        ("", "in_flight_max = 2", 12, "target.in_flight"),
        ("", "rate = 2", 12, "target.rate"),
        ("hold = { records = 11 }", "in_flight = 3", 8, "hold.records"),
        ("hold = { bytes = \"2MiB\" }", "", 8, "hold.bytes"),
    ] {
        let error = with(3, subscription, target).unwrap_err();
        assert!(error.starts_with(&format!("forebay.toml:{line}: `{what}` is divided")), "{error}");
    }
}

#[test]
fn a_consumer_never_has_the_id_of_another_subscription() {
    let two = |consumers: usize, other: &str| {
        let first = WHOLE.replace("topics =", &format!("consumers = {consumers}\ntopics ="));
        let (_, second) = WHOLE.split_once("[[").unwrap();
        parse(&format!(
            "{first}[[{}",
            second.replace("name = \"payments\"", &format!("name = {other:?}"))
        ))
    };
    assert!(two(2, "payments.3").is_ok() && two(1, "payments.2").is_ok());
    let error = two(2, "payments.2").unwrap_err();
    assert!(error.starts_with("forebay.toml:7: a consumer of `payments`"), "{error}");
}

#[test]
fn giving_up_needs_a_place_for_what_is_given_up() {
    let retry = |line: &str| format!("{WHOLE}\n[subscription.retry]\n{line}\n");
    let letters =
        |topic: &str| format!("{WHOLE}\n[subscription.dead_letter]\ntopic = \"{topic}\"\n");
    let error = parse(&retry("on_reject = \"dead-letter\"")).unwrap_err();
    assert!(error.contains("needs [subscription.dead_letter]"), "{error}");
    let error = parse(&letters("payments")).unwrap_err();
    assert!(error.contains("delivered again"), "{error}");
    assert!(parse(&letters("payments.dead")).is_ok());
    assert!(parse(&retry("attempts = \"unlimited\"")).is_ok());
    assert!(parse(&retry("attempts = 0")).unwrap_err().contains("at least 1"));
}

#[test]
fn what_could_never_work_is_told_at_its_line() {
    let error = refused("topics =", "group = \"\"\ntopics =");
    assert!(error.contains("forebay.toml:7: a group needs a name"), "{error}");
    let error = refused("[kafka]", "[control]\ninstance = \"\"\n[kafka]");
    assert!(error.contains("forebay.toml:3: an instance needs a name"), "{error}");
    let error = refused("name =", "delivery = \"at-most-once\"\ncommit = \"auto\"\nname =");
    assert!(error.contains("forebay.toml:8: ") && error.contains("on a timer"), "{error}");
    let error = refused("url =", "max_value_bytes = \"0B\"\nurl =");
    assert!(error.contains("`max_value_bytes` of nothing"), "{error}");
    for (table, topic) in [("dead_letter", ".."), ("park", ".")] {
        let error = parse(&format!("{WHOLE}\n[subscription.{table}]\ntopic = \"{topic}\"\n"));
        assert!(error.unwrap_err().contains("is no topic's name"), "{topic}");
    }
    for topic in ["__consumer_offsets", "__transaction_state", "__forebay"] {
        let error = parse(&format!("{WHOLE}\n[subscription.dead_letter]\ntopic = \"{topic}\"\n"));
        assert!(error.unwrap_err().contains("is not for records"), "{topic}");
    }
}

#[test]
fn the_park_topic_is_another_and_needs_a_commit_point_to_free() {
    let park = |topic: &str| format!("{WHOLE}\n[subscription.park]\ntopic = \"{topic}\"\n");
    assert!(parse(&park("payments.park")).is_ok());
    assert!(parse(&park("payments")).unwrap_err().contains("leave it out of `topics`"));
    let both = park("gone") + "[subscription.dead_letter]\ntopic = \"gone\"\n";
    assert!(parse(&both).unwrap_err().contains("delivered again"));
    let with = |line: &str| park("p").replace("name =", &format!("{line}\nname ="));
    for line in ["delivery = \"at-most-once\"", "commit = \"auto\""] {
        assert!(parse(&with(line)).unwrap_err().contains("at-least-once"), "{line}");
    }
    let error = parse(&with("order = \"partition\"")).unwrap_err();
    assert!(error.contains("whole"), "{error}");
    assert!(parse(&with("order = \"none\"")).is_ok());
}

#[test]
fn a_park_topic_is_one_subscriptions_alone() {
    let other = |lines: &str, tables: &str| {
        format!(
            "{WHOLE}\n[subscription.park]\ntopic = \"parked\"\n[[subscription]]\nname = \"b\"\n{lines}\n\
             [subscription.target]\nurl = \"http://b/\"\n{tables}\n"
        )
    };
    assert!(parse(&other("topics = [\"b\"]", "")).is_ok());
    for (lines, tables, said) in [
        ("topics = [\"parked\"]", "", "`b` reads it"),
        ("topics = [\"b\"]", "[subscription.park]\ntopic = \"parked\"", "`b` parks there"),
        (
            "topics = [\"b\"]",
            "[subscription.dead_letter]\ntopic = \"parked\"",
            "`b` has it as its dead",
        ),
    ] {
        let error = parse(&other(lines, tables)).unwrap_err();
        assert!(error.starts_with("forebay.toml:13: a park topic is one"), "{error}");
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn where_a_group_begins_is_kafkas_property_where_a_subscription_does_not_say() {
    let starts = |text: &str| {
        let config = parse(text).unwrap();
        let properties = plan::properties(&config, "").unwrap();
        let plans = plan::plans(&config, &properties).unwrap();
        (
            plans[0].intake.start,
            parse(&effective(&config)).unwrap().subscriptions[0].get_ref().start.clone(),
        )
    };
    use forebay_kafka::StartPolicy;
    let reset = WHOLE.replace("[kafka]", "[kafka]\n\"auto.offset.reset\" = \"latest\"");
    assert_eq!(starts(WHOLE), (StartPolicy::Earliest, Some(Start::Earliest)));
    assert_eq!(starts(&reset), (StartPolicy::Latest, Some(Start::Latest)));
    let said = reset.replace("name =", "start = \"earliest\"\nname =");
    assert_eq!(starts(&said), (StartPolicy::Earliest, Some(Start::Earliest)));
}

#[test]
fn commit_is_a_word_or_a_table() {
    let interval = |text: &str| parse(text).unwrap().subscriptions[0].get_ref().commit.interval();
    let word = WHOLE.replace("name =", "commit = \"auto\"\nname =");
    assert_eq!(interval(&word).as_secs(), 5);
    let table = format!("{WHOLE}\n[subscription.commit]\nmode = \"auto\"\ninterval = \"1s\"\n");
    assert_eq!(interval(&table).as_secs(), 1);
    let error = refused("name =", "commit = \"soon\"\nname =");
    assert!(error.contains("soon"), "{error}");
}

#[test]
fn where_a_group_begins_is_said_in_full_where_it_is_wrong() {
    for wrong in ["\"newest\"", "\"time\"", "{ tmie = \"2026-11-01T00:00:00Z\" }"] {
        let error = refused("name =", &format!("start = {wrong}\nname ="));
        assert!(error.starts_with("forebay.toml:"), "{error}");
        assert!(error.contains("\"none\" and { time = \"2026-"), "{wrong}: {error}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_one() {
    let error = refused("url =", "ulr =");
    assert!(error.starts_with("forebay.toml:10: "), "{error}");
    assert!(error.contains("unknown key `ulr`; did you mean `url`?"), "{error}");
    assert!(error.contains("10 | ulr = "), "{error}");
    let error = refused("[kafka]", "[kafak]");
    assert!(error.contains("did you mean `kafka`?"), "{error}");
}

#[test]
fn an_impossible_value_is_refused_with_what_can_be_written() {
    let deadline = refused("url =", "deadline = \"soon\"\nurl =");
    assert!(deadline.starts_with("forebay.toml:10: "), "{deadline}");
    assert!(deadline.contains("`soon` is no length of time; write"), "{deadline}");
    let flight = refused("url =", "in_flight = 0\nurl =");
    assert!(flight.contains("between 1 and 4096"), "{flight}");
    let order = refused("name =", "order = \"keys\"\nname =");
    assert!(order.contains("keys") && order.contains("partition"), "{order}");
}

#[test]
fn an_address_that_cannot_be_delivered_to_is_refused() {
    let error = refused("http://payments:8080/records", "payments:8080");
    assert!(error.starts_with("forebay.toml:10: "), "{error}");
}

#[test]
fn what_is_no_topic_is_refused() {
    let list = |names: &str| refused("topics = [\"payments\"]", &format!("topics = [{names}]"));
    assert!(list("\"^pay.*\"").contains("patterns are not taken"));
    assert!(list("\"a\", \"a\"").contains("named twice"));
    assert!(list("").contains("at least one topic"));
}

#[test]
fn bounds_on_memory_are_themselves_bounded() {
    let hold = |hold: &str| {
        refused(
            "[subscription.target]",
            &format!("[subscription.hold]\n{hold}\n[subscription.target]"),
        )
    };
    assert!(hold("records = 9223372036854775807").contains("at most 10000000"));
    assert!(hold("bytes = \"8000000GiB\"").contains("64GiB"));
    assert!(hold("window = 5").contains("at least `hold.records`"));
    assert!(hold("records = 1").contains("`hold.records` is at least 4"));
}

#[test]
fn two_subscriptions_with_one_group_are_refused() {
    let second = "\n[[subscription]]\nname = \"other\"\ngroup = \"payments\"\ntopics = [\"x\"]\n\
                  target = { url = \"http://h/\" }\n";
    let error = parse(&format!("{WHOLE}{second}")).unwrap_err();
    assert!(error.contains("`payments` and `other` share the group `payments`"), "{error}");
    assert!(error.starts_with("forebay.toml:14: "), "{error}");
}

#[test]
fn two_subscriptions_with_one_name_are_refused() {
    let second = "\n[[subscription]]\nname = \"payments\"\ngroup = \"other\"\n\
                  topics = [\"x\"]\ntarget = { url = \"http://h/\" }\n";
    let error = parse(&format!("{WHOLE}{second}")).unwrap_err();
    assert!(error.contains("another subscription has the name `payments`"), "{error}");
    assert!(error.starts_with("forebay.toml:13: "), "{error}");
}

#[test]
fn the_control_api_stays_on_loopback() {
    let error = refused("[kafka]", "[control]\nlisten = \"0.0.0.0:8080\"\n[kafka]");
    assert!(error.contains("needs a token"), "{error}");
    let token = "[control]\nlisten = \"0.0.0.0:8080\"\ntoken = { env = \"X\" }\n[kafka]";
    assert!(parse(&WHOLE.replace("[kafka]", token)).is_ok());
}

#[test]
fn an_address_that_nobody_can_go_to_is_not_advertised() {
    let advertise = |address: &str| format!("[control]\nadvertise = {address:?}\n[kafka]");
    for (address, said) in [
        ("0.0.0.0:8080", "nobody can go to 0.0.0.0"),
        ("[::]:8080", "nobody can go to ::"),
        ("host-a:0", "others need to know the port"),
        ("host-a", "write host:port"),
        (":8080", "write host:port"),
        ("http://host-a:8080", "write host:port"),
    ] {
        let error = refused("[kafka]", &advertise(address));
        assert!(error.contains(said), "{address}: {error}");
    }
    for address in ["host-a.example:8080", "10.0.0.1:8080", "[2001:db8::1]:8080"] {
        assert!(parse(&WHOLE.replace("[kafka]", &advertise(address))).is_ok(), "{address}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let error = refused("url = \"http://payments:8080/records\"", "in_flight = 9999");
    assert!(error.contains("needs `url` or `endpoints`") && error.contains("4096"), "{error}");
}

#[test]
fn the_effective_configuration_reads_back_and_hides_secrets() {
    let login = "[kafka]\n\"security.protocol\" = \"SASL_SSL\"\n\"sasl.mechanism\" = \"PLAIN\"\n\
                 \"sasl.username\" = \"me\"\n\"sasl.password\" = \"hush\"";
    let text = WHOLE.replace("[kafka]", login);
    let once = effective(&parse(&text).unwrap());
    assert!(!once.contains("hush"), "{once}");
    assert_eq!(effective(&parse(&once).unwrap()), once);
    let number = effective(&parse(&text.replace("\"hush\"", "4711")).unwrap());
    assert!(!number.contains("4711"), "{number}");
    let token = |token: &str| {
        let control = format!("[control]\ntoken = {token}\n[kafka]");
        effective(&parse(&WHOLE.replace("[kafka]", &control)).unwrap())
    };
    assert!(token("{ env = \"TOKEN\" }").contains("env = \"TOKEN\""));
    assert!(token("\"hush\"").contains("token = \"(hidden)\""));
}

#[test]
fn the_effective_configuration_has_the_values_that_hold_where_none_are_written() {
    let subscription = |more: &str| -> toml::Table {
        let once = effective(&parse(&format!("{WHOLE}{more}")).unwrap());
        assert_eq!(effective(&parse(&once).unwrap()), once, "it reads back");
        let whole: toml::Table = once.parse().unwrap();
        assert!(whole["control"]["instance"].as_str().is_some_and(|name| !name.is_empty()));
        whole["subscription"][0].as_table().unwrap().clone()
    };
    let plain = subscription("");
    assert_eq!(plain["group"].as_str(), Some("payments"));
    assert_eq!(plain["target"]["in_flight"].as_integer(), Some(256));
    assert_eq!(plain["target"]["in_flight_max"].as_integer(), Some(4_096));
    assert_eq!(plain["commit"]["interval"].as_str(), Some("100ms"));
    assert_eq!(plain["retry"]["on_exhausted"].as_str(), Some("hold"));
    assert_eq!(plain["retry"]["on_reject"].as_str(), Some("hold"));
    let more = "[subscription.dead_letter]\ntopic = \"dead\"\n[subscription.commit]\n\
                mode = \"auto\"\n[subscription.hold]\nrecords = 100\n";
    let other = subscription(more);
    assert_eq!(other["retry"]["on_reject"].as_str(), Some("dead-letter"));
    assert_eq!(other["commit"]["interval"].as_str(), Some("5s"));
    assert_eq!(other["target"]["in_flight_max"].as_integer(), Some(100));
}

#[test]
fn the_effective_configuration_says_how_much_is_fetched_at_a_time() {
    let fetched = |lines: &str| {
        let text = WHOLE.replace("[kafka]", &format!("[kafka]\n{lines}"));
        let whole: toml::Table = effective(&parse(&text).unwrap()).parse().unwrap();
        ["fetch.max.bytes", "max.partition.fetch.bytes"].map(|name| whole["kafka"][name].clone())
    };
    assert_eq!(fetched(""), [1 << 20, 128 << 10].map(toml::Value::Integer));
    assert_eq!(
        fetched("\"fetch.max.bytes\" = 52428800"),
        [toml::Value::Integer(50 << 20), toml::Value::Integer(128 << 10)]
    );
}

#[test]
fn every_option_is_documented_and_every_documented_option_exists() {
    fn keys(table: &toml::Table, prefix: &str, into: &mut Vec<String>) {
        for (key, value) in table {
            let name = format!("{prefix}{key}");
            match value {
                toml::Value::Table(inner) => keys(inner, &format!("{name}."), into),
                toml::Value::Array(list) if list.first().is_some_and(toml::Value::is_table) => {
                    keys(list[0].as_table().unwrap(), &format!("{name}."), into);
                }
                _ => into.push(name),
            }
        }
    }
    let whole = WHOLE
        .replace(
            "[kafka]",
            "[control]\ninstance = \"a\"\ntoken = \"t\"\nadvertise = \"a:1\"\n[kafka]",
        )
        .replace("name =", "group = \"g\"\nname =")
        .replace("url =", "in_flight = 1\nin_flight_max = 2\nrate = 3\nheaders = [\"a\"]\nurl =")
        .replace("http:", "https:")
        + "[subscription.target.tls]\nca = \"a\"\ncertificate = \"c\"\nkey = \"k\"\n\
           server_name = \"n\"\n"
        + "[subscription.dead_letter]\ntopic = \"dead\"\nnames = \"spring\"\n"
        + "[subscription.park]\ntopic = \"parked\"\n"
        + "[subscription.retry]\non_exhausted = \"hold\"\non_reject = \"drop\"\n"
        + "[subscription.commit]\ninterval = \"1s\"\n";
    let mut effective: toml::Table = effective(&parse(&whole).unwrap()).parse().unwrap();
    // Kafka's own are Kafka's to document.
    effective["kafka"].as_table_mut().unwrap().retain(|name, _| !name.contains('.'));
    // An empty list is not written.
    let mut found = vec!["subscription.target.endpoints".to_owned()];
    keys(&effective, "", &mut found);
    found.sort();
    let mut documented: Vec<_> =
        reference::OPTIONS.iter().map(|option| option.key.to_owned()).collect();
    documented.sort();
    assert_eq!(found, documented);
}

#[test]
fn the_reference_pages_are_up_to_date() {
    for (name, page) in [
        ("configuration.md", reference::options()),
        ("metrics.md", reference::metrics()),
        ("lint.md", reference::lint()),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
        if std::env::var_os("FOREBAY_WRITE_DOCS").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page, "{name} is out of date; FOREBAY_WRITE_DOCS=1 writes it");
    }
}

/// A value of every kind, and some that are none.
fn toml_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,20}",
        "\"[0-9]{1,20}(us|ms|s|m|h|d|B|KiB|MiB|GiB)\"",
        "\"(never|list|dns|vip|key|none|hold|drop|dead-letter|http://[a-z\\[\\]:@#/]{0,9})\"",
        "true|nan|-inf|\\[\\]|\\{\\}|\\[\"\"\\]|1979-05-27|[0-9]\\.[0-9]e[0-9]{1,3}",
        "\"[ -!#-\\[\\]-~]{0,12}\"",
        "[ -~]{0,9}",
    ]
}

/// The plain file with this line in its table, in the place of the one that may be there.
fn with(key: &str, value: &str) -> String {
    let (table, name) = key.rsplit_once('.').expect("every key is in a table");
    let mut tables = vec![
        ("kafka", vec!["\"bootstrap.servers\" = \"127.0.0.1:9092\"".to_owned()]),
        ("subscription", vec!["name = \"payments\"".into(), "topics = [\"payments\"]".into()]),
        ("subscription.target", vec!["url = \"http://payments:8080/records\"".into()]),
    ];
    if tables.iter().all(|(known, _)| *known != table) {
        tables.push((table, Vec::new()));
    }
    let mut text = String::new();
    for (known, mut lines) in tables {
        if known == table {
            lines.retain(|line| !line.starts_with(&format!("{name} =")));
            lines.push(format!("{name} = {value}"));
        }
        let known = if known == "subscription" { "[subscription]" } else { known };
        text.push_str(&format!("[{known}]\n{}\n", lines.join("\n")));
    }
    text
}

proptest! {
    #[test]
    fn no_value_of_any_key_panics_and_what_is_refused_names_its_file(
        key in prop::sample::select(reference::OPTIONS.iter().map(|it| it.key).collect::<Vec<_>>()),
        value in toml_value(),
    ) {
        match parse(&with(key, &value)) {
            Ok(config) => {
                if let Ok(properties) = plan::properties(&config, "127.0.0.1:9092") {
                    prop_assert!(config.effective(&properties).is_ok());
                    let _ = plan::plans(&config, &properties);
                }
            }
            Err(error) => prop_assert!(error.contains("forebay.toml"), "{}", error),
        }
    }

    #[test]
    fn no_text_panics(at: prop::sample::Index, put in "[ -~\n]{0,6}", cut in 0_usize..20) {
        let at = at.index(WHOLE.len());
        let rest = WHOLE.get(at + cut..).unwrap_or_default();
        let _ = parse(&format!("{}{put}{rest}", &WHOLE[..at]));
    }
}

#[test]
fn each_option_can_be_put_into_the_plain_file() {
    for option in reference::OPTIONS {
        let text = with(option.key, option.default);
        let known = option.default.starts_with(['"', '[']) || option.default.parse::<u64>().is_ok();
        if known {
            let error = parse(&text).err().unwrap_or_default();
            assert!(!error.contains("unknown key") && !error.contains("TOML"), "{text}: {error}");
        }
    }
}
