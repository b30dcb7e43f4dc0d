//! Faults in an order drawn from a seed, for as long as the environment says; with a page of what
//! became of it.

use std::time::Duration;

use super::fault::Fault;
use super::fleet::Protocol;
use super::trial::{Setting, Trial};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// `FOREBAY_FAULTS_MINUTES`, `_SEED`, `_PROTOCOL` (`consumer`) and `_REPORT` (where the page goes).
#[test]
#[ignore = "as long as asked for: scripts/faults --minutes 30"]
fn faults_in_any_order_lose_nothing_and_keep_the_order() {
    let minutes = number("FOREBAY_FAULTS_MINUTES").unwrap_or(30);
    let seed = number("FOREBAY_FAULTS_SEED").unwrap_or(1);
    let protocol = match std::env::var("FOREBAY_FAULTS_PROTOCOL").as_deref() {
        Ok("consumer") => Protocol::Consumer,
        _ => Protocol::ClassicStatic,
    };
    let setting = Setting { protocol, gateways: 3, rate: 200, seed, reborn: true };
    let mut trial = Trial::start(&setting);
    // Each kind comes once before any comes again.
    let mut left = Vec::new();
    while trial.elapsed() < Duration::from_secs(60 * minutes) {
        if left.is_empty() {
            left = Fault::ALL.to_vec();
        }
        let at = trial.chance(left.len());
        let fault = left.swap_remove(at);
        trial.suffer(fault);
        let calm = trial.chance(5_000) as u64;
        trial.calm(Duration::from_millis(calm));
    }
    let outcome = trial.judge();
    let machine = std::env::var("FOREBAY_FAULTS_MACHINE").unwrap_or("this machine".to_owned());
    let page = outcome.page(&setting, &machine);
    if let Ok(path) = std::env::var("FOREBAY_FAULTS_REPORT") {
        std::fs::write(&path, &page).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    eprintln!("{page}");
    assert_eq!(outcome.broken(), Vec::<String>::new());
}
