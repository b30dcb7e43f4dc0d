"""Two members share four partitions, two each; when one leaves the other has all four."""

import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from common import (
    BOOTSTRAP,
    consumer_config,
    create_topic,
    partitions_of,
    poll_rounds,
    poll_until,
)

strategy = sys.argv[2]
topic, group = f"shared-{strategy}", f"group-{strategy}"
create_topic(topic, 4)
producer = Producer({"bootstrap.servers": BOOTSTRAP})
for i in range(400):
    producer.produce(topic, str(i), partition=i % 4)
assert producer.flush(30) == 0

config = consumer_config(group, partition_assignment_strategy=strategy)
first, second = Consumer(config), Consumer(config)
first.subscribe([topic])
second.subscribe([topic])


def shared():
    mine, theirs = partitions_of(first), partitions_of(second)
    return len(mine) == 2 and len(theirs) == 2 and sorted(mine + theirs) == [0, 1, 2, 3]


seen = set()


def note(read):
    seen.update(int(message.value()) for messages in read for message in messages)


note(poll_until([first, second], shared, "two partitions each"))
# What was read before the last rebalance counts too; a member may see records again after it.
note(poll_rounds([first, second], 5))
second.close()
note(poll_until([first], lambda: partitions_of(first) == [0, 1, 2, 3], "all partitions"))
left = iter(range(600))
while len(seen) < 400 and next(left, None) is not None:
    note(poll_rounds([first], 1))
first.close()
assert seen == set(range(400)), f"{400 - len(seen)} records are missing"

third = Consumer(config)
committed = third.committed([TopicPartition(topic, p) for p in range(4)], 30)
assert [partition.offset for partition in committed] == [100] * 4, committed
third.close()
print("ok")
