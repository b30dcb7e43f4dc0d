//! Groups: listed, described, deleted.

use std::ffi::c_char;

use rdkafka_sys as sys;
use sys::rd_kafka_admin_op_t as Op;

use super::{
    AdminClient, Failed, Guard, let_operations_come, listed, native, native_error, operations,
};
use crate::native::{Row, native_rows, text};

pub(crate) struct NativeGroup {
    pub(crate) group: String,
    pub(crate) state: String,
    pub(crate) assignor: String,
    pub(crate) coordinator: String,
    pub(crate) members: Vec<NativeMember>,
    pub(crate) error: Option<Failed>,
}

pub(crate) struct NativeMember {
    pub(crate) member_id: String,
    pub(crate) client_id: String,
    pub(crate) host: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) assignment: Vec<Row>,
}

impl AdminClient<'_> {
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
