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
mod clock;
mod control;
mod group;
mod input;
mod journal;
mod judge;
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
    let plan = plan(&args)?;
    let mut troupe = Troupe::gather()?;
    let played = tokio::select! {
        played = Box::pin(script::play(&plan, &mut troupe)) => Some(played),
        _ = signals.next() => None,
    };
    let disbanded = troupe.disband().await;
    if let Some(servers) = &plan.kafka {
        tokio::task::block_in_place(|| remove_topic(servers, &plan.topic));
    }
    let Some(played) = played else { return Ok(Exit::Interrupted) };
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
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Plan {
        title: Plan::title(&name, args.kafka.as_deref()),
        rows: Arc::new(rows),
        rate,
        kafka: args.kafka.clone(),
        // Not to be found on any cluster already.
        topic: format!("forebay-demo-{}", since.as_nanos()),
    })
}

/// A topic of ours is left on nobody's cluster. Its group goes with it, once its member's session
/// has ended.
fn remove_topic(servers: &str, topic: &str) {
    let removed = Cluster::reach(servers, topic)
        .and_then(|cluster| cluster.admin.delete_topic(topic).map_err(Failure::from));
    if let Err(error) = removed {
        eprintln!("forebay: the demo's topic may be left behind: {error}");
    }
}
