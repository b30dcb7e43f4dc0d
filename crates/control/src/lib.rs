//! What a running gateway shows and obeys over HTTP: health, metrics, and the control API.
//!
//! It reads snapshots, which are plain values, and sends commands; it holds no lock of the data
//! path. Where a token is configured, everything but health asks for it; configuration sees to it
//! that there is one off loopback.
//!
//! A subscription is shown, and commanded, as its whole group has it: the other processes are asked
//! over their own control APIs. Health and metrics are of this process alone.

mod api;
mod blocking;
mod bounded;
mod command;
mod commands;
mod confirm;
mod exchange;
mod group;
mod metrics;
mod origin;
mod peers;
mod rebalances;
mod seek;
mod server;
mod shown;

pub use api::{Reload, Reloaded};
pub use commands::Commands;
pub use exchange::{ExchangeError, Question, exchange};
pub use metrics::{METRICS, Metric, MetricKind};
pub use peers::Peers;
pub use server::{Control, ListenError, Serving};
