//! Whatever the service does: how the gateway fares while it is slow, broken, overloaded or gone;
//! and what a crowd of partitions takes.
//!
//! A scenario is a file in `scenarios/` and lines of [`ALL`]. It runs a gateway of its own against
//! a service in this process that is told what to do, and gives figures; some have a wanted value,
//! and together those are the line's verdict. Whether anything was lost, reordered or overlapped is
//! judged from the service's own journal, and is part of every line.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::cpu;
use crate::forebay::Broker;

mod figures;
mod footprint;
mod isolation;
mod outage;
mod overload;
mod report;
mod scene;
mod source;
mod third;
mod uneven;

use figures::Line;

/// A scenario's name and course.
type Scenario = (&'static str, fn(&Setting) -> anyhow::Result<Line>);

const ALL: &[Scenario] = &[
    ("isolation", isolation::run),
    ("outage-refused", outage::refused),
    ("outage-hang", outage::hang),
    ("outage-503", outage::unavailable),
    ("outage-502", outage::bad_gateway),
    ("outage-400", outage::bad_request),
    ("outage-404", outage::not_found),
    ("third", third::run),
    ("uneven-slow", uneven::slow),
    ("uneven-500", uneven::failing),
    ("overload", overload::run),
    ("footprint-20-topics", footprint::of_topics),
    ("footprint-1-topic", footprint::of_one_topic),
];

#[derive(clap::Args)]
pub(crate) struct Plan {
    /// Troubles of seconds instead of a minute, or of five
    #[arg(long)]
    short: bool,
    /// Length of the trouble, of every scenario; what is around it is no longer
    #[arg(long)]
    seconds: Option<u64>,
    /// What the service takes in a second
    #[arg(long, default_value_t = 5_000)]
    rate: u32,
    /// Run only scenarios whose names begin so; may be given more than once
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// The forebay to measure [default: beside this program]
    #[arg(long, value_name = "PATH")]
    forebay: Option<PathBuf>,
}

/// How long each part of a scenario is.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// Until the gateway is at speed.
    pub(crate) warm_up: Duration,
    /// Measured before the trouble.
    pub(crate) before: Duration,
    pub(crate) trouble: Duration,
    /// Of an overload, which shows with time.
    pub(crate) overload: Duration,
    /// Measured after it.
    pub(crate) after: Duration,
    /// Of a delivery.
    pub(crate) deadline: Duration,
}

/// Where scenarios take place.
pub(crate) struct Setting {
    pub(crate) forebay: PathBuf,
    pub(crate) broker: Broker,
    pub(crate) directory: TempDir,
    pub(crate) times: Times,
    /// What a service takes in a second.
    pub(crate) rate: u32,
}

impl Plan {
    fn times(&self) -> Times {
        let seconds = |long: u64, short: u64, most: Option<u64>| {
            let chosen = if self.short { short } else { long };
            Duration::from_secs(most.map_or(chosen, |most| chosen.min(most)))
        };
        let trouble = |long, short| match self.seconds {
            Some(seconds) => Duration::from_secs(seconds),
            None => seconds(long, short, None),
        };
        Times {
            warm_up: seconds(8, 3, self.seconds),
            before: seconds(15, 4, self.seconds),
            trouble: trouble(60, 8),
            overload: trouble(300, 30),
            after: seconds(20, 10, self.seconds),
            deadline: seconds(30, 2, self.seconds),
        }
    }

    fn chosen(&self) -> impl Iterator<Item = &'static Scenario> {
        ALL.iter().filter(|(name, _)| {
            self.only.is_empty() || self.only.iter().any(|only| name.starts_with(only.as_str()))
        })
    }
}

/// Errs where a scenario can't be run, or a promise was broken in one; figures that are not what
/// they should be are for people to judge.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let load = cpu::load_average()?;
    ensure!(plan.chosen().next().is_some(), "no scenario is named so; there are {}", names());
    let forebay = match &plan.forebay {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("forebay"),
    };
    let directory = TempDir::new().context("a directory for the broker's data")?;
    let broker = Broker::start(&forebay, directory.path())?;
    let setting = Setting { forebay, broker, directory, times: plan.times(), rate: plan.rate };
    let mut lines = Vec::new();
    for (name, scenario) in plan.chosen() {
        writeln!(std::io::stderr(), "{name} …")?;
        let line = scenario(&setting).with_context(|| format!("scenario {name}"))?;
        report::tell(&mut std::io::stderr().lock(), &line)?;
        lines.push(line);
    }
    report::print(&setting, load, &lines)?;
    let broken: Vec<&str> = lines.iter().filter(|line| !line.kept).map(|line| line.name).collect();
    ensure!(broken.is_empty(), "promises were broken in {}", broken.join(", "));
    Ok(())
}

fn names() -> String {
    ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
