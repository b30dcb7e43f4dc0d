//! Seconds of steady traffic, and a service that fails a part of it.
//!
//! The services here answer in whole milliseconds and in the order that each test says; races
//! between answers are the simulator's.

use super::*;

/// What a service has: each delivery, and the millisecond in which it came.
type AtWork = VecDeque<(u64, Delivery<i64>)>;

/// A service as it is played, one millisecond after another.
trait Service {
    /// Takes out what it has done with, and says what became of it.
    fn answers(&mut self, at_work: &mut AtWork, millis: u64) -> Vec<(Delivery<i64>, Verdict)>;

    /// Whether it refuses connections.
    fn is_down(&self, _millis: u64) -> bool {
        false
    }
}

/// Which records there are: `written` says how many by that millisecond, of so many keys in turn.
struct Topic {
    keys: u64,
    written: fn(u64) -> i64,
}

/// As many as are asked for, each of a key of its own.
const ENDLESS: Topic = Topic { keys: u64::MAX, written: |_| i64::MAX };

/// What came of it: the counts, whether the budget is spent, and the letters in their order.
struct Played {
    counts: Counts,
    overdrawn: bool,
    letters: Vec<DeadLetter<i64>>,
}

fn play(rules: Rules, topic: &Topic, seconds: u64, service: &mut impl Service) -> Played {
    let mut it = with(rules);
    let (mut at_work, mut letters) = (AtWork::new(), vec![]);
    let (mut open, mut next) = (None, 0);
    for millis in 1..seconds * 1_000 {
        let now = at(millis);
        for (delivery, verdict) in service.answers(&mut at_work, millis) {
            answer(&mut it, &delivery, verdict, now);
        }
        let end = (topic.written)(millis);
        if let Some((tenure, room)) = open.take_if(|_| next < end) {
            let offsets = next..end.min(next + room as i64);
            next = offsets.end;
            let records = offsets.map(|offset| record(offset, offset as u64 % topic.keys));
            it.handle(Input::Fetched { partition: P0, tenure, records: records.collect() }, now);
        }
        while let Some(output) = it.poll(now) {
            match output {
                Output::Deliver(delivery) => at_work.push_back((millis, delivery)),
                Output::DeadLetter(letter) => {
                    written(&mut it, &letter, true, now);
                    letters.push(letter);
                }
                Output::Fetch { tenure, records, .. } => open = Some((tenure, records)),
                Output::Commit { point, state: CommitState { tenure, .. }, .. } => {
                    it.handle(Input::Committed { partition: P0, tenure, point }, now);
                }
                Output::Check { endpoint } => {
                    let fault = service.is_down(millis).then_some(TargetFault::Refused);
                    it.handle(Input::Checked { endpoint, asked: now, fault }, now);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let view = it.view();
    Played { counts: view.counts, overdrawn: view.hold.overdrawn, letters }
}

fn record(offset: i64, key: u64) -> Record<i64> {
    let past = Past::default();
    Record { offset: Offset(offset), key: Some(key), bytes: 10, past, payload: offset }
}

/// Answers within a millisecond; rejects these keys at that millisecond and accepts all else.
struct Rejecting<F>(F);

impl<F: Fn(u64, u64) -> bool> Service for Rejecting<F> {
    fn answers(&mut self, at_work: &mut AtWork, millis: u64) -> Vec<(Delivery<i64>, Verdict)> {
        let verdict = |delivery: &Delivery<i64>| match self.0(delivery.payload as u64 % 100, millis)
        {
            true => REJECTED,
            false => Verdict::Accept,
        };
        at_work.drain(..).map(|(_, delivery)| (delivery.clone(), verdict(&delivery))).collect()
    }
}

/// A record comes each millisecond, of a hundred keys in turn.
fn ten_seconds_of_rejecting(bad: impl Fn(u64, u64) -> bool) -> Played {
    let most = Duration::from_millis(50);
    let rules = Rules {
        records_max: 1_000,
        bytes_max: 100_000,
        in_flight: 64,
        in_flight_max: 256,
        backoff: Backoff { first: most / 5, most },
        ..rules()
    };
    let topic = Topic { keys: 100, written: |millis| millis as i64 };
    play(rules, &topic, 10, &mut Rejecting(bad))
}

#[test]
fn a_key_that_is_always_rejected_does_not_hold_a_target_that_is_well() {
    let Played { counts, letters, .. } = ten_seconds_of_rejecting(|key, _| key == 0);
    assert!(counts.accepted > 9_000, "{counts:?}");
    assert!(!letters.is_empty());
}

#[test]
fn a_third_of_all_keys_rejected_spends_the_budget() {
    let bad = |key, millis| key % 3 == 0 && millis > 2_000;
    let Played { counts, letters, overdrawn } = ten_seconds_of_rejecting(bad);
    assert!(overdrawn, "{counts:?}");
    assert!(letters.len() as u64 <= counts.accepted / 100 + 20, "{counts:?}");
}

/// Works so long on each record. Record 50 breaks it each time that it is done with, with whatever
/// else is at work; then it is away for a while.
struct Breaking {
    work: u64,
    away: u64,
    up_at: u64,
    breaks: u32,
}

impl Breaking {
    fn new(work: u64, away: u64) -> Self {
        Self { work, away, up_at: 0, breaks: 0 }
    }
}

impl Service for Breaking {
    fn answers(&mut self, at_work: &mut AtWork, millis: u64) -> Vec<(Delivery<i64>, Verdict)> {
        let done = |(came, _): &(u64, Delivery<i64>)| came + self.work <= millis;
        let breaks = at_work.iter().any(|it| it.1.payload == 50 && done(it));
        let verdict = match () {
            () if self.is_down(millis) => REFUSED,
            () if breaks => LOST,
            () => {
                let (ended, rest) = at_work.drain(..).partition::<Vec<_>, _>(done);
                at_work.extend(rest);
                return ended.into_iter().map(|it| (it.1, Verdict::Accept)).collect();
            }
        };
        if verdict == LOST {
            self.breaks += 1;
            self.up_at = millis + self.away;
        }
        at_work.drain(..).map(|(_, delivery)| (delivery, verdict)).collect()
    }

    fn is_down(&self, millis: u64) -> bool {
        millis < self.up_at
    }
}

fn breaking_rules(in_flight: usize) -> Rules {
    Rules {
        records_max: 10_000,
        bytes_max: 1_000_000,
        in_flight,
        in_flight_max: in_flight,
        deadline: Duration::from_secs(2),
        grace: Duration::from_millis(100),
        ..rules()
    }
}

fn letters(played: &Played) -> Vec<(i64, u32)> {
    played.letters.iter().map(|letter| (letter.payload, letter.charged)).collect()
}

#[test]
fn a_record_that_breaks_its_service_goes_again_when_others_were_served() {
    let rules = Rules { rate_max: Some(200), ..breaking_rules(256) };
    let mut service = Breaking::new(0, 500);
    assert_eq!(letters(&play(rules, &ENDLESS, 40, &mut service)), [(50, 3)]);
    assert_eq!(service.breaks, 3, "each is one of its three attempts");
}

#[test]
fn a_record_that_breaks_its_service_has_nobody_given_up_with_it() {
    let mut service = Breaking::new(20, 5_000);
    let played = play(breaking_rules(16), &ENDLESS, 20, &mut service);
    assert_eq!(letters(&played), [(50, 3)]);
    assert_eq!(service.breaks, 3);
}

#[test]
fn hundreds_in_flight_do_not_hide_the_record_that_breaks_their_service() {
    let mut service = Breaking::new(20, 500);
    let played = play(breaking_rules(256), &ENDLESS, 12, &mut service);
    assert_eq!(letters(&played), [(50, 3)]);
    assert!(service.breaks <= 3 + 2, "{}: it is suspect from its second on", service.breaks);
}

/// Takes 5,000 a second and accepts them after ten milliseconds; what comes in these milliseconds
/// is rejected, while what came before is still at work.
struct RejectingAll(core::ops::Range<u64>);

impl Service for RejectingAll {
    fn answers(&mut self, at_work: &mut AtWork, millis: u64) -> Vec<(Delivery<i64>, Verdict)> {
        let (mut answers, mut done) = (vec![], 0);
        at_work.retain(|(came, delivery)| {
            let rejects = self.0.contains(came);
            let accepts = !rejects && done < 5 && came + 10 <= millis;
            done += usize::from(accepts);
            if rejects || accepts {
                let verdict = if rejects { REJECTED } else { Verdict::Accept };
                answers.push((delivery.clone(), verdict));
            }
            !rejects && !accepts
        });
        answers
    }
}

#[test]
fn what_a_service_that_rejects_everything_is_probed_with_is_not_given_up() {
    let (records_max, bytes_max) = (20_000, 1_000_000);
    let (in_flight, in_flight_max) = (256, 4_096);
    let rules = Rules { records_max, bytes_max, in_flight, in_flight_max, ..rules() };
    let Played { counts, letters, .. } = play(rules, &ENDLESS, 10, &mut RejectingAll(2_000..5_000));
    assert!(counts.settled > 20_000, "{counts:?}");
    assert!(letters.is_empty(), "{}", letters.len());
}
