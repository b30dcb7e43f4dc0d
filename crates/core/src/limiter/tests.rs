use super::*;

const PUSHED: Verdict = Verdict::BackPressure { after: None };

fn limiter(first: usize, most: usize) -> Limiter {
    Limiter::new(Bounds { first, most })
}

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

/// Lives through seconds `from..to` of a service that accepts at most `capacity` a second and
/// takes at least `round` ms for each, always with more to do than the limit allows.
fn saturate(limiter: &mut Limiter, from: u64, to: u64, capacity: u64, round: u64) {
    for second in from..to {
        let possible = limiter.limit() as u64 * 1_000 / round;
        let rate = possible.min(capacity);
        for answer in 0..rate {
            limiter.binds();
            let now = at(second * 1_000 + answer * 1_000 / rate);
            limiter.answered(Verdict::Accept, limiter.limit(), now);
        }
    }
}

#[test]
fn a_single_refusal_changes_nothing() {
    let mut limiter = limiter(100, 100);
    for answer in 0..100 {
        let verdict = if answer == 50 { PUSHED } else { Verdict::Accept };
        limiter.answered(verdict, 100, at(answer * 20));
    }
    assert_eq!((limiter.limit(), limiter.overloads()), (100, 1));
}

#[test]
fn what_is_all_refused_goes_down_to_one() {
    let mut limiter = limiter(256, 4_096);
    for answer in 0..2_000 {
        limiter.answered(PUSHED, limiter.limit(), at(answer));
    }
    assert_eq!(limiter.limit(), 1);
}

#[test]
fn a_cut_is_as_large_as_the_share_that_was_refused() {
    let mut limiter = limiter(100, 100);
    for answer in 0..100 {
        let verdict = if answer % 10 == 0 { PUSHED } else { Verdict::Accept };
        limiter.answered(verdict, 100, at((answer + 1) * 10));
    }
    assert_eq!(limiter.limit(), 90);
}

#[test]
fn a_flood_is_cut_before_the_window_is_over() {
    let mut limiter = limiter(100, 100);
    for answer in 0..100 {
        let verdict = if answer % 2 == 0 { PUSHED } else { Verdict::Accept };
        limiter.answered(verdict, 100, at(answer));
    }
    assert_eq!(limiter.limit(), 50);
}

#[test]
fn one_refusal_of_the_few_that_a_small_limit_lets_through_is_none() {
    let mut limiter = limiter(4, 4);
    for answer in 0..40 {
        let verdict = if answer % 10 == 0 { PUSHED } else { Verdict::Accept };
        limiter.answered(verdict, 4, at(answer * 150));
    }
    assert_eq!(limiter.limit(), 4);
}

#[test]
fn what_a_service_refuses_by_chance_does_not_starve_it() {
    let (mut limiter, mut chance) = (limiter(30, 30), crate::rng::Rng::new(1));
    let (mut millis, mut sent) = (0, 0);
    while millis < 300_000 {
        // A service that takes 150 ms for each and refuses one in twenty, whatever it has to do.
        millis += 150;
        for _ in 0..limiter.limit() {
            let verdict = if chance.below(20) == 0 { PUSHED } else { Verdict::Accept };
            limiter.binds();
            limiter.answered(verdict, limiter.limit(), at(millis));
            sent += 1;
        }
    }
    assert!(sent > 300_000 / 150 * 30 / 2, "{sent} of {}", 300_000 / 150 * 30);
}

#[test]
fn a_cut_begins_with_what_was_in_flight() {
    let mut limiter = limiter(4_096, 4_096);
    (0..40).for_each(|answer| limiter.answered(PUSHED, 10, at(answer)));
    assert!(limiter.limit() <= 5, "{}", limiter.limit());
}

#[test]
fn after_a_cut_it_grows_back_slowly() {
    let mut limiter = limiter(64, 64);
    (0..64).for_each(|answer| limiter.answered(PUSHED, 64, at(answer)));
    assert_eq!(limiter.limit(), 32);
    saturate(&mut limiter, 1, 5, 10_000, 10);
    assert!((36..=44).contains(&limiter.limit()), "{}", limiter.limit());
    saturate(&mut limiter, 5, 30, 10_000, 10);
    assert_eq!(limiter.limit(), 64);
}

#[test]
fn a_larger_limit_is_kept_where_more_is_accepted_for_it() {
    let mut limiter = limiter(16, 4_096);
    saturate(&mut limiter, 0, 120, 20_000, 100);
    assert!((1_800..=2_800).contains(&limiter.limit()), "{}", limiter.limit());
}

#[test]
fn a_service_that_only_queues_is_not_given_a_longer_queue() {
    let mut limiter = limiter(256, 4_096);
    // 5,000 a second is all it has: 256 in flight are more than enough for 20 ms each.
    let mut most = 0;
    for second in 0..300 {
        saturate(&mut limiter, second, second + 1, 5_000, 20);
        most = most.max(limiter.limit());
    }
    assert!(most <= 320, "{most}");
    assert_eq!(limiter.limit(), 256);
}

#[test]
fn nothing_is_tried_while_the_limit_is_not_what_binds() {
    let mut limiter = limiter(16, 4_096);
    for answer in 0..100_000 {
        limiter.answered(Verdict::Accept, 16, at(answer));
    }
    assert_eq!(limiter.limit(), 16);
}

#[test]
fn slow_start_doubles_with_each_round_up_to_where_it_was() {
    let mut limiter = limiter(100, 100);
    limiter.slow_start(0, at(0));
    let mut limits = alloc::vec::Vec::new();
    for _ in 0..8 {
        limits.push(limiter.limit());
        (0..limiter.limit()).for_each(|_| limiter.answered(Verdict::Accept, 1, at(1)));
    }
    assert_eq!(limits, [1, 2, 4, 8, 16, 32, 64, 100]);
}

#[test]
fn a_bound_that_falls_ends_the_trial_of_a_larger_limit() {
    let mut limiter = limiter(16, 64);
    saturate(&mut limiter, 0, 4, 1_000_000, 100);
    assert!(limiter.limit() > 16, "a larger limit is on trial");
    limiter.set_bounds(Bounds { first: 2, most: 4 });
    saturate(&mut limiter, 4, 8, 1_000_000, 100);
    assert_eq!(limiter.limit(), 4);
}

#[test]
fn an_outage_is_no_measure_of_capacity_and_what_hangs_does_not_fill_slow_start() {
    let mut limiter = limiter(256, 256);
    saturate(&mut limiter, 0, 3, 1_000, 10);
    // It begins with what is accepted still beside what is refused already.
    for answer in 0..2_000 {
        let verdict = if answer < 200 && answer % 2 == 0 { Verdict::Accept } else { PUSHED };
        limiter.answered(verdict, limiter.limit(), at(3_000 + answer));
    }
    assert_eq!(limiter.limit(), 1);
    limiter.slow_start(30, at(60_000));
    assert_eq!(limiter.limit(), 31, "one beside those that hang");
    (0..256).for_each(|_| limiter.answered(Verdict::Accept, 31, at(60_001)));
    assert_eq!(limiter.limit(), 256, "up to where it was before the outage");
}
