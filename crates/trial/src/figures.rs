//! Figures that tests state bounds on, read from deliveries and the input.
//!
//! Times are those of [`crate::clock`], in nanoseconds; a window is `from..to`.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::Duration;

use crate::delivery::{Delivery, Place};
use crate::judge::Sent;

const SECOND: u64 = 1_000_000_000;

/// How many a second, over the whole seconds of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// One number for each whole second.
    pub seconds: Vec<usize>,
}

impl Rate {
    /// Of things that happened at these times. Those outside of the window's whole seconds do not
    /// count.
    pub fn of(times: impl IntoIterator<Item = u64>, window: Range<u64>) -> Self {
        let whole = window.end.saturating_sub(window.start) / SECOND;
        let mut seconds = vec![0; usize::try_from(whole).expect("less than 584 years")];
        for time in times.into_iter().filter(|time| *time >= window.start) {
            let second = usize::try_from((time - window.start) / SECOND);
            if let Some(count) = second.ok().and_then(|second| seconds.get_mut(second)) {
                *count += 1;
            }
        }
        Self { seconds }
    }

    /// Deliveries that were accepted.
    pub fn accepted(deliveries: &[Delivery], window: Range<u64>) -> Self {
        Self::of(deliveries.iter().filter_map(Delivery::accepted), window)
    }

    /// Deliveries that came in, whatever became of them.
    pub fn offered(deliveries: &[Delivery], window: Range<u64>) -> Self {
        Self::of(deliveries.iter().map(|delivery| delivery.started), window)
    }

    /// That of the middle second, so that few odd ones do not count. 0 without a whole second.
    pub fn steady(&self) -> usize {
        let mut sorted = self.seconds.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or(0)
    }

    pub fn busiest(&self) -> usize {
        self.seconds.iter().copied().max().unwrap_or(0)
    }
}

/// Deliveries of each record.
pub fn attempts(deliveries: &[Delivery]) -> BTreeMap<Place, usize> {
    let mut attempts = BTreeMap::new();
    for delivery in deliveries {
        *attempts.entry(delivery.place()).or_default() += 1;
    }
    attempts
}

/// A time in which nothing of a partition was accepted for the first time, while it had records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standstill {
    pub topic: String,
    pub partition: i32,
    pub time: Range<u64>,
}

/// All of at least this length, by partition and then by time. One that never ended is not there:
/// its records are lost, which the judge says.
pub fn standstills(sent: &[Sent], deliveries: &[Delivery], least: Duration) -> Vec<Standstill> {
    let first = first_accepts(deliveries);
    let mut moments: BTreeMap<(&str, i32), Vec<(u64, i64)>> = BTreeMap::new();
    for Sent { place, acknowledged, .. } in sent {
        let topic = place.topic.as_str();
        let of = moments.entry((topic, place.partition)).or_default();
        let Some(accepted) = first.get(&(topic, place.partition, place.offset)) else { continue };
        of.push((*acknowledged, 1));
        of.push((*accepted, -1));
    }
    let mut found = Vec::new();
    for ((topic, partition), mut moments) in moments {
        moments.sort_unstable();
        let (mut waiting, mut since) = (0_i64, 0);
        for (at, change) in moments {
            if change < 0 && waiting > 0 && at - since >= nanoseconds(least) {
                found.push(Standstill { topic: topic.to_owned(), partition, time: since..at });
            }
            if change < 0 || waiting <= 0 {
                since = at;
            }
            waiting += change;
        }
    }
    found
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// When each record was first accepted, by topic, partition and offset.
fn first_accepts(deliveries: &[Delivery]) -> HashMap<(&str, i32, i64), u64> {
    let mut first: HashMap<_, u64> = HashMap::new();
    for delivery in deliveries {
        let Some(at) = delivery.accepted() else { continue };
        let what = &delivery.what;
        let place = (what.topic.as_str(), what.partition, what.offset);
        first.entry(place).and_modify(|first| *first = at.min(*first)).or_insert(at);
    }
    first
}

/// From a moment to the first accept after it.
pub fn first_accept_after(deliveries: &[Delivery], moment: u64) -> Option<Duration> {
    let accepted = deliveries.iter().filter_map(Delivery::accepted);
    let first = accepted.filter(|at| *at >= moment).min()?;
    Some(Duration::from_nanos(first - moment))
}

/// Times between two moments of each record, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies(Vec<u64>);

impl Latencies {
    /// From Kafka's acknowledgement to the first accept, of records acknowledged in this window.
    /// Those that were never accepted do not count; the judge finds them.
    pub fn to_accept(sent: &[Sent], deliveries: &[Delivery], window: Range<u64>) -> Self {
        let first = first_accepts(deliveries);
        let sent = sent.iter().filter(|sent| window.contains(&sent.acknowledged));
        let each = sent.filter_map(|Sent { place, acknowledged, .. }| {
            let at = first.get(&(place.topic.as_str(), place.partition, place.offset))?;
            Some(at.saturating_sub(*acknowledged))
        });
        Self::of(each)
    }

    /// From coming in to the end, of deliveries that began in this window: what the service took.
    pub fn at_work(deliveries: &[Delivery], window: Range<u64>) -> Self {
        let began = deliveries.iter().filter(|delivery| window.contains(&delivery.started));
        Self::of(began.filter_map(|delivery| Some(delivery.ended.as_ref()?.at - delivery.started)))
    }

    fn of(each: impl Iterator<Item = u64>) -> Self {
        let mut sorted: Vec<u64> = each.collect();
        sorted.sort_unstable();
        Self(sorted)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest that is not below this share of all, 0.99 for p99; none where there are none.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0
            .get(rank.saturating_sub(1).min(self.0.len().saturating_sub(1)))
            .map(|nanoseconds| Duration::from_nanos(*nanoseconds))
    }

    pub fn p50(&self) -> Option<Duration> {
        self.quantile(0.5)
    }

    pub fn p99(&self) -> Option<Duration> {
        self.quantile(0.99)
    }
}

#[cfg(test)]
mod tests;
