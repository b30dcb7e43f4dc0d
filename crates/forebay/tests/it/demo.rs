//! `forebay demo`, in a short form: its verdict, its exit codes, and that it leaves nothing behind.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

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

#[test]
fn the_users_own_file_is_replayed_by_its_column() {
    let temporary = tempfile::tempdir().expect("a directory");
    let input = tempfile::NamedTempFile::new().expect("a file");
    let mut file = input.as_file();
    writeln!(file, "customer,item").expect("written");
    for row in 0..2_000 {
        writeln!(file, "customer {} \"quoted\" 100%,\"a, {row}\"", row % 50).expect("written");
    }
    let path = input.path().to_str().expect("a UTF-8 name");
    let arguments = ["--input", path, "--key", "customer", "--rate", "500", "--output", "json"];
    let output = run(&mut demo(temporary.path(), &arguments));
    let report = report(&output);
    assert_eq!((&report["records"], &report["kept"]), (&2_000.into(), &true.into()), "{report}");
}

#[test]
fn what_cannot_be_replayed_is_refused_before_anything_starts() {
    let temporary = tempfile::tempdir().expect("a directory");
    let mut input = tempfile::NamedTempFile::new().expect("a file");
    write!(input, "a,b\n1,2\n3\n").expect("written");
    let path = input.path().to_str().expect("a UTF-8 name");
    for (column, why) in [("a", "line: 3"), ("z", "there are: a, b")] {
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
    let mut demo = started(temporary.path());
    let pid = rustix::process::Pid::from_child(&demo);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("our own child");
    assert_eq!(demo.wait().expect("our own child").code(), Some(130));
    assert_eq!(processes_of(temporary.path()), 0);
    assert!(is_empty(temporary.path()));
}

#[test]
fn children_do_not_outlive_a_demo_that_is_killed() {
    let temporary = tempfile::tempdir().expect("a directory");
    let mut demo = started(temporary.path());
    demo.kill().expect("our own child");
    demo.wait().expect("our own child");
    wait_until("the children are gone", || processes_of(temporary.path()) == 0);
}

/// A demo whose broker, gateway and service all run.
fn started(temporary: &Path) -> Child {
    let demo = demo(temporary, &["--output", "json"]).stderr(Stdio::null()).spawn();
    let demo = demo.expect("our own binary runs");
    wait_until("three children run", || processes_of(temporary) >= 3);
    demo
}
