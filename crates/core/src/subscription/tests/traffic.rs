//! Seconds of steady traffic, and a service that fails a part of it.

use super::*;

/// Plays ten seconds of a service that rejects these keys at that millisecond and accepts all else,
/// while a record comes each millisecond, of a hundred keys in turn. Gives how many were accepted,
/// how many became letters, and whether the budget is spent.
fn ten_seconds_of_rejecting(bad: impl Fn(u64, u64) -> bool) -> (u64, u64, bool) {
    let most = Duration::from_millis(50);
    let mut it = with(Rules {
        records_max: 1_000,
        bytes_max: 100_000,
        in_flight: 64,
        in_flight_max: 256,
        backoff: Backoff { first: most / 5, most },
        ..rules()
    });
    let (mut out, mut open, mut next, mut accepted, mut letters) = (vec![], None, 0, 0, 0);
    for millis in 1..10_000 {
        let now = at(millis);
        for delivery in core::mem::take(&mut out) {
            let delivery: Delivery<i64> = delivery;
            let rejects = bad(delivery.payload as u64 % 100, millis);
            let said = false;
            let verdict = if rejects { Verdict::Reject { said } } else { Verdict::Accept };
            accepted += u64::from(!rejects);
            answer(&mut it, &delivery, verdict, now);
        }
        if let Some((tenure, room)) = open.filter(|_| next < millis as i64) {
            let offsets = next..(millis as i64).min(next + room as i64);
            (open, next) = (None, offsets.end);
            let record = |offset: i64| Record {
                offset: Offset(offset),
                key: Some(offset as u64 % 100),
                bytes: 10,
                past: Past::default(),
                payload: offset,
            };
            let records = offsets.map(record).collect();
            it.handle(Input::Fetched { partition: P0, tenure, records }, now);
        }
        while let Some(output) = it.poll(now) {
            match output {
                Output::Deliver(delivery) => out.push(delivery),
                Output::DeadLetter(letter) => {
                    letters += 1;
                    written(&mut it, &letter, true, now);
                }
                Output::Fetch { tenure, records, .. } => open = Some((tenure, records)),
                Output::Commit { point, state: CommitState { tenure, .. }, .. } => {
                    it.handle(Input::Committed { partition: P0, tenure, point }, now);
                }
                Output::Check { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    (accepted, letters, it.view().hold.overdrawn)
}

#[test]
fn a_key_that_is_always_rejected_does_not_hold_a_target_that_is_well() {
    let (accepted, letters, _) = ten_seconds_of_rejecting(|key, _| key == 0);
    assert!(accepted > 9_000, "{accepted} accepted, {letters} letters");
    assert!(letters > 0);
}

#[test]
fn a_third_of_all_keys_rejected_spends_the_budget() {
    let bad = |key, millis| key % 3 == 0 && millis > 2_000;
    let (accepted, letters, spent) = ten_seconds_of_rejecting(bad);
    assert!(spent, "{accepted} accepted, {letters} letters");
    assert!(letters <= accepted / 100 + 20, "{accepted} accepted, {letters} letters");
}

/// Plays a service of one endpoint that record 50 breaks each time, with whatever else is at work,
/// and that is back after half a second. Gives how often it broke until the record was given up.
fn breaks() -> u32 {
    let mut it = with(Rules {
        records_max: 10_000,
        bytes_max: 1_000_000,
        in_flight: 64,
        in_flight_max: 256,
        rate_max: Some(200),
        deadline: Duration::from_secs(2),
        grace: Duration::from_millis(100),
        ..rules()
    });
    let records: Vec<_> = (0..9_000).map(|offset| (offset, Some(offset as u64))).collect();
    fetch(&mut it, &records, at(0));
    let (mut out, mut breaks, mut up_at) = (Vec::<Delivery<i64>>::new(), 0, 0);
    for millis in 1..40_000 {
        let now = at(millis);
        let broken = out.iter().any(|delivery| delivery.payload == 50);
        for delivery in core::mem::take(&mut out) {
            let verdict = match () {
                () if millis < up_at => REFUSED,
                () if broken => LOST,
                () => Verdict::Accept,
            };
            answer(&mut it, &delivery, verdict, now);
        }
        if broken && millis >= up_at {
            breaks += 1;
            up_at = millis + 500;
        }
        while let Some(output) = it.poll(now) {
            match output {
                Output::Deliver(delivery) => out.push(delivery),
                Output::Check { endpoint } => {
                    let fault = (millis < up_at).then_some(TargetFault::Refused);
                    it.handle(Input::Checked { endpoint, asked: now, fault }, now);
                }
                Output::Commit { point, state: CommitState { tenure, .. }, .. } => {
                    it.handle(Input::Committed { partition: P0, tenure, point }, now);
                }
                Output::DeadLetter(letter) => {
                    assert_eq!((letter.payload, letter.charged), (50, 3));
                    return breaks;
                }
                Output::Fetch { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("never given up; it broke {breaks} times");
}

#[test]
fn a_record_that_breaks_its_service_goes_again_when_others_were_served() {
    assert_eq!(breaks(), 3, "each is one of its three attempts");
}

/// Plays a service of 5,000 a second that rejects everything for three seconds, after two in which
/// it accepted all, while what it had before is still at work. Gives what became letters by then
/// and in five seconds more.
fn rejects_everything_for_a_while() -> usize {
    let (records_max, bytes_max) = (20_000, 1_000_000);
    let (in_flight, in_flight_max) = (256, 4_096);
    let mut it = with(Rules { records_max, bytes_max, in_flight, in_flight_max, ..rules() });
    let (mut out, mut rejected) = (VecDeque::<(u64, Delivery<i64>)>::new(), vec![]);
    let (mut next, mut letters) = (0, 0);
    for millis in 1..10_000 {
        let now = at(millis);
        for delivery in core::mem::take(&mut rejected) {
            answer(&mut it, &delivery, REJECTED, now);
        }
        let done = out.iter().take(5).take_while(|(end, _)| *end <= millis).count();
        for (_, delivery) in out.drain(..done) {
            answer(&mut it, &delivery, Verdict::Accept, now);
        }
        while let Some(output) = it.poll(now) {
            match output {
                Output::Deliver(delivery) if (2_000..5_000).contains(&millis) => {
                    rejected.push(delivery);
                }
                Output::Deliver(delivery) => out.push_back((millis + 10, delivery)),
                Output::DeadLetter(letter) => {
                    letters += 1;
                    written(&mut it, &letter, true, now);
                }
                Output::Fetch { tenure, records, .. } => {
                    let offsets = next..next + records as i64;
                    next = offsets.end;
                    let record = |offset: i64| Record {
                        offset: Offset(offset),
                        key: Some(offset as u64),
                        bytes: 10,
                        past: Past::default(),
                        payload: offset,
                    };
                    let records = offsets.map(record).collect();
                    it.handle(Input::Fetched { partition: P0, tenure, records }, now);
                }
                Output::Commit { point, state: CommitState { tenure, .. }, .. } => {
                    it.handle(Input::Committed { partition: P0, tenure, point }, now);
                }
                Output::Check { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(it.view().counts.settled > 20_000, "{:?}", it.view().counts);
    letters
}

#[test]
fn what_a_service_that_rejects_everything_is_probed_with_is_not_given_up() {
    assert_eq!(rejects_everything_for_a_while(), 0);
}
