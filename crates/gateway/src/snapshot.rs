//! What a subscription looks like at one moment, with the names that people know.

use std::time::Duration;

use forebay_core::{Cap, CapTimes, Counts, EndpointState, PartitionStage, TargetFault, TlsFault};
use forebay_kafka::TopicPartition;

use crate::rebalances::RebalanceCounts;

mod merge;

pub(crate) use merge::{Past, merged};

/// One subscription.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub name: String,
    pub group: String,
    pub topics: Vec<String>,
    pub kafka: KafkaState,
    /// Whether all that the group gave it at first has been read from.
    pub reading: bool,
    pub partitions: Vec<PartitionSnapshot>,
    /// Partitions are on their way between consumers of this process, or just came: their lag is
    /// not known.
    pub lag_partial: bool,
    pub endpoints: Vec<EndpointSnapshot>,
    /// Why the names of the endpoints can't be resolved at the moment.
    pub discovery_fails: Option<String>,
    pub counts: Counts,
    pub in_flight: usize,
    pub in_flight_max: usize,
    /// What may be in flight now, as far as it was learnt.
    pub in_flight_limit: usize,
    /// Answers that asked for less, or did not come in time.
    pub overloads: u64,
    /// Why it sends nothing, or nearly nothing.
    pub held: Vec<Held>,
    pub paused: bool,
    /// The budget of records given up is spent.
    pub overdrawn: bool,
    /// What caps its throughput.
    pub caps: CapShares,
    /// Records that have failed and are not settled, and the oldest of them.
    pub troubled: usize,
    pub troubles: Vec<BlockedSnapshot>,
    /// Where dead letters go, and why they can't be written at the moment.
    pub dead_letter_topic: Option<String>,
    pub dead_letters_fail: Option<String>,
    /// Where keys go that make room for others, and why they can't be written there now.
    pub park_topic: Option<String>,
    pub park_fails: Option<String>,
    /// Records settled in the last full second.
    pub settled_per_second: u64,
    /// Partitions that were assigned to this process, each time counted.
    pub assignments: u64,
    pub rebalances: RebalanceCounts,
    /// Members of the group that are no gateways, in words.
    pub foreign_members: Vec<String>,
}

/// What holds a subscription, and why in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub by: Holder,
    pub words: String,
}

/// Who has to act, or to be well again, for a subscription to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Paused it.
    Operator,
    /// The budget of records given up is spent.
    Budget,
    /// The target as a whole, or each of its endpoints.
    Target,
}

/// How this subscription stands with Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaState {
    /// No answer yet.
    Connecting,
    Reachable,
    Unreachable {
        reason: String,
    },
    /// A topic does not exist or may not be read, or partitions have no start yet.
    Unavailable {
        reason: String,
    },
    /// The group has this member's instance id in use, for now.
    Waiting {
        reason: String,
    },
    /// This group member is finished.
    Failed {
        reason: String,
    },
}

/// One partition that this process was assigned.
#[derive(Clone, Debug)]
pub struct PartitionSnapshot {
    pub partition: TopicPartition,
    /// Why it is not read at all, where that is so.
    pub hold: Option<Hold>,
    pub tenure: i64,
    pub stage: PartitionStage,
    /// Bytes that the completion map needs at most, however the open records settle.
    pub map_weight: usize,
    /// Exclusive end of what is done, acknowledged by Kafka.
    pub commit_point: i64,
    /// First offset of the log as last heard; none before the first answer.
    pub log_start: Option<i64>,
    /// End of the log as last heard; none before the first answer.
    pub log_end: Option<i64>,
    pub held: usize,
    pub held_bytes: usize,
    pub in_flight: usize,
    /// Keys whose records go to the park topic.
    pub parked: usize,
    /// Nothing more is fetched until the oldest unsettled record is settled: `hold.window`.
    pub window_full: bool,
    pub blocked: Option<BlockedSnapshot>,
}

/// Why a partition stands still until an operator acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// No offset is committed, and `start = "none"`.
    NoOffset,
    /// No offset is committed, and what was kept of where the group began can't be read.
    StartLost { reason: String },
    /// Keys of it are in this park topic, or in one whose name was not written, and the subscription
    /// reads it no more.
    ParkedElsewhere { keys: usize, topic: Option<String>, commit_point: i64 },
    /// The next offset is not in the log any more.
    OutOfRange { offset: i64, log_start: i64, log_end: i64 },
}

/// What capped a subscription lately.
#[derive(Clone, Debug, Default)]
pub struct CapShares {
    /// Since the subscription began.
    pub times: CapTimes,
    /// Over the last seconds.
    recent: CapTimes,
}

/// A record that failed and holds its key.
#[derive(Clone, Debug)]
pub struct BlockedSnapshot {
    pub partition: TopicPartition,
    pub offset: i64,
    /// What it waits for, in a word.
    pub state: &'static str,
    /// How long ago it failed for the first time.
    pub age: Duration,
    pub deliveries: u32,
    pub charged: u32,
    pub endpoint: String,
    pub status: Option<u16>,
    /// The whole story in words.
    pub words: String,
}

/// One address of the target.
#[derive(Clone, Debug)]
pub struct EndpointSnapshot {
    pub url: String,
    pub state: EndpointState,
    pub in_flight: usize,
    /// What it may have in flight now.
    pub limit: usize,
    /// Smoothed over its last answers.
    pub latency: Duration,
}

impl CapShares {
    /// The newest sum of times; what it grew by is averaged over some five calls.
    pub(crate) fn take(&mut self, times: CapTimes) {
        for (index, time) in times.into_iter().enumerate() {
            let grown = time.saturating_sub(self.times[index]);
            self.recent[index] = (self.recent[index] * 4 + grown) / 5;
        }
        self.times = times;
    }

    /// Adds another consumer's. One that lacks records caps nothing while another has them.
    fn add(&mut self, other: &Self) {
        let records = Cap::Records as usize;
        let lacking = self.recent[records].min(other.recent[records]);
        sum(&mut self.times, &other.times);
        sum(&mut self.recent, &other.recent);
        self.recent[records] = lacking;
    }

    /// What capped it for most of the last seconds, of what may cap it still. A hold that is over
    /// says nothing of the present.
    pub fn lately(&self, held: &[Held]) -> Cap {
        let is_over = |cap: &Cap| match cap {
            Cap::Operator => !held.iter().any(|held| held.by != Holder::Target),
            Cap::Target => !held.iter().any(|held| held.by == Holder::Target),
            _ => false,
        };
        let present = Cap::ALL.into_iter().filter(|cap| !is_over(cap));
        // Of several that held equally long, as where none did yet, the first.
        let longest = present.rev().max_by_key(|cap| self.recent[*cap as usize]);
        longest.expect("records may always be what is missing")
    }
}

fn sum(times: &mut CapTimes, more: &CapTimes) {
    times.iter_mut().zip(more).for_each(|(sum, more)| *sum += *more);
}

impl Holder {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Budget => "budget",
            Self::Target => "target",
        }
    }
}

/// What is wrong with an endpoint, in words that follow its name.
pub const fn fault_words(fault: TargetFault) -> &'static str {
    match fault {
        TargetFault::Name => "its name does not resolve",
        TargetFault::Refused => "nothing listens there",
        TargetFault::Connect => "it can't be connected to",
        TargetFault::Tls(TlsFault::Authority) => {
            "no authority that is trusted here signed its certificate"
        }
        TargetFault::Tls(TlsFault::AuthoritysOwn) => {
            "its certificate is an authority's own (CA:TRUE), which no service may show"
        }
        TargetFault::Tls(TlsFault::Certificate) => "its certificate can't be used",
        TargetFault::Tls(TlsFault::Expired) => "its certificate has expired, or has not begun",
        TargetFault::Tls(TlsFault::Name) => "its certificate is for another name",
        TargetFault::Tls(TlsFault::Client) => "it does not take our certificate, or wants one",
        TargetFault::Tls(TlsFault::Handshake) => "its TLS handshake fails",
        TargetFault::Status => "it gives an answer that no consumer service gives",
    }
}

impl PartitionSnapshot {
    /// Log end − commit point; none where the log's end is not known. All that the log holds where
    /// nothing is committed, or a commit point that lies beyond the end, and so is of a topic that is
    /// gone.
    pub fn lag(&self) -> Option<i64> {
        let (end, point) = (self.log_end?, self.commit_point);
        if (0..=end).contains(&point) { Some(end - point) } else { Some(end - self.log_start?) }
    }

    /// Commit point − log start: how many records retention may still delete before it takes one
    /// that is not done. Negative where it has; none where either end is not known.
    pub fn retention_margin(&self) -> Option<i64> {
        (self.commit_point >= 0).then_some(self.commit_point - self.log_start?)
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoOffset => f.write_str(
                "no offset is committed and start is \"none\": `forebay subscriptions seek` says where \
                 to begin",
            ),
            Self::StartLost { reason } => write!(
                f,
                "no offset is committed, and where the group began is lost: {reason}; `forebay \
                 subscriptions seek` says where to begin"
            ),
            Self::ParkedElsewhere { keys, topic, .. } => {
                let topic = topic.as_ref().map_or_else(
                    || "a park topic".to_owned(),
                    |topic| format!("the park topic `{topic}`"),
                );
                let keys = match keys {
                    1 => "1 key is".to_owned(),
                    keys => format!("{keys} keys are"),
                };
                write!(
                    f,
                    "{keys} in {topic}, which this subscription does not read: put it back under \
                     `park` until nothing is parked, or leave what is there behind by `forebay \
                     subscriptions seek`"
                )
            }
            Self::OutOfRange { offset, log_start, log_end }
                if (log_start..=log_end).contains(&offset) =>
            {
                write!(
                    f,
                    "the log, which holds {log_start} to {log_end}, was cut off below offset {offset} \
                     and written anew: what is there now is not what was read; `forebay \
                     subscriptions seek` says where to go on"
                )
            }
            Self::OutOfRange { offset, log_start, log_end } => write!(
                f,
                "offset {offset} is not in the log, which holds {log_start} to {log_end}: records were \
                 deleted before they were read; `forebay subscriptions seek` says where to go on"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_of_a_topic_that_was_made_anew_is_all_that_it_holds() {
        let at = |commit_point, ends: Option<(i64, i64)>| PartitionSnapshot {
            partition: TopicPartition::new("t", 0),
            hold: None,
            tenure: 1,
            stage: PartitionStage::Active,
            map_weight: 0,
            commit_point,
            log_start: ends.map(|(start, _)| start),
            log_end: ends.map(|(_, end)| end),
            held: 0,
            held_bytes: 0,
            in_flight: 0,
            parked: 0,
            window_full: false,
            blocked: None,
        };
        assert_eq!(at(50, Some((0, 80))).lag(), Some(30));
        assert_eq!(at(80, Some((0, 80))).lag(), Some(0));
        assert_eq!(at(50, Some((2, 30))).lag(), Some(28), "nothing of it is done");
        assert_eq!(at(-1, Some((2, 30))).lag(), Some(28), "nothing is committed");
        assert_eq!(at(50, None).lag(), None);
    }

    fn second(of: Cap) -> CapTimes {
        let mut times = CapTimes::default();
        times[of as usize] = Duration::from_secs(1);
        times
    }

    #[test]
    fn a_consumer_that_lacks_records_caps_nothing_while_another_has_them() {
        let lately = |one: Cap, other: Cap| {
            let mut shares = CapShares::default();
            let mut more = CapShares::default();
            shares.take(second(one));
            more.take(second(other));
            shares.add(&more);
            shares.lately(&[])
        };
        assert_eq!(lately(Cap::Records, Cap::Keys), Cap::Keys);
        assert_eq!(lately(Cap::Service, Cap::Records), Cap::Service);
        assert_eq!(lately(Cap::Records, Cap::Records), Cap::Records);
    }

    #[test]
    fn a_hold_that_is_over_caps_nothing() {
        let mut shares = CapShares::default();
        assert_eq!(shares.lately(&[]), Cap::Records, "nothing capped it yet");
        shares.take(second(Cap::Operator));
        let held = |by| [Held { by, words: String::new() }];
        assert_eq!(shares.lately(&held(Holder::Operator)), Cap::Operator);
        assert_eq!(shares.lately(&held(Holder::Target)), Cap::Records);
        assert_eq!(shares.lately(&[]), Cap::Records, "it was resumed");
    }
}
