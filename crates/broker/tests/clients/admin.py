"""What admin clients ask: topics, configurations, partitions, offsets, groups, deletion."""

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    OffsetSpec,
    ResourceType,
)
from common import BOOTSTRAP, PATIENCE, consumer_config, create_topic, poll_until, partitions_of

topic, group = "admin-topic", "admin-group"
admin = create_topic(topic, 2, **{"retention.ms": "1000000"})


def config_of(kind, name):
    resource = ConfigResource(kind, name)
    return admin.describe_configs([resource])[resource].result(PATIENCE)


configs = config_of(ResourceType.TOPIC, topic)
assert len(configs) >= 30, sorted(configs)
assert configs["retention.ms"].value == "1000000"
assert configs["retention.ms"].source == 1 and configs["segment.bytes"].source == 5
assert "log.dirs" in config_of(ResourceType.BROKER, "1")

entry = ConfigEntry("segment.bytes", "65536", incremental_operation=AlterConfigOpType.SET)
resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
admin.incremental_alter_configs([resource])[resource].result(PATIENCE)
assert config_of(ResourceType.TOPIC, topic)["segment.bytes"].value == "65536"

admin.create_partitions([NewPartitions(topic, 4)])[topic].result(PATIENCE)
assert len(admin.list_topics(topic, PATIENCE).topics[topic].partitions) == 4
cluster = admin.describe_cluster().result(PATIENCE)
assert [node.id for node in cluster.nodes] == [1]

producer = Producer({"bootstrap.servers": BOOTSTRAP})
for i in range(10):
    producer.produce(topic, str(i), partition=3, timestamp=1000 * (i + 1))
assert producer.flush(30) == 0
where = TopicPartition(topic, 3)


def offset(spec):
    return admin.list_offsets({where: spec})[where].result(PATIENCE).offset


assert offset(OffsetSpec.earliest()) == 0
assert offset(OffsetSpec.latest()) == 10
assert offset(OffsetSpec.for_timestamp(4500)) == 4
assert offset(OffsetSpec.max_timestamp()) == 9
assert offset(OffsetSpec.for_timestamp(99_000)) == -1
admin.delete_records([TopicPartition(topic, 3, 4)])
low = admin.delete_records([TopicPartition(topic, 3, 4)])[where].result(PATIENCE)
assert low.low_watermark == 4
assert offset(OffsetSpec.earliest()) == 4

consumer = Consumer(consumer_config(group))
consumer.subscribe([topic])
poll_until([consumer], lambda: len(partitions_of(consumer)) == 4, "the assignment")
with_metadata = TopicPartition(topic, 3, 7, "mark é")
consumer.commit(offsets=[with_metadata], asynchronous=False)
(read_back,) = consumer.committed([where], PATIENCE)
assert (read_back.offset, read_back.metadata) == (7, "mark é"), read_back

described = admin.describe_consumer_groups([group])[group].result(PATIENCE)
assert described.state.name == "STABLE" and len(described.members) == 1
assert len(described.members[0].assignment.topic_partitions) == 4
consumer.close()

wanted = ConsumerGroupTopicPartitions(group)
listed = admin.list_consumer_group_offsets([wanted])[group].result(PATIENCE)
assert [(tp.partition, tp.offset) for tp in listed.topic_partitions if tp.offset >= 0] == [(3, 7)]
altered = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 3, 5)])
admin.alter_consumer_group_offsets([altered])[group].result(PATIENCE)
listed = admin.list_consumer_group_offsets([wanted])[group].result(PATIENCE)
assert [tp.offset for tp in listed.topic_partitions if tp.partition == 3] == [5]
assert group in [g.group_id for g in admin.list_consumer_groups().result(PATIENCE).valid]
admin.delete_consumer_groups([group])[group].result(PATIENCE)
assert group not in [g.group_id for g in admin.list_consumer_groups().result(PATIENCE).valid]
admin.delete_topics([topic])[topic].result(PATIENCE)
assert topic not in admin.list_topics(timeout=PATIENCE).topics
print("ok")
