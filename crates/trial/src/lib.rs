//! What every trial of the gateway needs: a service whose behaviour is scripted, a journal of what
//! it saw, and a judge that decides from journals and input alone what was lost, out of order,
//! overlapping or duplicated, and why.
//!
//! - [`Service`] answers on the loopback as its [`Script`] says, in a thread of its own; [`Child`]
//!   is the same as a process.
//! - [`Journal`] remembers what services in this process saw; [`Writer`] and [`Journals`] do the
//!   same by files, for services that are processes and may be killed.
//! - [`Evidence`] is judged into a [`Verdict`]; [`figures`] reads rates and latencies from it.
//!
//! It knows nothing of gateways, brokers or clients: it stands at the other end of the wire.

mod child;
pub mod clock;
mod delivery;
pub mod figures;
mod journal;
mod judge;
mod process;
mod script;
mod service;

pub use child::Child;
pub use delivery::{Answered, Arrival, Delivery, Ended, Place, digest};
pub use journal::{Journal, Journals, Request, Writer};
pub use judge::{Evidence, Kill, Reason, Repetition, Sent, Stop, Told, Verdict};
pub use process::{Order, Ready, Reply, ServeError, serve};
pub use script::{
    Act, Answer, Broken, Delay, Greet, Greeting, Limit, Over, Range, Read, Rule, Script,
    ScriptError, Share, When, Window,
};
pub use service::Service;
