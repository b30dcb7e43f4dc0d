//! Topics: made, grown, deleted, described.

use std::ffi::c_char;

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka_sys as sys;
use sys::rd_kafka_admin_op_t as Op;

use super::{
    AdminClient, Failed, Guard, let_operations_come, listed, native, native_error, operations,
};
use crate::native::{failure, text};

/// A topic's name, and the numbers of what may be done with it, or that it is refused.
pub(crate) type Told = (String, Result<Vec<i32>, Failed>);

type Description = *const sys::rd_kafka_TopicDescription_t;

/// A topic as the cluster describes it, or why it does not.
pub(crate) struct NativeTopic {
    pub(crate) name: String,
    /// As Kafka prints it (KIP-516); brokers before 2.8 give none.
    pub(crate) id: Option<String>,
    pub(crate) partitions: i32,
    pub(crate) error: Option<Failed>,
}

impl AdminClient<'_> {
    pub(crate) fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replication: i32,
        configs: impl Iterator<Item = (String, String)>,
    ) -> Result<(), Failed> {
        let name = native(name)?;
        let topic = unless_refused(|reason, size| {
            // SAFETY: the name is alive and is copied; the reason has room for its size.
            unsafe {
                sys::rd_kafka_NewTopic_new(name.as_ptr(), partitions, replication, reason, size)
            }
        })?;
        let topic = Guard::new(topic, sys::rd_kafka_NewTopic_destroy)?;
        for (key, value) in configs {
            let (key, value) = (native(&key)?, native(&value)?);
            // SAFETY: all three are alive; both texts are copied.
            unsafe { sys::rd_kafka_NewTopic_set_config(topic.ptr(), key.as_ptr(), value.as_ptr()) };
        }
        let mut topics = [topic.ptr()];
        self.ask(
            Op::RD_KAFKA_ADMIN_OP_CREATETOPICS,
            |client, options, queue| {
                // SAFETY: the array and what it points at live until the event is there.
                unsafe {
                    sys::rd_kafka_CreateTopics(client, topics.as_mut_ptr(), 1, options, queue);
                }
            },
            |event| {
                // SAFETY: the event is alive and of this kind.
                unsafe {
                    let result = sys::rd_kafka_event_CreateTopics_result(event);
                    let topics = listed(|n| sys::rd_kafka_CreateTopics_result_topics(result, n));
                    topic_results(&topics)
                }
            },
        )?
    }

    pub(crate) fn delete_topic(&self, name: &str) -> Result<(), Failed> {
        let name = native(name)?;
        // SAFETY: the name is alive and is copied.
        let topic = unsafe { sys::rd_kafka_DeleteTopic_new(name.as_ptr()) };
        let topic = Guard::new(topic, sys::rd_kafka_DeleteTopic_destroy)?;
        let mut topics = [topic.ptr()];
        self.ask(
            Op::RD_KAFKA_ADMIN_OP_DELETETOPICS,
            |client, options, queue| {
                // SAFETY: the array and what it points at live until the event is there.
                unsafe {
                    sys::rd_kafka_DeleteTopics(client, topics.as_mut_ptr(), 1, options, queue);
                }
            },
            |event| {
                // SAFETY: the event is alive and of this kind.
                unsafe {
                    let result = sys::rd_kafka_event_DeleteTopics_result(event);
                    let topics = listed(|n| sys::rd_kafka_DeleteTopics_result_topics(result, n));
                    topic_results(&topics)
                }
            },
        )?
    }

    /// Raises a topic's number of partitions to this.
    pub(crate) fn create_partitions(&self, topic: &str, partitions: usize) -> Result<(), Failed> {
        let topic = native(topic)?;
        let new = unless_refused(|reason, size| {
            // SAFETY: the name is alive and is copied; the reason has room for its size.
            unsafe { sys::rd_kafka_NewPartitions_new(topic.as_ptr(), partitions, reason, size) }
        })?;
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

    /// Each topic's id and number of partitions. Unlike asking for metadata, this never makes a
    /// topic.
    pub(crate) fn topics(&self, topics: &[&str]) -> Result<Vec<NativeTopic>, Failed> {
        self.described(topics, false, native_topic)
    }

    /// What this client may do with each topic: numbers of Kafka's operations, none where the broker
    /// does not tell; or that the topic is refused.
    pub(crate) fn topic_operations(&self, topics: &[&str]) -> Result<Vec<Told>, Failed> {
        self.described(topics, true, told)
    }

    /// Has topics described. `read` copies what it wants of a description, which is valid.
    fn described<T>(
        &self,
        topics: &[&str],
        with_operations: bool,
        read: unsafe fn(Description) -> T,
    ) -> Result<Vec<T>, Failed> {
        let topics = topics.iter().map(|topic| native(topic)).collect::<Result<Vec<_>, _>>()?;
        let mut names: Vec<*const c_char> = topics.iter().map(|topic| topic.as_ptr()).collect();
        // SAFETY: the names are alive and are copied.
        let wanted = unsafe {
            sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len())
        };
        let wanted = Guard::new(wanted, sys::rd_kafka_TopicCollection_destroy)?;
        self.ask(
            Op::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            |client, options, queue| {
                // SAFETY: options are valid; the collection lives until the event is there.
                unsafe {
                    if with_operations {
                        let_operations_come(options);
                    }
                    sys::rd_kafka_DescribeTopics(client, wanted.ptr(), options, queue);
                }
            },
            |event| {
                // SAFETY: the event is alive and of this kind, and so is what it gives.
                unsafe {
                    let result = sys::rd_kafka_event_DescribeTopics_result(event);
                    listed(|n| sys::rd_kafka_DescribeTopics_result_topics(result, n))
                        .into_iter()
                        .map(|topic| read(topic))
                        .collect()
                }
            },
        )
    }
}

/// What librdkafka makes of arguments, or why it refuses them: `make` gets room for the reason, and
/// returns null where there is one.
fn unless_refused<T>(make: impl FnOnce(*mut c_char, usize) -> *mut T) -> Result<*mut T, Failed> {
    let mut reason = [0; 512];
    let made = make(reason.as_mut_ptr(), reason.len());
    if made.is_null() {
        // SAFETY: librdkafka ends what it wrote with a zero byte.
        let reason = unsafe { text(reason.as_ptr()) }.unwrap_or_default();
        return Err((Code::InvalidArgument, reason));
    }
    Ok(made)
}

/// # Safety
/// It is a valid description.
unsafe fn native_topic(topic: Description) -> NativeTopic {
    // SAFETY: as the caller promises; what it gives is its own.
    unsafe {
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        let none = id.is_null()
            || (sys::rd_kafka_Uuid_most_significant_bits(id) == 0
                && sys::rd_kafka_Uuid_least_significant_bits(id) == 0);
        // librdkafka uses base64's first alphabet, Kafka the one for URLs.
        let id = if none { None } else { text(sys::rd_kafka_Uuid_base64str(id)) };
        let partitions = listed(|n| sys::rd_kafka_TopicDescription_partitions(topic, n));
        NativeTopic {
            name: text(sys::rd_kafka_TopicDescription_name(topic)).unwrap_or_default(),
            id: id.map(|id| id.replace('+', "-").replace('/', "_")),
            partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            error: native_error(sys::rd_kafka_TopicDescription_error(topic)),
        }
    }
}

/// # Safety
/// It is a valid description.
unsafe fn told(topic: Description) -> Told {
    // SAFETY: as the caller promises; what it gives is its own.
    unsafe {
        let name = text(sys::rd_kafka_TopicDescription_name(topic)).unwrap_or_default();
        let known = match native_error(sys::rd_kafka_TopicDescription_error(topic)) {
            Some(failed) => Err(failed),
            None => {
                Ok(operations(|n| sys::rd_kafka_TopicDescription_authorized_operations(topic, n)))
            }
        };
        (name, known)
    }
}

/// # Safety
/// Each is a valid result.
unsafe fn topic_results(results: &[*const sys::rd_kafka_topic_result_t]) -> Result<(), Failed> {
    for result in results {
        // SAFETY: as the caller promises.
        unsafe {
            if let Some(code) = failure(sys::rd_kafka_topic_result_error(*result) as i32) {
                let reason = text(sys::rd_kafka_topic_result_error_string(*result));
                return Err((code, reason.unwrap_or_else(|| code.to_string())));
            }
        }
    }
    Ok(())
}
