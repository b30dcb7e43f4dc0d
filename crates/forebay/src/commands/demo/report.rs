//! What a demo comes to: one JSON object for programs, a page for people.

use std::fmt::Write;

use forebay_trial::{Delivery, Repetition, Verdict, clock};
use serde::Serialize;

use super::picture::thousands;

/// The fields are part of the interface.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) records: usize,
    pub(super) delivered: usize,
    pub(super) lost: usize,
    pub(super) duplicated: usize,
    pub(super) out_of_order: usize,
    pub(super) overlapping: usize,
    pub(super) rebalances: usize,
    pub(super) generation_before: i32,
    pub(super) generation_after: i32,
    pub(super) max_lag: i64,
    pub(super) longest_stop_ms: u64,
    pub(super) records_per_second: f64,
    pub(super) seconds: f64,
    pub(super) kept: bool,
    pub(super) parts: Vec<Part>,
    #[serde(skip)]
    pub(super) verdict: Verdict,
    #[serde(skip)]
    pub(super) title: String,
    #[serde(skip)]
    longest_stop_at: f64,
}

/// Something that was done or happened.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Part {
    /// Since the first record was sent.
    pub(super) at_seconds: f64,
    pub(super) part: String,
}

/// What the generations of the group come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Generations {
    pub(super) before: i32,
    pub(super) after: i32,
    pub(super) rebalances: usize,
}

impl Report {
    pub(super) fn new(
        title: String,
        records: usize,
        verdict: Verdict,
        generations: Generations,
        max_lag: i64,
        started: u64,
        mut parts: Vec<Part>,
    ) -> Self {
        let since = |time: u64| clock::seconds(time.saturating_sub(started));
        parts.extend(verdict.unexplained.iter().take(TOLD).map(|repetition| {
            let at_seconds = rounded(since(repetition.next.started), 1e3);
            Part { at_seconds, part: told(repetition, since) }
        }));
        let seconds = rounded(since(verdict.last_accepted), 1e3);
        let unchanged = generations.rebalances == 0 && generations.before == generations.after;
        Self {
            records,
            delivered: verdict.delivered,
            // What Kafka never took is not on its way either.
            lost: records - verdict.delivered,
            duplicated: verdict.duplicated,
            out_of_order: verdict.out_of_order.len(),
            overlapping: verdict.overlapping.len(),
            rebalances: generations.rebalances,
            generation_before: generations.before,
            generation_after: generations.after,
            max_lag,
            longest_stop_ms: verdict.longest_stop.length / 1_000_000,
            records_per_second: rounded(verdict.delivered as f64 / seconds.max(0.001), 10.0),
            seconds,
            kept: verdict.is_kept() && verdict.delivered == records && unchanged,
            parts,
            longest_stop_at: since(verdict.longest_stop.began),
            verdict,
            title,
        }
    }

    pub(super) fn json(&self) -> String {
        let mut text = serde_json::to_string(self).expect("numbers and strings are JSON");
        text.push('\n');
        text
    }

    pub(super) fn table(&self) -> String {
        let mut page = format!(
            "{}: {} records in {:.1} s, {:.0} a second\n\n",
            self.title,
            thousands(self.records),
            self.seconds,
            self.records_per_second
        );
        for part in &self.parts {
            // Writing to a string can't fail.
            let _ = writeln!(page, "  {:5.1} s  {}", part.at_seconds, part.part);
        }
        page.push('\n');
        let generations = if self.generation_before == self.generation_after {
            format!("generation {} before and after", self.generation_before)
        } else {
            format!("generation {} became {}", self.generation_before, self.generation_after)
        };
        let unexplained = match self.verdict.unexplained.len() {
            0 if self.duplicated == 0 => String::new(),
            0 => "each in flight or not yet committed at a SIGKILL".to_owned(),
            count => format!("{} of them without a reason", thousands(count)),
        };
        let stop = format!("{} ms", thousands(self.longest_stop_ms as usize));
        for (name, figure, note) in [
            ("delivered", thousands(self.delivered), String::new()),
            ("lost", thousands(self.lost), String::new()),
            ("out of order", thousands(self.out_of_order), String::new()),
            ("overlapping", thousands(self.overlapping), String::new()),
            ("rebalances", thousands(self.rebalances), generations),
            ("duplicated", thousands(self.duplicated), unexplained),
            ("most lag", thousands(self.max_lag.max(0) as usize), String::new()),
            ("longest stop", stop, format!("at {:.1} s", self.longest_stop_at)),
        ] {
            let line = format!("  {name:<13}{figure:>9}   {note}");
            let _ = writeln!(page, "{}", line.trim_end());
        }
        if !self.verdict.foreign.is_empty() {
            let foreign = thousands(self.verdict.foreign.len());
            let _ = writeln!(page, "  {foreign} deliveries were of nothing that was sent");
        }
        page.push_str(if self.kept {
            "\nEvery promise was kept, by the services' own journals.\n"
        } else {
            "\nA PROMISE WAS BROKEN, by the services' own journals.\n"
        });
        page
    }
}

/// So many repetitions without a reason are told one by one.
const TOLD: usize = 5;

fn told(repetition: &Repetition, since: impl Fn(u64) -> f64) -> String {
    let by = |delivery: &Delivery| {
        format!(
            "service {} from {:.3} s to {:.3} s in tenure {}",
            delivery.instance + 1,
            since(delivery.started),
            since(delivery.ended.as_ref().map_or(delivery.started, |ended| ended.at)),
            delivery.what.tenure
        )
    };
    let Repetition { one, next } = repetition;
    let (partition, offset) = (one.what.partition, one.what.offset);
    format!(
        "offset {offset} of partition {partition} was delivered to {}, then to {}",
        by(one),
        by(next)
    )
}

fn rounded(number: f64, steps: f64) -> f64 {
    (number * steps).round() / steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(delivered: usize, before: i32, after: i32, rebalances: usize) -> bool {
        let verdict = Verdict { delivered, ..Verdict::default() };
        let generations = Generations { before, after, rebalances };
        Report::new("test".into(), 10, verdict, generations, 0, 0, Vec::new()).kept
    }

    #[test]
    fn a_rebalance_or_a_record_that_kafka_never_took_is_a_broken_promise() {
        assert!(kept(10, 3, 3, 0));
        assert!(!kept(9, 3, 3, 0));
        assert!(!kept(10, 3, 4, 1));
        assert!(!kept(10, 3, 3, 1));
    }
}
