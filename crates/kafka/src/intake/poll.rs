//! The thread of an intake: it serves both clients, moves records into queues, and never waits for
//! anything but news.
//!
//! It sleeps until it is nudged: by a client whose queue has something, by the worker's commands,
//! by a queue with room again, or by an answer of the lookup thread. The short nap's end is there
//! for timers, and in case a nudge was lost.

mod absent;
mod block;
mod commits;
mod faults;
mod group;
mod identity;
mod rebalance;
mod run;
mod session;
mod survey;
mod topic_id;
mod unwanted;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use self::absent::Absent;
use self::block::Block;
use self::group::Group;
use self::identity::Identity;
use self::rebalance::Drain;
use self::run::Run;
use self::session::Session;
use self::survey::Survey;
use self::unwanted::Unwanted;
use super::events::IntakeEvent;
use super::lookup::{self, Answer, Question};
use super::reach::Reach;
use super::shared::{Command, Farewell, Shared};
use super::slots::{Phase, Share, Slots};
use super::{IntakeConfig, member};
use crate::commit::CommitLine;
use crate::error::KafkaError;
use crate::native::client::{EventConsumer, EventHandler, Place};
use crate::native::{Row, set_leader_epoch};
use crate::record::{Record, TopicPartition};

/// Timers' grain.
const NAP: Duration = Duration::from_millis(100);
/// Events served in a row before commands and timers get their turn.
const BURST: usize = 1_000;

#[expect(clippy::disallowed_methods, reason = "a partition has one open question at a time")]
pub(super) fn spawn(
    config: IntakeConfig,
    shared: Arc<Shared>,
) -> Result<JoinHandle<()>, KafkaError> {
    let no_thread = |error: std::io::Error| KafkaError::Client { reason: error.to_string() };
    let member = Arc::new(member::member(&config, &shared)?);
    let fetcher = member::fetcher(&config, &shared)?;
    let (questions, asked) = mpsc::channel();
    lookup::spawn(&config, member.clone(), asked, shared.clone()).map_err(no_thread)?;
    let now = Instant::now();
    let poller = Poller {
        servers: config.properties.servers().to_owned(),
        share: Share::new(config.records_max, config.bytes_max, 1),
        session: Session::new(config.properties.joins_by_epochs(), now),
        run: Run::new(shared.clone()),
        shared: shared.clone(),
        config,
        member,
        fetcher,
        fetched: BTreeMap::new(),
        reads: BTreeMap::new(),
        questions,
        slots: Slots::default(),
        commits: CommitLine::default(),
        block: None,
        drains: Vec::new(),
        tickets: 0,
        no_starts: None,
        asked_again: Vec::new(),
        reach: Reach::new(now),
        unavailable: BTreeMap::new(),
        gone: Vec::new(),
        asked_ends: false,
        group: Group::new(now),
        identity: Identity::new(),
        survey: Survey::new(now),
        absent: Absent::default(),
        unwanted: Unwanted::default(),
        watched: now,
        closing: None,
        farewell: Farewell::ToReturn,
    };
    std::thread::Builder::new()
        .name("kafka-intake".to_owned())
        .spawn(move || {
            shared.set_poller(std::thread::current());
            poller.serve();
            shared.set_closed();
        })
        .map_err(no_thread)
}

struct Poller {
    config: IntakeConfig,
    servers: String,
    shared: Arc<Shared>,
    member: Arc<EventConsumer>,
    fetcher: EventConsumer,
    /// Which topic of its name the fetcher was given last.
    fetched: BTreeMap<Arc<str>, Arc<str>>,
    /// Which topic of its name the fetcher reads, as far as it said.
    reads: BTreeMap<Arc<str>, Arc<str>>,
    questions: Sender<Question>,
    slots: Slots,
    share: Share,
    run: Run,
    commits: CommitLine,
    /// The full queue that the fetcher's next records wait for.
    block: Option<Block>,
    drains: Vec<Drain>,
    /// Numbers the questions about starts, so that an answer to an old assignment is known.
    tickets: u64,
    /// Why partitions have no start, as it was last told.
    no_starts: Option<String>,
    /// Questions about starts to be asked again, and when.
    asked_again: Vec<(Instant, Vec<TopicPartition>)>,
    reach: Reach,
    /// What was said of topics that can't be read.
    unavailable: BTreeMap<Arc<str>, Code>,
    /// Positions that are gone, to be told with the log's ends once these are known.
    gone: Vec<TopicPartition>,
    /// Whether a question about the logs' ends is out.
    asked_ends: bool,
    /// What is known of the group beside our own part in it.
    group: Group,
    identity: Identity,
    session: Session,
    survey: Survey,
    absent: Absent,
    unwanted: Unwanted,
    /// When the watch last looked.
    watched: Instant,
    /// Until when to try to commit what waits.
    closing: Option<Instant>,
    farewell: Farewell,
}

/// What a client's queue said, kept until its event is over: its answer needs the client itself.
enum Heard {
    Rebalance { assign: bool, list: TopicPartitionList },
    Committed { error: Option<Code>, rows: Vec<Row> },
    Failed { code: Code, fatal: bool, reason: String, about: Option<Row> },
    ChangedId { topic: String, id: String },
}

/// Hears the member; it fetches nothing, and what slips through before it is paused is not ours
/// to use.
#[derive(Default)]
struct MemberEar(Vec<Heard>);

impl EventHandler for MemberEar {
    fn record(&mut self, _: &Place, _: Record) {}

    fn rebalance(&mut self, assign: bool, list: &TopicPartitionList) {
        self.0.push(Heard::Rebalance { assign, list: list.clone() });
    }

    fn committed(&mut self, error: Option<Code>, rows: Vec<Row>) {
        self.0.push(Heard::Committed { error, rows });
    }

    fn failed(&mut self, code: Code, fatal: bool, reason: &str, about: Option<Row>) {
        self.0.push(Heard::Failed { code, fatal, reason: reason.to_owned(), about });
    }
}

/// Hears the fetcher: records go on at once.
struct FetcherEar<'a> {
    run: &'a mut Run,
    slots: &'a mut Slots,
    share: Share,
    heard: Vec<Heard>,
}

impl EventHandler for FetcherEar<'_> {
    fn record(&mut self, place: &Place, record: Record) {
        self.run.add(place, record, self.slots, self.share);
    }

    fn rebalance(&mut self, _: bool, _: &TopicPartitionList) {}

    fn committed(&mut self, _: Option<Code>, _: Vec<Row>) {}

    fn failed(&mut self, code: Code, fatal: bool, reason: &str, about: Option<Row>) {
        self.heard.push(Heard::Failed { code, fatal, reason: reason.to_owned(), about });
    }

    fn changed_id(&mut self, topic: &str, id: &str) {
        self.heard.push(Heard::ChangedId { topic: topic.to_owned(), id: id.to_owned() });
    }
}

impl Poller {
    fn serve(mut self) {
        let mut commands = Vec::new();
        loop {
            self.shared.take_commands(&mut commands);
            let mut busy = !commands.is_empty();
            for command in commands.drain(..) {
                self.command(command);
            }
            busy |= self.hear_member();
            busy |= self.hear_fetcher();
            let now = Instant::now();
            self.finish_drains(now);
            self.send_commits();
            self.watch(now);
            if let Some(end) = self.closing
                && (self.commits.is_idle() || now >= end)
            {
                break;
            }
            if !busy {
                std::thread::park_timeout(if self.block.is_some() { block::LOOK } else { NAP });
            }
        }
        self.leave();
    }

    fn hear_member(&mut self) -> bool {
        let mut ear = MemberEar::default();
        let mut busy = false;
        for _ in 0..BURST {
            if !self.member.poll(Duration::ZERO, &mut ear) {
                break;
            }
            busy = true;
            for heard in std::mem::take(&mut ear.0) {
                self.heard(heard, true);
            }
        }
        busy
    }

    fn hear_fetcher(&mut self) -> bool {
        if self.is_blocked() {
            return false;
        }
        let mut busy = false;
        for _ in 0..BURST {
            let mut ear = FetcherEar {
                run: &mut self.run,
                slots: &mut self.slots,
                share: self.share,
                heard: Vec::new(),
            };
            let any = self.fetcher.poll(Duration::ZERO, &mut ear);
            let heard = ear.heard;
            if !any {
                self.run.flush(&mut self.slots, self.share);
            }
            for heard in heard {
                self.heard(heard, false);
            }
            if let Some(full) = self.run.take_full()
                && self.block(full)
            {
                break;
            }
            if !any {
                break;
            }
            busy = true;
        }
        busy
    }

    fn heard(&mut self, heard: Heard, by_member: bool) {
        match heard {
            Heard::Rebalance { assign: true, list } => self.assigned(&list),
            Heard::Rebalance { assign: false, list } => self.revoked(list),
            Heard::Committed { error, rows } => self.committed(error, rows),
            Heard::Failed { code, fatal: true, reason, .. } if by_member => {
                self.fatal(code, reason);
            }
            Heard::Failed { code, reason, about, .. } => self.failed(code, &reason, about),
            Heard::ChangedId { topic, id } => self.changed_id(&topic, &id),
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Commit(commit) => self.commit(commit),
            Command::Release(partition) => {
                if let Some(slot) = self.slots.of(&partition)
                    && slot.phase == Phase::Revoked
                {
                    slot.phase = Phase::Released;
                }
            }
            Command::Forget(partition) => {
                if let Some(offset) = self.commits.forget(&partition) {
                    self.tell([IntakeEvent::Forgotten { partition, offset }]);
                }
            }
            Command::Seek(partition, offset) => self.seek(&partition, offset),
            Command::Answer(Answer::Start(ticket, answers)) => self.looked_up(ticket, answers),
            Command::Answer(Answer::Ends(ends)) => {
                self.asked_ends = false;
                for ends in ends {
                    self.shared.set_watermarks(&ends.partition, ends.log_start, ends.log_end);
                }
                self.tell_out_of_range();
            }
            Command::Answer(Answer::Survey(seen)) => self.surveyed(seen),
            Command::Answer(Answer::Session(session)) => self.session_known(session),
            Command::Answer(Answer::Members(members)) => self.members_known(members),
            Command::Answer(Answer::Probe(answer)) => {
                if answer.is_err() {
                    self.suspect_known();
                }
                let told = self.reach.answered(answer, Instant::now());
                self.tell(told);
            }
            Command::Close(deadline, farewell) => {
                self.farewell = farewell;
                let end = Instant::now() + deadline;
                self.closing = Some(self.closing.map_or(end, |known| known.min(end)));
            }
        }
    }

    fn tell(&self, event: impl IntoIterator<Item = IntakeEvent>) {
        for event in event {
            self.shared.event(event);
        }
    }

    fn named(&mut self, topic: &str, partition: i32) -> TopicPartition {
        self.slots
            .get_mut(topic, partition)
            .map_or_else(|| TopicPartition::new(topic, partition), |slot| slot.partition.clone())
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) {
        self.run.flush(&mut self.slots, self.share);
        let Some(slot) = self.slots.of(partition) else { return };
        if !matches!(slot.phase, Phase::Flowing | Phase::Choked | Phase::Held) {
            return;
        }
        let was_fetched = slot.is_fetched();
        slot.queue.clear();
        slot.next = offset;
        slot.phase = Phase::Flowing;
        slot.arrived = Instant::now();
        if was_fetched {
            self.stop_fetching(std::slice::from_ref(partition));
        }
        self.start_fetching(&[(partition.clone(), offset)]);
    }

    fn pause(&self, client: &EventConsumer, list: &TopicPartitionList, pause: bool) {
        let base = client.base();
        let done = if pause { base.pause(list) } else { base.resume(list) };
        if let Err(error) = done {
            tracing::warn!(group = self.config.group, %error, pause, "could not pause or resume");
        }
    }

    /// Where it is known which leader wrote what is before an offset, librdkafka asks the present one
    /// whether its log still has that, and tells of a position that is gone where it has not.
    fn start_fetching(&mut self, starts: &[(TopicPartition, i64)]) {
        let mut list = TopicPartitionList::with_capacity(starts.len());
        for (partition, offset) in starts {
            list.add_partition_offset(
                &partition.topic,
                partition.partition,
                Offset::Offset(*offset),
            )
            .expect("a plain offset");
            let slot = self.slots.of(partition);
            if let Some(epoch) = slot.and_then(|slot| slot.queue.leader_epoch(*offset)) {
                set_leader_epoch(&mut list, epoch);
            }
        }
        if let Err(error) = self.fetcher.base().incremental_assign(&list) {
            tracing::error!(group = self.config.group, %error, "could not start fetching");
        }
        // librdkafka keeps a partition paused that was paused when it was last let go.
        self.pause(&self.fetcher, &list, false);
    }

    /// Fetches with another client, from where each partition is. librdkafka takes the leaders of a
    /// topic that was made anew for older than those that it knew of the former one, whose epochs
    /// (KIP-320) were higher, and never asks them.
    fn renew_fetcher(&mut self) -> Result<(), KafkaError> {
        self.fetcher = member::fetcher(&self.config, &self.shared)?;
        self.reads.clear();
        self.block = None;
        let now = Instant::now();
        let mut starts = Vec::new();
        for slot in self.slots.iter_mut().filter(|slot| slot.is_fetched()) {
            slot.phase = Phase::Flowing;
            slot.astray = false;
            slot.arrived = now;
            starts.push((slot.partition.clone(), slot.next));
        }
        self.start_fetching(&starts);
        Ok(())
    }

    fn stop_fetching(&self, partitions: &[TopicPartition]) {
        if partitions.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&partition.topic, partition.partition);
        }
        if let Err(error) = self.fetcher.base().incremental_unassign(&list) {
            tracing::error!(group = self.config.group, %error, "could not stop fetching");
        }
    }
}
