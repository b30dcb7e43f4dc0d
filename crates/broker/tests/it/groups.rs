//! Consumer groups over the wire: generations, static members, commits.

use bytes::Bytes;
use forebay_wire::offsets_topic;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest, ListOffsetsRequest,
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, SyncGroupRequest,
};

use crate::broker::TestBroker;
use crate::client::{Client, text, topic_name};

pub(crate) fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

/// ConsumerProtocolSubscription v0 for one topic.
fn subscription(topic: &str) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, 0, 1];
    bytes.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
    bytes.extend(topic.as_bytes());
    bytes.extend([0xff; 4]);
    bytes.into()
}

fn join(name: &str, member: &str, instance: Option<&str>) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(subscription("t"));
    JoinGroupRequest::default()
        .with_group_id(group(name))
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(30_000)
        .with_member_id(text(member))
        .with_group_instance_id(instance.map(text))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

fn sync(name: &str, joined: &JoinGroupResponse, shares: &[(&str, &str)]) -> SyncGroupRequest {
    let share = |(member, share): &(&str, &str)| {
        SyncGroupRequestAssignment::default()
            .with_member_id(text(member))
            .with_assignment(Bytes::copy_from_slice(share.as_bytes()))
    };
    SyncGroupRequest::default()
        .with_group_id(group(name))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(shares.iter().map(share).collect())
}

/// A lone static member that leads and has assigned itself something.
async fn alone(client: &mut Client, name: &str, instance: &str) -> JoinGroupResponse {
    let joined = client.call(join(name, "", Some(instance)), 7).await;
    assert_eq!(joined.error_code, 0);
    let synced = client.call(sync(name, &joined, &[(&joined.member_id, "all")]), 3).await;
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all"[..]));
    joined
}

fn heartbeat(name: &str, joined: &JoinGroupResponse, instance: Option<&str>) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group(name))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_group_instance_id(instance.map(text))
}

fn commit(
    name: &str,
    who: Option<&JoinGroupResponse>,
    offset: i64,
    metadata: &str,
) -> OffsetCommitRequest {
    let part = OffsetCommitRequestPartition::default()
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text(metadata)));
    let topic =
        OffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![part]);
    OffsetCommitRequest::default()
        .with_group_id(group(name))
        .with_generation_id_or_member_epoch(who.map_or(-1, |joined| joined.generation_id))
        .with_member_id(who.map(|joined| joined.member_id.clone()).unwrap_or_default())
        .with_topics(vec![topic])
}

async fn commit_code(client: &mut Client, request: OffsetCommitRequest) -> i16 {
    client.call(request, 7).await.topics[0].partitions[0].error_code
}

/// Offset and metadata of partition 0 of "t".
async fn committed(client: &mut Client, name: &str) -> (i64, String) {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(topic_name("t"))
        .with_partition_indexes(vec![0]);
    let wanted = OffsetFetchRequestGroup::default()
        .with_group_id(group(name))
        .with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![wanted]);
    let response = client.call(request, 8).await;
    let part = &response.groups[0].topics[0].partitions[0];
    assert_eq!(part.error_code, 0);
    (part.committed_offset, part.metadata.clone().unwrap_or_default().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_form_a_generation_and_get_what_the_leader_assigned() {
    let broker = TestBroker::start().await;
    let (mut a, mut b) = (broker.client().await, broker.client().await);
    let first = a.call(join("g", "", None), 4).await;
    assert_eq!(first.error_code, ResponseError::MemberIdRequired.code());
    let alone = a.call(join("g", &first.member_id, None), 4).await;
    assert_eq!((alone.error_code, &alone.leader), (0, &alone.member_id));
    let id = b.call(join("g", "", None), 4).await.member_id;
    b.send(&join("g", &id, None), 4).await;
    let leader = rejoin_when_told(&mut a, "g", &alone).await;
    let (_, follower) = b.receive::<JoinGroupRequest>(4).await;
    assert_eq!((leader.generation_id, follower.generation_id), (2, 2));
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));
    b.send(&sync("g", &follower, &[]), 3).await;
    let shares = [(&*leader.member_id, "left"), (&*follower.member_id, "right")];
    let mine = a.call(sync("g", &leader, &shares), 3).await;
    let (_, theirs) = b.receive::<SyncGroupRequest>(3).await;
    assert_eq!((&mine.assignment[..], &theirs.assignment[..]), (&b"left"[..], &b"right"[..]));
    assert_eq!(a.call(heartbeat("g", &leader, None), 3).await.error_code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_behind_a_join_that_is_held_is_of_a_generation_that_passed() {
    let broker = TestBroker::start().await;
    let (mut a, mut b) = (broker.client().await, broker.client().await);
    a.create_topic("t", 1).await;
    let alone = alone(&mut a, "g", "a").await;
    b.send(&join("g", "", Some("b")), 7).await;
    let leader = rejoin_when_told(&mut a, "g", &alone).await;
    let (_, follower) = b.receive::<JoinGroupRequest>(7).await;
    assert_eq!(a.call(sync("g", &leader, &[]), 3).await.error_code, 0);
    assert_eq!(commit_code(&mut a, commit("g", Some(&leader), 5, "before")).await, 0);

    a.send(&join("g", &leader.member_id, None), 4).await;
    a.send(&commit("g", Some(&leader), 9, "behind"), 7).await;
    a.send(&commit("g", Some(&leader), 10, "behind"), 7).await;
    let again = rejoin_when_told(&mut b, "g", &follower).await;
    let (_, joined) = a.receive::<JoinGroupRequest>(4).await;
    assert_eq!((joined.generation_id, again.generation_id), (3, 3));
    for _ in 0..2 {
        let (_, refused) = a.receive::<OffsetCommitRequest>(7).await;
        let code = refused.topics[0].partitions[0].error_code;
        assert_eq!(code, ResponseError::IllegalGeneration.code());
    }
    assert_eq!(committed(&mut b, "g").await, (5, "before".to_owned()));
    assert_eq!(a.call(sync("g", &joined, &[]), 3).await.error_code, 0);
    assert_eq!(commit_code(&mut a, commit("g", Some(&joined), 9, "anew")).await, 0);
}

/// Heartbeats until the group rebalances, then joins again.
async fn rejoin_when_told(
    client: &mut Client,
    name: &str,
    joined: &JoinGroupResponse,
) -> JoinGroupResponse {
    loop {
        let beat = client.call(heartbeat(name, joined, None), 3).await.error_code;
        if beat == ResponseError::RebalanceInProgress.code() {
            return client.call(join(name, &joined.member_id, None), 4).await;
        }
        assert_eq!(beat, 0);
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_of_the_group_apis_serves_a_lone_member() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    for version in 0..=9 {
        let name = format!("g{version}");
        for find in 0..=6 {
            let request = FindCoordinatorRequest::default();
            let request = if find < 4 {
                request.with_key(text(&name))
            } else {
                request.with_coordinator_keys(vec![text(&name)])
            };
            let found = client.call(request, find).await;
            let port = if find < 4 { found.port } else { found.coordinators[0].port };
            assert_eq!(port, i32::from(broker.handle.address().port()));
        }
        let mut joined = client.call(join(&name, "", None), version).await;
        if version >= 4 {
            joined = client.call(join(&name, &joined.member_id, None), version).await;
        }
        assert_eq!((joined.error_code, joined.generation_id), (0, 1), "join v{version}");
        let low = version.min(5);
        let request = sync(&name, &joined, &[(&joined.member_id, "mine")]);
        let request = if low < 5 {
            request
        } else {
            request
                .with_protocol_type(Some(text("consumer")))
                .with_protocol_name(Some(text("range")))
        };
        assert_eq!(client.call(request, low).await.assignment, "mine");
        let beat = client.call(heartbeat(&name, &joined, None), version.min(4)).await;
        assert_eq!(beat.error_code, 0);
        let described = client
            .call(DescribeGroupsRequest::default().with_groups(vec![group(&name)]), version.min(6))
            .await;
        assert_eq!(&*described.groups[0].group_state, "Stable");
        assert_eq!(described.groups[0].members[0].member_assignment, "mine");
        let listed = client.call(ListGroupsRequest::default(), low).await;
        assert!(listed.groups.iter().any(|listed| listed.group_id == group(&name)));
        let leave = LeaveGroupRequest::default().with_group_id(group(&name));
        let leave = if low < 3 {
            leave.with_member_id(joined.member_id)
        } else {
            let member = MemberIdentity::default().with_member_id(joined.member_id);
            leave.with_members(vec![member])
        };
        assert_eq!(client.call(leave, low).await.error_code, 0);
        let deleted = DeleteGroupsRequest::default().with_groups_names(vec![group(&name)]);
        assert_eq!(client.call(deleted, version.min(2)).await.results[0].error_code, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_returns_without_a_rebalance_and_fences_its_former_self() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    let before = alone(&mut client, "g", "i").await;
    for version in [7, 9] {
        let after = client.call(join("g", "", Some("i")), version).await;
        assert_eq!((after.error_code, after.generation_id), (0, before.generation_id));
        assert_ne!(after.member_id, before.member_id);
        assert_eq!(after.skip_assignment, version == 9);
        let synced = client.call(sync("g", &after, &[]), 3).await;
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all"[..]));
    }
    let fenced = client.call(heartbeat("g", &before, Some("i")), 3).await;
    assert_eq!(fenced.error_code, ResponseError::FencedInstanceId.code());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_broker_knows_its_groups_members_and_commits() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    let joined = alone(&mut client, "g", "i").await;
    assert_eq!(commit_code(&mut client, commit("g", Some(&joined), 41, "map é")).await, 0);
    let broker = broker.restart().await;
    let mut client = broker.client().await;
    assert_eq!(committed(&mut client, "g").await, (41, "map é".to_owned()));
    let beat = client.call(heartbeat("g", &joined, Some("i")), 3).await;
    assert_eq!(beat.error_code, 0, "a live member just goes on");
    assert_eq!(commit_code(&mut client, commit("g", Some(&joined), 42, "")).await, 0);
    let again = client.call(join("g", "", Some("i")), 7).await;
    assert_eq!((again.error_code, again.generation_id), (0, joined.generation_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_fenced_by_generation_and_member() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    assert_eq!(commit_code(&mut client, commit("g", None, 5, "simple")).await, 0);
    let joined = alone(&mut client, "g", "i").await;
    let code = commit_code(&mut client, commit("g", None, 6, "")).await;
    assert_eq!(code, ResponseError::UnknownMemberId.code(), "members shut simple consumers out");
    let mut old = joined.clone();
    old.generation_id -= 1;
    let code = commit_code(&mut client, commit("g", Some(&old), 6, "")).await;
    assert_eq!(code, ResponseError::IllegalGeneration.code());
    let code = commit_code(&mut client, commit("g", Some(&joined), 6, &"x".repeat(4097))).await;
    assert_eq!(code, ResponseError::OffsetMetadataTooLarge.code());
    assert_eq!(committed(&mut client, "g").await, (5, "simple".to_owned()));
    let longest = "x".repeat(4096);
    assert_eq!(commit_code(&mut client, commit("g", Some(&joined), 7, &longest)).await, 0);
    assert_eq!(committed(&mut client, "g").await, (7, longest));
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_told_in_every_version_and_unknown_ones_are_minus_one() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 2).await;
    for version in 2..=9 {
        let response = client.call(commit("g", None, i64::from(version), "m"), version).await;
        assert_eq!(response.topics[0].partitions[0].error_code, 0);
    }
    for version in 1..=7 {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(topic_name("t"))
            .with_partition_indexes(vec![0, 1]);
        let request =
            OffsetFetchRequest::default().with_group_id(group("g")).with_topics(Some(vec![topic]));
        let response = client.call(request, version).await;
        let offsets: Vec<_> =
            response.topics[0].partitions.iter().map(|part| part.committed_offset).collect();
        assert_eq!(offsets, [9, -1], "version {version}");
    }
    let all = OffsetFetchRequestGroup::default().with_group_id(group("g")).with_topics(None);
    let response = client.call(OffsetFetchRequest::default().with_groups(vec![all]), 9).await;
    assert_eq!(response.groups[0].topics[0].partitions.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_of_a_topic_that_is_read_are_not_deleted_and_others_are_for_good() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    assert_eq!(commit_code(&mut client, commit("g", None, 5, "")).await, 0);
    let joined = alone(&mut client, "g", "i").await;
    let delete = || {
        let part = OffsetDeleteRequestPartition::default();
        let topic = OffsetDeleteRequestTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![part]);
        OffsetDeleteRequest::default().with_group_id(group("g")).with_topics(vec![topic])
    };
    let refused = client.call(delete(), 0).await.topics[0].partitions[0].error_code;
    assert_eq!(refused, ResponseError::GroupSubscribedToTopic.code());
    let busy = DeleteGroupsRequest::default().with_groups_names(vec![group("g")]);
    let busy = client.call(busy, 2).await.results[0].error_code;
    assert_eq!(busy, ResponseError::NonEmptyGroup.code());
    let member = MemberIdentity::default().with_group_instance_id(Some(text("i")));
    let leave = LeaveGroupRequest::default().with_group_id(group("g")).with_members(vec![member]);
    assert_eq!(client.call(leave, 3).await.members[0].error_code, 0);
    assert!(joined.generation_id > 0);
    assert_eq!(client.call(delete(), 0).await.topics[0].partitions[0].error_code, 0);
    let broker = broker.restart().await;
    assert_eq!(committed(&mut broker.client().await, "g").await.0, -1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offsets_topic_stays_small_and_keeps_what_counts() {
    let broker = TestBroker::start().await;
    let mut client = broker.client().await;
    client.create_topic("t", 1).await;
    let joined = alone(&mut client, "g", "i").await;
    assert_eq!(commit_code(&mut client, commit("g", Some(&joined), 1, "")).await, 0);
    let index = offsets_topic::partition_of_group("g", offsets_topic::PARTITIONS);
    // Every commit weighs 4 KiB in the same partition; the log drops whole segments of 8 MiB.
    let heavy = "x".repeat(4096);
    let mut offset = 1;
    while start_of(&mut client, index).await == 0 {
        assert!(offset < 20_000, "80 MB of commits and nothing was dropped");
        for _ in 0..50 {
            offset += 1;
            client.send(&commit("g", Some(&joined), offset, &heavy), 7).await;
        }
        for _ in 0..50 {
            let (_, response) = client.receive::<OffsetCommitRequest>(7).await;
            assert_eq!(response.topics[0].partitions[0].error_code, 0);
        }
    }
    let broker = broker.restart().await;
    let mut client = broker.client().await;
    assert_eq!(committed(&mut client, "g").await, (offset, heavy));
    let beat = client.call(heartbeat("g", &joined, Some("i")), 3).await;
    assert_eq!(beat.error_code, 0, "the group's state was written anew too");
}

async fn start_of(client: &mut Client, partition: i32) -> i64 {
    let part = ListOffsetsPartition::default()
        .with_partition_index(partition)
        .with_current_leader_epoch(-1)
        .with_timestamp(-2);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(offsets_topic::TOPIC))
        .with_partitions(vec![part]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    client.call(request, 5).await.topics[0].partitions[0].offset
}
