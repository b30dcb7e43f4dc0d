use super::*;
use crate::script::Rule;

fn arrival() -> Arrival {
    Arrival {
        topic: "flights".to_owned(),
        partition: 0,
        offset: 0,
        key: None,
        digest: None,
        tenure: 1,
        attempt: 1,
        revision: String::new(),
        idempotency_key: String::new(),
        timeout_ms: None,
    }
}

fn delays(seed: u64) -> Vec<Duration> {
    let between = Duration::from_millis(5)..Duration::from_millis(9);
    let script = Script::accepting().rule(Rule::answering(200).delay(between)).seed(seed);
    let playing = Arc::new(Playing::new(script));
    (0..50).map(|_| playing.choose(&arrival(), &Switches::default()).delay()).collect()
}

#[test]
fn random_delays_are_those_of_the_seed() {
    assert_eq!(delays(7), delays(7));
    assert_ne!(delays(7), delays(8));
    let between = Duration::from_millis(5)..Duration::from_millis(9);
    assert!(delays(7).iter().all(|delay| between.contains(delay)));
}

#[test]
fn turns_come_at_the_rate_and_a_refused_one_is_not_used_up() {
    let playing = Playing::new(Script::accepting());
    let taken: Vec<Duration> = (0..1_000).map(|_| playing.turn(1_000, true)).collect();
    // A burst of 50 ms is there at once; the clock goes on a little while they are counted.
    let last = taken[999];
    assert!(last > Duration::from_millis(800) && last <= Duration::from_millis(999), "{last:?}");
    let refused = playing.turn(1_000, false);
    assert!(refused > Duration::ZERO);
    assert!(playing.turn(1_000, false) <= refused);
}
