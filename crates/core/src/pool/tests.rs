use super::*;

const SECOND: Duration = Duration::from_secs(1);
const REFUSED: Verdict = Verdict::TargetFault(TargetFault::Refused);

fn pool(ids: &[u32]) -> Pool {
    let mut pool = Pool::new(SECOND);
    let ids: Vec<_> = ids.iter().copied().map(EndpointId).collect();
    pool.set(&ids);
    pool
}

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

#[test]
fn load_is_spread_evenly() {
    let (mut pool, mut rng) = (pool(&[1, 2, 3, 4]), Rng::new(1));
    for _ in 0..400 {
        pool.pick(at(0), &mut rng).unwrap();
    }
    for endpoint in pool.endpoints() {
        assert!((90..=110).contains(&endpoint.in_flight), "{endpoint:?}");
    }
}

#[test]
fn an_endpoint_at_fault_gets_one_probe_a_second() {
    let (mut pool, mut rng) = (pool(&[1]), Rng::new(1));
    let id = pool.pick(at(0), &mut rng).unwrap();
    pool.ended(id, REFUSED, at(0));
    assert_eq!(pool.pick(at(999), &mut rng), None);
    assert_eq!(pool.next_probe(), Some(at(1_000)));
    assert_eq!(pool.pick(at(1_000), &mut rng), Some(id));
    assert_eq!(pool.pick(at(5_000), &mut rng), None, "one probe at a time");
    assert_eq!(pool.next_probe(), None);
    pool.ended(id, REFUSED, at(5_000));
    assert_eq!(pool.next_probe(), Some(at(6_000)));
    pool.pick(at(6_000), &mut rng).unwrap();
    pool.ended(id, Verdict::Accept, at(6_000));
    assert_eq!(pool.pick(at(6_000), &mut rng), Some(id));
}

#[test]
fn others_take_over_from_an_endpoint_at_fault() {
    let (mut pool, mut rng) = (pool(&[1, 2]), Rng::new(1));
    while pool.pick(at(0), &mut rng) != Some(EndpointId(1)) {}
    pool.ended(EndpointId(1), REFUSED, at(0));
    for _ in 0..50 {
        assert_eq!(pool.pick(at(1), &mut rng), Some(EndpointId(2)));
    }
}

#[test]
fn an_answer_that_is_unknown_is_no_sign_of_health() {
    let (mut pool, mut rng) = (pool(&[1]), Rng::new(1));
    let id = pool.pick(at(0), &mut rng).unwrap();
    pool.ended(id, REFUSED, at(0));
    pool.pick(at(1_000), &mut rng).unwrap();
    pool.ended(id, Verdict::Unknown(crate::UnknownCause::Deadline), at(3_000));
    assert_eq!(pool.next_probe(), Some(at(4_000)));
}

#[test]
fn an_endpoint_that_left_the_list_stays_for_its_answers_only() {
    let (mut pool, mut rng) = (pool(&[1, 2]), Rng::new(1));
    while pool.pick(at(0), &mut rng) != Some(EndpointId(1)) {}
    pool.set(&[EndpointId(2)]);
    assert!(pool.has_left(EndpointId(1)));
    assert_eq!(pool.endpoints().len(), 2);
    for _ in 0..20 {
        assert_eq!(pool.pick(at(0), &mut rng), Some(EndpointId(2)));
    }
    pool.ended(EndpointId(1), Verdict::Accept, at(1));
    assert_eq!(pool.endpoints().len(), 1);
}
