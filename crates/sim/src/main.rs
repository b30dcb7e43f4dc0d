//! `forebay-sim`: lives worlds by the thousand, or one again with all that happened in it.
//!
//! Exit codes: 0 every promise held (or the planted fault was caught), 1 one was broken (or it was
//! not caught), 2 usage.
#![allow(clippy::print_stdout, reason = "its results are its output")]

use std::io::IsTerminal;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use forebay_sim::replay::{self, Outcome};
use forebay_sim::{faults, world::Tally};
use indicatif::{ProgressBar, ProgressStyle};

/// Lives deterministic worlds around Forebay's core and holds it to its promises.
///
/// Examples:
///   forebay-sim --seeds 10000              as many worlds, on all cores
///   forebay-sim --seed 42                  one world, with its trace
///   forebay-sim --fault KeyForgotten       worlds until a planted fault is caught
///   forebay-sim --fault all                the same for every fault, as a table
///   forebay-sim --seed 3 --fault KeyForgotten
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Arguments {
    /// How many worlds to live; with --fault, how many at most.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Live this world alone and print its trace.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Plant a fault in the core by its name, or `all` of them, one after another.
    #[arg(long)]
    fault: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let name = arguments.fault.as_deref();
    if arguments.seed.is_none() && name == Some("all") {
        return Ok(hunt_all(arguments.seeds));
    }
    let fault = name.map(|name| faults::named(name).with_context(|| unknown(name))).transpose()?;
    match (arguments.seed, fault) {
        (Some(seed), fault) => Ok(show(&replay::live(seed, fault, true))),
        (None, Some(fault)) => Ok(hunt(&[fault], arguments.seeds)),
        (None, None) => Ok(live_all(arguments.from, arguments.seeds)),
    }
}

fn unknown(name: &str) -> String {
    let names: Vec<_> = faults::ALL.iter().map(|fault| format!("{fault:?}")).collect();
    format!("there is no fault {name}; there are: {}", names.join(", "))
}

/// One world, with all that happened in it.
fn show(outcome: &Outcome) -> ExitCode {
    print!("{}", outcome.trace);
    match &outcome.broken {
        Some(broken) => println!("\nseed {} breaks {broken}", outcome.seed),
        None => println!("\nseed {}: every promise held; {:?}", outcome.seed, outcome.tally),
    }
    ExitCode::from(u8::from(outcome.broken.is_some()))
}

fn hunt_all(most: u64) -> ExitCode {
    hunt(faults::ALL, most)
}

fn hunt(of: &[forebay_core::Fault], most: u64) -> ExitCode {
    let mut missed = 0;
    for &fault in of {
        let catch = faults::hunt(fault, most);
        missed += u8::from(catch.seeds.is_none());
        let seeds = catch.seeds.map_or("never".to_owned(), |seeds| seeds.to_string());
        let (promise, others) = (faults::promise(fault), catch.blamed_otherwise.len());
        let name = format!("{fault:?}");
        println!("{promise:<9} {name:<22} {seeds:>6} seeds, {others} blamed otherwise before");
        if let (Some(seeds), Some(broken), 1) = (catch.seeds, catch.broken, of.len()) {
            println!("{broken}");
            println!("cargo run -p forebay-sim -- --seed {} --fault {fault:?}", seeds - 1);
        }
    }
    ExitCode::from(u8::from(missed > 0))
}

/// Many worlds on all cores; stops nowhere, so that the simplest failing world can be chosen.
fn live_all(from: u64, seeds: u64) -> ExitCode {
    let began = Instant::now();
    let next = AtomicU64::new(from);
    let failed = Mutex::new(Vec::new());
    let total = Mutex::new(Tally::default());
    let bar = progress(seeds);
    let worker = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + seeds {
                break;
            }
            let outcome = replay::live(seed, None, false);
            *total.lock().expect("no worker panics") += outcome.tally;
            bar.inc(1);
            if outcome.broken.is_some() {
                failed.lock().expect("no worker panics").push(outcome);
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(worker);
        }
    });
    bar.finish_and_clear();
    let total = total.into_inner().expect("no worker panics");
    summary(seeds, &total, began.elapsed());
    report(failed.into_inner().expect("no worker panics"))
}

fn progress(seeds: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} worlds, {eta} left");
    ProgressBar::new(seeds).with_style(style.expect("the template is well formed"))
}

fn summary(seeds: u64, total: &Tally, took: Duration) {
    println!(
        "{seeds} worlds in {:.1} s ({:.0}/s): {} deliveries, {} terms, {} crashes, {} breaks, {} late or \
         doubled answers, {} charges, {} dead letters, {} parked, {} drops, {} skips, {} lost where once is \
         the most, {} holds, {} over budget, {} events, {:.0} virtual hours",
        took.as_secs_f64(),
        seeds as f64 / took.as_secs_f64(),
        total.deliveries,
        total.terms,
        total.crashes,
        total.breaks,
        total.inert,
        total.charged,
        total.dead_letters,
        total.parked,
        total.dropped,
        total.skipped,
        total.abandoned,
        total.holds,
        total.overdrawn,
        total.events,
        total.virtual_micros as f64 / 3.6e9,
    );
}

/// The failing worlds, shortest first, with the command that shows each.
fn report(mut failed: Vec<Outcome>) -> ExitCode {
    failed.sort_by_key(|outcome| (outcome.tally.events, outcome.seed));
    for outcome in failed.iter().take(10) {
        if let Some(broken) = &outcome.broken {
            println!("seed {} breaks {broken}\n  {}", outcome.seed, outcome.command());
        }
    }
    if failed.is_empty() {
        println!("every promise held");
        return ExitCode::SUCCESS;
    }
    println!("{} worlds broke a promise", failed.len());
    ExitCode::FAILURE
}
