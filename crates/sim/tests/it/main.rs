//! The short form of the simulation, as every test run lives it. The binary lives more.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use forebay_sim::{faults, replay};

const WORLDS: u64 = 2_000;
/// Worlds in which a planted fault has to be caught.
const HUNT: u64 = 6_000;
const TWICE: u64 = 200;

/// Calls it with every number below `count`, on all cores, and collects what it says.
fn for_all<T: Send>(count: u64, it: impl Fn(u64) -> Option<T> + Sync) -> Vec<T> {
    let next = AtomicU64::new(0);
    let worker = || {
        let mut said = Vec::new();
        loop {
            match next.fetch_add(1, Ordering::Relaxed) {
                number if number < count => said.extend(it(number)),
                _ => return said,
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|it| it.join().expect("no worker panics")).collect()
    })
}

#[test]
fn every_promise_holds_in_every_world() {
    let broken = for_all(WORLDS, |seed| {
        let outcome = replay::live(seed, None, false);
        let broken = outcome.broken.as_ref()?;
        Some(format!("seed {seed} breaks {broken}\n  {}", outcome.command()))
    });
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_planted_fault_is_caught_by_the_checker_of_its_promise() {
    let missed = for_all(faults::ALL.len() as u64, |index| {
        let fault = faults::ALL[index as usize];
        let catch = faults::hunt(fault, HUNT);
        catch
            .seeds
            .is_none()
            .then(|| format!("{fault:?} is not caught as {}: {catch:?}", faults::promise(fault)))
    });
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_promise_that_the_core_makes_has_a_planted_fault() {
    use forebay_sim::checkers::Promise::*;
    for promise in
        [P1, P2, P3, P4, P5, P6, P8, P9, P11, P12, Blame, Once, Tenure, Replay, Attempts, Liveness]
    {
        let has_one = faults::ALL.iter().any(|fault| faults::promise(*fault) == promise);
        assert!(has_one, "{promise}");
    }
}

/// P10.
#[test]
fn a_world_lived_twice_is_the_same_byte_for_byte() {
    let differ = for_all(TWICE, |seed| {
        let (once, again) = (replay::live(seed, None, true), replay::live(seed, None, true));
        assert!(once.trace.lines().count() > 10, "seed {seed} did next to nothing");
        (once.trace != again.trace).then_some(seed)
    });
    assert!(differ.is_empty(), "P10: {differ:?}");
}

/// Worlds in which nothing happens prove nothing.
#[test]
fn worlds_see_what_they_are_for() {
    let tallies = for_all(1_000, |seed| Some(replay::live(seed, None, false).tally));
    let sum = |what: fn(&forebay_sim::world::Tally) -> u64| tallies.iter().map(what).sum::<u64>();
    assert!(sum(|tally| tally.deliveries) > 50_000);
    assert!(sum(|tally| tally.accepted) > 20_000);
    assert!(sum(|tally| tally.inert) > 1_000);
    assert!(sum(|tally| tally.crashes) > 100);
    assert!(sum(|tally| tally.breaks) > 50);
    assert!(sum(|tally| tally.terms) > 2_000);
    assert!(sum(|tally| tally.charged) > 1_000);
    assert!(sum(|tally| tally.dead_letters) > 500);
    assert!(sum(|tally| tally.parked) > 500);
    assert!(sum(|tally| tally.dropped) > 100);
    assert!(sum(|tally| tally.skipped) > 20);
    assert!(sum(|tally| tally.abandoned) > 200);
    assert!(sum(|tally| tally.holds) > 400);
    assert!(sum(|tally| tally.overdrawn) > 0);
}
