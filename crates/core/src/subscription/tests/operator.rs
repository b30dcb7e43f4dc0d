//! What an operator says.

use super::*;

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
