//! A way over TCP that breaks when it is told to: between a client and one address behind it.
//!
//! What it does to connections is what networks do. `Silent` loses nothing: bytes wait, as they do
//! where packets are dropped and sent again, and pass once the way is open. `Cut` and `Torn` end
//! connections. Each direction holds at most [`CHUNKS`] chunks, so a slow way pushes back.
//!
//! It runs in a thread of its own, and its port stays its own while it is cut. It knows no protocol.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::port::{self, Port};

mod carry;
mod listen;

/// What is read at once, and how many of these may be on their way.
const CHUNK: usize = 16 << 10;
const CHUNKS: usize = 64;

/// The state of a way, for all its connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    #[default]
    Open,
    /// Connections are refused, and those that were open have ended.
    Cut,
    /// Connections are taken, and nothing passes.
    Silent,
    /// All takes so much longer, in each direction, and no more than this passes in a second.
    Slow { delay: Duration, bytes_per_second: Option<u64> },
    /// Each connection carries so many more bytes of answers and is then reset, in the middle of
    /// whatever that was.
    Torn { bytes: u64 },
}

/// A way to one address; dropping it ends all connections.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    link: watch::Sender<Link>,
    state: Mutex<State>,
    turned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Where connections lead; while there is nothing they end at once.
    behind: Option<SocketAddr>,
    listening: bool,
}

impl Proxy {
    /// On a free port of the loopback, leading nowhere yet.
    pub fn open() -> io::Result<Self> {
        let (link, _) = watch::channel(Link::Open);
        let shared = Arc::new(Shared { link, state: Mutex::default(), turned: Condvar::new() });
        let listening = |address| listen::run(shared.clone(), address);
        let port = Port::open("proxy", port::ANY, listening)?;
        let proxy = Self { port, shared };
        proxy.settle(Link::Open);
        Ok(proxy)
    }

    /// Where clients come in.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// New connections lead there.
    pub fn lead_to(&self, behind: SocketAddr) {
        self.shared.state().behind = Some(behind);
    }

    /// Returns once it holds: after `Cut` no connection is left.
    pub fn set(&self, link: Link) {
        self.shared.link.send_replace(link);
        self.settle(link);
    }

    fn settle(&self, link: Link) {
        let wrong = |state: &mut State| state.listening == (link == Link::Cut);
        let waited = self.shared.turned.wait_while(self.shared.state(), wrong);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn behind(&self) -> Option<SocketAddr> {
        self.state().behind
    }

    fn tell_listening(&self, listening: bool) {
        self.state().listening = listening;
        self.turned.notify_all();
    }
}
