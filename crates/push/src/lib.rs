//! Delivery of one record to a service over HTTP/1.1, with TLS where its address asks for it.
//!
//! [`Connections::deliver`] turns a record and a deadline into one [`Answer`](forebay_core::Answer)
//! by that deadline, whatever the network and the service do (P4), and never into anything else.
//! It knows nothing of partitions' state and never delivers twice: a request is written a second
//! time only where not a byte of the first was handed to the kernel, or the service broke off the TLS
//! handshake that it was behind.
//!
//! Built for one `current_thread` runtime with a local task for each delivery slot: no task, no
//! channel and no timer is made for a request. Left out: HTTP/2, gRPC, batches.
#![forbid(unsafe_code)]

mod age;
mod connection;
mod connections;
mod contract;
mod endpoint;
mod reuse;
mod socket;
mod stream;
mod tls;
pub mod verdict;

pub use connection::{Connection, Exchange, OpenError};
pub use connections::{Connections, Limits};
pub use contract::{DoesNotFit, Names, Origin, Record, Request, RequestWriter};
pub use endpoint::{Endpoint, EndpointError};
pub use tls::{Identity, Tls, TlsError, TlsFiles, TlsPart};
