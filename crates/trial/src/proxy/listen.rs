//! The listener: there unless the way is cut, and all connections with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Link, Shared, carry};
use crate::port::{accept, listen};

/// After an error of the system's, such as too many open files.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// Never ends; dropped, it takes listener and connections with it.
pub(super) async fn run(shared: Arc<Shared>, address: SocketAddr) {
    let mut link = shared.link.subscribe();
    let mut listener = None;
    let mut connections = JoinSet::new();
    loop {
        let cut = *link.borrow_and_update() == Link::Cut;
        if cut {
            listener = None;
            connections.shutdown().await;
        } else if listener.is_none() {
            listener = listen(address).ok();
        }
        shared.tell_listening(listener.is_some());
        let again = !cut && listener.is_none();
        tokio::select! {
            accepted = accept(listener.as_ref()) => match accepted {
                Ok(socket) => {
                    connections.spawn(connect(Arc::clone(&shared), socket));
                }
                Err(_) => tokio::time::sleep(TRY_AGAIN).await,
            },
            // The sender is in `shared`, which lives as long as this does.
            _ = link.changed() => {}
            () = tokio::time::sleep(TRY_AGAIN), if again => {}
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(shared: Arc<Shared>, client: TcpStream) {
    let mut link = shared.link.subscribe();
    if link.wait_for(|link| *link != Link::Silent).await.is_err() {
        return;
    }
    let Some(behind) = shared.behind() else { return };
    // What can't be reached ends the client's connection, as if it had been refused.
    let Ok(server) = TcpStream::connect(behind).await else { return };
    carry::both_ways(client, server, &shared.link).await;
}
