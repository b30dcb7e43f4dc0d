//! What a scenario found: figures with what is wanted of them, and words.

use std::time::Duration;

use forebay_trial::{Delivery, figures};

/// A scenario's result.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) figures: Vec<Figure>,
    /// What the gateway says of itself, and what a figure can't.
    pub(crate) words: Vec<String>,
    /// Nothing lost, out of order, overlapping or repeated without a reason.
    pub(crate) kept: bool,
}

pub(crate) struct Figure {
    pub(crate) name: &'static str,
    /// None for what did not come about.
    pub(crate) value: Option<f64>,
    pub(crate) wanted: Option<Wanted>,
}

#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

impl Wanted {
    fn is_met(self, value: Option<f64>) -> bool {
        match self {
            Self::AtLeast(least) => value.is_some_and(|value| value >= least),
            Self::AtMost(most) => value.is_some_and(|value| value <= most),
        }
    }
}

impl Figure {
    pub(crate) fn is_met(&self) -> bool {
        self.wanted.is_none_or(|wanted| wanted.is_met(self.value))
    }
}

impl Line {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, figures: Vec::new(), words: Vec::new(), kept: false }
    }

    /// A figure that is told and not judged.
    pub(crate) fn tell(&mut self, name: &'static str, value: impl Into<Option<f64>>) {
        self.figures.push(Figure { name, value: value.into(), wanted: None });
    }

    pub(crate) fn want(
        &mut self,
        name: &'static str,
        value: impl Into<Option<f64>>,
        wanted: Wanted,
    ) {
        self.figures.push(Figure { name, value: value.into(), wanted: Some(wanted) });
    }

    pub(crate) fn say(&mut self, words: impl Into<String>) {
        self.words.push(words.into());
    }

    pub(crate) fn is_met(&self) -> bool {
        self.kept && self.figures.iter().all(Figure::is_met)
    }
}

/// A window of the trial's clock.
pub(crate) type Window = std::ops::Range<u64>;

pub(crate) fn after(moment: u64, time: Duration) -> u64 {
    moment + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2)
}

/// Accepted a second, on average over the window, of those that `counts`.
pub(crate) fn throughput(
    deliveries: &[Delivery],
    window: &Window,
    counts: impl Fn(&Delivery) -> bool,
) -> f64 {
    let accepted = deliveries.iter().filter(|delivery| counts(delivery));
    let count = accepted.filter_map(Delivery::accepted).filter(|at| window.contains(at)).count();
    count as f64 / forebay_trial::clock::seconds(window.end - window.start)
}

/// Seconds from `moment` to the beginning of the first second in which so many are accepted.
pub(crate) fn until_rate(deliveries: &[Delivery], window: &Window, rate: f64) -> Option<f64> {
    const STEP: u64 = 50_000_000;
    const SECOND: u64 = 1_000_000_000;
    let mut accepted: Vec<u64> = deliveries.iter().filter_map(Delivery::accepted).collect();
    accepted.sort_unstable();
    let before = |moment: u64| accepted.partition_point(|at| *at < moment);
    let mut begins = (window.start..window.end.saturating_sub(SECOND)).step_by(STEP as usize);
    let begin = begins.find(|begin| (before(begin + SECOND) - before(*begin)) as f64 >= rate)?;
    Some(forebay_trial::clock::seconds(begin - window.start))
}

/// Milliseconds that 99 of 100 deliveries took the service, of those that began in the window.
pub(crate) fn p99_ms(deliveries: &[Delivery], window: Window) -> Option<f64> {
    let latencies = figures::Latencies::at_work(deliveries, window);
    latencies.p99().map(|time| time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_met_when_all_that_is_wanted_is_there_and_nothing_is_lost() {
        let mut line = Line::new("any");
        line.tell("unjudged", None);
        line.want("rate", 0.95, Wanted::AtLeast(0.95));
        line.want("letters", 0.0, Wanted::AtMost(0.0));
        assert!(!line.is_met(), "nobody has judged it yet");
        line.kept = true;
        assert!(line.is_met());
        line.want("recovery", None, Wanted::AtMost(5.0));
        assert!(!line.is_met(), "what never came about is not in time");
    }
}
