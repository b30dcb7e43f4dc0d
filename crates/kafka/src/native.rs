//! The only unsafe code of this crate: what librdkafka offers and its safe wrapper does not.
//!
//! - [`client`]: a consumer whose events are read one by one, with the partition an error is
//!   about, and with header names and commit metadata that may hold any bytes (the wrapper panics
//!   on those that are not UTF-8, and they come from the network);
//! - [`admin`]: admin requests about groups and offsets;
//! - [`token`]: tokens for clients that nobody polls yet.
//!
//! Each function is safe to call: pointers stay in here, and each object librdkafka gives away is
//! owned by a guard that destroys it on every path.
#![expect(unsafe_code, reason = "calls into librdkafka; each block says why it holds")]

pub(crate) mod admin;
pub(crate) mod client;
pub(crate) mod token;

use std::ffi::{CStr, c_char};

use rdkafka::TopicPartitionList;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka_sys as sys;

/// One row of a librdkafka partition list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// As librdkafka has it: logical offsets are negative.
    pub(crate) offset: i64,
    pub(crate) metadata: Option<String>,
    /// Of the leader that wrote what is before the offset (KIP-320), where that is known.
    pub(crate) leader_epoch: Option<i32>,
    pub(crate) error: Option<Code>,
}

/// Says of the row that was added last which leader wrote what is before its offset.
pub(crate) fn set_leader_epoch(list: &mut TopicPartitionList, epoch: i32) {
    // SAFETY: the list is alive and borrowed by us alone; the element is one of its `cnt`.
    unsafe {
        let native = list.ptr();
        if let Some(last) = usize::try_from((*native).cnt).ok().and_then(|cnt| cnt.checked_sub(1)) {
            sys::rd_kafka_topic_partition_set_leader_epoch((*native).elems.add(last), epoch);
        }
    }
}

pub(crate) fn rows(list: &TopicPartitionList) -> Vec<Row> {
    // SAFETY: the list is alive for the call and nobody changes it meanwhile (it is borrowed).
    unsafe { native_rows(list.ptr()) }
}

/// # Safety
/// `list` is null or a valid list for the time of the call.
unsafe fn native_rows(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<Row> {
    // SAFETY: as the caller promises.
    let Some(list) = (unsafe { list.as_ref() }) else { return Vec::new() };
    let count = usize::try_from(list.cnt).unwrap_or(0);
    (0..count)
        .map(|index| {
            // SAFETY: `elems` has `cnt` initialised elements.
            unsafe { native_row(list.elems.add(index)) }
        })
        .collect()
}

/// # Safety
/// `row` is a valid element for the time of the call.
unsafe fn native_row(row: *const sys::rd_kafka_topic_partition_t) -> Row {
    // SAFETY: fields are read one by one; `err` as a number, for a broker may send a code that the
    // generated enum does not know. `metadata` has `metadata_size` bytes where it is not null.
    unsafe {
        let metadata = (*row).metadata.cast::<u8>();
        let error = (&raw const (*row).err).cast::<i32>().read();
        Row {
            topic: text((*row).topic).unwrap_or_default(),
            partition: (*row).partition,
            offset: (*row).offset,
            metadata: (!metadata.is_null()).then(|| {
                let bytes = std::slice::from_raw_parts(metadata, (*row).metadata_size);
                String::from_utf8_lossy(bytes).into_owned()
            }),
            leader_epoch: known(sys::rd_kafka_topic_partition_get_leader_epoch(row)),
            error: failure(error),
        }
    }
}

/// An epoch as librdkafka has it: below 0 where it is not known.
fn known(epoch: i32) -> Option<i32> {
    (epoch >= 0).then_some(epoch)
}

/// The error behind a native number, if it is one.
fn failure(number: i32) -> Option<Code> {
    (number != 0).then(|| sys::RDKafkaRespErr::try_from(number).map_or(Code::Unknown, Code::from))
}

/// # Safety
/// `text` is null or ends with a zero byte, and stays so for the time of the call.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use rdkafka::Offset;

    use super::*;

    #[test]
    fn rows_are_read_with_their_metadata() {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("t", 3, Offset::Offset(7)).expect("a valid offset");
        list.find_partition("t", 3).expect("just added").set_metadata("m");
        set_leader_epoch(&mut list, 5);
        list.add_partition("u", 1);
        let rows = rows(&list);
        assert_eq!((rows[0].leader_epoch, rows[1].leader_epoch), (Some(5), None));
        assert_eq!((rows[0].topic.as_str(), rows[0].partition, rows[0].offset), ("t", 3, 7));
        assert_eq!(rows[0].metadata.as_deref(), Some("m"));
        assert_eq!((rows[1].topic.as_str(), rows[1].metadata.as_deref()), ("u", None));
        assert_eq!(rows[1].error, None);
    }

    #[test]
    fn a_code_that_is_not_known_is_still_an_error() {
        assert_eq!(failure(0), None);
        assert_eq!(failure(12_345), Some(Code::Unknown));
        assert_eq!(failure(1), Some(Code::OffsetOutOfRange));
    }
}
