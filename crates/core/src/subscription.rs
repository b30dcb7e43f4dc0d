//! A subscription: partitions, credit, route and pool joined into the one machine that the
//! gateway and the simulator both drive.
//!
//! [`Subscription::handle`] takes what the world did, [`Subscription::poll`] says what to do next,
//! [`Subscription::next_wakeup`] when to come back though nothing happened. What it wants is
//! derived from its state when it is polled, so not polling is the back-pressure, and nothing
//! queues up. Each output has one kind of input that answers it; an answer that comes late, twice
//! or for a former tenure changes nothing (P5).

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::blame::Blame;
use crate::budget::Budget;
use crate::cap::Caps;
use crate::credit::Load;
use crate::fault::Fault;
use crate::hold::Hold;
use crate::lanes::Slot;
use crate::limiter::Limiter;
use crate::pool::Pool;
use crate::rate::Bucket;
use crate::record::{DeliveryId, Offset, PartitionId};
use crate::retry::Retries;
use crate::rng::Rng;
use crate::route::{RevisionId, Route};
use crate::rules::Rules;
use crate::time::Instant;
use crate::verdict::TargetFault;
use crate::view::Counts;

use seat::Seat;
use suspects::Suspects;

mod attention;
mod command;
mod deliver;
mod give_up;
mod input;
mod judge;
mod output;
mod park;
mod rules;
mod seat;
mod settle;
mod suspects;
mod view;
mod wakeup;

pub use command::{Command, CommandError};
pub use input::Input;
pub use output::{DeadLetter, Delivery, Output, Park};

#[derive(Debug)]
pub struct Subscription<P> {
    rules: Rules,
    seats: Vec<Seat<P>>,
    assigned: usize,
    in_flight: usize,
    /// Records that are fetched and not settled.
    held: usize,
    /// What all partitions hold, and what their open fetches may bring.
    taken: Load,
    /// Partitions that would fetch if others did not hold more than their share.
    short: BTreeSet<PartitionId>,
    route: Route,
    pool: Pool,
    rng: Rng,
    limiter: Limiter,
    blame: Blame,
    budget: Budget,
    hold: Hold,
    retries: Retries,
    /// Deliveries that the owner allows.
    rate: Option<Bucket>,
    /// Back-pressure in a row.
    refusals: u32,
    /// Partitions with a record that may go for the first time, in turn,
    fresh: VecDeque<PartitionId>,
    /// and those with one that came back.
    again: VecDeque<PartitionId>,
    /// Partitions with records to send that wait for what earlier tenures left at work.
    waiting: BTreeSet<(Instant, PartitionId)>,
    /// Records that wait for evidence, while others are on their way to bring some.
    awaiting: VecDeque<(PartitionId, Slot)>,
    /// Records that may be what breaks the service.
    suspects: Suspects,
    /// Dead letters to be written.
    leaving: VecDeque<(PartitionId, Slot)>,
    /// Records to be parked.
    parking: VecDeque<(PartitionId, Slot)>,
    /// Records that have failed, by when they did first.
    troubled: BTreeSet<(Instant, PartitionId, Slot)>,
    /// Partitions that may want to commit, to fetch or to be released.
    attention: VecDeque<PartitionId>,
    /// When shut lanes reopen.
    reopenings: BTreeSet<(Instant, PartitionId, Slot)>,
    /// When a partition's commit or drain is due for another look.
    looks: BTreeSet<(Instant, PartitionId)>,
    /// Deliveries in the order of their deadlines, some of them answered. Nearly all enter at the
    /// end; changed rules let some come before others.
    deadlines: VecDeque<(Instant, DeliveryId)>,
    counts: Counts,
    last_stuck: Option<(PartitionId, Offset)>,
    caps: Caps,
}

impl<P: Clone> Subscription<P> {
    pub fn new(rules: Rules, revision: RevisionId, seed: u64) -> Self {
        assert!(rules.in_flight > 0 && rules.in_flight <= rules.in_flight_max);
        assert!(rules.records_max > 0 && rules.window_max > 0 && rules.attempts > 0);
        Self {
            pool: Pool::new(rules::pool(&rules)),
            limiter: Limiter::new(rules::bounds(&rules)),
            rate: rules::rate(&rules),
            rules,
            seats: Vec::new(),
            assigned: 0,
            in_flight: 0,
            held: 0,
            taken: Load::default(),
            short: BTreeSet::new(),
            route: Route::single(revision),
            rng: Rng::new(seed),
            blame: Blame::new(),
            budget: Budget::default(),
            hold: Hold::default(),
            retries: Retries::new(),
            refusals: 0,
            fresh: VecDeque::new(),
            again: VecDeque::new(),
            waiting: BTreeSet::new(),
            awaiting: VecDeque::new(),
            suspects: Suspects::default(),
            leaving: VecDeque::new(),
            parking: VecDeque::new(),
            troubled: BTreeSet::new(),
            attention: VecDeque::new(),
            reopenings: BTreeSet::new(),
            looks: BTreeSet::new(),
            deadlines: VecDeque::new(),
            counts: Counts::default(),
            last_stuck: None,
            caps: Caps::new(),
        }
    }

    pub fn handle(&mut self, input: Input<P>, now: Instant) {
        // An answer that comes at its deadline is late, whether or not that was polled in between.
        self.advance(now);
        match input {
            Input::Assigned { partition, start, end, stored, parks, wall_ms } => {
                self.assigned(partition, (start, end), stored, parks, wall_ms, now);
            }
            Input::Fetched { partition, tenure, records } => {
                self.fetched(partition, tenure, records);
            }
            Input::Answered { id, answer } => self.answered(id, answer, now),
            Input::Committed { partition, tenure, point } => {
                if let Some((committed, rules)) = self.tenured(partition, tenure) {
                    let named = committed.committed(point, now, rules);
                    self.park_heads(partition, named);
                    self.queue_turn(partition);
                    self.consider(partition);
                }
            }
            Input::CommitFailed { partition, tenure } => {
                if let Some((failed, rules)) = self.tenured(partition, tenure) {
                    failed.commit_failed(now, rules);
                    self.consider(partition);
                }
            }
            Input::Revoked { partition } => {
                if let Some((revoked, rules)) = self.partition(partition) {
                    revoked.drain(now, rules);
                    self.park_no_more(partition);
                    self.waiting.retain(|(_, waits)| *waits != partition);
                    self.queue_turn(partition);
                    self.consider(partition);
                }
            }
            Input::Lost { .. } if self.rules.planted.is(Fault::LostIgnored) => {}
            Input::Lost { partition } => self.remove(partition, now),
            Input::DeadLettered { partition, tenure, offset, written } => {
                self.dead_lettered(partition, tenure, offset, written, now);
            }
            Input::Parked { partition, tenure, offset, at } => {
                self.parked(partition, tenure, offset, at, now);
            }
            Input::ParkGone { partition } => self.park_gone(partition),
            Input::ParkCommitted { partition, asked, point, end } => {
                self.park_committed(partition, asked, point, end);
            }
            Input::Checked { endpoint, asked, fault } => {
                self.pool.checked(endpoint, fault, now);
                if fault == Some(TargetFault::Refused) {
                    self.refused(endpoint, asked, now);
                }
            }
            Input::Rules(rules) => self.take_rules(rules),
            Input::Endpoints(endpoints) => {
                self.pool.set(&endpoints, now);
                self.open_lanes(now, |pool, unknown| pool.has_left(unknown.endpoint));
            }
        }
    }

    /// What to do next; `None` until there is new input or [`Subscription::next_wakeup`] has come.
    pub fn poll(&mut self, now: Instant) -> Option<Output<P>> {
        self.advance(now);
        let quiet = self.poll_quiet(now).or_else(|| self.poll_delivery(now));
        // Where there was nothing to deliver, what waited in vain for others may have been given up.
        let output = quiet.or_else(|| self.poll_quiet(now));
        if output.is_none() {
            self.caps.is(self.cap(now), now);
        }
        output
    }

    /// Asserts every invariant that can be seen from inside.
    pub fn check(&self) {
        let partitions = self.seats.iter().filter_map(|seat| seat.partition.as_ref());
        let mut in_flight = 0;
        let mut taken = Load::default();
        let mut held = 0;
        for partition in partitions {
            held += partition.load.records;
            partition.check();
            in_flight += partition.in_flight;
            taken = taken.plus(partition.taken());
        }
        assert_eq!(held, self.held, "what is held is what is counted");
        assert_eq!(taken, self.taken, "what is held, and to come, is what is counted");
        assert_eq!(in_flight, self.in_flight, "what is out is what is counted");
    }

    fn poll_quiet(&mut self, now: Instant) -> Option<Output<P>> {
        let quiet = self.poll_attention(now).or_else(|| self.poll_leaving());
        let quiet = quiet.or_else(|| self.poll_parking());
        quiet.or_else(|| Some(Output::Check { endpoint: self.pool.next_check(now)? }))
    }
}

#[cfg(test)]
pub(crate) mod tests;
