//! A demo under way: what is known so far from Kafka and the journals, drawn while it is awaited.

use std::time::Duration;

use forebay_trial::{Evidence, Journals, Kill, Verdict, clock};
use tokio::time::Instant;

use super::group::{Group, Watch};
use super::picture::{Instance, Picture, Scene};
use super::replay::Replay;
use super::report::Part;
use super::stage::Stage;
use crate::exit::{Exit, Failure};

const TICK: Duration = Duration::from_millis(20);
/// Judging takes time that the services could use; it may have a twentieth of it.
const JUDGE_EVERY: Duration = Duration::from_secs(1);
const JUDGE_SHARE: u32 = 20;
/// The rate that is shown is that of this long.
const RATE_OVER: u64 = 2_000_000_000;

pub(super) struct Play<'a> {
    pub(super) stage: Stage<'a>,
    pub(super) watch: Watch,
    pub(super) replay: Replay,
    pub(super) journals: Journals,
    pub(super) kills: Vec<Kill>,
    pub(super) parts: Vec<Part>,
    pub(super) max_lag: i64,
    pub(super) picture: Picture,
    pub(super) title: String,
    pub(super) records: usize,
    now: String,
    verdict: Verdict,
    judge_at: Instant,
}

impl<'a> Play<'a> {
    pub(super) fn new(
        stage: Stage<'a>,
        watch: Watch,
        replay: Replay,
        picture: Picture,
        title: String,
        records: usize,
    ) -> Self {
        Self {
            stage,
            watch,
            replay,
            journals: Journals::default(),
            kills: Vec::new(),
            parts: Vec::new(),
            max_lag: 0,
            picture,
            title,
            records,
            now: String::new(),
            verdict: Verdict::default(),
            judge_at: Instant::now(),
        }
    }

    /// What is being done from now on.
    pub(super) fn now(&mut self, what: &str) {
        what.clone_into(&mut self.now);
    }

    /// What has been done.
    pub(super) fn done(&mut self, part: String) {
        self.picture.step(self.elapsed(), &part);
        let at_seconds = (self.elapsed() * 10.0).round() / 10.0;
        self.parts.push(Part { at_seconds, part });
    }

    /// Seconds since the first record.
    pub(super) fn elapsed(&self) -> f64 {
        clock::seconds(clock::now() - self.replay.started)
    }

    /// Reads the journals of the instances from this number on too.
    pub(super) fn open_journals(&mut self, from: usize) -> Result<(), Failure> {
        for (number, service) in self.stage.services.iter().enumerate().skip(from) {
            self.journals.open(&service.journal, number).map_err(Failure::of(Exit::Usage))?;
        }
        Ok(())
    }

    /// Lets a moment pass: takes in what happened, and draws it.
    pub(super) async fn tick(&mut self) -> Result<(), Failure> {
        tokio::time::sleep(TICK).await;
        self.stage.troupe.check()?;
        self.replay.read()?;
        self.journals.read().map_err(Failure::of(Exit::Usage))?;
        let group = self.watch.group();
        if let Some(reason) = &group.failed {
            let message = format!("cannot read the group in __consumer_offsets: {reason}");
            return Err(Failure::new(Exit::Unreachable, message));
        }
        let lag = self.lag(&group);
        self.max_lag = self.max_lag.max(lag);
        if self.picture.is_due() {
            self.draw(&group, lag);
        }
        Ok(())
    }

    /// Waits for a moment.
    pub(super) async fn until(&mut self, come: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        while !come(self) {
            self.tick().await?;
        }
        Ok(())
    }

    /// Acknowledged by Kafka and not committed by the group.
    fn lag(&self, group: &Group) -> i64 {
        let committed: i64 = group.commit_points.values().sum();
        (self.replay.acknowledged() as i64 - committed).max(0)
    }

    pub(super) fn is_all_committed(&self) -> bool {
        self.replay.is_done() && self.lag(&self.watch.group()) == 0
    }

    pub(super) fn judge(&self) -> Verdict {
        let sent = self.replay.sent();
        Evidence::new(&sent, self.journals.deliveries()).kills(&self.kills).judge()
    }

    fn draw(&mut self, group: &Group, lag: i64) {
        if Instant::now() >= self.judge_at {
            let began = Instant::now();
            self.verdict = self.judge();
            self.judge_at = Instant::now() + JUDGE_EVERY.max(began.elapsed() * JUDGE_SHARE);
        }
        let deliveries = self.journals.deliveries();
        let mut instances: Vec<Instance> = self
            .stage
            .services
            .iter()
            .map(|service| Instance { state: service.state, accepted: 0, at_work: 0 })
            .collect();
        let recent = clock::now().saturating_sub(RATE_OVER);
        let mut rate = 0;
        for delivery in deliveries {
            let accepted = delivery.accepted();
            let Some(instance) = instances.get_mut(delivery.instance) else { continue };
            instance.accepted += usize::from(accepted.is_some());
            instance.at_work += usize::from(accepted.is_none());
            rate += usize::from(accepted.is_some_and(|at| at > recent));
        }
        let scene = Scene {
            title: &self.title,
            now: &self.now,
            seconds: self.elapsed(),
            records: self.records,
            sent: self.replay.acknowledged(),
            lag,
            max_lag: self.max_lag,
            rate: rate / 2,
            instances: &instances,
            verdict: &self.verdict,
            generations: &group.generations,
        };
        self.picture.draw(&scene);
    }
}
