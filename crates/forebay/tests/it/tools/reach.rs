//! A Kafka that can't be reached, and flags that make no sense.

use std::time::{Duration, Instant};

use crate::harness::forebay;

/// Reserved, and nobody listens there.
const NOBODY: &str = "127.0.0.1:1";

#[test]
fn an_unreachable_kafka_is_named_within_the_time_that_it_was_given() {
    let commands: [&[&str]; 8] = [
        &["produce", "--topic", "t"],
        &["consume", "--topic", "t"],
        &["topics", "list"],
        &["topics", "create", "t"],
        &["groups", "list"],
        &["groups", "describe", "g"],
        &["dead-letters", "list", "--topic", "t"],
        &["dead-letters", "redrive", "--topic", "t"],
    ];
    for command in commands {
        let began = Instant::now();
        let ran = forebay(&[command, &["--kafka", NOBODY, "--timeout", "1s"]].concat());
        ran.refused(4, &[NOBODY, "is Kafka running there, and is that its address?"]);
        assert!(began.elapsed() < Duration::from_secs(10), "{command:?}: {:?}", began.elapsed());
    }
}

#[test]
fn flags_that_make_no_sense_are_wrong_usage() {
    let refused = |args: &[&str], said: &str| forebay(args).refused(2, &[said]);
    refused(&["produce"], "--topic");
    refused(&["produce", "--topic", "t", "--key", "k"], "lines have none");
    refused(&["produce", "--topic", "t", "--raw"], "--raw is for csv");
    refused(&["produce", "--topic", "t", "--rate", "fast"], "5000/s");
    refused(&["produce", "--topic", "t", "--header", "novalue"], "write name=value");
    refused(&["produce", "--topic", "t", "--partitions", "0"], "--partitions");
    refused(&["produce", "--topic", "t", "--input", "no-such-file"], "cannot open no-such-file");
    refused(&["consume", "--topic", "t", "--from", "yesterday"], "an offset");
    refused(&["consume", "--topic", "t", "--group", "g"], "--count N or --follow");
    refused(&["groups", "describe", "g", "--members", "--state"], "--state");
    refused(&["topics", "list", "--timeout", "5"], "a whole number and a unit");
    refused(&["topics", "list", "-X", "fetch.min.byte=1"], "did you mean fetch.min.bytes?");
    refused(&["dead-letters", "list"], "--topic");
    refused(&["dead-letters", "show", "--topic", "t"], "--offset");
    refused(&["dead-letters", "show", "--topic", "t", "--offset", "7"], "3:1207");
    refused(&["dead-letters", "list", "--topic", "t", "--since", "yesterday"], "how long ago");
    refused(&["dead-letters", "list", "-c", "f", "--kafka", NOBODY], "--kafka");
    let both = ["topics", "list", "--kafka", NOBODY, "-X", "bootstrap.servers=127.0.0.1:2"];
    refused(&both, "both name the servers");
}

#[test]
fn a_broker_on_any_port_is_no_address_for_a_command() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("f.toml");
    std::fs::write(&file, "[kafka]\nembedded = true\n[broker]\nlisten = \"127.0.0.1:0\"\n")
        .unwrap();
    let list = ["topics", "list", "-c", file.to_str().unwrap()];
    forebay(&list).refused(3, &["`broker.listen` with port 0", "-X bootstrap.servers="]);
    let named = format!("bootstrap.servers={NOBODY}");
    let named = [&list[..], &["-X", &named, "--timeout", "1s"]].concat();
    forebay(&named).refused(4, &[NOBODY]);
}

#[test]
fn help_has_examples() {
    for command in ["produce", "consume", "topics", "groups", "dead-letters"] {
        let help = forebay(&[command, "--help"]).done();
        assert!(help.contains(&format!("  forebay {command} ")), "{help}");
        assert!(help.contains("Exit codes:"), "{help}");
    }
}
