//! One run: a cluster, gateways, services and a load; faults one after another; then the judgement.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forebay_kafka::{Admin, NewTopic, OffsetSpec, Producer, TopicPartition};
use forebay_trial::{
    Act, Answer, Answered, Delivery, Evidence, Journal, Kill, Link, Place, Rule, Script, Sent,
    Service, Verdict, clock, figures,
};

use super::cluster::Cluster;
use super::fault::Fault;
use super::fleet::{Fleet, Protocol, subscription};
use super::history;
use super::load::{Load, POISON};
use crate::harness::unique;
use crate::system::input::Sending;
use crate::system::process::{pause, within};

/// Until everything that was acknowledged is committed, after a fault that is over.
const RECOVERY: Duration = Duration::from_secs(120);
/// What is shorter than this is no standstill worth a line.
const STANDSTILL: Duration = Duration::from_millis(500);
const PARTITIONS: i32 = 6;
/// Of the topic that is deleted and created again.
const REBORN_PARTITIONS: i32 = 2;
const REBORN_RECORDS: usize = 100;

/// What a run is made of.
pub(super) struct Setting {
    pub(super) protocol: Protocol,
    pub(super) gateways: usize,
    /// Records a second.
    pub(super) rate: usize,
    pub(super) seed: u64,
    /// With a second subscription, whose topic is deleted and created again.
    pub(super) reborn: bool,
}

pub(super) struct Trial {
    pub(super) cluster: Cluster,
    pub(super) fleet: Fleet,
    pub(super) services: Vec<Service>,
    pub(super) load: Load,
    pub(super) kills: Vec<Kill>,
    /// Topic, group and subscription.
    pub(super) topic: String,
    journal: Journal,
    partitions: i32,
    reborn: Option<Reborn>,
    done: Vec<Done>,
    began: u64,
    random: u64,
    admin: Admin,
    _directory: tempfile::TempDir,
}

struct Reborn {
    topic: String,
    lives: usize,
    sent: Vec<Sent>,
}

/// A fault that was.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) fault: Fault,
    pub(super) began: u64,
    /// When everything was whole again, as far as the fault goes.
    pub(super) over: u64,
    /// When all that had been acknowledged by then was committed.
    pub(super) recovered: u64,
}

/// What the judge says, and what else is worth telling.
pub(super) struct Outcome {
    pub(super) done: Vec<Done>,
    pub(super) seconds: f64,
    pub(super) records: usize,
    pub(super) verdict: Verdict,
    /// The verdict in words, with examples.
    pub(super) told: String,
    /// Acknowledged records that Kafka does not have.
    pub(super) missing: usize,
    /// Records whose producing failed.
    pub(super) failed: usize,
    pub(super) commits: usize,
    /// Deliveries that the services refused, by reason.
    pub(super) refused: BTreeMap<String, usize>,
    /// The longest time without progress of a partition, in seconds, by the fault it belongs to.
    pub(super) standstills: BTreeMap<Option<Fault>, f64>,
    /// Of the topic that was deleted and created again.
    pub(super) reborn: Option<OfReborn>,
}

/// Each life of the topic that was deleted and created again counts as a topic of its own.
pub(super) struct OfReborn {
    pub(super) verdict: Verdict,
    /// In words, with examples.
    pub(super) told: String,
}

impl Trial {
    pub(super) fn start(setting: &Setting) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let cluster = Cluster::start(&directory.path().join("cluster"));
        let admin = cluster.admin();
        let topic = unique("faults");
        let reborn =
            setting.reborn.then(|| Reborn { topic: unique("reborn"), lives: 0, sent: Vec::new() });
        create(&admin, &topic, PARTITIONS);
        create(&admin, &format!("{topic}.dead"), 1);
        let journal = Journal::default();
        let poison = Answer::status(400).header("forebay-verdict", "reject");
        let delay = Duration::from_millis(1)..Duration::from_millis(15);
        let script = Script::accepting()
            .fence()
            .seed(setting.seed)
            .delay(delay)
            .rule(Rule::new(Act::Answer(poison)).key(POISON));
        let services: Vec<Service> =
            (0..2).map(|_| Service::start(script.clone(), &journal)).collect();
        let urls: Vec<String> = services.iter().map(Service::url).collect();
        let mut subscriptions = subscription(&topic, &urls);
        if let Some(reborn) = &reborn {
            create(&admin, &reborn.topic, REBORN_PARTITIONS);
            subscriptions.push_str(&subscription(&reborn.topic, &urls));
        }
        let fleet = Fleet::start(
            directory.path(),
            &cluster.through_proxies(),
            setting.protocol,
            subscriptions,
            setting.gateways,
        );
        let load = Load::start(&cluster, &topic, PARTITIONS, setting.rate);
        let mut trial = Self {
            cluster,
            fleet,
            services,
            load,
            kills: Vec::new(),
            topic,
            journal,
            partitions: PARTITIONS,
            reborn,
            done: Vec::new(),
            began: clock::now(),
            random: setting.seed,
            admin,
            _directory: directory,
        };
        trial.await_level();
        trial.await_shared();
        trial.live();
        trial.await_life();
        trial
    }

    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(clock::now() - self.began)
    }

    /// Has it happen, and waits until nothing is left of it.
    pub(super) fn suffer(&mut self, fault: Fault) {
        let began = clock::now();
        eprintln!("{:6.1} s  {fault}", self.elapsed().as_secs_f64());
        fault.happen(self);
        let over = clock::now();
        self.await_level();
        self.await_shared();
        self.done.push(Done { fault, began, over, recovered: clock::now() });
    }

    /// Ends a gateway in good order and starts it again. How long its end took.
    pub(super) fn restart(&mut self, gateway: usize) -> Duration {
        let began = clock::now();
        self.fleet.terminate(gateway);
        let ended = Duration::from_nanos(clock::now() - began);
        self.fleet.start_one(gateway);
        let over = clock::now();
        self.await_level();
        self.await_shared();
        let fault = Fault::RestartGateway;
        self.done.push(Done { fault, began, over, recovered: clock::now() });
        ended
    }

    /// Lets everything run without a fault.
    pub(super) fn calm(&self, time: Duration) {
        pause(time);
    }

    /// A number below this (splitmix64).
    pub(super) fn chance(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }

    /// Kills brokers, waits until others lead, starts them again, and waits until all is in sync.
    pub(super) fn bounce(&mut self, nodes: &[usize]) {
        for node in nodes {
            self.cluster.kill(*node);
        }
        for node in nodes {
            self.cluster.await_leaders_without(*node);
        }
        self.cluster.start_again(nodes);
        self.cluster.await_whole();
    }

    pub(super) fn add_partitions(&mut self, more: i32) {
        self.partitions += more;
        let partitions = self.partitions.to_string();
        let args = ["--alter", "--topic", &self.topic, "--partitions", &partitions];
        self.cluster.tool("org.apache.kafka.tools.TopicCommand", &args);
        self.load.widen(self.partitions);
        let wanted = self.partitions as usize;
        within(RECOVERY, "the new partitions are read", || {
            (self.owners().len() == wanted).then_some(())
        });
    }

    /// Waits until the others own all partitions.
    pub(super) fn await_taken_over(&self, gone: usize) {
        let wanted = self.partitions as usize;
        within(RECOVERY, "another gateway takes over", || {
            let others = (0..self.fleet.len()).filter(|gateway| *gateway != gone);
            let owned: usize = others.map(|one| self.fleet.owned(one, &self.topic).len()).sum();
            (owned == wanted).then_some(())
        });
    }

    /// Deletes the second topic and creates it again, with other records at the same offsets.
    pub(super) fn recreate_topic(&mut self) {
        self.begin_anew();
        self.await_life();
    }

    /// As above, while gateways hear nothing: when they do, their old positions are in the new logs.
    pub(super) fn recreate_topic_unseen(&mut self) {
        self.cluster.set_links(Link::Silent);
        self.begin_anew();
        self.cluster.set_links(Link::Open);
        self.await_life();
    }

    fn begin_anew(&mut self) {
        let Some(reborn) = &self.reborn else { return };
        let (topic, admin) = (reborn.topic.clone(), &self.admin);
        within(RECOVERY, "the topic is deleted", || admin.delete_topic(&topic).ok());
        within(RECOVERY, "the topic is gone", || {
            matches!(admin.describe_topic(&topic), Ok(None)).then_some(())
        });
        create(admin, &topic, REBORN_PARTITIONS);
        self.live();
    }

    /// Fills the second topic.
    fn live(&mut self) {
        let Some(reborn) = &mut self.reborn else { return };
        reborn.lives += 1;
        let (life, topic) = (reborn.lives, reborn.topic.clone());
        let patient = [("delivery.timeout.ms", "120000"), ("request.timeout.ms", "5000")];
        let properties = self.cluster.properties(&patient);
        let producer = Producer::new(&properties, "reborn").expect("a client");
        let sending = Sending::default();
        for number in 0..REBORN_RECORDS {
            let (key, value) = (format!("life-{life}-{}", number % 7), format!("{life}: {number}"));
            sending.send(&producer, &topic, Some(key.as_bytes()), Some(value.as_bytes()));
        }
        producer.flush(RECOVERY).expect("all is acknowledged");
        let input = sending.read();
        assert_eq!(input.len(), REBORN_RECORDS, "a young topic takes records");
        let named = |mut sent: Sent| {
            sent.place.topic = format!("{topic} {life}");
            sent
        };
        reborn.sent.extend(input.into_records().map(named));
    }

    /// Waits until all of the second topic is accepted.
    fn await_life(&self) {
        let Some(Reborn { topic, lives: life, .. }) = &self.reborn else { return };
        self.journal.wait_for(RECOVERY, "the new topic's records are accepted", |all| {
            let accepted = all.iter().rev().filter(|one| {
                one.what.topic == *topic
                    && one.accepted().is_some()
                    && life_of(one).is_some_and(|of| of == life.to_string())
            });
            let places: BTreeSet<Place> = accepted.map(Delivery::place).collect();
            (places.len() == REBORN_RECORDS).then_some(())
        });
    }

    /// Waits until all that is in the topic now is committed.
    fn await_level(&self) {
        let ends = within(RECOVERY, "the ends of the log", || self.ends());
        within(RECOVERY, "everything is committed", || {
            let committed = self.admin.group_offsets(&self.topic).ok()?;
            let committed: BTreeMap<i32, i64> =
                committed.into_iter().map(|one| (one.partition.partition, one.offset)).collect();
            let reached = |(partition, end): (&i32, &i64)| {
                *end == 0 || committed.get(partition).is_some_and(|point| point >= end)
            };
            if ends.iter().all(reached) {
                return Some(());
            }
            pause(Duration::from_millis(100));
            None
        });
    }

    fn ends(&self) -> Option<BTreeMap<i32, i64>> {
        let wanted: Vec<_> = (0..self.partitions)
            .map(|partition| {
                (TopicPartition::new(self.topic.as_str(), partition), OffsetSpec::Latest)
            })
            .collect();
        let listed = self.admin.offsets(&wanted).inspect_err(|error| eprintln!("{error}")).ok()?;
        let listed = listed.into_iter();
        listed.map(|one| Some((one.partition.partition, one.offset.ok()??))).collect()
    }

    /// Partition and gateway of all that is owned; one that two own counts twice.
    fn owners(&self) -> Vec<(i32, usize)> {
        let each = (0..self.fleet.len()).flat_map(|gateway| {
            let owned = self.fleet.owned(gateway, &self.topic);
            owned.into_iter().map(move |partition| (partition, gateway))
        });
        each.collect()
    }

    /// Waits until each partition has one owner, and each gateway a partition.
    pub(super) fn await_shared(&self) {
        let (partitions, gateways) = (self.partitions as usize, self.fleet.len());
        within(RECOVERY, "each gateway has its share", || {
            let owners = self.owners();
            let busy: BTreeSet<usize> = owners.iter().map(|own| own.1).collect();
            let apart: BTreeSet<i32> = owners.iter().map(|own| own.0).collect();
            let shared = owners.len() == partitions && apart.len() == partitions;
            (shared && busy.len() == gateways).then_some(())
        });
    }

    /// Ends everything in good order, and judges it.
    pub(super) fn judge(mut self) -> Outcome {
        let seconds = self.elapsed().as_secs_f64();
        let said = self.load.end();
        self.await_level();
        for gateway in 0..self.fleet.len() {
            self.fleet.terminate(gateway);
        }
        let properties = self.cluster.properties(&[]);
        let sent = history::sent(&properties, &self.topic, &said);
        let dead = history::dead_letters(&properties, &format!("{}.dead", self.topic));
        let commits = history::commits(&properties, &self.topic);
        let (reborn, deliveries) = self.split();
        let evidence = Evidence::new(&sent, &deliveries)
            .kills(&self.kills)
            .commits(&commits)
            .excused(&dead)
            .across_tenures();
        let verdict = evidence.judge();
        let mut refused = BTreeMap::new();
        for delivery in deliveries.iter().filter(|one| one.is_refused()) {
            if let Some(Answered::Refused { by }) = delivery.ended.as_ref().map(|it| &it.answered) {
                *refused.entry(by.clone()).or_default() += 1;
            }
        }
        Outcome {
            seconds,
            records: sent.len(),
            told: evidence.told(&verdict).to_string(),
            missing: history::missing(&sent, &said),
            failed: said.failed.len(),
            commits: commits.len(),
            refused,
            standstills: self.standstills(&sent, &deliveries),
            reborn: self.reborn.as_ref().map(|of| {
                let evidence = Evidence::new(&of.sent, &reborn);
                let verdict = evidence.judge();
                OfReborn { told: evidence.told(&verdict).to_string(), verdict }
            }),
            done: std::mem::take(&mut self.done),
            verdict,
        }
    }

    /// Deliveries of the second topic, named by its lives, and those of the first.
    fn split(&self) -> (Vec<Delivery>, Vec<Delivery>) {
        let all = self.journal.read().into_iter();
        let (mut reborn, first): (Vec<_>, Vec<_>) =
            all.partition(|delivery| delivery.what.topic != self.topic);
        for delivery in &mut reborn {
            let life = life_of(delivery).unwrap_or_default().to_owned();
            delivery.what.topic = format!("{} {life}", delivery.what.topic);
        }
        (reborn, first)
    }

    /// A standstill belongs to the last fault that had begun when it ended.
    fn standstills(&self, sent: &[Sent], deliveries: &[Delivery]) -> BTreeMap<Option<Fault>, f64> {
        let mut longest: BTreeMap<Option<Fault>, f64> = BTreeMap::new();
        for stop in figures::standstills(sent, deliveries, STANDSTILL) {
            let mut latest = self.done.iter().rev();
            let fault = latest.find(|done| done.began <= stop.time.end).map(|done| done.fault);
            let seconds = clock::seconds(stop.time.end - stop.time.start);
            let known = longest.entry(fault).or_default();
            *known = known.max(seconds);
        }
        longest
    }
}

fn life_of(delivery: &Delivery) -> Option<&str> {
    delivery.what.key.as_deref()?.strip_prefix("life-")?.split('-').next()
}

/// With a copy on each node.
pub(super) fn create(admin: &Admin, topic: &str, partitions: i32) {
    let new =
        NewTopic { name: topic.to_owned(), partitions, replication: 3, configs: BTreeMap::new() };
    within(RECOVERY, "the topic is created", || {
        // A cluster whose nodes have only just met may not have three yet.
        admin.create_topic(&new).ok()
    });
}
