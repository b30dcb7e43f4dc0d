//! Logs: where they begin and end, and what is deleted of them.

use rdkafka::TopicPartitionList;
use rdkafka_sys as sys;
use sys::rd_kafka_admin_op_t as Op;

use super::{AdminClient, Failed, Guard, listed};
use crate::native::{Row, native_row, native_rows};

impl AdminClient<'_> {
    /// Offsets by time; in `list` an offset is a timestamp, −2 for the start, −1 for the end.
    pub(crate) fn offsets(&self, list: &TopicPartitionList) -> Result<Vec<Row>, Failed> {
        self.ask(
            Op::RD_KAFKA_ADMIN_OP_LISTOFFSETS,
            |client, options, queue| {
                // SAFETY: all are alive; the list is copied.
                unsafe {
                    sys::rd_kafka_AdminOptions_set_isolation_level(
                        options.cast_mut(),
                        sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
                    );
                    sys::rd_kafka_ListOffsets(client, list.ptr(), options, queue);
                }
            },
            |event| {
                // SAFETY: the event is alive and of this kind, and so is what it gives.
                unsafe {
                    let result = sys::rd_kafka_event_ListOffsets_result(event);
                    listed(|n| sys::rd_kafka_ListOffsets_result_infos(result, n))
                        .into_iter()
                        .map(|info| {
                            native_row(sys::rd_kafka_ListOffsetsResultInfo_topic_partition(info))
                        })
                        .collect()
                }
            },
        )
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
}
