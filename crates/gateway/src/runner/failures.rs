//! When it is said that an endpoint fails: once as it begins, and not again before it was well for
//! a while; of all endpoints a line a second at most. And what the last failure was.
//!
//! An endpoint that fails for one key and accepts the rest is told of as well: whose fault it is,
//! is not judged here.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_core::{Answer, EndpointId, Instant, UnknownCause, Verdict};

use super::leaving::last;

/// An endpoint that did not fail for so long is well again.
const WELL_AFTER: Duration = Duration::from_secs(300);
const BETWEEN_LINES: Duration = Duration::from_secs(1);
/// Of a reason, which may be a page of HTML, so much is shown.
const REASON_CHARS: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Endpoints that failed lately.
    failing: BTreeMap<EndpointId, Failing>,
    said: Option<Instant>,
    last: Option<Failure>,
}

#[derive(Debug)]
struct Failing {
    last: Instant,
    said: bool,
}

/// How a delivery failed, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) endpoint: EndpointId,
    pub(super) words: String,
}

impl Failures {
    /// Whether an answer is an endpoint's failure at all. What was given up, or could not even be
    /// sent, says nothing of the endpoint.
    pub(super) fn is_one(answer: &Answer) -> bool {
        match answer.verdict {
            Verdict::Accept | Verdict::Unknown(UnknownCause::Abandoned) => false,
            Verdict::Reject { .. } => answer.status.is_some(),
            _ => true,
        }
    }

    /// An endpoint failed; gives what is to be said of it, if anything.
    pub(super) fn heard(
        &mut self,
        endpoint: EndpointId,
        answer: &Answer,
        now: Instant,
    ) -> Option<&Failure> {
        self.failing.retain(|_, failing| now.since(failing.last) < WELL_AFTER);
        let failing = self.failing.entry(endpoint).or_insert(Failing { last: now, said: false });
        failing.last = now;
        let reason = answer.reason.as_deref().map(first_words);
        let words = last(answer.verdict, answer.status, reason.as_deref());
        self.last = Some(Failure { endpoint, words });
        let may_say = self.said.is_none_or(|said| now.since(said) >= BETWEEN_LINES);
        if failing.said || !may_say {
            return None;
        }
        failing.said = true;
        self.said = Some(now);
        self.last.as_ref()
    }

    pub(super) fn last(&self) -> Option<&Failure> {
        self.last.as_ref()
    }
}

/// The beginning of a reason, in one line.
fn first_words(reason: &str) -> String {
    let mut words = String::new();
    for word in reason.split(|char: char| char.is_whitespace() || char.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
        if let Some((end, _)) = words.char_indices().nth(REASON_CHARS) {
            words.truncate(end);
            words.push('…');
            break;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: EndpointId = EndpointId(1);
    const OTHER: EndpointId = EndpointId(2);

    fn answer(status: u16, reason: &str) -> Answer {
        let verdict = Verdict::Retry { said: false, after: None };
        Answer { verdict, status: Some(status), reason: Some(reason.into()) }
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn is_said(failures: &mut Failures, endpoint: EndpointId, now: Instant) -> bool {
        failures.heard(endpoint, &answer(500, "no"), now).is_some()
    }

    #[test]
    fn an_endpoint_that_goes_on_failing_is_told_of_once() {
        let mut failures = Failures::default();
        let said = failures.heard(ONE, &answer(500, "no\r\n  stock"), at(0)).unwrap();
        assert_eq!(said.words, "500 (no stock)");
        for seconds in 1..1_000 {
            assert!(!is_said(&mut failures, ONE, at(seconds)), "after {seconds} s");
        }
    }

    #[test]
    fn an_endpoint_that_was_well_for_a_while_is_told_of_again() {
        let mut failures = Failures::default();
        assert!(is_said(&mut failures, ONE, at(0)));
        assert!(!is_said(&mut failures, ONE, at(WELL_AFTER.as_secs() - 1)));
        assert!(is_said(&mut failures, ONE, at(2 * WELL_AFTER.as_secs())));
    }

    #[test]
    fn of_many_endpoints_each_is_told_of_in_its_turn() {
        let mut failures = Failures::default();
        assert!(is_said(&mut failures, ONE, at(5)));
        assert!(!is_said(&mut failures, OTHER, at(5)), "a second has one line");
        assert!(is_said(&mut failures, OTHER, at(6)));
        assert!(!is_said(&mut failures, OTHER, at(7)));
    }

    #[test]
    fn what_says_nothing_of_an_endpoint_is_none_of_its_failures() {
        assert!(!Failures::is_one(&Answer::accepted(200)));
        assert!(Failures::is_one(&Answer::overdue()));
        let answered = |verdict, status| Answer { verdict, status, reason: None };
        let rejected = Verdict::Reject { said: true };
        assert!(Failures::is_one(&answered(rejected, Some(422))));
        assert!(!Failures::is_one(&answered(rejected, None)), "it was not sent");
        assert!(!Failures::is_one(&answered(Verdict::Unknown(UnknownCause::Abandoned), None)));
    }

    #[test]
    fn of_a_long_reason_the_beginning_is_shown() {
        assert_eq!(first_words(" a\tb\u{1b}c "), "a b c");
        let long = first_words(&"é".repeat(10_000));
        assert_eq!(long.chars().count(), REASON_CHARS + 1);
        assert!(long.ends_with('…'));
    }
}
