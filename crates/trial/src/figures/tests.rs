use super::*;
use crate::delivery::{Answered, Arrival, Ended};

const MS: u64 = 1_000_000;

fn delivery(offset: i64, started: u64, ended: u64, status: u16) -> Delivery {
    Delivery {
        instance: 0,
        what: Arrival {
            topic: "flights".to_owned(),
            partition: 0,
            offset,
            key: None,
            digest: None,
            tenure: 1,
            attempt: 1,
            revision: String::new(),
            idempotency_key: String::new(),
            timeout_ms: None,
        },
        started: started * MS,
        ended: Some(Ended { at: ended * MS, answered: Answered::status(status), told: true }),
    }
}

fn sent(offset: i64, acknowledged: u64) -> Sent {
    let place = Place::new("flights", 0, offset);
    Sent { place, key: None, digest: 0, acknowledged: acknowledged * MS }
}

#[test]
fn a_rate_counts_whole_seconds_of_its_window() {
    let at = [900, 1_000, 1_500, 1_999, 2_000, 3_100, 3_200, 4_100].map(|at| at * MS);
    let rate = Rate::of(at, 1_000 * MS..4_500 * MS);
    assert_eq!(rate.seconds, [3, 1, 2], "the half second at the end does not count");
    assert_eq!((rate.steady(), rate.busiest()), (2, 3));
    let none = Rate::of([], 0..SECOND / 2);
    assert_eq!((none.steady(), none.busiest()), (0, 0));
}

#[test]
fn what_is_offered_counts_whatever_becomes_of_it() {
    let all = [delivery(0, 10, 20, 200), delivery(1, 30, 1_040, 500), delivery(2, 50, 1_060, 200)];
    assert_eq!(Rate::offered(&all, 0..2 * SECOND).seconds, [3, 0]);
    assert_eq!(Rate::accepted(&all, 0..2 * SECOND).seconds, [1, 1]);
}

#[test]
fn attempts_are_counted_for_each_record() {
    let all = [delivery(0, 1, 2, 500), delivery(1, 1, 2, 200), delivery(0, 3, 4, 200)];
    let attempts: Vec<_> = attempts(&all).into_iter().map(|(at, n)| (at.offset, n)).collect();
    assert_eq!(attempts, [(0, 2), (1, 1)]);
}

#[test]
fn the_first_accept_is_counted_from_its_moment() {
    let all = [delivery(0, 1, 5, 200), delivery(1, 6, 9, 500), delivery(2, 8, 12, 200)];
    let after = |at: u64| first_accept_after(&all, at * MS);
    assert_eq!(after(5), Some(Duration::ZERO));
    assert_eq!(after(6), Some(Duration::from_millis(6)), "a failure is no accept");
    assert_eq!(after(13), None);
}

#[test]
fn latencies_run_from_the_acknowledgement_to_the_first_accept_within_a_window() {
    let records: Vec<Sent> = (0..101).map(|at| sent(at, 10)).collect();
    let mut all: Vec<_> =
        (0..101).map(|at| delivery(at, 10, 10 + at.unsigned_abs(), 200)).collect();
    all.push(delivery(7, 500, 501, 200));
    let latencies = Latencies::to_accept(&records, &all, 0..SECOND);
    let ms = |time: Option<Duration>| time.expect("some").as_millis();
    assert_eq!((latencies.len(), ms(latencies.p50()), ms(latencies.p99())), (101, 50, 99));
    assert_eq!((ms(latencies.quantile(0.0)), ms(latencies.quantile(1.0))), (0, 100));
    assert!(Latencies::to_accept(&records, &all, 11 * MS..SECOND).is_empty());
    assert_eq!(Latencies::default().p99(), None);
    let worked = Latencies::at_work(&all, 400 * MS..SECOND);
    assert_eq!((worked.len(), ms(worked.p50())), (1, 1));
}

#[test]
fn a_standstill_is_a_time_without_a_first_accept_while_a_partition_has_records() {
    let input = [sent(0, 0), sent(1, 0), sent(2, 0), sent(3, 9_000)];
    // The second accept of record 0 is no progress; between 6,000 and 9,000 nothing waits.
    let all = [
        delivery(0, 0, 1_000, 200),
        delivery(0, 2_000, 3_000, 200),
        delivery(1, 0, 5_000, 200),
        delivery(2, 0, 6_000, 200),
        delivery(3, 9_000, 9_500, 200),
    ];
    let times = |least: u64| -> Vec<(u64, u64)> {
        let found = standstills(&input, &all, Duration::from_millis(least));
        found.into_iter().map(|stop| (stop.time.start / MS, stop.time.end / MS)).collect()
    };
    assert_eq!(times(1_000), [(0, 1_000), (1_000, 5_000), (5_000, 6_000)]);
    assert_eq!(times(1_001), [(1_000, 5_000)]);
}
