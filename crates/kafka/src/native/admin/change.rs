//! Admin requests that change topics' sizes, logs' beginnings and groups.

use rdkafka::TopicPartitionList;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka_sys as sys;
use sys::rd_kafka_admin_op_t as Op;

use super::{AdminClient, Failed, Guard, listed, native, native_error, topic_results};
use crate::native::{Row, native_rows, text};

impl AdminClient<'_> {
    /// Raises a topic's number of partitions to this.
    pub(crate) fn create_partitions(&self, topic: &str, partitions: usize) -> Result<(), Failed> {
        let mut reason = [0; 512];
        let topic = native(topic)?;
        // SAFETY: the name is alive and is copied; the reason's size is given with it.
        let new = unsafe {
            sys::rd_kafka_NewPartitions_new(
                topic.as_ptr(),
                partitions,
                reason.as_mut_ptr(),
                reason.len(),
            )
        };
        if new.is_null() {
            // SAFETY: librdkafka ends what it wrote with a zero byte.
            let reason = unsafe { text(reason.as_ptr()) }.unwrap_or_default();
            return Err((Code::InvalidArgument, reason));
        }
        let new = Guard::new(new, sys::rd_kafka_NewPartitions_destroy)?;
        let mut all = [new.ptr()];
        self.ask(
            Op::RD_KAFKA_ADMIN_OP_CREATEPARTITIONS,
            |client, options, queue| {
                // SAFETY: the array and what it points at live until the event is there.
                unsafe {
                    sys::rd_kafka_CreatePartitions(client, all.as_mut_ptr(), 1, options, queue);
                }
            },
            |event| {
                // SAFETY: the event is alive and of this kind.
                unsafe {
                    let result = sys::rd_kafka_event_CreatePartitions_result(event);
                    let topics =
                        listed(|n| sys::rd_kafka_CreatePartitions_result_topics(result, n));
                    topic_results(&topics)
                }
            },
        )?
    }

    /// Deletes what is before each offset of the list.
    pub(crate) fn delete_records(&self, before: &TopicPartitionList) -> Result<Vec<Row>, Failed> {
        // SAFETY: the list is alive and is copied.
        let records = unsafe { sys::rd_kafka_DeleteRecords_new(before.ptr()) };
        let records = Guard::new(records, sys::rd_kafka_DeleteRecords_destroy)?;
        let mut all = [records.ptr()];
        self.ask(
            Op::RD_KAFKA_ADMIN_OP_DELETERECORDS,
            |client, options, queue| {
                // SAFETY: the array and what it points at live until the event is there.
                unsafe {
                    sys::rd_kafka_DeleteRecords(client, all.as_mut_ptr(), 1, options, queue);
                }
            },
            |event| {
                // SAFETY: the event is alive and of this kind, and so is what it gives.
                unsafe {
                    let result = sys::rd_kafka_event_DeleteRecords_result(event);
                    native_rows(sys::rd_kafka_DeleteRecords_result_offsets(result))
                }
            },
        )
    }

    /// Deletes a group that has no members, with its offsets.
    pub(crate) fn delete_group(&self, group: &str) -> Result<(), Failed> {
        let group = native(group)?;
        // SAFETY: the name is alive and is copied.
        let group = unsafe { sys::rd_kafka_DeleteGroup_new(group.as_ptr()) };
        let group = Guard::new(group, sys::rd_kafka_DeleteGroup_destroy)?;
        let mut all = [group.ptr()];
        self.ask(
            Op::RD_KAFKA_ADMIN_OP_DELETEGROUPS,
            |client, options, queue| {
                // SAFETY: the array and what it points at live until the event is there.
                unsafe {
                    sys::rd_kafka_DeleteGroups(client, all.as_mut_ptr(), 1, options, queue);
                }
            },
            |event| {
                // SAFETY: the event is alive and of this kind, and so is what it gives.
                unsafe {
                    let result = sys::rd_kafka_event_DeleteGroups_result(event);
                    let groups = listed(|n| sys::rd_kafka_DeleteGroups_result_groups(result, n));
                    let failed = groups
                        .into_iter()
                        .find_map(|group| native_error(sys::rd_kafka_group_result_error(group)));
                    failed.map_or(Ok(()), Err)
                }
            },
        )?
    }
}
