//! A consumer whose event queue is read here.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_void};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{ClientConfig, TopicPartitionList};
use rdkafka_sys as sys;

use super::token::WithToken;
use super::{Row, failure, known, native_row, native_rows, text};
use crate::logs::{Logs, changed_id};
use crate::record::Record;
use crate::token::TokenFile;

/// A syslog level; what is logged at it is for this program alone.
const DEBUG: i32 = 7;

/// The partition of the record that is being handled. It is lent for that time only.
pub(crate) struct Place {
    topic: NonNull<sys::rd_kafka_topic_t>,
    pub(crate) partition: i32,
    /// Of the leader that wrote the record (KIP-320), where that is known.
    pub(crate) leader_epoch: Option<i32>,
}

impl Place {
    pub(crate) fn topic(&self) -> &str {
        // SAFETY: a place is neither cloned nor given away, only lent while its record's event
        // lives, and the event keeps the topic.
        unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.topic.as_ptr())) }
            .to_str()
            .unwrap_or_default()
    }

    /// Equal for two places exactly if they are the same, as long as the topic is in use.
    pub(crate) fn key(&self) -> (usize, i32) {
        (self.topic.as_ptr() as usize, self.partition)
    }
}

/// Receives what a consumer's queue holds.
pub(crate) trait EventHandler {
    fn record(&mut self, place: &Place, record: Record);
    /// The group assigns (`true`) or revokes these.
    fn rebalance(&mut self, assign: bool, list: &TopicPartitionList);
    /// The answer to one commit request: an error of all of it, and its partitions.
    fn committed(&mut self, error: Option<Code>, rows: Vec<Row>);
    /// `about`: the partition it concerns, with the offset that failed.
    fn failed(&mut self, code: Code, fatal: bool, reason: &str, about: Option<Row>);
    /// From now on the client means this topic by that name; said before it asks anything of it,
    /// by clients that were made to tell (`debug=metadata`).
    fn changed_id(&mut self, _topic: &str, _id: &str) {}
}

/// A consumer and its queue.
pub(crate) struct EventConsumer {
    queue: NonNull<sys::rd_kafka_queue_t>,
    base: WithToken<BaseConsumer<Logs>>,
}

// SAFETY: librdkafka's clients and queues may be used from any thread.
unsafe impl Send for EventConsumer {}
// SAFETY: as above; nothing here is changed without librdkafka's own locks.
unsafe impl Sync for EventConsumer {}

impl EventConsumer {
    /// `config` names a group: librdkafka has no consumer queue without.
    pub(crate) fn new(
        config: &ClientConfig,
        token: Option<&TokenFile>,
        logs: Logs,
        nonempty: impl Fn() + Send + Sync + 'static,
    ) -> rdkafka::error::KafkaResult<Self> {
        let mut base: BaseConsumer<Logs> = config.create_with_context(logs)?;
        base.set_nonempty_callback(nonempty);
        let base = WithToken::new(base, |it| it.client().native_client(), token)?;
        // SAFETY: the client is alive; the reference that is given is destroyed in `drop`, before
        // the client is.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(base.client().native_ptr()) };
        let queue = NonNull::new(queue).ok_or_else(|| {
            rdkafka::error::KafkaError::ClientCreation("no consumer queue".to_owned())
        })?;
        Ok(Self { queue, base })
    }

    pub(crate) fn base(&self) -> &BaseConsumer<Logs> {
        &self.base
    }

    /// Handles one event, waiting for it at most `wait`; false if there was none.
    pub(crate) fn poll(&self, wait: Duration, handler: &mut impl EventHandler) -> bool {
        let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue lives as long as `self`; the event is ours and `Event` destroys it.
        let Some(event) =
            NonNull::new(unsafe { sys::rd_kafka_queue_poll(self.queue.as_ptr(), wait) })
        else {
            return false;
        };
        let event = Event(event);
        // SAFETY (all below): the event is alive until the end of this function.
        match unsafe { sys::rd_kafka_event_type(event.ptr()) } {
            sys::RD_KAFKA_EVENT_FETCH => event.records(handler),
            sys::RD_KAFKA_EVENT_REBALANCE => event.rebalance(handler),
            sys::RD_KAFKA_EVENT_OFFSET_COMMIT => event.committed(handler),
            sys::RD_KAFKA_EVENT_ERROR => event.failed(handler),
            sys::RD_KAFKA_EVENT_LOG => event.log(self.base.client().context(), handler),
            _ => {}
        }
        true
    }

    /// Sends one commit request. Its answer comes as [`EventHandler::committed`], which librdkafka
    /// gives only to those who name a queue for it (the wrapper's asynchronous commit does not).
    pub(crate) fn commit(&self, list: &TopicPartitionList) -> Option<Code> {
        // SAFETY: client, list and queue are alive; the list is copied.
        let code = unsafe {
            sys::rd_kafka_commit_queue(
                self.base.client().native_ptr(),
                list.ptr(),
                self.queue.as_ptr(),
                None,
                ptr::null_mut(),
            )
        };
        failure(code as i32)
    }

    /// Leaves the group, which goes on while the queue is polled, until [`Self::is_closed`].
    /// `false`: there is nothing to wait for; a member that was fenced can't even leave.
    pub(crate) fn start_closing(&self) -> bool {
        self.base.close_queue().is_ok()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.base.closed()
    }

    /// Whether the group has given it a member id that it has not given back.
    pub(crate) fn is_in_group(&self) -> bool {
        // SAFETY: the client is alive; what it gives is ours and is freed once.
        unsafe {
            let client = self.base.client().native_ptr();
            let id = sys::rd_kafka_memberid(client);
            if id.is_null() {
                return false;
            }
            let is_given = *id != 0;
            sys::rd_kafka_mem_free(client, id.cast());
            is_given
        }
    }

    /// The group's generation, or the member's epoch (KIP-848); none while it is in no group.
    pub(crate) fn generation(&self) -> Option<i32> {
        // SAFETY: the client is alive; what it gives is ours and is destroyed once.
        let generation = unsafe {
            let group = sys::rd_kafka_consumer_group_metadata(self.base.client().native_ptr());
            if group.is_null() {
                return None;
            }
            let generation = sys::rd_kafka_consumer_group_metadata_generation_id(group);
            sys::rd_kafka_consumer_group_metadata_destroy(group);
            generation
        };
        (generation >= 0).then_some(generation)
    }

    /// Why this client can't go on, where that is so.
    pub(crate) fn fatal(&self) -> Option<(Code, String)> {
        self.base.client().fatal_error()
    }

    /// First offset and exclusive end of what can be read, as of the latest fetch; −1 and below
    /// where unknown.
    pub(crate) fn cached_watermarks(&self, topic: &CStr, partition: i32) -> (i64, i64) {
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client and the name are alive; both results are written before the return.
        unsafe {
            sys::rd_kafka_get_watermark_offsets(
                self.base.client().native_ptr(),
                topic.as_ptr(),
                partition,
                &mut low,
                &mut high,
            );
        }
        (low, high)
    }
}

impl Drop for EventConsumer {
    fn drop(&mut self) {
        // SAFETY: destroyed once, while the client (dropped after this) is alive.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// A name for [`EventConsumer::cached_watermarks`]. Topic names have no zero byte.
pub(crate) fn native_name(topic: &str) -> CString {
    CString::new(topic).unwrap_or_default()
}

/// An event that is ours.
struct Event(NonNull<sys::rd_kafka_event_t>);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: ours, and destroyed once.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

impl Event {
    fn ptr(&self) -> *mut sys::rd_kafka_event_t {
        self.0.as_ptr()
    }

    fn error(&self) -> Option<Code> {
        // SAFETY: the event is alive.
        failure(unsafe { sys::rd_kafka_event_error(self.ptr()) } as i32)
    }

    fn records(&self, handler: &mut impl EventHandler) {
        loop {
            // SAFETY: the event is alive; the message belongs to it and is not destroyed by us.
            let message = unsafe { sys::rd_kafka_event_message_next(self.ptr()).as_ref() };
            let Some(message) = message else { return };
            let Some(topic) = NonNull::new(message.rkt) else { continue };
            // SAFETY: parts of a message have the lengths beside them and live with the event.
            let record = unsafe { native_record(message) };
            // SAFETY: the message belongs to the living event.
            let leader_epoch = known(unsafe { sys::rd_kafka_message_leader_epoch(message) });
            let place = Place { topic, partition: message.partition, leader_epoch };
            handler.record(&place, record);
        }
    }

    fn rebalance(&self, handler: &mut impl EventHandler) {
        // SAFETY: the event is alive; the list is the event's, so it must not be dropped here.
        let list = unsafe { sys::rd_kafka_event_topic_partition_list(self.ptr()) };
        // SAFETY: as above; null without partitions.
        let rows = unsafe { native_rows(list) };
        let mut list = TopicPartitionList::with_capacity(rows.len());
        for row in rows {
            list.add_partition(&row.topic, row.partition);
        }
        handler.rebalance(self.error() == Some(Code::AssignPartitions), &list);
    }

    fn committed(&self, handler: &mut impl EventHandler) {
        // SAFETY: the event is alive, and the list with it.
        let rows = unsafe { native_rows(sys::rd_kafka_event_topic_partition_list(self.ptr())) };
        handler.committed(self.error(), rows);
    }

    fn failed(&self, handler: &mut impl EventHandler) {
        let Some(code) = self.error() else { return };
        // SAFETY: the event is alive; the reason is the event's; the partition is given to us.
        let (fatal, reason, about) = unsafe {
            let about = sys::rd_kafka_event_topic_partition(self.ptr());
            let row = (!about.is_null()).then(|| {
                let row = native_row(about);
                sys::rd_kafka_topic_partition_destroy(about);
                row
            });
            let reason = text(sys::rd_kafka_event_error_string(self.ptr())).unwrap_or_default();
            (sys::rd_kafka_event_error_is_fatal(self.ptr()) != 0, reason, row)
        };
        handler.failed(code, fatal, &reason, about);
    }

    fn log(&self, logs: &Logs, handler: &mut impl EventHandler) {
        let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the event is alive and of the log kind; the texts are the event's.
        let (facility, line) = unsafe {
            if sys::rd_kafka_event_log(self.ptr(), &mut facility, &mut line, &mut level) != 0 {
                return;
            }
            (text(facility).unwrap_or_default(), text(line).unwrap_or_default())
        };
        if level < DEBUG {
            logs.line(level, &facility, &line);
        } else if let Some((topic, id)) = changed_id(&line) {
            handler.changed_id(topic, &id);
        }
    }
}

/// # Safety
/// `message` belongs to a living event.
unsafe fn native_record(message: &sys::rd_kafka_message_t) -> Record {
    let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    let mut headers = ptr::null_mut();
    // SAFETY: as the caller promises; the headers, parsed on demand, belong to the message.
    unsafe {
        let timestamp = sys::rd_kafka_message_timestamp(message, &mut kind);
        let found = sys::rd_kafka_message_headers(message, &mut headers);
        let headers = if found == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            native_headers(headers)
        } else {
            Vec::new()
        };
        Record::new(
            message.offset,
            timestamp,
            slice(message.key, message.key_len),
            slice(message.payload, message.len),
            headers.iter().map(|(name, value)| (name.as_ref(), *value)),
        )
    }
}

/// # Safety
/// `headers` lives for `'a`.
unsafe fn native_headers<'a>(
    headers: *const sys::rd_kafka_headers_t,
) -> Vec<(Cow<'a, str>, Option<&'a [u8]>)> {
    let mut found = Vec::new();
    let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
    // SAFETY: as the caller promises; results are written whenever there is no error.
    unsafe {
        while sys::rd_kafka_header_get_all(headers, found.len(), &mut name, &mut value, &mut length)
            == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            found.push((CStr::from_ptr(name).to_string_lossy(), slice(value, length)));
        }
    }
    found
}

/// # Safety
/// `start` is null or has `length` bytes that live for `'a`.
unsafe fn slice<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: as the caller promises.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), length) })
}

#[cfg(test)]
mod tests;
