//! One scenario's stage: a topic, services, a gateway between them, and what was seen meanwhile.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use forebay_kafka::{ReadFrom, Reader, ReaderItem};
use forebay_trial::{Delivery, Evidence, Journal, Kill, Place, Script, Sent, Service, clock};
use forebay_wire::dead_letter::DeadLetter;
use serde_json::Value;

use super::Setting;
use super::figures::{Line, Wanted, Window};
use super::source::Source;
use crate::forebay::{Gateway, PATIENCE, pause};
use crate::workload::PARTITIONS;

/// The only subscription of a scene's gateway.
const NAME: &str = "payments";
/// Between two looks at the gateway.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) struct Scene<'a> {
    setting: &'a Setting,
    topic: String,
    dead: String,
    pub(crate) journal: Journal,
    pub(crate) services: Vec<Service>,
    pub(crate) source: Source,
    gateway: Gateway,
    looks: Vec<Look>,
    pub(crate) kills: Vec<Kill>,
}

/// The gateway at a moment.
pub(crate) struct Look {
    pub(crate) at: u64,
    pub(crate) resident: u64,
    /// Its subscription, as the control API shows it.
    pub(crate) shown: Value,
}

impl Look {
    /// Attempts that are charged to records which wait, of those that are shown.
    pub(crate) fn charged(&self) -> u64 {
        let troubles = self.shown["troubles"].as_array().into_iter().flatten();
        troubles.filter_map(|trouble| trouble["attempts_charged"].as_u64()).sum()
    }

    /// Whether it waits for an operator.
    pub(crate) fn is_held(&self) -> bool {
        self.shown["bottleneck"]["cap"] == "operator"
    }

    /// Whether all of so many records are settled and committed.
    fn is_drained(&self, records: usize) -> bool {
        let partitions = self.shown["partitions"].as_array().into_iter().flatten();
        let done = partitions.filter_map(|partition| partition["commit_point"].as_u64());
        done.sum::<u64>() == records as u64
    }
}

impl<'a> Scene<'a> {
    /// `scripts`: one for each service. `backlog`: records that are there when the gateway begins.
    pub(crate) fn open(
        setting: &'a Setting,
        name: &str,
        scripts: Vec<Script>,
        backlog: usize,
    ) -> anyhow::Result<Self> {
        let dead = format!("{name}.dead");
        setting.broker.create_topic(name, PARTITIONS)?;
        setting.broker.create_topic(&dead, 1)?;
        let source = Source::new(&setting.broker, name)?;
        source.fill(backlog).context("filling the topic")?;
        let journal = Journal::default();
        let services: Vec<Service> =
            scripts.into_iter().map(|script| Service::start(script, &journal)).collect();
        let urls: Vec<String> =
            services.iter().map(|service| format!("{:?}", service.url())).collect();
        let target = match urls.as_slice() {
            [url] => format!("url = {url}"),
            several => format!("endpoints = [{}]", several.join(", ")),
        };
        let config = format!(
            "[kafka]\n\
             \"bootstrap.servers\" = \"{}\"\n\
             [control]\n\
             listen = \"127.0.0.1:0\"\n\
             [[subscription]]\n\
             name = \"{NAME}\"\n\
             topics = [\"{name}\"]\n\
             group = \"{name}\"\n\
             [subscription.target]\n\
             {target}\n\
             deadline = \"{}s\"\n\
             [subscription.dead_letter]\n\
             topic = \"{dead}\"\n",
            setting.broker.kafka,
            setting.times.deadline.as_secs(),
        );
        let stem = setting.directory.path().join(name);
        let gateway = Gateway::start(&setting.forebay, &stem, &config)?;
        let (looks, kills) = (Vec::new(), Vec::new());
        let topic = name.to_owned();
        Ok(Self { setting, topic, dead, journal, services, source, gateway, looks, kills })
    }

    /// Waits until deliveries come in, and for the warm-up after that.
    pub(crate) fn warm_up(&mut self) -> anyhow::Result<()> {
        let journal = self.journal.clone();
        let came = self.watch_until(PATIENCE, |_| !journal.is_empty())?;
        ensure!(came.is_some(), "the gateway delivers nothing");
        self.watch(self.setting.times.warm_up)?;
        Ok(())
    }

    /// Looks at the gateway for so long, and gives the window that this was.
    pub(crate) fn watch(&mut self, time: Duration) -> anyhow::Result<Window> {
        let begin = clock::now();
        self.watch_until(time, |_| false)?;
        Ok(begin..clock::now())
    }

    /// The same until `come`, and no longer than `time`; gives the seconds that it took.
    pub(crate) fn watch_until(
        &mut self,
        time: Duration,
        mut come: impl FnMut(&Look) -> bool,
    ) -> anyhow::Result<Option<f64>> {
        let begin = Instant::now();
        while begin.elapsed() < time {
            if come(self.look()?) {
                return Ok(Some(begin.elapsed().as_secs_f64()));
            }
            pause(LOOK.min(time.saturating_sub(begin.elapsed())));
        }
        Ok(None)
    }

    pub(crate) fn look(&mut self) -> anyhow::Result<&Look> {
        self.gateway.process.expect_running()?;
        let shown = self.gateway.ask("GET", NAME)?;
        let resident = self.gateway.process.resident()?;
        self.looks.push(Look { at: clock::now(), resident, shown });
        Ok(self.looks.last().expect("one was just added"))
    }

    pub(crate) fn looks(&self, window: &Window) -> impl Iterator<Item = &Look> {
        self.looks.iter().filter(|look| window.contains(&look.at))
    }

    /// An operator's word about the subscription.
    pub(crate) fn command(&self, word: &str) -> anyhow::Result<()> {
        self.gateway.ask("POST", &format!("{NAME}/{word}")).map(drop)
    }

    /// Sends the dead letters back. False where this `forebay` has no such command.
    pub(crate) fn redrive(&self) -> anyhow::Result<bool> {
        let mut command = Command::new(&self.setting.forebay);
        command.args(["dead-letters", "redrive", "--kafka", &self.setting.broker.kafka]);
        let output = command.args(["--topic", &self.dead]).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        if errors.contains("unrecognized subcommand") {
            return Ok(false);
        }
        ensure!(output.status.success(), "redrive: {errors}");
        Ok(true)
    }

    /// Most memory in the window, in MiB.
    pub(crate) fn resident_most(&self, window: &Window) -> Option<f64> {
        let most = self.looks(window).map(|look| look.resident).max()?;
        Some(most as f64 / f64::from(1 << 20))
    }

    /// Memory at the end of the window, in MiB.
    pub(crate) fn resident_last(&self, window: &Window) -> Option<f64> {
        let last = self.looks(window).last()?;
        Some(last.resident as f64 / f64::from(1 << 20))
    }

    /// Most attempts charged at any look in the window.
    pub(crate) fn charged_most(&self, window: &Window) -> Option<f64> {
        self.looks(window).map(Look::charged).max().map(|most| most as f64)
    }

    /// Waits until so many records are settled; gives the seconds that it took.
    pub(crate) fn drain(&mut self, time: Duration, records: usize) -> anyhow::Result<Option<f64>> {
        self.watch_until(time, |look| look.is_drained(records))
    }

    /// The same for all that was produced, at any speed: services accept everything at once. An
    /// operator resumes what the budget of dead letters holds meanwhile; gives how often.
    pub(crate) fn finish(&mut self) -> anyhow::Result<u32> {
        for service in &self.services {
            service.play(Script::accepting());
        }
        let (begin, mut resumed) = (Instant::now(), 0);
        while self.drain(Duration::from_secs(1), self.source.count())?.is_none() {
            ensure!(begin.elapsed() < 2 * PATIENCE, "not drained: {}", self.look()?.shown);
            if self.look()?.is_held() {
                self.command("resume")?;
                resumed += 1;
            }
        }
        Ok(resumed)
    }

    /// Where the records in the dead letter topic are from.
    pub(crate) fn letters(&self) -> anyhow::Result<Vec<Place>> {
        let properties = self.setting.broker.properties()?;
        let mut reader =
            Reader::start(&properties, &self.dead, None, ReadFrom::Beginning, PATIENCE)?;
        let (mut letters, begin) = (Vec::new(), Instant::now());
        while !reader.is_at_end() {
            ensure!(begin.elapsed() < PATIENCE, "the dead letters have no end");
            match reader.next(LOOK) {
                Some(ReaderItem::Record(_, record)) => {
                    let letter = DeadLetter::parse(record.headers())
                        .context("a dead letter does not say where it is from")?;
                    letters.push(Place::new(letter.topic, letter.partition, letter.offset));
                }
                Some(ReaderItem::Failed(error)) => return Err(error.into()),
                Some(ReaderItem::End(_)) | None => {}
            }
        }
        Ok(letters)
    }

    /// All deliveries that services saw.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.journal.read()
    }

    /// Judges what was delivered; records among `letters` need not be.
    pub(crate) fn judge(&self, line: &mut Line, deliveries: &[Delivery], letters: &[Place]) {
        let sent: Vec<Sent> = self.source.sent();
        let excused: BTreeSet<Place> = letters.iter().cloned().collect();
        let evidence = Evidence::new(&sent, deliveries).kills(&self.kills).excused(&excused);
        let verdict = evidence.judge();
        line.kept = verdict.is_kept();
        line.tell("records", sent.len() as f64);
        line.want("lost", verdict.lost.len() as f64, Wanted::AtMost(0.0));
        line.want("out of order", verdict.out_of_order.len() as f64, Wanted::AtMost(0.0));
        if !line.kept {
            line.say(format!("{}: {}", self.topic, evidence.told(&verdict)));
        }
    }
}
