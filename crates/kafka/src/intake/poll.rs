//! The poll thread.
use super::{IntakeConfig, shared::Shared};
use crate::error::KafkaError;
use std::sync::Arc;
use std::thread::JoinHandle;
pub(super) fn spawn(
    config: IntakeConfig,
    shared: Arc<Shared>,
) -> Result<JoinHandle<()>, KafkaError> {
    let _ = config;
    std::thread::Builder::new()
        .name("intake".to_owned())
        .spawn(move || {
            let mut commands = Vec::new();
            shared.take_commands(&mut commands);
            shared.set_closed();
        })
        .map_err(|error| KafkaError::Client { reason: error.to_string() })
}
