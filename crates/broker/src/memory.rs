//! A ceiling on bytes held at a time, shared by all connections.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) struct Memory {
    permits: Arc<Semaphore>,
    total: u32,
}

impl Memory {
    pub(crate) fn new(total: u32) -> Self {
        Self { permits: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Waits until `bytes` are free. What is larger than the whole goes alone.
    pub(crate) async fn take(&self, bytes: u32) -> OwnedSemaphorePermit {
        let bytes = bytes.min(self.total);
        let permits = Arc::clone(&self.permits).acquire_many_owned(bytes).await;
        permits.expect("the semaphore is never closed")
    }
}
