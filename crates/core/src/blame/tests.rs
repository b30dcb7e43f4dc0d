use super::*;
use crate::verdict::{TargetFault, UnknownCause};

const WAIT: Option<Duration> = Some(Duration::from_secs(600));
const FAILED: Verdict = Verdict::Retry { said: false, after: None };
const ONE: EndpointId = EndpointId(1);
const TWO: EndpointId = EndpointId(2);

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

/// A failure of lane 0 at endpoint 1, answered at 100 ms.
fn failure() -> Unblamed {
    let (answered, first) = (at(100), at(100));
    Unblamed { lane: LaneName(0), endpoint: ONE, elsewhere: false, answered, first }
}

/// One exchange of a lane, sent at `sent` ms and answered 5 ms later.
fn exchange(blame: &mut Blame, lane: u64, endpoint: EndpointId, sent: u64, verdict: Verdict) {
    blame.sent(LaneName(lane), at(sent));
    blame.answered(LaneName(lane), endpoint, at(sent), verdict, at(sent + 5));
}

fn charged(blame: &Blame, failure: &Unblamed, now: u64) -> bool {
    blame.charges(failure, WAIT, at(now), Planted::NONE)
}

#[test]
fn nothing_known_charges_nothing() {
    assert!(!charged(&Blame::new(), &failure(), 200));
}

#[test]
fn an_accept_that_was_sent_before_the_failure_is_no_evidence() {
    let mut blame = Blame::new();
    blame.answered(LaneName(1), ONE, at(99), Verdict::Accept, at(150));
    assert!(!charged(&blame, &failure(), 200));
    exchange(&mut blame, 2, ONE, 100, Verdict::Accept);
    assert!(charged(&blame, &failure(), 200));
}

#[test]
fn more_than_half_must_be_accepted() {
    let mut blame = Blame::new();
    exchange(&mut blame, 1, ONE, 101, Verdict::Accept);
    exchange(&mut blame, 2, ONE, 102, Verdict::BackPressure { after: None });
    assert!(!charged(&blame, &failure(), 200), "half is not more than half");
    exchange(&mut blame, 3, ONE, 103, Verdict::Accept);
    assert!(charged(&blame, &failure(), 200));
    exchange(&mut blame, 1, ONE, 104, FAILED);
    assert!(!charged(&blame, &failure(), 200), "a lane counts by its latest answer");
}

#[test]
fn only_the_endpoint_that_failed_is_evidence_until_a_second_one_failed() {
    let mut blame = Blame::new();
    exchange(&mut blame, 1, ONE, 101, Verdict::Accept);
    exchange(&mut blame, 2, ONE, 102, FAILED);
    exchange(&mut blame, 3, TWO, 103, Verdict::Accept);
    assert!(!charged(&blame, &failure(), 200));
    assert!(charged(&blame, &Unblamed { elsewhere: true, ..failure() }, 200));
}

#[test]
fn an_endpoint_that_accepts_nothing_charges_nothing_though_others_are_well() {
    let mut blame = Blame::new();
    let at_two = Unblamed { elsewhere: true, ..failure() };
    exchange(&mut blame, 1, ONE, 99, Verdict::Accept);
    for lane in 2..12 {
        exchange(&mut blame, lane, TWO, 100 + lane, Verdict::Accept);
    }
    assert!(!charged(&blame, &at_two, 200), "it was well before the failure only");
    assert!(!blame.doubts_endpoint(&at_two, Planted::NONE), "nothing is known of it");
    exchange(&mut blame, 12, ONE, 112, Verdict::Reject { said: false });
    assert!(!charged(&blame, &at_two, 200), "as broken as the other one may be");
    assert!(blame.doubts_endpoint(&at_two, Planted::NONE));
    exchange(&mut blame, 13, ONE, 113, Verdict::Accept);
    assert!(charged(&blame, &at_two, 200));
    assert!(!blame.doubts_endpoint(&at_two, Planted::NONE));
}

#[test]
fn a_record_that_is_poison_everywhere_is_charged_wherever_it_fails() {
    let mut blame = Blame::new();
    for lane in 1..9 {
        let endpoint = if lane % 2 == 0 { ONE } else { TWO };
        exchange(&mut blame, lane, endpoint, 100 + lane, Verdict::Accept);
    }
    for endpoint in [ONE, TWO] {
        for elsewhere in [false, true] {
            assert!(charged(&blame, &Unblamed { endpoint, elsewhere, ..failure() }, 200));
        }
    }
}

#[test]
fn the_lane_itself_is_no_witness() {
    let mut blame = Blame::new();
    exchange(&mut blame, 0, ONE, 101, Verdict::Accept);
    assert!(!charged(&blame, &failure(), 200));
}

#[test]
fn what_the_service_said_is_no_evidence() {
    let mut blame = Blame::new();
    exchange(&mut blame, 1, ONE, 101, Verdict::Reject { said: true });
    assert!(!blame.target_fails());
    exchange(&mut blame, 2, ONE, 102, Verdict::Reject { said: false });
    assert!(blame.target_fails());
}

#[test]
fn the_target_fails_where_more_than_half_of_the_recent_answers_do() {
    let mut blame = Blame::new();
    for lane in 0..50 {
        exchange(&mut blame, lane, ONE, lane, Verdict::Unknown(UnknownCause::Deadline));
        exchange(&mut blame, 100 + lane, ONE, lane, Verdict::Accept);
    }
    assert!(!blame.target_fails(), "half is not more than half");
    exchange(&mut blame, 200, ONE, 300, FAILED);
    assert!(!blame.target_fails(), "the oldest, a failure, made room");
    exchange(&mut blame, 201, ONE, 301, FAILED);
    assert!(blame.target_fails());
    for lane in 0..100 {
        let verdict = match lane % 2 {
            0 => Verdict::BackPressure { after: None },
            _ => Verdict::TargetFault(TargetFault::Connect),
        };
        exchange(&mut blame, 300 + lane, ONE, 400, verdict);
    }
    assert!(!blame.target_fails(), "back-pressure and suspended endpoints are no failures");
}

#[test]
fn a_target_that_became_well_is_not_judged_by_its_first_failure() {
    let mut blame = Blame::new();
    exchange(&mut blame, 1, ONE, 0, FAILED);
    assert!(blame.target_fails(), "at the beginning one is all that is known");
    exchange(&mut blame, 2, ONE, 1, Verdict::Accept);
    blame.forget();
    for sent in 2..11 {
        exchange(&mut blame, sent, ONE, sent, FAILED);
        assert!(!blame.target_fails(), "{sent}");
    }
    exchange(&mut blame, 11, ONE, 11, FAILED);
    assert!(blame.target_fails());
}

#[test]
fn one_lane_that_fails_for_ever_is_one_failure() {
    let mut blame = Blame::new();
    exchange(&mut blame, 1, ONE, 0, Verdict::Accept);
    for sent in 1..50 {
        exchange(&mut blame, 0, ONE, sent, FAILED);
    }
    assert!(!blame.target_fails());
}

#[test]
fn a_record_alone_is_charged_after_the_wait() {
    let mut blame = Blame::new();
    exchange(&mut blame, 0, ONE, 95, FAILED);
    assert!(!charged(&blame, &failure(), 600_099));
    assert!(charged(&blame, &failure(), 600_100));
    assert!(!blame.charges(&failure(), None, at(9_000_000), Planted::NONE), "never is never");
}

#[test]
fn after_the_wait_a_record_among_others_is_charged_only_if_something_was_accepted() {
    let mut blame = Blame::new();
    exchange(&mut blame, 1, ONE, 101, FAILED);
    assert!(!charged(&blame, &failure(), 700_000));
    exchange(&mut blame, 2, TWO, 102, Verdict::Accept);
    assert!(charged(&blame, &failure(), 700_000));
}

#[test]
fn no_wait_charges_at_once() {
    let charges = Blame::new().charges(&failure(), Some(Duration::ZERO), at(100), Planted::NONE);
    assert!(charges);
}
