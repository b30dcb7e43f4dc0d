//! How a command ends: each failure has the exit code that the documentation gives it.

use std::process::ExitCode;

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    /// A promise was broken, or a check found something.
    Broken = 1,
    Usage = 2,
    Configuration = 3,
    /// Kafka or the control API can't be reached, or refuses.
    Unreachable = 4,
    /// The data directory is another process's, or was written by a newer version.
    DataInUse = 5,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure with its exit code and the words for it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

pub(crate) type Outcome = Result<Exit, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl ToString) -> Self {
        Self { exit, message: message.to_string() }
    }

    /// For `map_err`: any error under this exit code.
    pub(crate) fn of<E: ToString>(exit: Exit) -> impl FnOnce(E) -> Self {
        move |error| Self::new(exit, error)
    }
}

impl From<forebay_kafka::KafkaError> for Failure {
    fn from(error: forebay_kafka::KafkaError) -> Self {
        Self::new(Exit::Unreachable, error)
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::new(Exit::Configuration, error)
    }
}
