//! A seed lived to its end, and told again: outcome, the command that replays it, the trace.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use forebay_core::{Fault, Planted};

use crate::checkers::Broken;
use crate::world::{Tally, World};

/// How a world ended.
#[derive(Debug)]
pub struct Outcome {
    pub seed: u64,
    pub fault: Option<Fault>,
    pub tally: Tally,
    pub broken: Option<Broken>,
    /// Empty unless it was asked for.
    pub trace: String,
}

thread_local! {
    /// What the last panic of this thread said, while a world runs on it.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
    static LISTENS: Cell<bool> = const { Cell::new(false) };
}

/// Lives the world of a seed, with a fault planted in the core or none.
pub fn live(seed: u64, fault: Option<Fault>, traced: bool) -> Outcome {
    listen();
    let planted = fault.map_or(Planted::NONE, Planted::plant);
    let mut world = World::new(seed, planted, traced);
    LISTENS.set(true);
    let end = panic::catch_unwind(AssertUnwindSafe(|| world.run()));
    LISTENS.set(false);
    let broken = match end {
        Ok(end) => end.err(),
        Err(_) => Some(Broken::from_panic(&SAID.take().unwrap_or_default())),
    };
    Outcome { seed, fault, tally: world.tally(), broken, trace: world.trace().to_owned() }
}

impl Outcome {
    /// The one command that shows the same again.
    pub fn command(&self) -> String {
        let fault = self.fault.map(|fault| format!(" --fault {fault:?}")).unwrap_or_default();
        format!("cargo run -p forebay-sim -- --seed {}{fault}", self.seed)
    }
}

/// Catches what a core's assert says, instead of printing it; other threads are left as they are.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !LISTENS.get() {
                return usual(info);
            }
            let said = info.payload();
            let message = said.downcast_ref::<String>().map(String::as_str);
            let message = message.or_else(|| said.downcast_ref::<&str>().copied());
            let place = info.location().map(|place| format!(" ({place})")).unwrap_or_default();
            SAID.set(Some(format!("{}{place}", message.unwrap_or("no message"))));
        }));
    });
}
