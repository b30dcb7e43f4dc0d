//! What can go wrong between Forebay and a cluster: what was asked, of whom, and whether asking
//! again can help. No variant ever carries the value of a property.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::trouble::{Trouble, unmade};

/// A failed request, or a client that could not be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KafkaError {
    /// librdkafka refused its configuration; nothing was sent.
    #[error("cannot make a Kafka client: {reason}")]
    Client { reason: String },
    /// Nobody answered in time: the cluster can't be reached, or is too slow.
    #[error("{doing}: no answer from {servers} within {waited:?}")]
    Timeout { doing: String, servers: String, waited: Duration },
    /// No connection, or it broke.
    #[error("{doing}: cannot reach {servers}: {reason}")]
    Unreachable { doing: String, servers: String, reason: String },
    /// Somebody answered, and one side did not accept who or how the other is: TLS or the login.
    #[error("{doing}: no trust between {servers} and this client: {reason}")]
    Untrusted { doing: String, servers: String, reason: String },
    /// The cluster answered with an error.
    #[error("{doing}: {servers} says: {reason}")]
    Refused { doing: String, servers: String, reason: String, retry: bool },
    /// What stands beside a committed offset is longer than `offset.metadata.max.bytes` allows.
    #[error("{doing}: {servers} says: {reason}")]
    MetadataTooLarge { doing: String, servers: String, reason: String },
    /// This client can't go on: another took its `group.instance.id`.
    #[error("{doing}: {reason}")]
    Fatal { doing: String, reason: String },
}

impl KafkaError {
    /// Whether the same request may succeed later without anybody's doing.
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Unreachable { .. } | Self::Untrusted { .. } => true,
            Self::Refused { retry, .. } => *retry,
            Self::Client { .. } | Self::Fatal { .. } => false,
            // By less.
            Self::MetadataTooLarge { .. } => true,
        }
    }

    /// A client that could not be made. The values that it was given are left out.
    pub(crate) fn made(error: &rdkafka::error::KafkaError) -> Self {
        let reason = match error {
            rdkafka::error::KafkaError::ClientConfig(_, reason, name, _) => {
                format!("{name}: {reason}")
            }
            rdkafka::error::KafkaError::ClientCreation(reason) => unmade(reason),
            other => other.to_string(),
        };
        Self::Client { reason }
    }

    /// The same, with why connections failed, where that is known and explains it.
    pub(crate) fn because(self, trouble: Option<Trouble>) -> Self {
        match (self, trouble) {
            (
                Self::Timeout { doing, servers, .. } | Self::Unreachable { doing, servers, .. },
                Some(Trouble { reason, untrusted }),
            ) => match untrusted {
                true => Self::Untrusted { doing, servers, reason },
                false => Self::Unreachable { doing, servers, reason },
            },
            (error, _) => error,
        }
    }

    /// What went wrong, whatever was being done.
    pub fn reason(&self) -> &str {
        match self {
            Self::Timeout { .. } => "no answer",
            Self::Client { reason }
            | Self::Unreachable { reason, .. }
            | Self::Untrusted { reason, .. }
            | Self::Refused { reason, .. }
            | Self::MetadataTooLarge { reason, .. }
            | Self::Fatal { reason, .. } => reason,
        }
    }

    /// Whether a commit was refused for the length of what stood beside its offset.
    pub fn is_metadata_too_large(&self) -> bool {
        matches!(self, Self::MetadataTooLarge { .. })
    }

    /// Whether nobody answered, as opposed to somebody saying no.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Unreachable { .. })
    }
}

/// Where and what a request was, kept until it is known whether an error must say so.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) doing: &'a str,
    pub(crate) servers: &'a str,
    pub(crate) waited: Duration,
}

impl Asked<'_> {
    pub(crate) fn failed(self, code: Code, reason: Option<String>) -> KafkaError {
        let (doing, servers) = (self.doing.to_owned(), self.servers.to_owned());
        let reason = reason.unwrap_or_else(|| code.to_string());
        match code {
            Code::OperationTimedOut | Code::TimedOutQueue => {
                KafkaError::Timeout { doing, servers, waited: self.waited }
            }
            Code::BrokerTransportFailure | Code::Resolve | Code::AllBrokersDown => {
                KafkaError::Unreachable { doing, servers, reason }
            }
            Code::OffsetMetadataTooLarge => KafkaError::MetadataTooLarge { doing, servers, reason },
            Code::SSL | Code::Authentication | Code::SaslAuthenticationFailed => {
                KafkaError::Untrusted { doing, servers, reason }
            }
            Code::Fatal | Code::Fenced | Code::FencedInstanceId
                if code == Code::FencedInstanceId || reason.contains("group.instance.id") =>
            {
                let reason = format!(
                    "{reason}: another process has the same instance id in this group; give each \
                     its own `control.instance` (`forebay run --instance`)"
                );
                KafkaError::Fatal { doing, reason }
            }
            Code::Fatal | Code::Fenced => KafkaError::Fatal { doing, reason },
            _ => KafkaError::Refused { doing, servers, reason, retry: may_pass(code) },
        }
    }

    pub(crate) fn error(self, error: &rdkafka::error::KafkaError) -> KafkaError {
        match error.rdkafka_error_code() {
            Some(code) => self.failed(code, None),
            None => KafkaError::Client { reason: error.to_string() },
        }
    }
}

/// Errors that end by themselves: elections, moving coordinators, rebalances, short outages.
pub(crate) fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::WaitingForCoordinator
            | Code::WaitCache
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::BrokerNotAvailable
            | Code::ReplicaNotAvailable
            | Code::RequestTimedOut
            | Code::NetworkException
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::NotController
            | Code::RebalanceInProgress
            | Code::UnstableOffsetCommit
            | Code::ThrottlingQuotaExceeded
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OffsetNotAvailable
    )
}
