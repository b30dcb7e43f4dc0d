//! Deliveries over real sockets, to services that do exactly what a test's script says.

mod abuse;
mod answers;
mod arbitrary;
mod habits;
mod lost;
mod recycle;
mod reuse;
mod secure;
mod service;

use std::time::Duration;

use bytes::Bytes;
use forebay_core::{Offset, Tenure};
use forebay_push::{Connections, Endpoint, Limits, Names, Origin, Record, RequestWriter, Tls};
use forebay_wire::Replay;
use tokio::time::Instant;

type NoHeaders = std::iter::Empty<(&'static str, Option<&'static [u8]>)>;

/// Far enough away that a test which needs it has failed.
fn in_time() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn origin() -> Origin {
    Origin::new(Names {
        subscription: "payments",
        group: "payments",
        topic: "orders",
        topic_id: None,
        partition: 3,
        park: None,
        tenure: Tenure(17),
    })
}

fn record(value: impl Into<Bytes>) -> Record<'static, NoHeaders> {
    Record {
        offset: Offset(42),
        timestamp: 1_700_000_000_000,
        key: Some(b"account-7"),
        value: Some(value.into()),
        headers: std::iter::empty(),
        replay: Replay::FIRST_READING,
        attempt: 1,
    }
}

fn request(endpoint: &Endpoint) -> forebay_push::Request {
    let timeout = Duration::from_secs(20);
    let mut writer = RequestWriter::new(8 << 10);
    writer.write(endpoint, &origin(), &record("value"), timeout).expect("it is small")
}

fn connections(endpoint: Endpoint) -> Connections {
    Connections::new(endpoint, Limits::default(), Tls::default())
}
