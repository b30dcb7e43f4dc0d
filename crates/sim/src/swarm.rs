//! A world's plan from a seed, swarm style: each world draws which troubles it has at all, and
//! how strong, besides when they strike. A world with every trouble at once finds less than many
//! worlds with a few each ("Swarm Testing", Groce and others 2012).

use std::time::Duration;

use forebay_core::{
    EndpointId, Guarantee, PartitionId, Past, Planted, Rules, TargetFault, TlsFault, Verdict,
};

use crate::agenda::Micros;
use crate::rng::Rng;

mod breaking;
mod rules;

pub use breaking::Breaking;

pub(crate) use rules::NO_SESSION;

pub(crate) const MILLI: Micros = 1_000;
pub(crate) const SECOND: Micros = 1_000_000;

/// Kinds of trouble that some worlds have alone.
const REVOKE: u64 = 1;
const ENDPOINT_DIES: u64 = 4;

/// All that is decided about a world before it begins.
#[derive(Debug)]
pub struct Plan {
    pub rules: Rules,
    pub processes: usize,
    pub endpoints: u32,
    /// The records of each partition, in rising order of offsets.
    pub logs: Vec<Vec<Row>>,
    /// Partitions of the park topic; none where there is none.
    pub park: u32,
    pub pace: Pace,
    pub odds: Odds,
    pub breaking: Option<Breaking>,
    pub storm: Vec<(Micros, Trouble)>,
    /// When all trouble ends; everything must be delivered some time after.
    pub calm: Micros,
}

/// A record as Kafka holds it.
#[derive(Clone, Debug)]
pub struct Row {
    pub offset: i64,
    pub key: Option<u64>,
    pub bytes: usize,
    pub produced: Micros,
    /// Deliveries that fail whatever else happens, and how.
    pub fails: u32,
    pub failure: Verdict,
    /// Whether the service breaks each time that it gets it.
    pub breaks: bool,
    /// What it has been through, where it was parked.
    pub past: Past,
}

/// Upper bounds of how long things take.
#[derive(Debug)]
pub struct Pace {
    pub network: Micros,
    pub work: Micros,
    pub fetch: Micros,
    pub commit: Micros,
    /// How long Kafka takes to acknowledge a dead letter.
    pub letter: Micros,
    /// How long the shell may leave an input, or a wake-up, unpolled.
    pub shell: Micros,
    /// Whether connections are refused late rather than soon.
    pub refuses_late: bool,
    /// Outputs that the shell takes at once.
    pub polls: usize,
}

/// Troubles that may strike each delivery or commit, in a thousand.
#[derive(Debug, Default)]
pub struct Odds {
    pub retry: u64,
    /// By a status.
    pub reject: u64,
    pub reject_said: u64,
    pub back_pressure: u64,
    pub unreadable: u64,
    pub fault_status: u64,
    /// The connection is lost before the request is sent.
    pub lost_before: u64,
    /// The request is sent and never arrives.
    pub lost_on_the_way: u64,
    /// The connection is lost while the service works; it works on.
    pub lost_during: u64,
    pub never_answered: u64,
    pub answered_late: u64,
    pub answered_twice: u64,
    /// Work takes up to all the time that the contract leaves.
    pub slow: u64,
    pub commit_fails: u64,
    /// Applied, and the acknowledgement is lost.
    pub commit_ack_lost: u64,
    pub letter_fails: u64,
    pub letter_ack_lost: u64,
}

#[derive(Clone, Debug)]
pub enum Trouble {
    Crash {
        process: usize,
    },
    Revoke {
        partition: PartitionId,
    },
    /// The process hears nothing of the partition's coordinator until its session is over.
    Lose {
        partition: PartitionId,
    },
    /// The process stands still, and goes on later as if nothing had been.
    Freeze {
        process: usize,
        lasts: Micros,
    },
    /// The endpoint's process dies and is started again.
    EndpointDies {
        endpoint: EndpointId,
        silently: bool,
        back_after: Micros,
    },
    /// The endpoint leaves the list, ends its work within the grace, and comes back as new.
    EndpointLeaves {
        endpoint: EndpointId,
        back_after: Micros,
    },
    EndpointMood {
        endpoint: EndpointId,
        mood: Mood,
        lasts: Micros,
    },
    KeyFails {
        key: u64,
        lasts: Micros,
    },
    /// Every endpoint fails in the same way.
    TargetFails {
        mood: Mood,
        lasts: Micros,
    },
    /// Every endpoint's process dies.
    TargetDies {
        silently: bool,
        back_after: Micros,
    },
    /// A release that fails a share of the records, in a thousand, and then is taken back.
    Release {
        share: u64,
        verdict: Verdict,
        lasts: Micros,
    },
    /// The dead letter topic can't be written.
    NoLetters {
        lasts: Micros,
    },
    Operator {
        process: usize,
        act: Act,
    },
    RulesChange {
        rules: Box<Rules>,
    },
    TenureForgotten {
        partition: PartitionId,
    },
    GroupForgotten,
    WallClock {
        millis: i64,
    },
}

/// What an operator does, to a record that is in trouble, or to any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Pause,
    Resume,
    Retry,
    Skip,
    DeadLetter,
}

/// How an endpoint behaves for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    Answers(Verdict),
    /// Takes requests and says nothing.
    Mute,
    /// Loses the connection at once, and works on as long as the contract allows.
    Drops,
}

impl Plan {
    pub fn from_seed(seed: u64, planted: Planted) -> Self {
        let mut rng = Rng::new(seed ^ 0x666f_7265_6261_7900);
        let rng = &mut rng;
        let mut rules = rules::draw(rng, planted);
        let mut calm = rng.spread(20 * MILLI, 20 * SECOND);
        let mut endpoints = rng.between(1, 5) as u32;
        let mut processes = rng.between(1, 2) as usize;
        let mut keys = rng.spread(1, 24);
        // Some races need a target with much to do, and no other trouble than its restarts.
        let restarts = rng.odds(80);
        if restarts {
            rules::loosen(&mut rules);
            (endpoints, keys, calm) = (endpoints.max(3), 24, calm.max(5 * SECOND));
        }
        // Others need partitions that come back at once to a process that still gets answers of
        // before. Drawn apart, so that all other worlds are what they would be without.
        let returns = !restarts && Rng::new(seed ^ 0x7265_7475_726e_7300).odds(30);
        if returns {
            rules::hurry(&mut rules);
            processes = 1;
        }
        let breaking = Breaking::draw(seed).filter(|_| !restarts && !returns);
        let steady = breaking.as_ref().is_some_and(|breaking| breaking.steady);
        if steady {
            rules::steady(&mut rules);
            (endpoints, keys, calm) = (1, 256, 20 * SECOND);
        }
        let mut logs = logs(rng, &rules, keys, calm, steady);
        breaking.iter().for_each(|breaking| breaking.mark(&mut logs));
        let mut pace = pace(rng, &rules);
        let mut odds = odds(rng);
        if restarts {
            (odds.lost_during, odds.slow) = (150, 300);
            pace.refuses_late = true;
        }
        if returns {
            (odds.answered_late, odds.answered_twice) = (200, 500);
        }
        if steady {
            odds = Odds::default();
        }
        let park = rules.park_after.map_or(0, |_| rng.spread(1, 3) as u32);
        let storm = vec![];
        let mut plan =
            Self { rules, processes, endpoints, logs, park, pace, odds, breaking, storm, calm };
        let only = match (restarts, returns) {
            (true, _) => Some(ENDPOINT_DIES),
            (_, true) => Some(REVOKE),
            _ => None,
        };
        if !steady {
            plan.storm = plan.storm(rng, keys, only);
        }
        plan
    }

    fn storm(&self, rng: &mut Rng, keys: u64, only: Option<u64>) -> Vec<(Micros, Trouble)> {
        const KINDS: u64 = 19;
        let mut kinds: Vec<u64> = (0..KINDS).filter(|_| rng.odds(250)).collect();
        // One kind alone is not drowned in others.
        if kinds.is_empty() || rng.odds(200) {
            kinds = vec![rng.below(KINDS)];
        }
        kinds = only.map_or(kinds, |only| vec![only]);
        let strikes = if kinds.len() == 1 { rng.between(16, 128) } else { rng.spread(1, 96) };
        let mut storm: Vec<_> = (0..strikes)
            .map(|_| {
                let kind = *rng.pick(&kinds);
                (rng.below(self.calm), self.trouble(kind, rng, keys))
            })
            .collect();
        storm.sort_by_key(|(at, _)| *at);
        storm
    }

    /// Often back before those who were refused know it.
    fn back_after(&self, rng: &mut Rng, lasts: Micros) -> Micros {
        let deadline = self.rules.deadline.as_micros() as u64;
        let quickly = match self.pace.refuses_late {
            true => rng.between(MILLI, deadline / 4),
            false => rng.spread(10, deadline),
        };
        if rng.odds(700) { quickly } else { lasts }
    }

    fn trouble(&self, kind: u64, rng: &mut Rng, keys: u64) -> Trouble {
        let partitions = self.logs.len() as u64 + u64::from(self.park);
        let partition = PartitionId(rng.below(partitions) as u32);
        let endpoint = EndpointId(rng.below(u64::from(self.endpoints)) as u32);
        let lasts = rng.spread(MILLI / 10, self.calm / 2);
        match kind {
            0 => Trouble::Crash { process: rng.below(self.processes as u64) as usize },
            REVOKE | 2 => Trouble::Revoke { partition },
            3 => Trouble::Lose { partition },
            ENDPOINT_DIES => {
                let back_after = self.back_after(rng, lasts);
                Trouble::EndpointDies { endpoint, silently: rng.odds(200), back_after }
            }
            5 => Trouble::EndpointLeaves { endpoint, back_after: lasts },
            6 | 7 => Trouble::EndpointMood { endpoint, mood: mood(rng), lasts },
            8 => Trouble::KeyFails { key: rng.below(keys), lasts },
            10 | 11 => Trouble::TargetFails { mood: mood(rng), lasts },
            12 => {
                let back_after = self.back_after(rng, lasts);
                Trouble::TargetDies { silently: rng.odds(200), back_after }
            }
            13 => {
                let verdict = if rng.odds(600) { REJECTED } else { failure(rng) };
                Trouble::Release { share: rng.spread(20, 1_000), verdict, lasts }
            }
            14 => Trouble::NoLetters { lasts },
            15 | 16 => {
                let acts = [Act::Pause, Act::Resume, Act::Retry, Act::Skip, Act::DeadLetter];
                let process = rng.below(self.processes as u64) as usize;
                Trouble::Operator { process, act: *rng.pick(&acts) }
            }
            17 => Trouble::RulesChange { rules: Box::new(rules::change(rng, &self.rules)) },
            18 => {
                let process = rng.below(self.processes as u64) as usize;
                let session = self.rules.session.as_micros() as u64;
                Trouble::Freeze { process, lasts: rng.spread(MILLI, 3 * session) }
            }
            _ => match rng.below(8) {
                // Nothing is at most once where commits are forgotten, and no order is left between
                // a topic and its park topic.
                0 if self.rules.guarantee != Guarantee::AtMostOnce && self.park == 0 => {
                    Trouble::GroupForgotten
                }
                1..=3 => Trouble::TenureForgotten { partition },
                _ => Trouble::WallClock { millis: rng.between(0, 7_200_000) as i64 - 3_600_000 },
            },
        }
    }
}

fn logs(rng: &mut Rng, rules: &Rules, keys: u64, calm: Micros, steady: bool) -> Vec<Vec<Row>> {
    let partitions = rng.spread(1, 8);
    let total = if steady { 1_024 } else { rng.spread(8, 1_024) };
    let (gaps, nulls, hot, large, poison) =
        (some(rng, 300), some(rng, 500), some(rng, 900), some(rng, 60), some(rng, 150));
    // Trouble in an idle world finds nothing, so records come for as long as the storm lasts.
    let produced_by = if steady || rng.odds(250) { 0 } else { calm };
    let size = rng.spread(1, 400);
    (0..partitions)
        .map(|_| {
            let mut offset = if rng.odds(300) { rng.spread(1, 1_000) as i64 } else { 0 };
            let mut times: Vec<_> =
                (0..total / partitions).map(|_| rng.below(produced_by + 1)).collect();
            times.sort_unstable();
            let row = |produced| {
                offset += if rng.odds(gaps) { rng.spread(1, 50) as i64 } else { 0 };
                let key = if rng.odds(hot) { 0 } else { rng.below(keys) };
                let bytes = match rng.odds(large) {
                    true => rules.bytes_max + rng.spread(1, 1_000) as usize,
                    false => rng.between(1, size) as usize,
                };
                offset += 1;
                Row {
                    offset: offset - 1,
                    key: (!rng.odds(nulls)).then_some(key),
                    bytes,
                    produced,
                    fails: if rng.odds(poison) { rng.between(1, 6) as u32 } else { 0 },
                    failure: failure(rng),
                    breaks: false,
                    past: Past::default(),
                }
            };
            times.into_iter().map(row).collect()
        })
        .collect()
}

fn pace(rng: &mut Rng, rules: &Rules) -> Pace {
    let deadline = rules.deadline.as_micros() as u64;
    Pace {
        network: rng.spread(1, 10 * MILLI),
        work: rng.spread(10, (deadline / 2).min(200 * MILLI)),
        fetch: rng.spread(1, 50 * MILLI),
        commit: rng.spread(1, 200 * MILLI),
        letter: rng.spread(1, SECOND),
        refuses_late: rng.odds(400),
        shell: if rng.odds(700) { 0 } else { rng.spread(1, 5 * MILLI) },
        polls: if rng.odds(700) { usize::MAX } else { rng.between(1, 4) as usize },
    }
}

fn odds(rng: &mut Rng) -> Odds {
    Odds {
        retry: some(rng, 200),
        reject: some(rng, 60),
        reject_said: some(rng, 60),
        back_pressure: some(rng, 150),
        unreadable: some(rng, 100),
        fault_status: some(rng, 60),
        lost_before: some(rng, 60),
        lost_on_the_way: some(rng, 60),
        lost_during: some(rng, 120),
        never_answered: some(rng, 60),
        answered_late: some(rng, 100),
        answered_twice: some(rng, 200),
        slow: some(rng, 150),
        commit_fails: some(rng, 400),
        commit_ack_lost: some(rng, 300),
        letter_fails: some(rng, 400),
        letter_ack_lost: some(rng, 300),
    }
}

/// Absent in six worlds of ten, else up to `most`.
fn some(rng: &mut Rng, most: u64) -> u64 {
    if rng.odds(600) { 0 } else { rng.between(1, most) }
}

fn mood(rng: &mut Rng) -> Mood {
    match rng.below(7) {
        0 => Mood::Mute,
        4 => Mood::Drops,
        1 => Mood::Answers(Verdict::BackPressure { after: wait(rng) }),
        2 => Mood::Answers(Verdict::TargetFault(TargetFault::Tls(TlsFault::Expired))),
        3 => Mood::Answers(Verdict::TargetFault(TargetFault::Status)),
        _ => Mood::Answers(failure(rng)),
    }
}

const REJECTED: Verdict = Verdict::Reject { said: false };

pub(crate) fn failure(rng: &mut Rng) -> Verdict {
    match rng.below(3) {
        0 => Verdict::Retry { said: false, after: wait(rng) },
        1 => Verdict::Retry { said: true, after: None },
        _ => Verdict::Reject { said: rng.odds(500) },
    }
}

pub(crate) fn wait(rng: &mut Rng) -> Option<Duration> {
    rng.odds(300).then(|| Duration::from_micros(rng.spread(MILLI, LONGEST_WAIT)))
}

/// The longest that a service asks for.
pub(crate) const LONGEST_WAIT: Micros = 2 * SECOND;
