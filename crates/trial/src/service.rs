//! A service on the loopback that does what its script says, and writes down what it saw.
//!
//! It speaks HTTP/1.1 on plain TCP, so that it can also speak it wrongly. It runs in a thread of its
//! own; its handle blocks and needs no runtime. Its port stays its own for as long as the handle
//! lives, so that it can be `down` and come back `up` at the same address.
//!
//! It takes requests as delivery contract v1 has them, with `content-length`; what is no delivery is
//! answered 400 and counted as a stray. It leaves out TLS, HTTP/2 and chunked requests.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::Notify;

use crate::clock;
use crate::journal::{Journal, Writer};
use crate::judge::Kill;
use crate::port::{self, Port};
use crate::script::Script;

mod act;
mod connection;
mod listen;
mod playing;
mod wire;
mod work;

use playing::{Playing, Switches};
use work::Book;

/// An instance of the service; dropping it ends it at once, as a kill does.
#[derive(Debug)]
pub struct Service {
    port: Port,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    book: Book,
    instance: usize,
    state: Mutex<State>,
    /// `state` has changed: for those who wait in threads.
    turned: Condvar,
    /// As above, for the listener.
    changed: Notify,
    connections: AtomicUsize,
    /// How this host crashes; none where only the service can.
    crash: Option<fn()>,
}

#[derive(Debug)]
struct State {
    playing: Arc<Playing>,
    switches: Switches,
    /// Whether it should listen, as far as its handle says.
    up: bool,
    /// No new connections; those that are there stay.
    closing: bool,
    listening: bool,
    crashes: usize,
    /// Requests that have begun and not ended.
    at_work: usize,
}

impl Service {
    /// In this process, on a free port. Services that share a journal are its instances 0, 1, …
    pub fn start(script: Script, journal: &Journal) -> Self {
        let book = Book::Memory(journal.clone());
        Self::open(port::ANY, script, book, journal.enlist(), None)
            .expect("the loopback has free ports")
    }

    /// As a process: writes into a file, and a crash is the process's own.
    pub fn of_process(address: SocketAddr, script: Script, journal: Writer) -> io::Result<Self> {
        let crash = || {
            // Of ourselves it is always allowed.
            let _ = kill_process(getpid(), Signal::KILL);
        };
        Self::open(address, script, Book::File(journal), 0, Some(crash))
    }

    fn open(
        address: SocketAddr,
        script: Script,
        book: Book,
        instance: usize,
        crash: Option<fn()>,
    ) -> io::Result<Self> {
        script.check().map_err(io::Error::other)?;
        let state = State {
            playing: Arc::new(Playing::new(script)),
            switches: Switches::default(),
            up: true,
            closing: false,
            listening: false,
            crashes: 0,
            at_work: 0,
        };
        let shared = Arc::new(Shared {
            book,
            instance,
            state: Mutex::new(state),
            turned: Condvar::new(),
            changed: Notify::new(),
            connections: AtomicUsize::new(0),
            crash,
        });
        let port = Port::open("service", address, |address| listen::run(shared.clone(), address))?;
        let service = Self { port, shared };
        service.settle();
        Ok(service)
    }

    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub fn url(&self) -> String {
        format!("http://{}/records", self.address())
    }

    /// Its number in the journal.
    pub fn instance(&self) -> usize {
        self.shared.instance
    }

    /// From now on it behaves so; what has begun ends as it began. Counts and times start anew,
    /// switches stay as they are.
    ///
    /// # Panics
    /// Where the script can't be acted on, see [`Script::check`].
    pub fn play(&self, script: Script) {
        script.check().expect("a script that can be acted on");
        self.shared.change(|state| state.playing = Arc::new(Playing::new(script)));
        self.settle();
    }

    /// Turns a switch on, or on anew.
    pub fn switch_on(&self, name: &str) {
        self.shared.change(|state| state.switches.on(name));
        self.settle();
    }

    pub fn switch_off(&self, name: &str) {
        self.shared.change(|state| state.switches.off(name));
        self.settle();
    }

    /// Ends the listener and all connections; deliveries at work are cut off. Returns once
    /// connections are refused, with the evidence for the judge.
    pub fn down(&self) -> Kill {
        let at = clock::now();
        self.shared.change(|state| state.up = false);
        self.settle();
        Kill::Service { instance: self.shared.instance, at }
    }

    /// Listens again at the same address, also after a crash. Returns once it does.
    pub fn up(&self) {
        self.shared.change(|state| state.up = true);
        self.settle();
    }

    /// Connections taken so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Crashes by script so far.
    pub fn crashes(&self) -> usize {
        self.shared.state().crashes
    }

    /// Returns once it has crashed so often, and is down.
    pub fn wait_for_crash(&self, count: usize) {
        self.shared.wait(|state| state.crashes >= count && !state.listening);
    }

    /// Takes no more connections, finishes what is at work, and ends. What hangs is waited for.
    pub fn finish(self) {
        self.shared.change(|state| state.closing = true);
        self.shared.wait(|state| state.at_work == 0);
    }

    /// Waits until the listener is as it should be.
    fn settle(&self) {
        self.shared.wait(|state| state.listening == state.should_listen());
    }
}

impl State {
    fn should_listen(&self) -> bool {
        self.up && !self.playing.refuses(&self.switches)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.state());
        self.turned.notify_all();
        self.changed.notify_one();
        done
    }

    fn wait(&self, come: impl Fn(&State) -> bool) {
        let waited = self.turned.wait_while(self.state(), |state| !come(state));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn crash(&self) {
        if let Some(crash) = self.crash {
            crash();
        }
        self.change(|state| {
            state.crashes += 1;
            state.up = false;
        });
    }
}
