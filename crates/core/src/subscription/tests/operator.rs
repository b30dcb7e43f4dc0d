//! What an operator says.

use super::*;
use crate::commit::Rewinds;
use crate::completion::Completion;
use crate::record::{Record, Tenure};

#[test]
fn an_operator_retries_skips_and_dead_letters_what_waits() {
    let mut it = with(Rules { on_reject: GiveUp::Hold, ..rules() });
    let records: Vec<_> = (0..6).map(|offset| (offset, Some(offset as u64 / 2))).collect();
    fetch(&mut it, &records, at(0));
    for _ in 0..3 {
        let sent = deliver(&mut it, at(0)).unwrap();
        answer(&mut it, &sent, Verdict::Reject { said: true }, at(1));
    }
    assert_eq!(wants(&mut it, at(500_000)).len(), 0, "all three keys are held");
    let now = at(500_001);
    let (partition, at_offset) = (P0, Offset);
    let behind = Command::Skip { partition, offset: at_offset(1) };
    assert_eq!(it.command(behind, now), Err(CommandError::Behind));
    it.command(Command::Retry { partition, offset: at_offset(0) }, now).unwrap();
    it.command(Command::Skip { partition, offset: at_offset(2) }, now).unwrap();
    it.command(Command::DeadLetter { partition, offset: at_offset(4) }, now).unwrap();
    it.check();
    let mut sent = Vec::new();
    for output in wants(&mut it, now) {
        match output {
            Output::Deliver(delivery) => sent.push(delivery.payload),
            Output::DeadLetter(letter) => assert_eq!(letter.offset, Offset(4)),
            _ => {}
        }
    }
    sent.sort_unstable();
    assert_eq!(sent, [0, 3]);
    let skip = |offset| Command::Skip { partition, offset: at_offset(offset) };
    assert_eq!(it.command(skip(0), now), Err(CommandError::InFlight));
    assert_eq!(it.command(skip(4), now), Err(CommandError::Leaving));
    assert_eq!(it.command(skip(2), now), Err(CommandError::NotHeld));
}

#[test]
fn a_paused_subscription_sends_nothing_and_asks_for_no_wakeup() {
    let mut it = active();
    fetch(&mut it, &[(0, Some(1))], at(0));
    it.command(Command::Pause, at(0)).unwrap();
    assert!(wants(&mut it, at(0)).is_empty());
    assert_eq!(it.next_wakeup(at(0)), Some(RENEWAL));
    it.command(Command::Resume, at(9)).unwrap();
    assert!(deliver(&mut it, at(9)).is_some());
}

#[test]
fn a_rate_is_kept() {
    let mut it = with(Rules { rate_max: Some(10), records_max: 1_000, ..rules() });
    let records: Vec<_> = (0..100).map(|offset| (offset, None)).collect();
    fetch(&mut it, &records, at(0));
    let mut sent = 0;
    let mut now = at(0);
    while now < at(3_000) {
        while let Some(delivery) = deliver(&mut it, now) {
            answer(&mut it, &delivery, Verdict::Accept, now);
            sent += 1;
        }
        now = it.next_wakeup(now).unwrap();
        if let Some(Output::Commit { point, state: CommitState { tenure, .. }, .. }) = it.poll(now)
        {
            it.handle(Input::Committed { partition: P0, tenure, point }, now);
        }
    }
    assert!((30..=31).contains(&sent), "{sent}");
}

/// Has partition 0 read from elsewhere, as the shell does it, and claims the tenure.
fn seek(it: &mut Subscription<i64>, to: i64, now: Instant) -> Tenure {
    let rewinds = it.sought(P0, CommitPoint(to));
    it.handle(Input::Revoked { partition: P0 }, now);
    until(it, now, |output| matches!(output, Output::Released { .. }));
    restart(it, to, rewinds, now)
}

/// Acknowledges commits until it wants what is waited for.
fn until(it: &mut Subscription<i64>, now: Instant, wanted: impl Fn(&Output<i64>) -> bool) {
    loop {
        let output = it.poll(now).expect("what is waited for comes");
        if wanted(&output) {
            return;
        }
        if let Output::Commit { partition, point, state } = output {
            it.handle(Input::Committed { partition, tenure: state.tenure, point }, now);
        }
    }
}

fn restart(it: &mut Subscription<i64>, from: i64, rewinds: Rewinds, now: Instant) -> Tenure {
    let start = CommitPoint(from);
    let stored = Some(CommitState { rewinds, ..CommitState::unknown(Tenure(7)) });
    let assigned =
        Input::Assigned { partition: P0, start, end: start, stored, parks: true, wall_ms: 0 };
    it.handle(assigned, now);
    let Some(Output::Commit { point, state, .. }) = it.poll(now) else { panic!("it is claimed") };
    assert_eq!(
        (point, state.rewinds),
        (start, rewinds),
        "what counts is said before anything goes"
    );
    it.handle(Input::Committed { partition: P0, tenure: state.tenure, point }, now);
    state.tenure
}

/// The replays of these records, which are all accepted.
fn replays(it: &mut Subscription<i64>, tenure: Tenure, offsets: &[i64], now: Instant) -> Vec<u32> {
    until(it, now, |output| matches!(output, Output::Fetch { .. }));
    let record = |&offset: &i64| Record {
        offset: Offset(offset),
        key: None,
        bytes: 10,
        past: Past::default(),
        payload: offset,
    };
    let records = offsets.iter().map(record).collect();
    it.handle(Input::Fetched { partition: P0, tenure, records }, now);
    let deliver = |_: &i64| {
        let sent = deliver(it, now).expect("there is room");
        answer(it, &sent, Verdict::Accept, now);
        sent.replay
    };
    offsets.iter().map(deliver).collect()
}

#[test]
fn what_is_read_again_on_purpose_is_told_apart_by_each_rewind() {
    let mut it = active();
    assert_eq!(replays(&mut it, Tenure(7), &[0, 1, 2, 3], at(0)), [0; 4]);
    let tenure = seek(&mut it, 1, at(1_000));
    assert_eq!(replays(&mut it, tenure, &[1, 2, 3, 4, 5], at(1_000)), [1, 1, 1, 0, 0]);
    let tenure = seek(&mut it, 4, at(2_000));
    assert_eq!(replays(&mut it, tenure, &[4, 5, 6], at(2_000)), [2, 2, 0]);
    let tenure = seek(&mut it, 9, at(3_000));
    assert_eq!(replays(&mut it, tenure, &[9], at(3_000)), [0], "that was forward");
    let tenure = seek(&mut it, 0, at(4_000));
    assert_eq!(replays(&mut it, tenure, &[0, 1], at(4_000)), [3, 3]);
    let tenure = seek(&mut it, 0, at(5_000));
    assert_eq!(
        replays(&mut it, tenure, &[0, 9, 10], at(5_000)),
        [4, 4, 0],
        "the farthest end counts"
    );
}

#[test]
fn what_a_former_owner_had_settled_farther_on_is_read_again_too() {
    let mut it = active();
    it.handle(Input::Lost { partition: P0 }, at(0));
    let completion = Completion { open: vec![0..1, 3..4], end: 8 };
    let stored = CommitState { completion, ..CommitState::unknown(Tenure(7)) };
    let (start, end, stored) = (CommitPoint(0), CommitPoint(9), Some(stored));
    it.handle(
        Input::Assigned { partition: P0, start, end, stored, parks: true, wall_ms: 0 },
        at(0),
    );
    let rewinds = Rewinds { count: 1, until: CommitPoint(8) };
    assert_eq!(it.sought(P0, CommitPoint(5)), rewinds);
    assert_eq!(it.sought(P0, CommitPoint(8)), Rewinds::default());
}

#[test]
fn a_dead_letter_of_a_replay_says_so() {
    let mut it = active();
    replays(&mut it, Tenure(7), &[0, 1], at(0));
    let tenure = seek(&mut it, 0, at(1_000));
    until(&mut it, at(1_000), |output| matches!(output, Output::Fetch { .. }));
    let (offset, key, past) = (Offset(0), None, Past::default());
    let records = vec![Record { offset, key, bytes: 10, past, payload: 0 }];
    it.handle(Input::Fetched { partition: P0, tenure, records }, at(1_000));
    let sent = deliver(&mut it, at(1_000)).unwrap();
    answer(&mut it, &sent, Verdict::Reject { said: true }, at(1_001));
    assert_eq!((sent.replay, letter(&mut it, at(1_001)).unwrap().replay), (1, 1));
}
