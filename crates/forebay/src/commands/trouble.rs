//! What goes wrong while a topic is read: errors that may pass are waited out, for a while.

use std::time::{Duration, Instant};

use forebay_kafka::KafkaError;

use crate::cluster::failure;
use crate::exit::Failure;

/// An error that may pass, and since when nothing came but errors.
#[derive(Debug, Default)]
pub(crate) struct Trouble(Option<(Instant, KafkaError)>);

impl Trouble {
    /// Fails for an error that will not pass.
    pub(crate) fn heard(&mut self, error: KafkaError) -> Result<(), Failure> {
        if !error.may_retry() {
            return Err(failure(error));
        }
        let since = self.0.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        self.0 = Some((since, error));
        Ok(())
    }

    /// Fails where it has lasted for longer than this.
    pub(crate) fn check(&mut self, patience: Duration) -> Result<(), Failure> {
        match self.0.take_if(|(since, _)| since.elapsed() > patience) {
            Some((_, error)) => Err(failure(error)),
            None => Ok(()),
        }
    }
}
