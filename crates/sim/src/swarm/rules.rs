//! The rules of a world: small numbers, so that every bound is met.

use std::time::Duration;

use forebay_core::{Backoff, GiveUp, Guarantee, LINK, Order, Planted, Rules, Takeover};

use super::MILLI;
use crate::agenda::Micros;
use crate::rng::Rng;

/// Nobody is ever taken for dead, and nothing is renewed.
pub(crate) const NO_SESSION: Duration = Duration::from_secs(1_000_000);

pub(super) fn draw(rng: &mut Rng, planted: Planted) -> Rules {
    let first = time(rng, 1, 500);
    let in_flight_max = rng.spread(1, 32);
    let dead_letters = rng.odds(700);
    let order = *rng.pick(&[Order::Key, Order::Key, Order::Key, Order::Partition, Order::None]);
    let guarantee = match rng.below(10) {
        0 => Guarantee::AtMostOnce,
        1 => Guarantee::Automatic,
        _ => Guarantee::AtLeastOnce,
    };
    let may_park = order != Order::Partition && guarantee == Guarantee::AtLeastOnce;
    let park_after = (may_park && rng.odds(400)).then(|| time(rng, 1, 1_000));
    Rules {
        order,
        guarantee,
        park_after,
        in_flight: rng.between(1, in_flight_max) as usize,
        in_flight_max: in_flight_max as usize,
        rate_max: rate(rng),
        records_max: rng.spread(1, 128) as usize,
        bytes_max: rng.spread(1, 20_000) as usize,
        window_max: rng.spread(1, 256) as usize,
        map_max: rng.spread(LINK as u64 + 1, 120) as usize,
        deadline: time(rng, 20, 5_000),
        grace: if rng.odds(150) { Duration::ZERO } else { time(rng, 1, 1_000) },
        backoff: Backoff { first, most: first * rng.between(1, 32) as u32 },
        attempts: rng.between(1, 6) as u32,
        dead_letters,
        on_exhausted: give_up(rng, dead_letters),
        on_reject: give_up(rng, dead_letters),
        evidence_wait: evidence_wait(rng),
        ejects: rng.odds(500),
        probe_interval: time(rng, 10, 1_000),
        commit_interval: time(rng, 1, 500),
        commit_retry: time(rng, 1, 500),
        session: if rng.odds(500) { NO_SESSION } else { time(rng, 500, 20_000) },
        takeover: if rng.odds(800) { Takeover::Safe } else { Takeover::Fast },
        drain: time(rng, 10, 5_000),
        last_commit: time(rng, 10, 2_000),
        given_up_free: rng.between(1, 20) as usize,
        planted,
    }
}

/// Lets much go on at once.
pub(super) fn loosen(rules: &mut Rules) {
    (rules.in_flight, rules.in_flight_max, rules.rate_max) = (32, 32, None);
    (rules.records_max, rules.bytes_max) = (128, 20_000);
    (rules.window_max, rules.map_max) = (256, 120);
    rules.deadline = rules.deadline.clamp(Duration::from_millis(200), Duration::from_secs(2));
    rules.grace = rules.grace.min(Duration::from_millis(5));
}

/// Lets a partition come back while answers of its former tenure are still to come.
pub(super) fn hurry(rules: &mut Rules) {
    rules.deadline = rules.deadline.min(Duration::from_millis(300));
    rules.grace = rules.grace.min(Duration::from_millis(5));
    rules.drain = rules.drain.min(Duration::from_millis(50));
    rules.last_commit = rules.last_commit.min(Duration::from_millis(50));
    rules.takeover = Takeover::Fast;
}

/// Has something new to send at any time, also while the service is away.
pub(super) fn steady(rules: &mut Rules) {
    loosen(rules);
    rules.order = if rules.order == Order::Partition { Order::Key } else { rules.order };
    rules.rate_max = Some(50);
    rules.deadline = rules.deadline.min(Duration::from_secs(1));
    rules.probe_interval = rules.probe_interval.max(Duration::from_millis(200));
    rules.attempts = rules.attempts.min(3);
}

/// Other rules for the same subscription. Nothing takes longer than it took by the first rules.
pub(super) fn change(rng: &mut Rng, from: &Rules) -> Rules {
    let in_flight_max = rng.spread(1, 32);
    let shorter = |rng: &mut Rng, than: Duration| than.div_f64(rng.between(1, 8) as f64);
    let Backoff { first, most } = from.backoff;
    Rules {
        in_flight: rng.between(1, in_flight_max) as usize,
        in_flight_max: in_flight_max as usize,
        rate_max: rate(rng),
        records_max: rng.spread(1, 128) as usize,
        bytes_max: rng.spread(1, 20_000) as usize,
        deadline: shorter(rng, from.deadline).max(Duration::from_millis(20)),
        backoff: Backoff { first: shorter(rng, first), most: shorter(rng, most) },
        attempts: rng.between(1, 6) as u32,
        on_exhausted: give_up(rng, from.dead_letters),
        on_reject: give_up(rng, from.dead_letters),
        evidence_wait: evidence_wait(rng),
        ejects: rng.odds(500),
        session: match from.session < NO_SESSION {
            true => shorter(rng, from.session).max(Duration::from_millis(500)),
            false => NO_SESSION,
        },
        ..from.clone()
    }
}

fn time(rng: &mut Rng, low: Micros, high: Micros) -> Duration {
    Duration::from_micros(rng.spread(low * MILLI, high * MILLI))
}

fn rate(rng: &mut Rng) -> Option<u32> {
    rng.odds(150).then(|| rng.spread(20, 5_000) as u32)
}

fn give_up(rng: &mut Rng, dead_letters: bool) -> GiveUp {
    match (dead_letters, rng.below(6)) {
        (_, 0) | (false, 1..=3) => GiveUp::Hold,
        (_, 1) | (false, _) => GiveUp::Drop,
        (true, _) => GiveUp::DeadLetter,
    }
}

fn evidence_wait(rng: &mut Rng) -> Option<Duration> {
    match rng.below(5) {
        0 => Some(Duration::ZERO),
        1 => None,
        _ => Some(time(rng, 1, 5_000)),
    }
}
