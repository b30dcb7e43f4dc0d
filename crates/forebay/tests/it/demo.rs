//! `forebay demo`, in a short form: its verdict, its exit codes, and that it leaves nothing behind.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use forebay_kafka::{Admin, Properties};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// No single wait is longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The demo with a temporary directory of its own, so that what it leaves there can be seen.
fn demo(temporary: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    command.arg("demo").args(arguments).env("TMPDIR", temporary).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("our own binary runs")
}

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().last().unwrap_or_else(|| panic!("nothing on standard output: {said}"));
    serde_json::from_str(last).expect("one JSON object at the end")
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).expect("it is ours").next().is_none()
}

/// The processes whose command line names this directory, as the demo's children all do.
fn processes_of(directory: &Path) -> usize {
    let name = directory.to_str().expect("a UTF-8 name").as_bytes();
    let all = std::fs::read_dir("/proc").expect("Linux").flatten();
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.windows(name.len()).any(|part| part == name)).count()
}

#[expect(clippy::disallowed_methods, reason = "nobody tells of the end of another's child")]
fn wait_until(what: &str, come: impl Fn() -> bool) {
    let began = Instant::now();
    while !come() {
        assert!(began.elapsed() < PATIENCE, "still not: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_short_demo_keeps_every_promise_and_says_so_in_json() {
    let temporary = tempfile::tempdir().expect("a directory");
    let arguments = ["--rate", "500", "--seconds", "8", "--output", "json"];
    let output = run(&mut demo(temporary.path(), &arguments));
    let report = report(&output);
    let fields: Vec<&String> = report.as_object().expect("an object").keys().collect();
    let mut expected = vec![
        "records",
        "delivered",
        "lost",
        "duplicated",
        "out_of_order",
        "overlapping",
        "rebalances",
        "generation_before",
        "generation_after",
        "max_lag",
        "longest_stop_ms",
        "records_per_second",
        "seconds",
        "kept",
        "parts",
    ];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!(report["kept"], true, "{report}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!((&report["records"], &report["delivered"]), (&4_000.into(), &4_000.into()));
    for broken in ["lost", "out_of_order", "overlapping", "rebalances"] {
        assert_eq!(report[broken], 0, "{report}");
    }
    assert_eq!(report["generation_before"], report["generation_after"]);
    assert!(report["generation_before"].as_i64() >= Some(1), "{report}");
    let parts = report["parts"].to_string();
    for part in ["from 1 to 8", "killed service", "killed the gateway", "from 8 to 2"] {
        assert!(parts.contains(part), "{part} in {parts}");
    }
    assert!(is_empty(temporary.path()), "it left something behind");
}

/// 2,000 rows of 20 customers.
fn orders() -> tempfile::NamedTempFile {
    let input = tempfile::NamedTempFile::new().expect("a file");
    let mut file = input.as_file();
    writeln!(file, "customer,item").expect("written");
    for row in 0..2_000 {
        writeln!(file, "\"no, {} \"\"ü\"\" 100%\",item {row}", row % 20).expect("written");
    }
    input
}

/// A cluster that is not the demo's: the one that the suite is told of, or a broker of this test.
struct Cluster {
    servers: String,
    broker: Option<Child>,
}

impl Cluster {
    fn start(directory: &Path) -> Self {
        if let Ok(servers) = std::env::var("FOREBAY_TEST_KAFKA") {
            return Self { servers, broker: None };
        }
        let ready = directory.join("ready.json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
        command.args(["broker", "--listen", "127.0.0.1:0", "--until-stdin-closes", "--data"]);
        command.arg(directory.join("data")).arg("--ready-file").arg(&ready);
        let broker = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
        let broker = broker.expect("our own binary runs");
        wait_until("the broker listens", || ready.exists());
        let ready = std::fs::read(&ready).expect("it was just written");
        let ready: Value = serde_json::from_slice(&ready).expect("JSON");
        let servers = ready["kafka"].as_str().expect("an address").to_owned();
        Self { servers, broker: Some(broker) }
    }

    fn topics_of_demos(&self) -> usize {
        let given = [("bootstrap.servers".to_owned(), self.servers.clone())];
        let properties = Properties::parse(&given.into()).expect("good properties");
        let admin = Admin::new(&properties, PATIENCE).expect("a client");
        let topics = admin.topics().expect("the cluster answers");
        topics.iter().filter(|topic| topic.name.starts_with("forebay-demo")).count()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut broker) = self.broker.take() {
            broker.kill().expect("our own child");
            broker.wait().expect("our own child");
        }
    }
}

#[test]
fn on_somebody_elses_cluster_it_keeps_its_promises_and_leaves_no_topic() {
    let temporary = tempfile::tempdir().expect("a directory");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let cluster = Cluster::start(elsewhere.path());
    let kafka = ["--kafka", &cluster.servers];
    let arguments = [&kafka[..], &["--rate", "500", "--seconds", "4", "--output", "json"]].concat();
    let output = run(&mut demo(temporary.path(), &arguments));
    let report = report(&output);
    assert_eq!((&report["records"], &report["kept"]), (&2_000.into(), &true.into()), "{report}");

    let mut interrupted = started(temporary.path(), &kafka);
    assert_eq!(cluster.topics_of_demos(), 1);
    interrupt(&interrupted);
    assert_eq!(interrupted.wait().expect("our own child").code(), Some(130));
    wait_until("the topics are gone", || cluster.topics_of_demos() == 0);
    assert!(is_empty(temporary.path()));
}

#[test]
fn the_users_own_file_is_replayed_by_its_column() {
    let temporary = tempfile::tempdir().expect("a directory");
    let input = orders();
    let path = input.path().to_str().expect("a UTF-8 name");
    let arguments = ["--input", path, "--key", "customer", "--rate", "500", "--output", "json"];
    let output = run(&mut demo(temporary.path(), &arguments));
    let report = report(&output);
    assert_eq!((&report["records"], &report["kept"]), (&2_000.into(), &true.into()), "{report}");
}

#[test]
fn a_gateway_that_keeps_no_order_is_found_out_by_the_journals() {
    let temporary = tempfile::tempdir().expect("a directory");
    let input = orders();
    let path = input.path().to_str().expect("a UTF-8 name");
    let arguments = ["--input", path, "--key", "customer", "--rate", "1000", "--output", "json"];
    let output = run(demo(temporary.path(), &arguments).arg("--without-order"));
    let report = report(&output);
    assert_eq!((&report["kept"], &report["lost"]), (&false.into(), &0.into()), "{report}");
    assert!(report["out_of_order"].as_u64() > Some(0), "{report}");
    assert!(report["overlapping"].as_u64() > Some(0), "{report}");
    assert_eq!(output.status.code(), Some(1));
    assert!(is_empty(temporary.path()));
}

#[test]
fn what_cannot_be_replayed_is_refused_before_anything_starts() {
    let temporary = tempfile::tempdir().expect("a directory");
    let mut input = tempfile::NamedTempFile::new().expect("a file");
    write!(input, "a,b\n1,2\n3\n").expect("written");
    let path = input.path().to_str().expect("a UTF-8 name");
    for (column, why) in [("a", ":3: 1 fields"), ("z", "a, b")] {
        let output = run(&mut demo(temporary.path(), &["--input", path, "--key", column]));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
    assert!(is_empty(temporary.path()));
}

#[test]
fn a_kafka_that_nobody_answers_at_is_exit_code_4() {
    let temporary = tempfile::tempdir().expect("a directory");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("bound").to_string();
    drop(free);
    let output = run(&mut demo(temporary.path(), &["--kafka", &address]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains(&address), "{said}");
    assert!(is_empty(temporary.path()));
}

#[test]
fn an_interrupted_demo_exits_with_130_and_leaves_no_process_and_no_file() {
    let temporary = tempfile::tempdir().expect("a directory");
    let mut demo = started(temporary.path(), &[]);
    interrupt(&demo);
    assert_eq!(demo.wait().expect("our own child").code(), Some(130));
    assert_eq!(processes_of(temporary.path()), 0);
    assert!(is_empty(temporary.path()));
}

#[test]
fn children_do_not_outlive_a_demo_that_is_killed() {
    let temporary = tempfile::tempdir().expect("a directory");
    let mut demo = started(temporary.path(), &[]);
    demo.kill().expect("our own child");
    demo.wait().expect("our own child");
    wait_until("the children are gone", || processes_of(temporary.path()) == 0);
}

/// A demo whose gateway and service run.
fn started(temporary: &Path, arguments: &[&str]) -> Child {
    let demo = demo(temporary, arguments).stderr(Stdio::null()).spawn();
    let demo = demo.expect("our own binary runs");
    let children = if arguments.contains(&"--kafka") { 2 } else { 3 };
    wait_until("its children run", || processes_of(temporary) >= children);
    demo
}

fn interrupt(process: &Child) {
    kill_process(Pid::from_child(process), Signal::INT).expect("our own child");
}
