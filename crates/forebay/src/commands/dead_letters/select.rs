//! Which letters a command is about.

use std::collections::BTreeSet;

use forebay_wire::dead_letter::DeadLetter;

use super::topic::Letter;
use crate::cli::dead_letters::{Moment, Selection};

impl Selection {
    /// Partitions of the dead letter topic that have to be read; empty for all.
    pub(super) fn partitions(&self) -> BTreeSet<i32> {
        self.offsets.iter().map(|offset| offset.partition).collect()
    }

    /// Whether it leaves nothing out.
    pub(super) fn is_all(&self) -> bool {
        let Self { since, until, key, reason, why, status, revision, subscription, group, offsets } =
            self;
        since.is_none()
            && until.is_none()
            && why.is_none()
            && status.is_none()
            && offsets.is_empty()
            && [key, reason, revision, subscription, group].into_iter().all(Option::is_none)
    }

    pub(super) fn picks(&self, letter: &Letter) -> bool {
        let Letter { at, record, story, .. } = letter;
        (self.offsets.is_empty() || self.offsets.contains(at))
            && self.key.as_ref().is_none_or(|key| record.key() == Some(key.as_bytes()))
            && self.tells(story)
    }

    fn tells(&self, story: &DeadLetter) -> bool {
        let failed = story.last_failed.map(Moment);
        let is = |wanted: &Option<String>, given: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == given)
        };
        let reason = story.reason.as_deref().unwrap_or_default();
        self.since.is_none_or(|since| failed.is_some_and(|failed| failed >= since))
            && self.until.is_none_or(|until| failed.is_some_and(|failed| failed < until))
            && self.reason.as_ref().is_none_or(|part| reason.contains(part.as_str()))
            && self.why.is_none_or(|why| why.name() == story.why)
            && self.status.is_none_or(|status| story.status == Some(status))
            && is(&self.revision, &story.revision)
            && is(&self.subscription, &story.subscription)
            && is(&self.group, &story.group)
    }
}

#[cfg(test)]
mod tests {
    use forebay_kafka::Record;

    use super::*;
    use crate::cli::dead_letters::{Offset, Why};

    fn letter() -> Letter {
        let story = DeadLetter {
            last_failed: Some(1_000),
            why: "rejected".into(),
            status: Some(422),
            reason: Some("no such account".into()),
            revision: "v7".into(),
            subscription: "pay".into(),
            group: "payments".into(),
            ..DeadLetter::default()
        };
        let record = Record::new(12, -1, Some(b"account-7"), None, std::iter::empty());
        Letter { at: Offset { partition: 3, offset: 12 }, record, story, mark: None }
    }

    #[test]
    fn all_conditions_that_are_given_must_hold() {
        let all = Selection::default();
        assert!(all.is_all() && all.picks(&letter()));
        let matching = || Selection {
            since: Some(Moment(1_000)),
            until: Some(Moment(1_001)),
            key: Some("account-7".into()),
            reason: Some("such".into()),
            why: Some(Why::Rejected),
            status: Some(422),
            revision: Some("v7".into()),
            subscription: Some("pay".into()),
            group: Some("payments".into()),
            offsets: vec![Offset { partition: 0, offset: 12 }, letter().at],
        };
        assert!(matching().picks(&letter()) && !matching().is_all());
        for other in [
            Selection { since: Some(Moment(1_001)), ..matching() },
            Selection { until: Some(Moment(1_000)), ..matching() },
            Selection { key: Some("account".into()), ..matching() },
            Selection { reason: Some("Such".into()), ..matching() },
            Selection { why: Some(Why::Exhausted), ..matching() },
            Selection { status: Some(400), ..matching() },
            Selection { revision: Some("v8".into()), ..matching() },
            Selection { subscription: Some("payments".into()), ..matching() },
            Selection { group: Some("pay".into()), ..matching() },
            Selection { offsets: vec![Offset { partition: 0, offset: 12 }], ..matching() },
        ] {
            assert!(!other.picks(&letter()), "{other:?}");
        }
    }

    #[test]
    fn a_letter_that_never_failed_has_no_time() {
        let mut letter = letter();
        letter.story.last_failed = None;
        let since = Selection { since: Some(Moment(0)), ..Selection::default() };
        assert!(!since.picks(&letter));
    }
}
