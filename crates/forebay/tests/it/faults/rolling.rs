//! All gateways of a group restarted one after another, as a new release does it.

use std::time::Duration;

use super::fleet::Protocol;
use super::trial::{Setting, Trial};

/// No partition stands still for longer than its drain (`commit.drain`, 10 s) and this.
const BEYOND_DRAIN: f64 = 3.0;
const DRAIN: f64 = 10.0;

fn roll(protocol: Protocol) {
    let setting = Setting { protocol, gateways: 3, rate: 300, seed: 2, reborn: false };
    let mut trial = Trial::start(&setting);
    let mut end = Duration::ZERO;
    for gateway in [0, 1, 2, 0, 1, 2] {
        end = end.max(trial.restart(gateway));
        trial.calm(Duration::from_millis(500));
    }
    let outcome = trial.judge();
    eprintln!("{}", outcome.page(&setting, "this machine"));
    assert_eq!(outcome.broken(), Vec::<String>::new());
    let (stood, end) = (outcome.longest_standstill(), end.as_secs_f64());
    eprintln!("a gateway's end took {end:.2} s at most, the longest standstill {stood:.2} s");
    assert!(stood <= DRAIN + BEYOND_DRAIN, "a partition stood still for {stood:.2} s");
}

#[test]
#[ignore = "starts three brokers: scripts/faults"]
fn a_rolling_restart_loses_nothing_and_repeats_nothing_that_was_committed() {
    roll(Protocol::ClassicStatic);
}

#[test]
#[ignore = "starts three brokers: scripts/faults"]
fn so_does_one_of_a_group_whose_protocol_is_the_new_one() {
    roll(Protocol::Consumer);
}
