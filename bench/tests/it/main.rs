//! The harness ends with what scripts read, in a run too short to say anything about speed.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;

/// The processes whose time is told, by peer.
const PEERS: [(&str, &[&str]); 3] = [
    ("wrk", &["wrk", "service"]),
    ("raw", &["raw", "service"]),
    ("gateway", &["gateway", "broker", "service"]),
];

/// Built where the harness looks for it: beside itself. As the test of the whole workspace builds it:
/// the package alone has features of its own, and half of what it depends on would be built anew.
fn build_forebay() {
    let mut build = Command::new(env!("CARGO"));
    build.args(["test", "--quiet", "--workspace", "--no-run", "--test", "whole"]);
    let built = build.status();
    assert!(built.unwrap().success());
    let harness = Path::new(env!("CARGO_BIN_EXE_forebay-bench"));
    assert!(harness.with_file_name("forebay").exists());
}

#[test]
fn a_run_ends_with_one_line_of_json_that_has_every_peer() {
    build_forebay();
    let mut run = Command::new(env!("CARGO_BIN_EXE_forebay-bench"));
    run.args(["run", "--rounds", "1", "--seconds", "1", "--in-flight", "16"]);
    let output = run.args(["--backlog", "100000"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    for (peer, processes) in PEERS {
        let found = &report["peers"][peer];
        for spread in ["median", "min", "max"] {
            assert!(found["records_per_second"][spread].as_f64() > Some(0.0), "{peer}: {text}");
            for process in processes {
                let cpu = &found["cpu_seconds_per_million"][process][spread];
                assert!(cpu.as_f64() >= Some(0.0), "{peer}, {process}: {text}");
            }
        }
    }
    assert_eq!(report["peers"]["gateway"]["ratio_to"], "raw");
    assert_eq!(report["peers"]["raw"]["ratio_to"], "wrk");
}

#[test]
fn latency_is_told_for_every_way_of_a_record() {
    build_forebay();
    let mut run = Command::new(env!("CARGO_BIN_EXE_forebay-bench"));
    run.args(["latency", "--rounds", "1", "--seconds", "1", "--rate", "200"]);
    let output = run.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    for way in ["raw", "kafka", "gateway"] {
        let found = &report["ways"][way];
        assert_eq!(found["rounds"][0]["records"], 200, "{way}: {text}");
        assert!(found["p50"].as_u64() <= found["p99"].as_u64(), "{way}: {text}");
        assert!(found["p99"].as_u64() > Some(0), "{way}: {text}");
    }
}

#[test]
fn what_the_map_costs_is_told_with_its_bytes() {
    let mut run = Command::new(env!("CARGO_BIN_EXE_forebay-bench"));
    let output = run.args(["map", "--rounds", "1"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let commits = report["commits"].as_array().unwrap();
    let figure = |name: &str| commits.iter().map(|it| it[name].as_u64().unwrap()).collect();
    let (open, bytes): (Vec<u64>, Vec<u64>) = (figure("open"), figure("bytes"));
    assert_eq!(open, [1, 10, 100, 313, 1_000]);
    assert!(bytes.is_sorted() && bytes[4] < 4_096, "{bytes:?}");
}

const SCENARIOS: [&str; 11] = [
    "isolation",
    "outage-refused",
    "outage-hang",
    "outage-503",
    "outage-502",
    "outage-400",
    "outage-404",
    "third",
    "uneven-slow",
    "uneven-500",
    "overload",
];

/// Scenarios that run at once: each waits most of the time, and all of them together would keep two
/// processors from answering in time.
const AT_ONCE: usize = 4;

/// Side by side, but for what takes hundreds of threads.
#[test]
fn every_scenario_ends_with_its_line_and_loses_nothing() {
    build_forebay();
    let names = Mutex::new(SCENARIOS.iter());
    let next = || names.lock().unwrap().next();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| std::iter::from_fn(next).for_each(|name| expect_line(name)));
        }
    });
    expect_line("footprint-20-topics");
}

fn expect_line(name: &str) {
    let mut run = Command::new(env!("CARGO_BIN_EXE_forebay-bench"));
    run.args(["scenarios", "--short", "--seconds", "1", "--rate", "300"]);
    let output = run.args(["--only", name]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let line = &report["scenarios"][name];
    assert_eq!(line["kept"], true, "{text}");
    assert!(line["figures"]["records"]["value"].as_f64() > Some(0.0), "{text}");
    assert_eq!(line["figures"]["lost"]["value"], 0.0, "{text}");
}
