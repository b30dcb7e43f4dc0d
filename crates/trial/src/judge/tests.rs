//! Each promise broken on purpose, so that a verdict of "kept" says something.

use super::*;
use crate::delivery::{Arrival, Ended};

const MS: u64 = 1_000_000;

/// Three records of one key, one of another, one without; sent a millisecond apart.
fn sent() -> Vec<Sent> {
    let keys = [Some("N1"), Some("N1"), Some("N2"), None, Some("N1")];
    let record = |(place, key): (usize, Option<&str>)| Sent {
        place: Place::new("flights", 0, place as i64),
        key: key.map(str::to_owned),
        digest: 100 + place as u64,
        acknowledged: place as u64 * MS,
    };
    keys.into_iter().enumerate().map(record).collect()
}

fn ended(at: u64, answered: Answered) -> Option<Ended> {
    Some(Ended { at: at * MS, answered, told: true })
}

fn delivery(sent: &Sent, started: u64, accepted: u64) -> Delivery {
    Delivery {
        instance: 0,
        what: Arrival {
            topic: sent.place.topic.clone(),
            partition: sent.place.partition,
            offset: sent.place.offset,
            key: sent.key.clone(),
            digest: Some(sent.digest),
            tenure: 1,
            attempt: 1,
            revision: "default".to_owned(),
            idempotency_key: String::new(),
            timeout_ms: None,
        },
        started: started * MS,
        ended: ended(accepted, Answered::status(200)),
    }
}

fn in_tenure(tenure: i64, mut delivery: Delivery) -> Delivery {
    delivery.what.tenure = tenure;
    delivery
}

fn judge(sent: &[Sent], deliveries: &[Delivery], kills: &[Kill]) -> Verdict {
    Evidence::new(sent, deliveries).kills(kills).judge()
}

/// Each record delivered once, one after another, from 10 ms on.
fn well(sent: &[Sent]) -> Vec<Delivery> {
    let each = sent.iter().zip((10..).step_by(2));
    each.map(|(sent, at)| delivery(sent, at, at + 1)).collect()
}

fn gateway_killed(at: u64, commit_point: i64) -> Kill {
    Kill::Gateway {
        at: at * MS,
        commit_points: BTreeMap::from([(("flights".to_owned(), 0), commit_point)]),
    }
}

#[test]
fn what_is_delivered_once_and_in_order_is_kept() {
    let sent = sent();
    let verdict = judge(&sent, &well(&sent), &[]);
    let expected = Verdict {
        delivered: 5,
        // The first record waited from 0 ms to 11 ms.
        longest_stop: Stop { length: 11 * MS, began: 0 },
        last_accepted: 19 * MS,
        ..Verdict::default()
    };
    assert_eq!(verdict, expected);
    assert!(verdict.is_kept());
}

#[test]
fn a_record_that_was_never_accepted_is_lost() {
    let sent = sent();
    let mut deliveries = well(&sent);
    deliveries[2].ended = None;
    let verdict = judge(&sent, &deliveries, &[]);
    assert_eq!((&verdict.lost[..], verdict.delivered), (&[2][..], 4));
    assert!(!verdict.is_kept());
    deliveries.remove(2);
    assert_eq!(judge(&sent, &deliveries, &[]).lost, [2]);
}

#[test]
fn a_record_with_other_content_or_another_key_is_foreign_and_lost() {
    let sent = sent();
    let changes = [
        |it: &mut Arrival| it.digest = Some(7),
        |it: &mut Arrival| it.key = None,
        |it: &mut Arrival| it.topic = "trains".to_owned(),
    ];
    for change in changes {
        let mut deliveries = well(&sent);
        change(&mut deliveries[2].what);
        let verdict = judge(&sent, &deliveries, &[]);
        assert_eq!((&verdict.lost[..], &verdict.foreign[..]), (&[2][..], &[2][..]));
        assert!(!verdict.is_kept());
    }
}

#[test]
fn a_delivery_of_what_was_never_sent_breaks_the_verdict() {
    let sent = sent();
    let mut deliveries = well(&sent);
    let mut unknown = delivery(&sent[0], 30, 31);
    unknown.what.offset = 99;
    deliveries.push(unknown);
    let verdict = judge(&sent, &deliveries, &[]);
    assert_eq!((&verdict.foreign[..], &verdict.lost[..]), (&[5][..], &[][..]));
    assert!(!verdict.is_kept());
}

#[test]
fn a_record_that_comes_twice_without_a_kill_is_an_unexplained_duplicate() {
    let sent = sent();
    let mut deliveries = well(&sent);
    deliveries.push(delivery(&sent[4], 30, 31));
    let verdict = judge(&sent, &deliveries, &[]);
    assert_eq!((verdict.duplicated, verdict.unexplained.len(), verdict.delivered), (1, 1, 5));
    assert!(!verdict.is_kept());
}

#[test]
fn the_gateways_kill_explains_what_was_not_committed_and_nothing_else() {
    let sent = sent();
    let judged = |kill: Kill, tenure| {
        let mut deliveries: Vec<_> = well(&sent);
        for delivery in &mut deliveries {
            delivery.started += 3_000 * MS;
            let ended = delivery.ended.as_mut().expect("all are");
            ended.at += 3_000 * MS;
        }
        deliveries.push(in_tenure(tenure, delivery(&sent[3], 3_030, 3_031)));
        judge(&sent, &deliveries, &[kill])
    };
    let explained = judged(gateway_killed(3_025, 3), 2);
    assert_eq!((explained.duplicated, explained.unexplained.len()), (1, 0));
    assert!(explained.is_kept());
    let unexplained = |kill, tenure| judged(kill, tenure).unexplained.len();
    assert_eq!(unexplained(gateway_killed(3_025, 4), 2), 1, "it was committed");
    assert_eq!(unexplained(gateway_killed(3_025, 3), 1), 1, "the same gateway sent both");
    assert_eq!(unexplained(gateway_killed(1_500, 3), 2), 1, "killed long before both");
    assert_eq!(unexplained(gateway_killed(3_040, 3), 2), 1, "killed after both");
}

#[test]
fn a_request_that_was_read_after_its_gateway_was_killed_is_still_of_that_gateway() {
    let sent = sent();
    let mut deliveries = well(&sent);
    deliveries.push(in_tenure(2, delivery(&sent[4], 30, 31)));
    assert!(judge(&sent, &deliveries, &[gateway_killed(15, 4)]).is_kept());
}

#[test]
fn an_earlier_kill_explains_nothing_of_a_gateway_that_followed_at_once() {
    let sent = sent();
    let mut deliveries = well(&sent);
    // Killed at 15 ms with nothing committed; its successor delivers record 4 and commits it.
    deliveries[4].what.tenure = 2;
    deliveries.push(in_tenure(3, delivery(&sent[4], 30, 31)));
    let kills = [gateway_killed(15, 0), gateway_killed(25, 5)];
    assert_eq!(judge(&sent, &deliveries, &kills).unexplained.len(), 1);
    let kills = [gateway_killed(15, 0), gateway_killed(25, 4)];
    assert!(judge(&sent, &deliveries, &kills).is_kept());
}

#[test]
fn a_kill_explains_one_repetition_only() {
    let sent = sent();
    let mut deliveries = well(&sent);
    deliveries.push(in_tenure(2, delivery(&sent[4], 30, 31)));
    deliveries.push(in_tenure(2, delivery(&sent[4], 32, 33)));
    let verdict = judge(&sent, &deliveries, &[gateway_killed(25, 0)]);
    assert_eq!((verdict.duplicated, verdict.unexplained.len()), (1, 1));
}

#[test]
fn a_services_kill_explains_its_own_last_answers_and_nothing_else() {
    let sent = sent();
    let mut deliveries = well(&sent);
    deliveries.push(Delivery { instance: 1, ..delivery(&sent[4], 2_000, 2_001) });
    let judged = |instance, at| {
        judge(&sent, &deliveries, &[Kill::Service { instance, at: at * MS }]).unexplained.len()
    };
    assert_eq!(judged(0, 20), 0);
    assert_eq!(judged(1, 20), 1, "another service was killed");
    assert_eq!(judged(0, 1_500), 1, "the answer was out long before");
    assert_eq!(judged(0, 2_500), 1, "killed after both");
}

#[test]
fn a_later_record_of_a_key_that_is_accepted_first_is_out_of_order() {
    let sent = sent();
    let mut deliveries = well(&sent);
    deliveries[1] = delivery(&sent[1], 30, 31);
    let verdict = judge(&sent, &deliveries, &[]);
    assert_eq!((&verdict.out_of_order[..], verdict.overlapping.len()), (&[4][..], 0));
    assert!(!verdict.is_kept());
}

#[test]
fn records_of_different_keys_and_without_a_key_have_no_order() {
    let sent = sent();
    let mut deliveries = well(&sent);
    deliveries[2] = delivery(&sent[2], 30, 31);
    deliveries[3] = delivery(&sent[3], 40, 41);
    assert!(judge(&sent, &deliveries, &[]).is_kept());
}

#[test]
fn a_record_that_comes_again_is_not_out_of_order_by_that() {
    let sent = sent();
    let mut deliveries = well(&sent);
    deliveries.push(in_tenure(2, delivery(&sent[0], 30, 31)));
    assert!(judge(&sent, &deliveries, &[gateway_killed(25, 0)]).is_kept());
}

#[test]
fn records_that_reached_kafka_in_another_order_than_the_inputs_are_out_of_order() {
    let mut sent = sent();
    (sent[0].place.offset, sent[1].place.offset) = (1, 0);
    let mut deliveries = well(&sent);
    deliveries[0] = delivery(&sent[0], 12, 13);
    deliveries[1] = delivery(&sent[1], 10, 11);
    assert_eq!(judge(&sent, &deliveries, &[]).out_of_order.len(), 1);
}

#[test]
fn two_deliveries_of_a_key_at_the_same_time_overlap() {
    let sent = sent();
    let mut deliveries = well(&sent);
    deliveries[1] = Delivery { instance: 1, ..delivery(&sent[1], 10, 12) };
    let verdict = judge(&sent, &deliveries, &[]);
    assert_eq!((&verdict.overlapping[..], verdict.out_of_order.len()), (&[1][..], 0));
    assert!(!verdict.is_kept());
    deliveries[1].what.tenure = 2;
    assert_eq!(judge(&sent, &deliveries, &[]).overlapping.len(), 0, "tenures are apart");
}

#[test]
fn a_record_without_a_key_overlaps_with_itself_only() {
    let sent = sent();
    let mut deliveries = well(&sent);
    deliveries.push(delivery(&sent[3], 16, 18));
    assert_eq!(judge(&sent, &deliveries, &[]).overlapping.len(), 1);
}

#[test]
fn an_unanswered_delivery_is_at_work_until_its_service_is_killed() {
    let sent = sent();
    let mut deliveries = well(&sent);
    let mut unanswered = delivery(&sent[0], 5, 0);
    unanswered.ended = None;
    deliveries.push(unanswered);
    let killed = |at| [Kill::Service { instance: 0, at: at * MS }];
    assert_eq!(judge(&sent, &deliveries, &killed(9)).overlapping.len(), 0);
    assert_eq!(judge(&sent, &deliveries, &killed(11)).overlapping.len(), 1);
    assert_eq!(
        judge(&sent, &deliveries, &[]).overlapping.len(),
        3,
        "still at work for all we know"
    );
}

#[test]
fn time_counts_as_a_stop_only_while_a_record_waits() {
    let sent = sent();
    let mut deliveries = well(&sent);
    let mut later = sent.clone();
    later[4].acknowledged = 5_000 * MS;
    deliveries[4] = delivery(&sent[4], 5_003, 5_004);
    assert_eq!(judge(&later, &deliveries, &[]).longest_stop.length, 11 * MS);
    deliveries[4] = delivery(&sent[4], 5_019, 5_020);
    let stop = Stop { length: 20 * MS, began: 5_000 * MS };
    assert_eq!(judge(&later, &deliveries, &[]).longest_stop, stop);
}

/// The reason why the last of these, another delivery of record 4, came.
fn why(change: impl FnOnce(&mut Delivery, &mut Delivery), kills: &[Kill]) -> Reason {
    let sent = sent();
    let mut deliveries = well(&sent);
    let mut next = delivery(&sent[4], 60_000, 60_001);
    next.what.attempt = 2;
    change(&mut deliveries[4], &mut next);
    deliveries.push(next);
    let verdict = judge(&sent, &deliveries, kills);
    let mut reasons = verdict.repeated.iter();
    let (reason, count) = reasons.next().expect("it came twice");
    assert_eq!((*count, reasons.next(), verdict.foreign.len()), (1, None, 0));
    assert_eq!(*reason == Reason::Unexplained, verdict.unexplained.len() == 1);
    *reason
}

fn answered(delivery: &mut Delivery, answered: Answered) {
    delivery.ended = ended(19, answered);
}

#[test]
fn a_delivery_after_a_failure_is_a_retry() {
    for status in [503, 400, 302] {
        let reason = why(|one, _| answered(one, Answered::status(status)), &[]);
        assert_eq!(reason, Reason::Failure, "{status}");
    }
    let verdict = Some("retry".to_owned());
    let said = Answered::Whole { status: 200, verdict };
    assert_eq!(why(|one, _| answered(one, said), &[]), Reason::Failure);
}

#[test]
fn a_delivery_after_an_answer_that_nobody_can_know_is_explained() {
    assert_eq!(why(|one, _| answered(one, Answered::broken("hang")), &[]), Reason::UnknownAnswer);
    let untold = |one: &mut Delivery, _: &mut Delivery| {
        one.ended.as_mut().expect("it was").told = false;
    };
    assert_eq!(why(untold, &[]), Reason::UnknownAnswer);
}

#[test]
fn an_accept_near_its_deadline_may_have_come_too_late_and_an_early_one_did_not() {
    let within = |timeout_ms| {
        move |one: &mut Delivery, _: &mut Delivery| {
            one.what.timeout_ms = Some(timeout_ms);
            let at = one.started / MS + 900;
            one.ended = ended(at, Answered::status(200));
        }
    };
    assert_eq!(why(within(1_000), &[]), Reason::UnknownAnswer);
    assert_eq!(why(within(100_000), &[]), Reason::Unexplained);
}

#[test]
fn what_never_ended_comes_again_after_its_deadline_and_not_before() {
    let unended = |timeout_ms| {
        move |one: &mut Delivery, _: &mut Delivery| {
            one.what.timeout_ms = Some(timeout_ms);
            one.ended = None;
        }
    };
    assert_eq!(why(unended(30_000), &[]), Reason::UnknownAnswer);
    assert_eq!(why(unended(90_000), &[]), Reason::Unexplained);
    assert_eq!(why(|one, _| one.ended = None, &[]), Reason::Unexplained);
}

#[test]
fn a_new_tenure_explains_what_was_in_flight_and_what_was_not_committed() {
    let in_flight = |one: &mut Delivery, next: &mut Delivery| {
        one.ended = None;
        next.what.tenure = 2;
    };
    assert_eq!(why(in_flight, &[]), Reason::NewTenure);
    let accepted = |_: &mut Delivery, next: &mut Delivery| next.what.tenure = 2;
    assert_eq!(why(accepted, &[gateway_killed(25, 4)]), Reason::NewTenure);
    assert_eq!(why(accepted, &[gateway_killed(25, 5)]), Reason::Unexplained, "committed");
    assert_eq!(why(accepted, &[]), Reason::Unexplained, "no evidence of its commit point");
}

#[test]
fn a_services_kill_is_a_reason_of_its_own() {
    let killed = [Kill::Service { instance: 0, at: 20 * MS }];
    assert_eq!(why(|one, _| one.ended = None, &killed), Reason::ServiceKilled);
    assert_eq!(why(|_, _| {}, &killed), Reason::ServiceKilled);
    assert_eq!(why(|_, _| {}, &[]), Reason::Unexplained);
}

#[test]
fn each_of_many_deliveries_has_its_own_reason() {
    let sent = sent();
    let mut deliveries = well(&sent);
    answered(&mut deliveries[4], Answered::status(500));
    let mut second = delivery(&sent[4], 30, 0);
    second.ended = ended(31, Answered::broken("close"));
    deliveries.extend([second, delivery(&sent[4], 40, 41), delivery(&sent[4], 50, 51)]);
    let verdict = judge(&sent, &deliveries, &[]);
    let reasons = [Reason::Failure, Reason::UnknownAnswer, Reason::Unexplained];
    assert_eq!(reasons.map(|reason| verdict.repeated(reason)), [1, 1, 1]);
    assert_eq!((verdict.duplicated, verdict.overlapping.len()), (1, 0));
}

#[test]
fn after_its_deadline_a_delivery_is_not_at_work_for_its_lane() {
    let sent = sent();
    let overlapping = |timeout_ms| {
        let mut deliveries = well(&sent);
        deliveries[0].what.timeout_ms = timeout_ms;
        // It is still at work when the next one of its key begins, at 12 ms.
        deliveries[0].ended = ended(500, Answered::status(200));
        judge(&sent, &deliveries, &[]).overlapping.len()
    };
    assert_eq!(overlapping(Some(2)), 0);
    assert_eq!(overlapping(Some(3)), 1);
    assert_eq!(overlapping(None), 2);
}

#[test]
fn an_excused_record_is_neither_lost_nor_out_of_order() {
    let sent = sent();
    let excused = BTreeSet::from([sent[1].place.clone()]);
    let mut deliveries = well(&sent);
    let judged = |deliveries: &[Delivery]| {
        let verdict = Evidence::new(&sent, deliveries).excused(&excused).judge();
        (verdict.lost.len(), verdict.excused, verdict.out_of_order.len(), verdict.is_kept())
    };
    // Dead-lettered, and sent back long after.
    deliveries[1] = delivery(&sent[1], 500, 501);
    assert_eq!(judged(&deliveries), (0, 0, 0, true));
    answered(&mut deliveries[1], Answered::status(400));
    assert_eq!(judged(&deliveries), (0, 1, 0, true));
    answered(&mut deliveries[2], Answered::status(400));
    assert_eq!(judged(&deliveries), (1, 1, 0, false), "excused is who is on the list");
}

#[test]
fn a_broken_verdict_tells_what_is_wrong_and_where() {
    let sent = sent();
    let mut deliveries = well(&sent);
    deliveries[2].ended = None;
    deliveries[1] = delivery(&sent[1], 30, 31);
    deliveries.push(delivery(&sent[3], 50, 51));
    deliveries[0].what.offset = 77;
    let evidence = Evidence::new(&sent, &deliveries);
    let verdict = evidence.judge();
    let told = evidence.told(&verdict).to_string();
    for words in [
        "5 records, 3 delivered",
        "lost: 2\n  offset 0 of partition 0 of flights, key N1\n",
        "out of order: 1\n  offset 4 of partition 0",
        "; before it: offset",
        "answered 200 at 31",
        "foreign: 1\n  offset 77 of partition 0",
        "repeated without a reason: 1\n  offset 3 of partition 0",
    ] {
        assert!(told.contains(words), "`{words}` is not in:\n{told}");
    }
    let kept = well(&sent);
    assert_eq!(Evidence::new(&sent, &kept).assert_kept().delivered, 5);
    assert!(std::panic::catch_unwind(|| evidence.assert_kept()).is_err());
}

fn committed(tenure: i64, offset: i64, beyond: &[i64]) -> Committed {
    let beyond = beyond.iter().copied().collect();
    Committed { topic: "flights".to_owned(), partition: 0, tenure, offset, beyond }
}

/// The reason for which record 1, accepted in tenure 1, comes again in tenure 3.
fn why_by(commits: &[Committed]) -> Reason {
    let sent = sent();
    let mut deliveries = well(&sent);
    deliveries.push(in_tenure(3, delivery(&sent[1], 5_000, 5_001)));
    let kills = [gateway_killed(4_000, 0)];
    let verdict = Evidence::new(&sent, &deliveries).kills(&kills).commits(commits).judge();
    let (reason, count) = verdict.repeated.first_key_value().expect("a repetition");
    assert_eq!((verdict.repeated.len(), *count), (1, 1));
    *reason
}

#[test]
fn a_new_tenure_repeats_only_what_the_last_commit_before_it_does_not_cover() {
    for open in [&[][..], &[committed(1, 1, &[])], &[committed(1, 0, &[0, 2, 3])]] {
        assert_eq!(why_by(open), Reason::NewTenure, "{open:?}");
    }
    for covers in [committed(1, 2, &[]), committed(1, 0, &[1])] {
        assert_eq!(why_by(&[committed(1, 1, &[]), covers]), Reason::Unexplained);
    }
    let back = [committed(1, 5, &[]), committed(2, 1, &[])];
    assert_eq!(why_by(&back), Reason::NewTenure, "the newest commit is what the owner found");
    let later = [committed(1, 1, &[]), committed(3, 1, &[]), committed(3, 5, &[])];
    assert_eq!(why_by(&later), Reason::NewTenure, "its own commits came too late for it");
    let foreign = Committed { partition: 1, ..committed(1, 5, &[]) };
    assert_eq!(why_by(&[foreign]), Reason::NewTenure);
}

#[test]
fn what_was_refused_is_counted_and_explains_nothing_else() {
    let sent = sent();
    let mut deliveries = well(&sent);
    let mut refused = delivery(&sent[1], 30, 31);
    refused.ended = ended(31, Answered::Refused { by: "an older tenure".to_owned() });
    deliveries.push(refused);
    let verdict = judge(&sent, &deliveries, &[]);
    assert_eq!(verdict.repeated, BTreeMap::from([(Reason::Refused, 1)]));
    assert!(verdict.is_kept());
    deliveries.push(delivery(&sent[1], 40, 41));
    let verdict = judge(&sent, &deliveries, &[]);
    assert_eq!(verdict.repeated(Reason::Unexplained), 1, "the accept before it still counts");
}

#[test]
fn across_tenures_a_key_overlaps_unless_one_of_the_two_was_refused() {
    let sent = sent();
    let mut deliveries = well(&sent);
    deliveries[0] = delivery(&sent[0], 10, 100);
    deliveries[1] = in_tenure(2, delivery(&sent[1], 50, 60));
    for (number, delivery) in deliveries.iter_mut().enumerate().skip(2) {
        *delivery = in_tenure(2, self::delivery(&sent[number], 200 + 10 * number as u64, 201));
    }
    let across = |deliveries: &[Delivery]| {
        Evidence::new(&sent, deliveries).across_tenures().judge().overlapping
    };
    let overlapping = judge(&sent, &deliveries, &[]).overlapping;
    assert!(overlapping.is_empty(), "each tenure on its own is fine");
    assert_eq!(across(&deliveries), [1]);
    deliveries[0].ended = ended(100, Answered::Refused { by: "an older tenure".to_owned() });
    assert!(across(&deliveries).is_empty());
}
