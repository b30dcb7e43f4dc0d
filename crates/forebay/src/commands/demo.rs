//! `forebay demo`: the main job on real input, as several processes that are scaled and killed.
//!
//! It starts the embedded broker (or uses `--kafka`), the gateway and a small service, each as a
//! process of its own; replays a month of real flights, keyed by aeroplane; scales the service
//! 1 → 8 → 2, kills one instance and the gateway with SIGKILL; and says whether every promise was
//! kept. That verdict is reached from the services' journals and the input alone.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cli::{Demo, Output};
use crate::exit::{Exit, Failure, Outcome};
use crate::process::{Signals, print};

mod child;
mod control;
mod group;
mod input;
mod pause;
mod picture;
mod play;
mod replay;
mod report;
mod script;
pub(super) mod service;
mod stage;
mod troupe;

use script::Plan;
use stage::Cluster;
use troupe::Troupe;

/// How long a replay takes by default, as long as that is not faster than [`RATE_MAX`].
const SECONDS: f64 = 64.0;
const RATE_MAX: f64 = 1_000.0;

pub(super) async fn run(args: Demo) -> Outcome {
    let mut signals = Signals::listen().map_err(Failure::of(Exit::Usage))?;
    let mut plan = plan(&args)?;
    if let Some(servers) = args.kafka.clone() {
        let opening = tokio::task::spawn_blocking(move || Cluster::open(&servers, &new_topic()));
        plan.cluster = tokio::select! {
            opened = opening => Some(Arc::new(opened.expect("a panic ends the whole process")?)),
            _ = signals.next() => return Ok(Exit::Interrupted),
        };
    }
    let mut troupe = Troupe::gather()?;
    let played = tokio::select! {
        played = Box::pin(script::play(&plan, &mut troupe)) => Some(played),
        _ = signals.next() => None,
    };
    let disbanded = troupe.disband().await;
    if let Some(cluster) = plan.cluster
        && let Err(error) = tokio::task::block_in_place(|| cluster.remove_topic())
    {
        crate::logs::say(&format!("forebay: the demo's topic is left behind: {error}"));
    }
    let Some(played) = played else {
        crate::logs::say("\nforebay: interrupted; all that the demo started has ended");
        return Ok(Exit::Interrupted);
    };
    let report = played?;
    disbanded.map_err(|error| {
        Failure::new(Exit::Usage, format!("cannot remove the temporary directory: {error}"))
    })?;
    print(&match args.output {
        Output::Table => report.table(),
        Output::Json => report.json(),
    })?;
    Ok(if report.kept { Exit::Done } else { Exit::Broken })
}

fn plan(args: &Demo) -> Result<Plan, Failure> {
    let (name, mut rows) = match (&args.input, &args.key) {
        (Some(path), Some(key)) => {
            (format!("{} by {key}", path.display()), input::file(path, key)?)
        }
        _ => ("Flights of January 2013 by aeroplane".to_owned(), input::flights()?),
    };
    let whole = (rows.len() as f64 / SECONDS).clamp(1.0, RATE_MAX);
    let rate = args.rate.map_or(whole, f64::from);
    if let Some(seconds) = args.seconds {
        rows.truncate((rate * f64::from(seconds)).ceil() as usize);
    }
    Ok(Plan {
        title: Plan::title(&name, args.kafka.as_deref()),
        rows: Arc::new(rows),
        rate,
        cluster: None,
        without_order: args.without_order,
    })
}

/// A name that is on no cluster yet.
fn new_topic() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("forebay-demo-{}", since.as_nanos())
}
