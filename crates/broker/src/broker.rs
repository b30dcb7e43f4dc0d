//! Starting and ending a broker inside a process.
//!
//! [`Broker::start`] returns once clients can connect. Ending it with
//! [`BrokerHandle::shutdown`] closes connections, syncs and closes every log, and marks the data
//! directory as clean; dropping the handle instead is like a crash: nothing acknowledged is lost,
//! and the next start checks the logs' tails.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use forebay_log::{DataDir, Syncer};
use kafka_protocol::protocol::StrBytes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use crate::config::{BrokerConfig, StartError};
use crate::connection;
use crate::coordinator::Coordinator;
use crate::groups::Settings;
use crate::memory::Memory;
use crate::node::Node;
use crate::topics::Topics;

/// The embedded broker; see [`Broker::start`].
#[derive(Debug)]
pub struct Broker;

impl Broker {
    /// Opens the data directory, reads groups back and listens. Needs a tokio runtime with time
    /// and IO; several worker threads serve it best.
    pub async fn start(config: BrokerConfig) -> Result<BrokerHandle, StartError> {
        let listener = listen(config.listen).await?;
        let address = listener
            .local_addr()
            .map_err(|source| StartError::Listen { address: config.listen, source })?;
        let (failed, failure) = watch::channel(false);
        let opening = tokio::task::spawn_blocking(move || open(config, address, failed));
        let node = opening.await.expect("opening does not panic and is not cancelled")?;
        node.groups.start();
        let (stop, stopped) = watch::channel(());
        let serving = tokio::spawn(serve(Arc::clone(&node), listener, stopped, failure.clone()));
        tracing::info!(%address, data = %node.config.data.display(), "broker listens");
        Ok(BrokerHandle { address, node, stop, serving, failure })
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::AddressInUse(address),
        _ => StartError::Listen { address, source },
    })
}

fn open(
    config: BrokerConfig,
    address: SocketAddr,
    failed: watch::Sender<bool>,
) -> Result<Arc<Node>, StartError> {
    let data = DataDir::open(&config.data, || Uuid::new_v4().simple().to_string());
    let data = data.map_err(|error| StartError::from_data_dir(error, &config.data))?;
    let syncer = Syncer::start(config.durability, move |error| {
        tracing::error!(%error, "a sync failed; nothing is acknowledged any more");
        failed.send_replace(true);
    });
    let syncer = syncer.map_err(StartError::io(&config.data))?;
    let topics = Arc::new(Topics::open(data, syncer, &config)?);
    let settings = Settings {
        initial_rebalance_delay: config.initial_rebalance_delay,
        min_session_timeout: config.min_session_timeout,
        max_session_timeout: config.max_session_timeout,
    };
    let groups = Coordinator::open(Arc::clone(&topics), settings);
    let groups = groups.map_err(|error| StartError::Damaged {
        path: config.data.clone(),
        what: error.to_string(),
    })?;
    let (host, port) = config.advertise(address);
    Ok(Arc::new(Node {
        host: StrBytes::from_string(host),
        port: i32::from(port),
        request_memory: Memory::new(config.request_memory),
        fetch_memory: Memory::new(config.fetch_memory),
        config,
        topics,
        groups,
    }))
}

async fn serve(
    node: Arc<Node>,
    listener: TcpListener,
    mut stopped: watch::Receiver<()>,
    mut failure: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut has_failed = false;
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            () = has_turned_true(&mut failure), if !has_failed => {
                has_failed = true;
                node.topics.fail();
            }
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection::run(Arc::clone(&node), stream, peer));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: others must close before more come.
                    tracing::warn!(%error, "can't accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    node.groups.stop();
    connections.shutdown().await;
}

/// Never returns if it can't any more.
async fn has_turned_true(signal: &mut watch::Receiver<bool>) {
    if signal.wait_for(|set| *set).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A running broker.
pub struct BrokerHandle {
    address: SocketAddr,
    node: Arc<Node>,
    stop: watch::Sender<()>,
    serving: JoinHandle<()>,
    failure: watch::Receiver<bool>,
}

impl std::fmt::Debug for BrokerHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("BrokerHandle")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// A shutdown that could not leave everything as it should be; acknowledged data is safe still.
#[derive(Debug, thiserror::Error)]
#[error("the broker did not close cleanly: {0}")]
pub struct ShutdownError(String);

impl BrokerHandle {
    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns once the disk has failed: nothing will be acknowledged any more, and the process
    /// should end. Never returns otherwise.
    pub async fn failed(&self) {
        has_turned_true(&mut self.failure.clone()).await;
    }

    /// Closes connections and logs, and marks the data directory as closed cleanly.
    pub async fn shutdown(self) -> Result<(), ShutdownError> {
        let Self { node, stop, serving, .. } = self;
        // Fails only if the serving task has ended, which is what is wanted.
        let _ = stop.send(());
        serving.await.map_err(|error| ShutdownError(error.to_string()))?;
        let closed = tokio::task::spawn_blocking(move || close(node)).await;
        closed.map_err(|error| ShutdownError(error.to_string()))?
    }
}

fn close(node: Arc<Node>) -> Result<(), ShutdownError> {
    let Node { topics, groups, .. } = sole(node)?;
    drop(groups);
    sole(topics)?.close().map_err(|error| ShutdownError(error.to_string()))
}

/// The last owner's value. Work that was handed to other threads may hold on for a moment after
/// its connection has ended.
#[expect(clippy::disallowed_methods, reason = "nothing tells when the last owner lets go")]
fn sole<T>(mut shared: Arc<T>) -> Result<T, ShutdownError> {
    for _ in 0..10_000 {
        match Arc::try_unwrap(shared) {
            Ok(value) => return Ok(value),
            Err(still) => shared = still,
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(ShutdownError("work in progress did not end".to_owned()))
}
