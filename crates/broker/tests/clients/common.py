"""What the client scripts share: the broker's address, and waiting for a condition by polling."""

import struct
import sys
import time

BOOTSTRAP = sys.argv[1]
PATIENCE = 30.0


def consumer_config(group, **more):
    return {
        "bootstrap.servers": BOOTSTRAP,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 300,
        "fetch.wait.max.ms": 100,
        **{name.replace("_", "."): value for name, value in more.items()},
    }


def poll_until(consumers, done, what):
    """Polls all consumers in turn until `done()`; returns what they read, by consumer."""
    read = [[] for _ in consumers]
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        for mine, consumer in zip(read, consumers):
            message = consumer.poll(0.05)
            if message is not None:
                assert message.error() is None, message.error()
                mine.append(message)
    return read


def poll_rounds(consumers, count):
    """Polls all consumers in turn `count` times."""
    rounds = iter([False] * count)
    return poll_until(consumers, lambda: next(rounds, True), "rounds")


def partitions_of(consumer):
    return sorted(assigned.partition for assigned in consumer.assignment())


def create_topic(name, partitions, **config):
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)
    admin.create_topics([topic])[name].result(PATIENCE)
    return admin


def generation_of(group):
    """The newest generation that `__consumer_offsets` has for the group (key v2, value v0-3)."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    name = "__consumer_offsets"
    reader = Consumer({**consumer_config("generation-reader"), "enable.partition.eof": True})
    count = len(reader.list_topics(name, 30).topics[name].partitions)
    reader.assign([TopicPartition(name, p, OFFSET_BEGINNING) for p in range(count)])
    newest, ended = None, set()
    while len(ended) < count:
        message = reader.poll(30)
        assert message is not None, "__consumer_offsets could not be read to its end"
        if message.error() is not None:
            assert message.error().name() == "_PARTITION_EOF", message.error()
            ended.add(message.partition())
        elif message.key() == struct.pack(">hh", 2, len(group)) + group.encode():
            (type_length,) = struct.unpack_from(">h", message.value(), 2)
            (newest,) = struct.unpack_from(">i", message.value(), 4 + type_length)
    reader.close()
    return newest
