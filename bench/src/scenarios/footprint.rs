//! Many partitions with next to nothing in them: what a process takes to have them, idle, and while
//! it is restarted beside a second one of its groups.
//!
//! Either a thousand partitions, fifty in each of twenty topics with a subscription of its own; or one
//! topic of a thousand, and twenty subscriptions that each read all of it. One record in each partition
//! before and after the restarts shows that every partition is at work.

use std::collections::HashMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use forebay_kafka::{Producer, Send, SendError};
use forebay_trial::{Delivery, Journal, Script, Service};

use super::Setting;
use super::figures::{Line, Wanted};
use crate::forebay::{Gateway, PATIENCE, pause};

const SUBSCRIPTIONS: usize = 20;
/// What is wanted of a process with a thousand partitions, in MB.
const MEMORY: f64 = 150.0;
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn of_topics(setting: &Setting) -> anyhow::Result<Line> {
    let topics = (0..SUBSCRIPTIONS).map(|number| format!("footprint-{number}")).collect();
    let crowd = Crowd::open(setting, topics, 50)?;
    run(setting, &crowd, Line::new("footprint-20-topics"), Some(Wanted::AtMost(MEMORY)))
}

pub(crate) fn of_one_topic(setting: &Setting) -> anyhow::Result<Line> {
    let crowd = Crowd::open(setting, vec!["footprint".to_owned()], 1_000)?;
    run(setting, &crowd, Line::new("footprint-1-topic"), None)
}

fn run(
    setting: &Setting,
    crowd: &Crowd<'_>,
    mut line: Line,
    memory: Option<Wanted>,
) -> anyhow::Result<Line> {
    let say = |line: &mut Line, name, value| match memory {
        Some(wanted) => line.want(name, value, wanted),
        None => line.tell(name, value),
    };
    line.tell("partitions of all subscriptions", crowd.whole() as f64);
    let begin = Instant::now();
    let first = crowd.start("one")?;
    line.tell("seconds until it listens", begin.elapsed().as_secs_f64());
    crowd.await_shared(&[&first])?;
    line.tell("seconds until it has all partitions", begin.elapsed().as_secs_f64());
    let (before, time) = (first.process.cpu()?, Instant::now());
    pause(setting.times.before);
    let share = (first.process.cpu()? - before) / time.elapsed().as_secs_f64();
    say(&mut line, "memory while idle, MB", megabytes(first.process.status("VmRSS")?));
    line.tell("threads", first.process.status("Threads")? as f64);
    line.tell("processors while idle", share);
    crowd.await_delivered(1)?;

    let mut two = [first, crowd.start("two")?];
    crowd.await_shared(&[&two[0], &two[1]])?;
    let mut longest = 0.0_f64;
    for (number, name) in ["one", "two"].into_iter().enumerate() {
        let begin = Instant::now();
        terminate(&mut two[number])?;
        two[number] = crowd.start(name)?;
        crowd.await_shared(&[&two[0], &two[1]])?;
        longest = longest.max(begin.elapsed().as_secs_f64());
    }
    line.tell("seconds of a restart, until all is shared", longest);
    crowd.await_delivered(2)?;
    pause(setting.times.before);
    let mut most = (0, 0);
    for process in two.iter().map(|gateway| &gateway.process) {
        most = (most.0.max(process.status("VmRSS")?), most.1.max(process.status("VmHWM")?));
    }
    say(&mut line, "memory of each of two after restarts, MB", megabytes(most.0));
    say(&mut line, "memory of each of two at most, MB", megabytes(most.1));
    two.iter_mut().try_for_each(terminate)?;
    crowd.judge(&mut line);
    Ok(line)
}

/// Topics, a service that accepts everything, and what was sent to it.
struct Crowd<'a> {
    setting: &'a Setting,
    topics: Vec<String>,
    partitions: usize,
    producer: Producer,
    journal: Journal,
    service: Service,
}

impl<'a> Crowd<'a> {
    fn open(setting: &'a Setting, topics: Vec<String>, partitions: usize) -> anyhow::Result<Self> {
        for topic in &topics {
            setting.broker.create_topic(topic, partitions)?;
        }
        let producer = Producer::new(&setting.broker.properties()?, "footprint")?;
        let journal = Journal::default();
        let service = Service::start(Script::accepting(), &journal);
        Ok(Self { setting, topics, partitions, producer, journal, service })
    }

    /// Of all subscriptions together.
    fn whole(&self) -> usize {
        SUBSCRIPTIONS * self.partitions
    }

    fn groups(&self) -> impl Iterator<Item = (String, &str)> {
        (0..SUBSCRIPTIONS).map(|number| {
            let topic = &self.topics[number % self.topics.len()];
            (format!("{}-{number}", self.topics[0]), topic.as_str())
        })
    }

    fn start(&self, name: &str) -> anyhow::Result<Gateway> {
        let mut config = format!(
            "[kafka]\n\"bootstrap.servers\" = \"{}\"\n\
             [control]\nlisten = \"127.0.0.1:0\"\ninstance = \"{name}\"\n",
            self.setting.broker.kafka
        );
        for (group, topic) in self.groups() {
            config.push_str(&format!(
                "[[subscription]]\nname = \"{group}\"\ntopics = [\"{topic}\"]\n\
                 target = {{ url = {:?} }}\n",
                self.service.url()
            ));
        }
        let stem = self.setting.directory.path().join(format!("{}-{name}", self.topics[0]));
        let ready = stem.with_extension("json");
        if ready.exists() {
            std::fs::remove_file(&ready)?;
        }
        Gateway::start(&self.setting.forebay, &stem, &config)
    }

    /// Waits until every gateway has its even part of each subscription.
    fn await_shared(&self, gateways: &[&Gateway]) -> anyhow::Result<()> {
        let begin = Instant::now();
        for (group, _) in self.groups() {
            for gateway in gateways {
                loop {
                    let shown = gateway.ask("GET", &format!("{group}?scope=process"))?;
                    let owned = shown["partitions"].as_array().map_or(0, Vec::len);
                    if owned == self.partitions / gateways.len() {
                        break;
                    }
                    ensure!(begin.elapsed() < 2 * PATIENCE, "{group} is not shared: {owned}");
                    pause(LOOK);
                }
            }
        }
        Ok(())
    }

    /// Sends one more record to each partition, and waits until each has come to each group so often.
    fn await_delivered(&self, times: usize) -> anyhow::Result<()> {
        let failed = Arc::new(AtomicUsize::new(0));
        for topic in &self.topics {
            for partition in 0..self.partitions {
                self.send(topic, i32::try_from(partition)?, &failed);
            }
        }
        self.producer.flush(PATIENCE)?;
        ensure!(failed.load(Ordering::Relaxed) == 0, "Kafka refused records");
        let wanted = times * self.whole();
        let begin = Instant::now();
        while self.journal.len() < wanted {
            let come = self.journal.len();
            ensure!(begin.elapsed() < 2 * PATIENCE, "{come} of {wanted} deliveries came");
            pause(LOOK);
        }
        Ok(())
    }

    fn send(&self, topic: &str, partition: i32, failed: &Arc<AtomicUsize>) {
        let told = failed.clone();
        let mut delivery: forebay_kafka::Delivery = Box::new(move |produced| {
            told.fetch_add(usize::from(produced.is_err()), Ordering::Relaxed);
        });
        loop {
            let record = Send {
                topic,
                partition: Some(partition),
                key: None,
                value: Some(b"value"),
                headers: &[],
                timestamp_ms: None,
            };
            match self.producer.send(record, delivery) {
                Ok(()) => return,
                Err(SendError::Full(again)) => delivery = again,
                Err(SendError::Refused(_)) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
            self.producer.wait_for_room(LOOK);
        }
    }

    /// Each record was accepted once in each group: an orderly restart repeats nothing.
    fn judge(&self, line: &mut Line) {
        let mut accepted: HashMap<String, usize> = HashMap::new();
        for delivery in self.journal.read().into_iter().filter(|one| one.accepted().is_some()) {
            let Delivery { what, .. } = delivery;
            *accepted.entry(what.idempotency_key).or_default() += 1;
        }
        let sent = 2 * self.whole();
        let repeated = accepted.values().filter(|times| **times > 1).count();
        line.kept = accepted.len() == sent && repeated == 0;
        line.tell("records", sent as f64);
        line.want("lost", sent.saturating_sub(accepted.len()) as f64, Wanted::AtMost(0.0));
        line.want("accepted twice", repeated as f64, Wanted::AtMost(0.0));
    }
}

/// Of what the kernel counts in kB, which are 1,024 bytes.
fn megabytes(kilobytes: u64) -> f64 {
    kilobytes as f64 * 1_024.0 / 1e6
}

/// SIGTERM, and waits for the orderly end.
fn terminate(gateway: &mut Gateway) -> anyhow::Result<()> {
    let child = gateway.process.child();
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    ensure!(sent.context("kill(1)")?.success(), "the gateway can't be signalled");
    let status = child.wait()?;
    ensure!(status.success(), "the gateway ended with {status}");
    Ok(())
}
