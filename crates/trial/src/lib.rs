//! What every trial of the gateway needs: a service whose behaviour is scripted, a journal of what
//! it saw, and a judge that decides from journals and input alone what was lost, out of order,
//! overlapping or duplicated, and why.
//!
//! - [`Service`] answers on the loopback as its [`Script`] says, in a thread of its own; [`Child`]
//!   is the same as a process.
//! - [`Journal`] remembers what services in this process saw; [`Writer`] and [`Journals`] do the
//!   same by files, for services that are processes and may be killed.
//! - [`Proxy`] is a way over TCP that can be cut, slowed or silenced.
//! - `tls` (a feature) certifies, and speaks TLS in front of a service.
//! - [`Evidence`] is judged into a [`Verdict`]; [`figures`] reads rates and latencies from it.
//!
//! ```
//! use forebay_trial::{Act, Evidence, Journal, Limit, Rule, Script, Service};
//!
//! let journal = Journal::default();
//! let bad = Rule::answering(500).share(1, 100).while_on("bad");
//! let poison = Rule::new(Act::Crash).key("poison").times(3);
//! let script = Script::accepting().limit(Limit::per_second(5_000)).rule(bad).rule(poison);
//! let service = Service::start(script, &journal);
//! service.switch_on("bad"); // a hundredth of all keys fails from now on
//! // Have something deliver to `service.url()`, and wait for what it does:
//! // journal.wait("all is accepted", |deliveries| …);
//! let sent = []; // what Kafka acknowledged, in its order
//! let verdict = Evidence::new(&sent, &journal.read()).assert_kept();
//! assert_eq!(verdict.duplicated, 0);
//! ```
//!
//! It knows nothing of gateways, brokers or clients: it stands at the other end of the wire.

mod child;
pub mod clock;
mod delivery;
mod fence;
pub mod figures;
mod journal;
mod judge;
mod port;
mod process;
mod proxy;
mod script;
mod service;
#[cfg(feature = "tls")]
pub mod tls;

pub use child::Child;
pub use delivery::{Answered, Arrival, Delivery, Ended, Place, digest};
pub use journal::{Journal, Journals, Request, Writer};
pub use judge::{Committed, Evidence, Kill, Reason, Repetition, Sent, Stop, Told, Verdict};
pub use process::{Order, Ready, Reply, ServeError, serve};
pub use proxy::{Link, Proxy};
pub use script::{
    Act, Answer, Broken, Delay, Greet, Greeting, Limit, Over, Range, Read, Rule, Script,
    ScriptError, Share, When, Window,
};
pub use service::Service;
