use super::*;
use crate::verdict::UnknownCause;

const SECOND: Duration = Duration::from_secs(1);
const REFUSED: Verdict = Verdict::TargetFault(TargetFault::Refused);

fn pool(ids: &[u32]) -> Pool {
    let mut pool =
        Pool::new(PoolRules { probe_interval: SECOND, in_flight_max: 400, ejects: true });
    set(&mut pool, ids, 0);
    pool
}

fn set(pool: &mut Pool, ids: &[u32], millis: u64) {
    let ids: Vec<_> = ids.iter().copied().map(EndpointId).collect();
    pool.set(&ids, at(millis));
}

fn ended(pool: &mut Pool, id: EndpointId, verdict: Verdict, millis: u64) {
    pool.ended(id, Ending { verdict, took: Duration::from_millis(1) }, at(millis));
}

/// Picks and ends deliveries, `took` ms each and by the endpoint's own verdict; returns how many
/// each endpoint got.
fn exchange(
    pool: &mut Pool,
    rng: &mut Rng,
    millis: core::ops::Range<u64>,
    world: impl Fn(u32) -> (Verdict, u64),
) -> [usize; 8] {
    let mut got = [0; 8];
    for now in millis {
        let Some(id) = pool.pick(None, at(now), rng) else { continue };
        let (verdict, took) = world(id.0);
        got[id.0 as usize] += 1;
        pool.ended(id, Ending { verdict, took: Duration::from_millis(took) }, at(now + took));
    }
    got
}

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

#[test]
fn load_is_spread_evenly() {
    let (mut pool, mut rng) = (pool(&[1, 2, 3, 4]), Rng::new(1));
    for _ in 0..400 {
        pool.pick(None, at(0), &mut rng).unwrap();
    }
    for endpoint in pool.endpoints() {
        assert!((90..=110).contains(&endpoint.in_flight), "{endpoint:?}");
    }
}

#[test]
fn an_endpoint_at_fault_gets_one_probe_a_second() {
    let (mut pool, mut rng) = (pool(&[1]), Rng::new(1));
    let id = pool.pick(None, at(0), &mut rng).unwrap();
    ended(&mut pool, id, REFUSED, 0);
    assert_eq!(pool.pick(None, at(999), &mut rng), None);
    assert_eq!(pool.next_probe(), Some(at(1_000)));
    assert_eq!(pool.pick(None, at(1_000), &mut rng), Some(id));
    assert_eq!(pool.pick(None, at(1_999), &mut rng), None, "one probe each pause");
    assert_eq!(pool.next_probe(), Some(at(2_000)), "though the first one hangs");
    ended(&mut pool, id, REFUSED, 5_000);
    assert_eq!(pool.next_probe(), Some(at(6_000)));
    pool.pick(None, at(6_000), &mut rng).unwrap();
    ended(&mut pool, id, Verdict::Accept, 6_000);
    assert_eq!(pool.pick(None, at(6_000), &mut rng), Some(id));
}

#[test]
fn others_take_over_from_an_endpoint_at_fault() {
    let (mut pool, mut rng) = (pool(&[1, 2]), Rng::new(1));
    while pool.pick(None, at(0), &mut rng) != Some(EndpointId(1)) {}
    ended(&mut pool, EndpointId(1), REFUSED, 0);
    for _ in 0..50 {
        assert_eq!(pool.pick(None, at(1), &mut rng), Some(EndpointId(2)));
    }
}

#[test]
fn an_answer_that_is_unknown_is_no_sign_of_health() {
    let (mut pool, mut rng) = (pool(&[1]), Rng::new(1));
    let id = pool.pick(None, at(0), &mut rng).unwrap();
    ended(&mut pool, id, REFUSED, 0);
    pool.pick(None, at(1_000), &mut rng).unwrap();
    ended(&mut pool, id, Verdict::Unknown(UnknownCause::Deadline), 3_000);
    assert_eq!(pool.next_probe(), Some(at(4_000)));
}

#[test]
fn an_endpoint_that_left_the_list_stays_for_its_answers_only() {
    let (mut pool, mut rng) = (pool(&[1, 2]), Rng::new(1));
    while pool.pick(None, at(0), &mut rng) != Some(EndpointId(1)) {}
    set(&mut pool, &[2], 0);
    assert!(pool.has_left(EndpointId(1)));
    assert_eq!(pool.endpoints().len(), 2);
    for _ in 0..20 {
        assert_eq!(pool.pick(None, at(0), &mut rng), Some(EndpointId(2)));
    }
    ended(&mut pool, EndpointId(1), Verdict::Accept, 1);
    assert_eq!(pool.endpoints().len(), 1);
}

#[test]
fn a_retry_goes_elsewhere_where_there_is_a_choice() {
    let (mut pool, mut rng) = (pool(&[1, 2]), Rng::new(1));
    for now in 0..50 {
        let id = pool.pick(Some(EndpointId(1)), at(now), &mut rng).unwrap();
        assert_eq!(id, EndpointId(2));
        ended(&mut pool, id, Verdict::Accept, now);
    }
}

#[test]
fn a_slow_endpoint_gets_little_and_is_put_aside_tried_again_and_let_in_when_well() {
    let (mut pool, mut rng) = (pool(&[1, 2]), Rng::new(1));
    let slow = |id| (Verdict::Accept, if id == 2 { 100 } else { 1 });
    let got = exchange(&mut pool, &mut rng, 0..60_000, slow);
    assert!(got[1] > 59_900, "{got:?}");
    assert!(matches!(pool.endpoints()[1].health, Health::Ejected { why: Ejection::Slow, .. }));
    let got = exchange(&mut pool, &mut rng, 60_000..90_000, slow);
    assert!((1..10).contains(&got[2]), "tried now and then: {got:?}");
    let got = exchange(&mut pool, &mut rng, 160_000..190_000, |_| (Verdict::Accept, 1));
    assert_eq!(pool.endpoints()[1].health, Health::Well);
    assert!(got[2] > 10_000, "{got:?}");
}

#[test]
fn an_endpoint_that_fails_where_others_do_not_is_put_aside() {
    let (mut pool, mut rng) = (pool(&[1, 2, 3, 4]), Rng::new(1));
    let fails = Verdict::Retry { said: false, after: None };
    let world = |id| (if id == 2 { fails } else { Verdict::Accept }, 1);
    let got = exchange(&mut pool, &mut rng, 0..10_000, world);
    assert!(got[2] < 60, "{got:?}");
    assert!(matches!(pool.endpoints()[1].health, Health::Ejected { why: Ejection::Failing, .. }));
}

#[test]
fn where_all_fail_none_is_put_aside_and_never_more_than_half_are() {
    let (mut pool, mut rng) = (pool(&[1, 2, 3, 4]), Rng::new(1));
    let fails = Verdict::Retry { said: false, after: None };
    exchange(&mut pool, &mut rng, 0..1_000, |_| (fails, 1));
    assert!(pool.endpoints().iter().all(|one| !one.is_ejected()));
    let (mut pool, mut rng) = (self::pool(&[1, 2, 3, 4]), Rng::new(1));
    exchange(&mut pool, &mut rng, 0..4_000, |id| (if id > 1 { fails } else { Verdict::Accept }, 1));
    assert_eq!(pool.endpoints().iter().filter(|one| one.is_ejected()).count(), 2);
}

#[test]
fn an_ejected_endpoint_is_pardoned_where_no_other_is_well() {
    let (mut pool, mut rng) = (pool(&[1, 2]), Rng::new(1));
    let fails = Verdict::Retry { said: false, after: None };
    exchange(&mut pool, &mut rng, 0..100, |id| (if id == 2 { fails } else { Verdict::Accept }, 1));
    assert!(pool.endpoints()[1].is_ejected());
    set(&mut pool, &[2], 101);
    assert_eq!(pool.pick(None, at(102), &mut rng), Some(EndpointId(2)));
}

#[test]
fn what_was_sent_before_an_ejection_does_not_prolong_it() {
    let (mut pool, mut rng) = (pool(&[1, 2]), Rng::new(1));
    let fails = Verdict::Retry { said: false, after: None };
    exchange(&mut pool, &mut rng, 0..30, |_| (Verdict::Accept, 1));
    let mut out = 0;
    while out < 40 {
        out += usize::from(pool.pick(None, at(31), &mut rng) == Some(EndpointId(2)));
    }
    for _ in 0..40 {
        pool.ended(
            EndpointId(2),
            Ending { verdict: fails, took: Duration::from_millis(9) },
            at(40),
        );
    }
    let until = pool.next_probe().unwrap();
    assert!(until <= at(5_040), "{until:?}");
}

#[test]
fn a_new_endpoint_warms_up() {
    let (mut pool, mut rng) = (pool(&[1]), Rng::new(1));
    exchange(&mut pool, &mut rng, 0..20_000, |_| (Verdict::Accept, 1));
    set(&mut pool, &[1, 2], 20_000);
    let mut out = [0_usize; 3];
    for now in 20_000..20_200 {
        let id = pool.pick(None, at(now), &mut rng).unwrap();
        out[id.0 as usize] += 1;
        if id == EndpointId(2) && out[2] == 1 {
            ended(&mut pool, id, Verdict::Accept, now);
        }
    }
    assert!((10..50).contains(&out[2]), "{out:?}");
}

#[test]
fn an_endpoint_at_its_own_limit_gets_nothing_more() {
    let (mut pool, mut rng) = (pool(&[1, 2]), Rng::new(1));
    let pushed = Verdict::BackPressure { after: None };
    exchange(&mut pool, &mut rng, 0..800, |id| (if id == 2 { pushed } else { Verdict::Accept }, 1));
    assert_eq!(pool.endpoints()[1].limiter.limit(), 1);
    let mut out = [0_usize; 3];
    for _ in 0..100 {
        out[pool.pick(None, at(900), &mut rng).unwrap().0 as usize] += 1;
    }
    assert_eq!(out[2], 1, "{out:?}");
}

#[test]
fn an_endpoint_that_lost_its_connections_is_tried_again_at_once() {
    let (mut pool, mut rng) = (pool(&[1, 2]), Rng::new(1));
    exchange(&mut pool, &mut rng, 0..50, |id| (Verdict::Accept, if id == 2 { 40 } else { 1 }));
    while pool.pick(None, at(60), &mut rng) != Some(EndpointId(2)) {}
    let lost = Verdict::Unknown(UnknownCause::ConnectionLost);
    ended(&mut pool, EndpointId(2), lost, 61);
    assert_eq!(pool.next_check(at(61)), Some(EndpointId(2)));
    assert_eq!((pool.next_check(at(61)), pool.next_check_at()), (None, None), "one at a time");
    assert_eq!(pool.pick(None, at(62), &mut rng), Some(EndpointId(2)));
    pool.checked(EndpointId(2), Some(TargetFault::Connect), at(70));
    assert_eq!(pool.next_check_at(), Some(at(1_070)), "nobody knows yet");
    pool.checked(EndpointId(2), Some(TargetFault::Refused), at(1_071));
    assert_eq!((pool.next_check_at(), pool.has_well()), (None, true));
    assert!(matches!(pool.endpoints()[1].health, Health::AtFault { .. }));
}

#[test]
fn a_delivery_now_and_then_does_not_always_go_to_an_endpoint_at_fault() {
    let (mut pool, mut rng) = (pool(&[1, 2]), Rng::new(1));
    while pool.pick(None, at(0), &mut rng) != Some(EndpointId(1)) {}
    ended(&mut pool, EndpointId(1), REFUSED, 0);
    let mut out = [0_usize; 3];
    for second in 2..102 {
        let id = pool.pick_probe(at(second * 1_000), &mut rng).unwrap();
        out[id.0 as usize] += 1;
        let verdict = if id == EndpointId(1) { REFUSED } else { Verdict::Accept };
        ended(&mut pool, id, verdict, second * 1_000);
    }
    assert!(out[1] > 30 && out[2] > 30, "{out:?}");
}

#[test]
fn what_hangs_keeps_neither_probes_nor_a_new_beginning_from_an_endpoint() {
    let (mut pool, mut rng) = (pool(&[1]), Rng::new(1));
    for _ in 0..400 {
        pool.pick(None, at(0), &mut rng).unwrap();
    }
    assert_eq!((pool.pick(None, at(1), &mut rng), pool.next_pick()), (None, None));
    assert_eq!(pool.next_probe_pick(), Some(Instant::ZERO));
    let id = pool.pick_probe(at(1), &mut rng).unwrap();
    let late = Verdict::Unknown(UnknownCause::Deadline);
    (0..100).for_each(|_| ended(&mut pool, id, late, 30_000));
    assert_eq!(pool.pick(None, at(30_001), &mut rng), None, "its limit was cut");
    pool.slow_start(at(30_001));
    assert_eq!(pool.pick(None, at(30_001), &mut rng), Some(id));
}
