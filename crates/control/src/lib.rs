//! What a running gateway shows and obeys over HTTP: health, metrics, and the control API.
//!
//! It reads snapshots, which are plain values, and sends commands; it holds no lock of the data
//! path. It has no authentication, so it listens on loopback only, which configuration sees to.

mod api;
mod metrics;
mod server;
mod shown;

pub use metrics::{METRICS, Metric, MetricKind};
pub use server::{Control, ListenError};
