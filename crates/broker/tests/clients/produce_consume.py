"""Every record comes back once, in order by partition, whatever compresses it."""

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from common import BOOTSTRAP, consumer_config, create_topic, poll_until

COUNT = 2000

for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
    topic = f"codec-{codec}"
    create_topic(topic, 4)
    failed = []
    producer = Producer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "enable.idempotence": True,
            "compression.type": codec,
            "linger.ms": 5,
        }
    )

    def delivered(error, message):
        if error is not None:
            failed.append(error)

    for i in range(COUNT):
        headers = [("number", str(i).encode())]
        value = f"value {i} ".encode() * 10
        producer.produce(topic, value, key=str(i % 100), headers=headers, on_delivery=delivered)
        producer.poll(0)
    assert producer.flush(30) == 0
    assert not failed, failed

    consumer = Consumer(consumer_config("reader", check_crcs=True))
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(4)])
    messages = []
    while len(messages) < COUNT:
        batch = consumer.consume(500, 10)
        assert batch, f"{codec}: only {len(messages)} of {COUNT} came back"
        messages += batch
    for message in messages:
        assert message.error() is None, message.error()
    numbers = sorted(int(message.headers()[0][1]) for message in messages)
    assert numbers == list(range(COUNT)), codec
    for partition in range(4):
        offsets = [m.offset() for m in messages if m.partition() == partition]
        assert offsets == list(range(len(offsets))), codec
    consumer.close()
print("ok")
