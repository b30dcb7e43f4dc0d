//! What a running gateway shows and obeys over HTTP: health, metrics, and the control API.
//!
//! It reads snapshots, which are plain values, and sends commands; it holds no lock of the data
//! path. Where a token is configured, everything but health asks for it; configuration sees to it
//! that there is one off loopback.

mod api;
mod command;
mod metrics;
mod rebalances;
mod server;
mod shown;

pub use api::Reload;
pub use metrics::{METRICS, Metric, MetricKind};
pub use server::{Control, ListenError, Serving};
