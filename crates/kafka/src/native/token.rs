//! A client whose OAUTHBEARER token is kept fresh.
//!
//! librdkafka says in a queue of its own when it wants a token, so that a client which nobody polls
//! yet can log in. A thread waits there; it ends before the client does.

use std::ffi::CString;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rdkafka::client::NativeClient;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka_sys as sys;

use super::text;
use crate::token::{Token, TokenFile};

/// A client and, where it shows tokens, who keeps them fresh. The fields are dropped in this order.
pub(crate) struct WithToken<C> {
    _keeper: Option<Keeper>,
    client: C,
}

impl<C> WithToken<C> {
    /// `native` gives the client's own handle.
    pub(crate) fn new(
        client: C,
        native: impl FnOnce(&C) -> &NativeClient,
        source: Option<&TokenFile>,
    ) -> KafkaResult<Self> {
        let keeper = source.map(|source| Keeper::start(native(&client), source.clone()));
        Ok(Self { _keeper: keeper.transpose()?, client })
    }
}

impl<C> Deref for WithToken<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.client
    }
}

struct Keeper {
    native: Native,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy)]
struct Native {
    client: NonNull<sys::rd_kafka_t>,
    queue: NonNull<sys::rd_kafka_queue_t>,
}

// SAFETY: librdkafka's clients and queues may be used from any thread.
unsafe impl Send for Native {}
// SAFETY: as above; nothing here is changed without librdkafka's own locks.
unsafe impl Sync for Native {}

impl Keeper {
    fn start(client: &NativeClient, source: TokenFile) -> KafkaResult<Self> {
        let failed = |why: &str| KafkaError::ClientCreation(format!("no token: {why}"));
        let client = NonNull::new(client.ptr()).ok_or_else(|| failed("no client"))?;
        // SAFETY: the client is alive; the reference that is given is destroyed in `drop`, before
        // the client is.
        let queue = unsafe { sys::rd_kafka_queue_get_sasl(client.as_ptr()) };
        let queue = NonNull::new(queue).ok_or_else(|| failed("no queue to ask for it"))?;
        let native = Native { client, queue };
        let stop = Arc::new(AtomicBool::new(false));
        let mut keeper = Self { native, stop: stop.clone(), thread: None };
        let thread = std::thread::Builder::new().name("kafka-token".to_owned());
        let thread = thread.spawn(move || native.keep(&source, &stop));
        keeper.thread = Some(thread.map_err(|error| failed(&error.to_string()))?);
        Ok(keeper)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // SAFETY: the queue is alive; the thread, which looks at nothing else, ends by it.
        unsafe { sys::rd_kafka_queue_yield(self.native.queue.as_ptr()) };
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that keeps a token fresh panicked");
        }
        // SAFETY: destroyed once, when nobody uses it any more, before the client.
        unsafe { sys::rd_kafka_queue_destroy(self.native.queue.as_ptr()) };
    }
}

impl Native {
    fn keep(self, source: &TokenFile, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            // SAFETY: queue and client live until this thread was waited for; the event is ours and
            // is destroyed once.
            unsafe {
                let event = sys::rd_kafka_queue_poll(self.queue.as_ptr(), -1);
                if event.is_null() {
                    continue;
                }
                if sys::rd_kafka_event_type(event) == sys::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH
                {
                    self.renew(source);
                }
                sys::rd_kafka_event_destroy(event);
            }
        }
    }

    fn renew(self, source: &TokenFile) {
        let shown = source.read().map_err(|error| error.to_string());
        let Err(reason) = shown.and_then(|token| self.show(&token)) else { return };
        let reason = CString::new(reason).unwrap_or_default();
        // SAFETY: both are alive; the text is copied.
        unsafe {
            sys::rd_kafka_oauthbearer_set_token_failure(self.client.as_ptr(), reason.as_ptr())
        };
    }

    fn show(self, token: &Token) -> Result<(), String> {
        let zero = |_| "it has a zero byte in it".to_owned();
        let text_of = CString::new(token.text.as_str()).map_err(zero)?;
        let principal = CString::new(token.principal.as_str()).map_err(zero)?;
        let mut reason = [0; 512];
        // SAFETY: the texts are alive and are copied; the reason's size is given with it.
        let code = unsafe {
            sys::rd_kafka_oauthbearer_set_token(
                self.client.as_ptr(),
                text_of.as_ptr(),
                token.ends,
                principal.as_ptr(),
                ptr::null_mut(),
                0,
                reason.as_mut_ptr(),
                reason.len(),
            )
        };
        if code as i32 == 0 {
            return Ok(());
        }
        // SAFETY: librdkafka ends what it wrote with a zero byte.
        Err(unsafe { text(reason.as_ptr()) }.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::producer::{BaseProducer, Producer};

    use super::*;

    fn client() -> BaseProducer {
        ClientConfig::new()
            .set("bootstrap.servers", "127.0.0.1:1")
            .set("security.protocol", "sasl_plaintext")
            .set("sasl.mechanism", "OAUTHBEARER")
            .set("enable_sasl_queue", "true")
            .set("log_level", "0")
            .create()
            .expect("a client needs no broker to be made")
    }

    #[test]
    fn a_client_with_a_token_ends_at_once_while_nobody_wants_one() {
        let source = TokenFile::new("/no/such/token".into());
        let kept = WithToken::new(client(), |it| it.client().native_client(), Some(&source))
            .expect("a keeper");
        drop(kept);
    }

    #[test]
    fn a_client_without_a_queue_for_it_keeps_no_token() {
        let plain: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", "127.0.0.1:1")
            .create()
            .expect("a client needs no broker to be made");
        let source = TokenFile::new("/no/such/token".into());
        let kept = WithToken::new(plain, |client| client.client().native_client(), Some(&source));
        assert!(kept.is_err());
    }
}
