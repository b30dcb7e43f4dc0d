"""A static member that restarts keeps its partitions; the group's generation does not change."""

import sys

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from common import (
    BOOTSTRAP,
    consumer_config,
    create_topic,
    generation_of,
    partitions_of,
    poll_rounds,
    poll_until,
)

strategy = sys.argv[2]
topic, group = f"static-{strategy}", f"static-group-{strategy}"
create_topic(topic, 4)
config = consumer_config(group, partition_assignment_strategy=strategy)


def member(instance):
    consumer = Consumer({**config, "group.instance.id": instance})
    consumer.subscribe([topic])
    return consumer


a, b = member("a"), member("b")
both = lambda: len(partitions_of(a)) == 2 and len(partitions_of(b)) == 2
poll_until([a, b], both, "two partitions each")
# Cooperative members rebalance once more after they gave partitions up.
poll_rounds([a, b], 20)
before = partitions_of(a), partitions_of(b)
generation = generation_of(group)
assert generation >= 1
for restarted in ["b", "a"]:
    if restarted == "a":
        a.close()
        a = member("a")
    else:
        b.close()
        b = member("b")
    poll_until([a, b], both, f"{restarted} is back")
    assert (partitions_of(a), partitions_of(b)) == before, "partitions moved"
poll_rounds([a, b], 10)
assert generation_of(group) == generation, "the generation changed"
admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
described = admin.describe_consumer_groups([group])[group].result(30)
assert {m.group_instance_id for m in described.members} == {"a", "b"}, described.members
assert described.state.name == "STABLE", described.state
a.close()
b.close()
print("ok")
