//! Admin requests through librdkafka's own admin API, one at a time.
//!
//! Each is sent with a queue of its own and waited for there, at most its timeout and a little
//! more. What librdkafka gives away (queues, options, arguments, events) is owned by a [`Guard`];
//! what a result points at belongs to its event and is copied out before that ends.

mod configs;
mod groups;
mod logs;
mod topics;

use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka_sys as sys;
use sys::rd_kafka_admin_op_t as Op;

pub(crate) use configs::Setting;
pub(crate) use groups::{NativeGroup, NativeMember};

use super::{failure, text};

/// A code and librdkafka's words for what happened.
pub(crate) type Failed = (Code, String);

/// Time for an answer that says "timed out" to arrive itself.
const GRACE_MS: i32 = 1_000;
/// The longest time librdkafka takes for a request. What goes to a group's coordinator gets it, and
/// is given up by us: librdkafka ends the whole process (an assertion about `eonce->refcnt`) when a
/// coordinator comes back for which such a request of its own has waited in vain.
const LONGEST_MS: i32 = 3_600_000;

/// Something that librdkafka gave away, and how to give it back.
struct Guard<T> {
    ptr: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Guard<T> {
    fn new(ptr: *mut T, destroy: unsafe extern "C" fn(*mut T)) -> Result<Self, Failed> {
        match NonNull::new(ptr) {
            Some(ptr) => Ok(Self { ptr, destroy }),
            None => Err((Code::InvalidArgument, "librdkafka refused an argument".to_owned())),
        }
    }

    fn ptr(&self) -> *mut T {
        self.ptr.as_ptr()
    }
}

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        // SAFETY: ours since `new`, and destroyed once, by the function that belongs to it.
        unsafe { (self.destroy)(self.ptr()) }
    }
}

type Options = *const sys::rd_kafka_AdminOptions_t;
type Queue = *mut sys::rd_kafka_queue_t;
type Event = *mut sys::rd_kafka_event_t;

/// A client that such requests are sent with; it is alive as long as this borrow.
pub(crate) struct AdminClient<'a> {
    client: &'a rdkafka::client::NativeClient,
    timeout: Duration,
}

impl<'a> AdminClient<'a> {
    pub(crate) fn new(client: &'a rdkafka::client::NativeClient, timeout: Duration) -> Self {
        Self { client, timeout }
    }

    /// Sends one request and reads its answer.
    fn ask<T>(
        &self,
        op: Op,
        send: impl FnOnce(*mut sys::rd_kafka_t, Options, Queue),
        read: impl FnOnce(Event) -> T,
    ) -> Result<T, Failed> {
        let client = self.client.ptr();
        let timeout = i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX - GRACE_MS);
        // SAFETY: the client is alive while it is borrowed; guards destroy what is made here, the
        // event first.
        unsafe {
            let queue = Guard::new(sys::rd_kafka_queue_new(client), sys::rd_kafka_queue_destroy)?;
            let options = sys::rd_kafka_AdminOptions_new(client, op);
            let options = Guard::new(options, sys::rd_kafka_AdminOptions_destroy)?;
            sys::rd_kafka_AdminOptions_set_request_timeout(
                options.ptr(),
                if op == Op::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS {
                    LONGEST_MS
                } else {
                    timeout
                },
                ptr::null_mut(),
                0,
            );
            send(client, options.ptr(), queue.ptr());
            let event = sys::rd_kafka_queue_poll(queue.ptr(), timeout.saturating_add(GRACE_MS));
            if event.is_null() {
                return Err((Code::OperationTimedOut, "no answer".to_owned()));
            }
            let event = Guard::new(event, sys::rd_kafka_event_destroy)?;
            if let Some(code) = failure(sys::rd_kafka_event_error(event.ptr()) as i32) {
                let reason = text(sys::rd_kafka_event_error_string(event.ptr()));
                return Err((code, reason.unwrap_or_default()));
            }
            Ok(read(event.ptr()))
        }
    }
}

fn native(text: &str) -> Result<CString, Failed> {
    CString::new(text)
        .map_err(|_| (Code::InvalidArgument, format!("{text:?} has a zero byte in it")))
}

/// Copies out an array of pointers that librdkafka returns with its length.
///
/// # Safety
/// `array` returns null, or as many pointers as it counts.
unsafe fn listed<T>(array: impl FnOnce(*mut usize) -> *mut *const T) -> Vec<*const T> {
    let mut count = 0;
    let first = array(&mut count);
    if first.is_null() {
        return Vec::new();
    }
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(first, count) }.to_vec()
}

/// Asks that the answer tells what this client may do.
///
/// # Safety
/// `options` is valid.
unsafe fn let_operations_come(options: Options) {
    // SAFETY: as the caller promises; librdkafka takes null for no error.
    unsafe {
        let error =
            sys::rd_kafka_AdminOptions_set_include_authorized_operations(options.cast_mut(), 1);
        if !error.is_null() {
            sys::rd_kafka_error_destroy(error);
        }
    }
}

/// Copies out an array of operations, as numbers: a broker may know more than the generated enum.
///
/// # Safety
/// `array` returns null, or as many operations as it counts.
unsafe fn operations(
    array: impl FnOnce(*mut usize) -> *const sys::rd_kafka_AclOperation_t,
) -> Vec<i32> {
    let mut count = 0;
    let first = array(&mut count);
    if first.is_null() {
        return Vec::new();
    }
    // SAFETY: as the caller promises; the enum is a C int.
    unsafe { std::slice::from_raw_parts(first.cast::<i32>(), count) }.to_vec()
}

/// # Safety
/// `error` is null or a valid error.
unsafe fn native_error(error: *const sys::rd_kafka_error_t) -> Option<Failed> {
    // SAFETY: as the caller promises; librdkafka takes null for no error.
    unsafe {
        let code = failure(sys::rd_kafka_error_code(error) as i32)?;
        Some((code, text(sys::rd_kafka_error_string(error)).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::producer::{BaseProducer, Producer};
    use rdkafka::{ClientConfig, TopicPartitionList};

    use super::*;

    /// A client whose servers nobody serves: each request takes every path to its error.
    fn unreachable() -> BaseProducer {
        ClientConfig::new()
            .set("bootstrap.servers", "127.0.0.1:1")
            .set("log_level", "0")
            .create()
            .expect("a client needs no broker to be made")
    }

    #[test]
    fn each_request_ends_in_an_error_when_nobody_answers() {
        let client = unreachable();
        let admin = AdminClient::new(client.client().native_client(), Duration::from_millis(100));
        let mut list = TopicPartitionList::new();
        list.add_partition("t", 0);
        assert!(admin.create_topic("t", 1, 1, std::iter::empty()).is_err());
        assert!(admin.delete_topic("t").is_err());
        assert!(admin.topic_configs("t").is_err());
        assert!(admin.broker_configs(1).is_err());
        assert!(admin.group_operations("g").is_err());
        let operations = admin.topic_operations(&["t"]);
        assert!(operations.is_err() || operations.is_ok_and(|all| all[0].1.is_err()));
        assert!(admin.groups().is_err());
        let described = admin.describe_groups(&["g"]);
        assert!(described.is_err() || described.is_ok_and(|all| all[0].error.is_some()));
        assert!(admin.topics(&["t"]).is_err());
        assert!(admin.create_partitions("t", 2).is_err());
        assert!(admin.delete_group("g").is_err());
        let deleted = admin.delete_records(&list);
        assert!(deleted.is_err() || deleted.is_ok_and(|all| all[0].error.is_some()));
        let offsets = admin.offsets(&list);
        assert!(offsets.is_err() || offsets.is_ok_and(|all| all[0].error.is_some()));
    }

    #[test]
    fn arguments_that_librdkafka_refuses_are_errors() {
        let client = unreachable();
        let admin = AdminClient::new(client.client().native_client(), Duration::from_millis(100));
        assert!(admin.create_topic("a\0b", 1, 1, std::iter::empty()).is_err());
        assert!(admin.create_topic("t", -7, 1, std::iter::empty()).is_err());
    }
}
