//! Admin requests through librdkafka's own admin API, one at a time.
//!
//! Each is sent with a queue of its own and waited for there, at most its timeout and a little
//! more. What librdkafka gives away (queues, options, arguments, events) is owned by a [`Guard`];
//! what a result points at belongs to its event and is copied out before that ends.

mod change;

use std::ffi::{CString, c_char};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka_sys as sys;
use sys::rd_kafka_admin_op_t as Op;

use super::{Row, failure, native_row, native_rows, text};

/// A code and librdkafka's words for what happened.
pub(crate) type Failed = (Code, String);

/// Time for an answer that says "timed out" to arrive itself.
const GRACE_MS: i32 = 1_000;
/// The longest time librdkafka takes for a request. What goes to a group's coordinator gets it, and
/// is given up by us: librdkafka ends the whole process (an assertion about `eonce->refcnt`) when a
/// coordinator comes back for which such a request of its own has waited in vain.
const LONGEST_MS: i32 = 3_600_000;

/// A topic's name, and the numbers of what may be done with it, or that it is refused.
pub(crate) type Told = (String, Result<Vec<i32>, Failed>);

/// Name, value and whether it is the default.
pub(crate) type Setting = (String, Option<String>, bool);

pub(crate) struct NativeGroup {
    pub(crate) group: String,
    pub(crate) state: String,
    pub(crate) assignor: String,
    pub(crate) coordinator: String,
    pub(crate) members: Vec<NativeMember>,
    pub(crate) error: Option<Failed>,
}

/// A topic as the cluster describes it, or why it does not.
pub(crate) struct NativeTopic {
    pub(crate) name: String,
    /// As Kafka prints it (KIP-516); brokers before 2.8 give none.
    pub(crate) id: Option<String>,
    pub(crate) partitions: i32,
    pub(crate) error: Option<Failed>,
}

pub(crate) struct NativeMember {
    pub(crate) member_id: String,
    pub(crate) client_id: String,
    pub(crate) host: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) assignment: Vec<Row>,
}

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

    pub(crate) fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replication: i32,
        configs: impl Iterator<Item = (String, String)>,
    ) -> Result<(), Failed> {
        let mut reason = [0; 512];
        let name = native(name)?;
        // SAFETY: the name is alive; the reason's size is given with it.
        let topic = unsafe {
            sys::rd_kafka_NewTopic_new(
                name.as_ptr(),
                partitions,
                replication,
                reason.as_mut_ptr(),
                reason.len(),
            )
        };
        if topic.is_null() {
            // SAFETY: librdkafka ends what it wrote with a zero byte.
            let reason = unsafe { text(reason.as_ptr()) }.unwrap_or_default();
            return Err((Code::InvalidArgument, reason));
        }
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

    /// Name, value and whether it is the default, for each setting of a topic.
    pub(crate) fn topic_configs(&self, name: &str) -> Result<Vec<Setting>, Failed> {
        self.configs(sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, name)
    }

    /// The same of a group that joins by epochs (KIP-848).
    pub(crate) fn group_configs(&self, name: &str) -> Result<Vec<Setting>, Failed> {
        self.configs(sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_GROUP, name)
    }

    /// The same of a broker.
    pub(crate) fn broker_configs(&self, id: i32) -> Result<Vec<Setting>, Failed> {
        self.configs(sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_BROKER, &id.to_string())
    }

    fn configs(
        &self,
        kind: sys::rd_kafka_ResourceType_t,
        name: &str,
    ) -> Result<Vec<Setting>, Failed> {
        let name = native(name)?;
        // SAFETY: the name is alive and is copied.
        let resource = unsafe { sys::rd_kafka_ConfigResource_new(kind, name.as_ptr()) };
        let resource = Guard::new(resource, sys::rd_kafka_ConfigResource_destroy)?;
        let mut resources = [resource.ptr()];
        self.ask(
            Op::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
            |client, options, queue| {
                // SAFETY: the array and what it points at live until the event is there.
                unsafe {
                    sys::rd_kafka_DescribeConfigs(
                        client,
                        resources.as_mut_ptr(),
                        1,
                        options,
                        queue,
                    );
                }
            },
            |event| {
                // SAFETY: the event is alive and of this kind, and so is what it gives.
                unsafe {
                    let result = sys::rd_kafka_event_DescribeConfigs_result(event);
                    let resources =
                        listed(|n| sys::rd_kafka_DescribeConfigs_result_resources(result, n));
                    let Some(resource) = resources.first().copied() else {
                        return Ok(Vec::new());
                    };
                    if let Some(code) = failure(sys::rd_kafka_ConfigResource_error(resource) as i32)
                    {
                        let reason = text(sys::rd_kafka_ConfigResource_error_string(resource));
                        return Err((code, reason.unwrap_or_default()));
                    }
                    let entries = listed(|n| sys::rd_kafka_ConfigResource_configs(resource, n));
                    Ok(entries.into_iter().map(|entry| native_config(entry)).collect())
                }
            },
        )?
    }

    /// Names and states of all groups. Brokers that failed to answer are an error.
    pub(crate) fn groups(&self) -> Result<Vec<(String, String)>, Failed> {
        self.ask(
            Op::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS,
            |client, options, queue| {
                // SAFETY: all three are alive until the event is there.
                unsafe { sys::rd_kafka_ListConsumerGroups(client, options, queue) }
            },
            |event| {
                // SAFETY: the event is alive and of this kind, and so is what it gives.
                unsafe {
                    let result = sys::rd_kafka_event_ListConsumerGroups_result(event);
                    let errors =
                        listed(|n| sys::rd_kafka_ListConsumerGroups_result_errors(result, n));
                    if let Some(failed) = errors.into_iter().find_map(|error| native_error(error)) {
                        return Err(failed);
                    }
                    let groups =
                        listed(|n| sys::rd_kafka_ListConsumerGroups_result_valid(result, n));
                    Ok(groups
                        .into_iter()
                        .map(|group| {
                            let name = text(sys::rd_kafka_ConsumerGroupListing_group_id(group));
                            let state = sys::rd_kafka_ConsumerGroupListing_state(group);
                            let state = text(sys::rd_kafka_consumer_group_state_name(state));
                            (name.unwrap_or_default(), state.unwrap_or_default())
                        })
                        .collect())
                }
            },
        )?
    }

    /// Each topic's id and number of partitions. Unlike asking for metadata, this never makes a
    /// topic.
    pub(crate) fn topics(&self, topics: &[&str]) -> Result<Vec<NativeTopic>, Failed> {
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
                // SAFETY: the collection lives until the event is there.
                unsafe { sys::rd_kafka_DescribeTopics(client, wanted.ptr(), options, queue) };
            },
            |event| {
                // SAFETY: the event is alive and of this kind, and so is what it gives.
                unsafe {
                    let result = sys::rd_kafka_event_DescribeTopics_result(event);
                    listed(|n| sys::rd_kafka_DescribeTopics_result_topics(result, n))
                        .into_iter()
                        .map(|topic| native_topic(topic))
                        .collect()
                }
            },
        )
    }

    /// What this client may do with each topic: numbers of Kafka's operations, none where the broker
    /// does not tell; or that the topic is refused.
    pub(crate) fn topic_operations(&self, topics: &[&str]) -> Result<Vec<Told>, Failed> {
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
                // SAFETY: the collection lives until the event is there; an error that the option
                // gives is destroyed.
                unsafe {
                    let_operations_come(options);
                    sys::rd_kafka_DescribeTopics(client, wanted.ptr(), options, queue);
                };
            },
            |event| {
                // SAFETY: the event is alive and of this kind, and so is what it gives.
                unsafe {
                    let result = sys::rd_kafka_event_DescribeTopics_result(event);
                    listed(|n| sys::rd_kafka_DescribeTopics_result_topics(result, n))
                        .into_iter()
                        .map(|topic| {
                            let name = text(sys::rd_kafka_TopicDescription_name(topic));
                            let known =
                                match native_error(sys::rd_kafka_TopicDescription_error(topic)) {
                                    Some(failed) => Err(failed),
                                    None => Ok(operations(|n| {
                                        sys::rd_kafka_TopicDescription_authorized_operations(
                                            topic, n,
                                        )
                                    })),
                                };
                            (name.unwrap_or_default(), known)
                        })
                        .collect()
                }
            },
        )
    }

    /// The same with a group.
    pub(crate) fn group_operations(&self, group: &str) -> Result<Vec<i32>, Failed> {
        let group = native(group)?;
        let mut names = [group.as_ptr()];
        self.ask(
            Op::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS,
            |client, options, queue| {
                // SAFETY: the name lives until the event is there; as above.
                unsafe {
                    let_operations_come(options);
                    sys::rd_kafka_DescribeConsumerGroups(
                        client,
                        names.as_mut_ptr(),
                        1,
                        options,
                        queue,
                    );
                }
            },
            |event| {
                // SAFETY: the event is alive and of this kind, and so is what it gives.
                unsafe {
                    let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event);
                    let groups =
                        listed(|n| sys::rd_kafka_DescribeConsumerGroups_result_groups(result, n));
                    let Some(group) = groups.first().copied() else { return Ok(Vec::new()) };
                    match native_error(sys::rd_kafka_ConsumerGroupDescription_error(group)) {
                        Some(failed) => Err(failed),
                        None => Ok(operations(|n| {
                            sys::rd_kafka_ConsumerGroupDescription_authorized_operations(group, n)
                        })),
                    }
                }
            },
        )?
    }

    pub(crate) fn describe_groups(&self, groups: &[&str]) -> Result<Vec<NativeGroup>, Failed> {
        let groups = groups.iter().map(|group| native(group)).collect::<Result<Vec<_>, _>>()?;
        let mut names: Vec<*const c_char> = groups.iter().map(|group| group.as_ptr()).collect();
        self.ask(
            Op::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS,
            |client, options, queue| {
                // SAFETY: the names live until the event is there.
                unsafe {
                    sys::rd_kafka_DescribeConsumerGroups(
                        client,
                        names.as_mut_ptr(),
                        names.len(),
                        options,
                        queue,
                    );
                }
            },
            |event| {
                // SAFETY: the event is alive and of this kind, and so is what it gives.
                unsafe {
                    let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event);
                    listed(|n| sys::rd_kafka_DescribeConsumerGroups_result_groups(result, n))
                        .into_iter()
                        .map(|group| native_group(group))
                        .collect()
                }
            },
        )
    }

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
/// It is a valid description.
unsafe fn native_topic(topic: *const sys::rd_kafka_TopicDescription_t) -> NativeTopic {
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

/// # Safety
/// `error` is null or a valid error.
unsafe fn native_error(error: *const sys::rd_kafka_error_t) -> Option<Failed> {
    // SAFETY: as the caller promises; librdkafka takes null for no error.
    unsafe {
        let code = failure(sys::rd_kafka_error_code(error) as i32)?;
        Some((code, text(sys::rd_kafka_error_string(error)).unwrap_or_default()))
    }
}

/// # Safety
/// `entry` is valid.
unsafe fn native_config(
    entry: *const sys::rd_kafka_ConfigEntry_t,
) -> (String, Option<String>, bool) {
    // SAFETY: as the caller promises.
    unsafe {
        let sensitive = sys::rd_kafka_ConfigEntry_is_sensitive(entry) == 1;
        let value = text(sys::rd_kafka_ConfigEntry_value(entry)).filter(|_| !sensitive);
        (
            text(sys::rd_kafka_ConfigEntry_name(entry)).unwrap_or_default(),
            value,
            sys::rd_kafka_ConfigEntry_is_default(entry) == 1,
        )
    }
}

/// # Safety
/// `group` is valid.
unsafe fn native_group(group: *const sys::rd_kafka_ConsumerGroupDescription_t) -> NativeGroup {
    // SAFETY: as the caller promises; members are asked for below their count.
    unsafe {
        let state = sys::rd_kafka_ConsumerGroupDescription_state(group);
        let assignor = sys::rd_kafka_ConsumerGroupDescription_partition_assignor(group);
        let coordinator = sys::rd_kafka_ConsumerGroupDescription_coordinator(group);
        let coordinator = if coordinator.is_null() {
            String::new()
        } else {
            format!(
                "{}:{} ({})",
                text(sys::rd_kafka_Node_host(coordinator)).unwrap_or_default(),
                sys::rd_kafka_Node_port(coordinator),
                sys::rd_kafka_Node_id(coordinator),
            )
        };
        let count = sys::rd_kafka_ConsumerGroupDescription_member_count(group);
        NativeGroup {
            group: text(sys::rd_kafka_ConsumerGroupDescription_group_id(group)).unwrap_or_default(),
            state: text(sys::rd_kafka_consumer_group_state_name(state)).unwrap_or_default(),
            assignor: text(assignor).unwrap_or_default(),
            coordinator,
            members: (0..count)
                .map(|index| {
                    native_member(sys::rd_kafka_ConsumerGroupDescription_member(group, index))
                })
                .collect(),
            error: native_error(sys::rd_kafka_ConsumerGroupDescription_error(group)),
        }
    }
}

/// # Safety
/// `member` is valid.
unsafe fn native_member(member: *const sys::rd_kafka_MemberDescription_t) -> NativeMember {
    // SAFETY: as the caller promises.
    unsafe {
        let assignment = sys::rd_kafka_MemberDescription_assignment(member);
        NativeMember {
            member_id: text(sys::rd_kafka_MemberDescription_consumer_id(member))
                .unwrap_or_default(),
            client_id: text(sys::rd_kafka_MemberDescription_client_id(member)).unwrap_or_default(),
            host: text(sys::rd_kafka_MemberDescription_host(member)).unwrap_or_default(),
            instance_id: text(sys::rd_kafka_MemberDescription_group_instance_id(member))
                .filter(|id| !id.is_empty()),
            assignment: if assignment.is_null() {
                Vec::new()
            } else {
                native_rows(sys::rd_kafka_MemberAssignment_partitions(assignment))
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::producer::{BaseProducer, Producer};

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
