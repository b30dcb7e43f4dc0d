//! A broker for one test: its own data directory and port.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use forebay_broker::{Broker, BrokerConfig, BrokerHandle, StartError};
use tempfile::TempDir;

use crate::client::Client;

pub(crate) fn config(data: &Path) -> BrokerConfig {
    BrokerConfig {
        initial_rebalance_delay: Duration::ZERO,
        min_session_timeout: Duration::from_millis(100),
        ..BrokerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)), data)
    }
}

pub(crate) struct TestBroker {
    pub(crate) handle: BrokerHandle,
    pub(crate) data: TempDir,
}

impl TestBroker {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut BrokerConfig)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = config(data.path());
        change(&mut config);
        Self { handle: Broker::start(config).await.unwrap(), data }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.handle.address()).await
    }

    /// Ends the broker and starts another one on the same data.
    pub(crate) async fn restart(self) -> Self {
        self.handle.shutdown().await.unwrap();
        let handle = Broker::start(config(self.data.path())).await.unwrap();
        Self { handle, data: self.data }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let first = TestBroker::start().await;
    let data = tempfile::tempdir().unwrap();
    let taken = BrokerConfig { listen: first.handle.address(), ..config(data.path()) };
    let error = Broker::start(taken).await.unwrap_err();
    assert!(
        matches!(error, StartError::AddressInUse(address) if address == first.handle.address())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_in_use_is_named_and_free_again_after_shutdown() {
    let first = TestBroker::start().await;
    let error = Broker::start(config(first.data.path())).await.unwrap_err();
    assert!(matches!(error, StartError::DataInUse(_)), "{error}");
    first.restart().await.handle.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_of_a_newer_version_is_refused() {
    let broker = TestBroker::start().await;
    broker.client().await.create_topic("some", 1).await;
    broker.handle.shutdown().await.unwrap();
    let catalog = broker.data.path().join("catalog.json");
    let text = std::fs::read_to_string(&catalog).unwrap();
    std::fs::write(&catalog, text.replace("\"version\": 1", "\"version\": 9")).unwrap();
    let error = Broker::start(config(broker.data.path())).await.unwrap_err();
    assert!(matches!(error, StartError::NewerVersion { found: 9, .. }), "{error}");
}
