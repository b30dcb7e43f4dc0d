//! One file for each Kafka API, named by its key: what it answers, its versions, its outline.

use crate::api::Api;

pub(crate) mod api_00_produce;
pub(crate) mod api_01_fetch;
pub(crate) mod api_02_list_offsets;
pub(crate) mod api_03_metadata;
pub(crate) mod api_08_offset_commit;
pub(crate) mod api_09_offset_fetch;
pub(crate) mod api_10_find_coordinator;
pub(crate) mod api_11_join_group;
pub(crate) mod api_12_heartbeat;
pub(crate) mod api_13_leave_group;
pub(crate) mod api_14_sync_group;
pub(crate) mod api_15_describe_groups;
pub(crate) mod api_16_list_groups;
pub(crate) mod api_18_api_versions;
pub(crate) mod api_19_create_topics;
pub(crate) mod api_20_delete_topics;
pub(crate) mod api_21_delete_records;
pub(crate) mod api_22_init_producer_id;
pub(crate) mod api_23_offset_for_leader_epoch;
pub(crate) mod api_32_describe_configs;
pub(crate) mod api_37_create_partitions;
pub(crate) mod api_42_delete_groups;
pub(crate) mod api_44_incremental_alter_configs;
pub(crate) mod api_47_offset_delete;
pub(crate) mod api_60_describe_cluster;
mod fetch_answer;
mod partition_errors;

/// All that is served, by key.
pub(crate) const ALL: &[Api] = &[
    api_00_produce::API,
    api_01_fetch::API,
    api_02_list_offsets::API,
    api_03_metadata::API,
    api_08_offset_commit::API,
    api_09_offset_fetch::API,
    api_10_find_coordinator::API,
    api_11_join_group::API,
    api_12_heartbeat::API,
    api_13_leave_group::API,
    api_14_sync_group::API,
    api_15_describe_groups::API,
    api_16_list_groups::API,
    api_18_api_versions::API,
    api_19_create_topics::API,
    api_20_delete_topics::API,
    api_21_delete_records::API,
    api_22_init_producer_id::API,
    api_23_offset_for_leader_epoch::API,
    api_32_describe_configs::API,
    api_37_create_partitions::API,
    api_42_delete_groups::API,
    api_44_incremental_alter_configs::API,
    api_47_offset_delete::API,
    api_60_describe_cluster::API,
];
