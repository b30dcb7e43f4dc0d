//! What `check-config` says of a file is what holds for `run`, here and against a cluster.

use std::path::PathBuf;

use super::Bench;
use crate::harness::forebay;
use crate::system::process::file;

fn written(bench: &Bench, more: &str) -> PathBuf {
    let (kafka, topic) = (&bench.kafka.address, &bench.topic);
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = {kafka:?}\n\
         [[subscription]]\nname = {topic:?}\ntopics = [{topic:?}]\n{more}\n\
         [subscription.target]\nurl = \"http://127.0.0.1:1/records\"\n"
    );
    file(bench.directory.path(), &text)
}

#[test]
fn a_topic_that_the_gateway_makes_is_announced_and_one_that_is_read_is_missed_by_name() {
    let bench = Bench::new("announced", 1);
    let path = written(&bench, "dead_letter = { topic = \"announced.dead\" }");
    let check = ["check-config", path.to_str().unwrap(), "--against-cluster"];
    let ran = forebay(&check);
    assert!(!ran.err.contains("topic-"), "nothing is found for it: {}", ran.err);
    let said = "the gateway will make the dead letter topic `announced.dead`";
    assert!(ran.err.contains(said), "{}", ran.err);
    let ran = forebay(&[&check[..], &["--output", "json"]].concat());
    let shown: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(shown["will_make"][0], "the dead letter topic `announced.dead`");

    let bench = Bench::without_topic("missed");
    let path = written(&bench, "");
    let create = format!("`forebay topics create {} --partitions N`", bench.topic);
    let check = ["check-config", path.to_str().unwrap(), "--against-cluster"];
    forebay(&check).refused(1, &["there is no topic", &create, "[topic-absent]"]);
}

#[test]
fn what_run_refuses_is_refused_with_the_same_words() {
    let directory = tempfile::tempdir().unwrap();
    for (text, said) in [
        ("", &["bootstrap.servers", "[[subscription]]"][..]),
        (
            "[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:1\"\n",
            &["there is no [[subscription]]"][..],
        ),
    ] {
        let path = file(directory.path(), text);
        let path = path.to_str().unwrap();
        let (checked, run) = (forebay(&["check-config", path]), forebay(&["run", "-c", path]));
        checked.refused(3, said);
        assert_eq!((checked.code, &checked.err), (run.code, &run.err));
    }
}

#[test]
fn a_flag_that_cannot_be_meant_is_named() {
    let to = ["--to", "localhost:8000/records"];
    let run = ["run", "--kafka", "127.0.0.1:1", "--topic", "a"];
    let ran = forebay(&[&run[..], &to].concat());
    ran.refused(2, &["--to \"localhost:8000/records\"", "write http://localhost:8000/records"]);
    assert!(!ran.err.contains('^'), "no line of a file is shown: {}", ran.err);
}
