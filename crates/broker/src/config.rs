//! What can be set for a broker, and the ways a start can fail.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use forebay_log::{DataDirError, Durability};

/// Settings of one broker. [`BrokerConfig::new`] fills in defaults that suit one machine.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// Where to listen; port 0 takes a free one, see [`crate::BrokerHandle::address`].
    pub listen: SocketAddr,
    /// Host and port that clients are told to connect to. Where `None`, the listen address, or
    /// `localhost` if that is the address of all interfaces: then clients elsewhere need this set.
    pub advertised: Option<(String, u16)>,
    /// The data directory; created where missing, used by one process at a time.
    pub data: PathBuf,
    pub node_id: i32,
    /// When a produce counts as durable and is acknowledged.
    pub durability: Durability,
    /// `auto.create.topics.enable`: topics come into being when a client asks for them.
    pub auto_create_topics: bool,
    /// `num.partitions` of topics created without a count.
    pub default_partitions: i32,
    /// `max.message.bytes` of topics that don't set their own: largest record batch.
    pub max_message_bytes: u32,
    /// `segment.bytes` of topics that don't set their own.
    pub segment_bytes: u32,
    /// `socket.request.max.bytes`: a larger request closes its connection.
    pub request_max_bytes: u32,
    /// Bytes of requests that are held at a time, over all connections; reading pauses beyond.
    pub request_memory: u32,
    /// `fetch.max.bytes`: largest answer to one fetch, but for a first batch that is larger.
    pub fetch_max_bytes: u32,
    /// Bytes of fetch answers that are held at a time, over all connections.
    pub fetch_memory: u32,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members after
    /// its first. Kafka's 3 s serve fleets that start over seconds; processes of one machine
    /// start within 100 ms of each other, and every start of a lone consumer pays the delay.
    pub initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`
    pub min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`
    pub max_session_timeout: Duration,
}

impl BrokerConfig {
    pub fn new(listen: SocketAddr, data: impl Into<PathBuf>) -> Self {
        Self {
            listen,
            advertised: None,
            data: data.into(),
            node_id: 1,
            durability: Durability::Group { window: Duration::from_millis(2) },
            auto_create_topics: true,
            default_partitions: 1,
            max_message_bytes: 1024 * 1024 + 12,
            segment_bytes: 1 << 30,
            request_max_bytes: 100 << 20,
            request_memory: 128 << 20,
            fetch_max_bytes: 50 << 20,
            fetch_memory: 256 << 20,
            initial_rebalance_delay: Duration::from_millis(100),
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: Duration::from_secs(30 * 60),
        }
    }
}

impl BrokerConfig {
    /// What clients are told, given where the broker really listens.
    pub(crate) fn advertise(&self, address: SocketAddr) -> (String, u16) {
        match &self.advertised {
            Some(advertised) => advertised.clone(),
            None if address.ip().is_unspecified() => ("localhost".to_owned(), address.port()),
            None => (address.ip().to_string(), address.port()),
        }
    }
}

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0} is in use by another process")]
    AddressInUse(SocketAddr),
    #[error("can't listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("data directory {0} is in use by another process")]
    DataInUse(PathBuf),
    #[error("data directory {path} has format version {found}; this program knows up to {known}")]
    NewerVersion { path: PathBuf, found: u32, known: u32 },
    #[error("{0} holds files that are not Forebay's; give an empty directory")]
    Foreign(PathBuf),
    #[error("{path} is damaged: {what}")]
    Damaged { path: PathBuf, what: String },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

impl StartError {
    /// For `map_err`: says which path an IO error is about.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn from_data_dir(error: DataDirError, data: &std::path::Path) -> Self {
        match error {
            DataDirError::InUse { path } => Self::DataInUse(path),
            DataDirError::NewerVersion { path, found, known } => {
                Self::NewerVersion { path, found, known }
            }
            DataDirError::Damaged { path, what } => Self::Damaged { path, what: what.to_owned() },
            DataDirError::Foreign { path } => Self::Foreign(path),
            DataDirError::Io { path, source } => Self::Io { path, source },
            error @ (DataDirError::TopicName { .. } | DataDirError::Exists { .. }) => {
                Self::Damaged { path: data.to_owned(), what: error.to_string() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_an_address_they_can_connect_to() {
        let mut config = BrokerConfig::new(SocketAddr::from(([0, 0, 0, 0], 0)), "unused");
        let told = |config: &BrokerConfig, ip: [u8; 4]| config.advertise((ip, 9092).into());
        assert_eq!(told(&config, [127, 0, 0, 1]), ("127.0.0.1".to_owned(), 9092));
        assert_eq!(told(&config, [0, 0, 0, 0]), ("localhost".to_owned(), 9092));
        config.advertised = Some(("broker.example".to_owned(), 1234));
        assert_eq!(told(&config, [0, 0, 0, 0]), ("broker.example".to_owned(), 1234));
    }
}
