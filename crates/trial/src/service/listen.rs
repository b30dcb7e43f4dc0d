//! The listener: there or not as the script and the handle say, and all connections with it.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Shared, connection};
use crate::port::{accept, listen};

/// After an error of the system's, such as too many open files.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// Never ends; dropped, it takes listener and connections with it.
pub(super) async fn run(shared: Arc<Shared>, address: SocketAddr) {
    let mut listener = None;
    let mut connections = JoinSet::new();
    loop {
        let (listens, closing, edge) = {
            let state = shared.state();
            let edge = state.playing.next_edge(&state.switches);
            (state.should_listen(), state.closing, edge)
        };
        if closing {
            listener = None;
        } else if !listens {
            listener = None;
            // Their deliveries are cut off before anyone is told that the service is down.
            connections.shutdown().await;
        } else if listener.is_none() {
            listener = listen(address).ok();
        }
        let listening = listener.is_some();
        if shared.state().listening != listening {
            shared.change(|state| state.listening = listening);
        }
        let edge = if listens && !closing && !listening { Some(TRY_AGAIN) } else { edge };
        tokio::select! {
            accepted = accept(listener.as_ref()) => match accepted {
                Ok(socket) => {
                    shared.connections.fetch_add(1, Ordering::Relaxed);
                    connections.spawn(connection::serve(Arc::clone(&shared), socket));
                }
                Err(_) => tokio::time::sleep(TRY_AGAIN).await,
            },
            () = shared.changed.notified() => {}
            () = passed(edge) => {}
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn passed(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => pending().await,
    }
}
