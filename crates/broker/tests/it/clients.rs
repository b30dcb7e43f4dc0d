//! Real clients: kcat (Debian's librdkafka) and confluent-kafka for Python (a current one).
//!
//! The scripts in `tests/clients` check themselves and end with "ok". A client that is missing
//! fails its test with the command that gets it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::broker::TestBroker;

const PATIENCE: Duration = Duration::from_secs(120);

async fn run(mut command: Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("the client was found a moment ago");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = ended.expect("the client ends in time").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn kcat(address: SocketAddr, arguments: &[&str]) -> Command {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|path| path.join("kcat").is_file());
    assert!(found, "kcat is missing; install it with: apt-get install kcat");
    let mut command = Command::new("kcat");
    command.arg("-b").arg(address.to_string()).args(arguments);
    command
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

async fn python(script: &str, arguments: &[&str]) {
    let broker = TestBroker::start().await;
    let interpreter = root().join("target/clients-venv/bin/python");
    assert!(interpreter.is_file(), "confluent-kafka is missing; get it with: tools/test-clients");
    let mut command = Command::new(interpreter);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    command.arg("-B").arg(script).arg(broker.handle.address().to_string()).args(arguments);
    assert_eq!(run(command, "").await.lines().last(), Some("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_reads_back_what_it_wrote_with_and_without_compression() {
    let broker = TestBroker::start().await;
    let address = broker.handle.address();
    let lines: Vec<String> = (0..500).map(|i| format!("key{i}:value {i}")).collect();
    for codec in ["none", "gzip", "snappy", "lz4"] {
        let write = kcat(address, &["-P", "-t", codec, "-K:", "-z", codec]);
        run(write, &(lines.join("\n") + "\n")).await;
        let read = kcat(address, &["-C", "-t", codec, "-e", "-q", "-f", "%k:%s\n"]);
        assert_eq!(run(read, "").await.lines().collect::<Vec<_>>(), lines, "{codec}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_lists_topics_reads_in_a_group_and_starts_at_a_time() {
    let broker = TestBroker::start().await;
    let address = broker.handle.address();
    run(kcat(address, &["-P", "-t", "t"]), "one\ntwo\n").await;
    let listed = run(kcat(address, &["-L"]), "").await;
    assert!(listed.contains("topic \"t\" with 1 partitions"), "{listed}");
    let group = ["-q", "-e", "-X", "auto.offset.reset=earliest", "-G", "g", "t"];
    assert_eq!(run(kcat(address, &group), "").await, "one\ntwo\n");
    run(kcat(address, &["-P", "-t", "t"]), "three\n").await;
    assert_eq!(run(kcat(address, &group), "").await, "three\n", "the group goes on where it was");
    let since = run(kcat(address, &["-C", "-q", "-e", "-t", "t", "-o", "s@1"]), "").await;
    assert_eq!(since, "one\ntwo\nthree\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn confluent_kafka_reads_back_what_it_wrote_with_every_compression() {
    python("produce_consume.py", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_of_confluent_kafka_share_partitions_by_range() {
    python("group_of_two.py", &["range"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_of_confluent_kafka_share_partitions_cooperatively() {
    python("group_of_two.py", &["cooperative-sticky"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_of_confluent_kafka_restarts_within_the_generation() {
    python("static_restart.py", &["range"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cooperative_static_member_of_confluent_kafka_restarts_within_the_generation() {
    python("static_restart.py", &["cooperative-sticky"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confluent_kafkas_admin_client_finds_what_it_asks_for() {
    python("admin.py", &[]).await;
}
