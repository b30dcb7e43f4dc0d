//! One connection: its greeting, then request after request.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::playing::Admission;
use super::wire::{Head, Wire};
use super::work::{Kept, Work};
use super::{Shared, act};
use crate::delivery::{Arrival, digest};
use crate::script::{Act, Answer, Greet, Read};

/// How a connection ends, or that it goes on.
pub(super) type Flow = ControlFlow<Close>;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Close {
    Orderly,
    Reset,
}

impl Close {
    pub(super) fn by(reset: bool) -> Self {
        if reset { Self::Reset } else { Self::Orderly }
    }
}

pub(super) async fn serve(shared: Arc<Shared>, socket: TcpStream) {
    let mut wire = Wire::new(socket);
    let close = match converse(&shared, &mut wire).await {
        Flow::Break(close) => close,
        Flow::Continue(()) => Close::Orderly,
    };
    wire.close(close == Close::Reset);
}

async fn converse(shared: &Arc<Shared>, wire: &mut Wire) -> Flow {
    let greet = {
        let state = shared.state();
        state.playing.greet(&state.switches)
    };
    let mut requests = u64::MAX;
    match greet {
        Some(Greet::Close { reset }) => return Flow::Break(Close::by(reset)),
        Some(Greet::NeverRead) => {
            wire.until_left_unread().await;
            return Flow::Break(Close::Orderly);
        }
        Some(Greet::Speak(text)) => act::go_on(&wire.say(text.as_bytes()).await)?,
        Some(Greet::Serve { requests: some }) => requests = some,
        None => {}
    }
    for _ in 0..requests {
        let Some(head) = wire.head().await else { break };
        exchange(shared, wire, head).await?;
    }
    Flow::Continue(())
}

async fn exchange(shared: &Arc<Shared>, wire: &mut Wire, head: Head) -> Flow {
    let Some(mut what) = Arrival::read(|name| head.request.header(name)) else {
        return stray(shared, wire, head).await;
    };
    let chosen = {
        let state = shared.state();
        state.playing.choose(&what, &state.switches)
    };
    if let Act::Close { after: Read::Head, reset } = chosen.act() {
        let written = Work::begin(shared, what, false).and_then(|mut work| work.broken("close"));
        return Flow::Break(Close::by(*reset && written.is_ok()));
    }
    // Without its whole body a request was never made.
    let Some(request) = wire.body(head).await else { return Flow::Break(Close::Orderly) };
    what.digest = Some(digest(&request.body));
    shared.book.keep(request);
    let Ok(mut work) = Work::begin(shared, what, chosen.is_fenced()) else {
        return Flow::Break(Close::Orderly);
    };
    match work.look() {
        Ok(Kept::Yes) => {}
        Ok(Kept::Refused(by)) => return act::refuse(wire, &mut work, by).await,
        Err(_) => return Flow::Break(Close::Orderly),
    }
    match chosen.admit().await {
        Admission::Over(answer) => act::answer(wire, &mut work, &answer).await,
        _admitted @ Admission::Admitted { .. } => {
            let delay = chosen.delay();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            act::perform(shared, wire, &mut work, chosen.act()).await
        }
    }
}

async fn stray(shared: &Arc<Shared>, wire: &mut Wire, head: Head) -> Flow {
    let written = shared.book.stray();
    let whole = wire.body(head).await.is_some();
    let bytes = act::render(&Answer::status(400).body("not of delivery contract v1\n"));
    if written.is_ok() && whole && wire.say(&bytes).await.is_ok() {
        return Flow::Continue(());
    }
    Flow::Break(Close::Orderly)
}
