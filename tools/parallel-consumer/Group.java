// Groups of Confluent's Parallel Consumer, in one process that is to be killed.
//
//     Group consume BOOTSTRAP JOURNAL TOPIC:ORDERING:ENCODING ...
//     Group read                 lines `OFFSET METADATA` from standard input
//
// `consume` runs a group of its topic's name for each argument. A record whose value begins with
// "stuck" never completes: the first few hang in the function, the others fail and are due again in a
// day. All others complete at once, and before they do, `TOPIC PARTITION OFFSET` is in the journal. With
// an ENCODING other than "chosen" a group's commits are written so, and the next group starts once all
// of its topic's one partition is tried, and committed; the line `committed TOPIC` says so. It never
// ends by itself.
//
// `read` says what Parallel Consumer itself reads in committed metadata: the highest offset that is
// known, and all below it that are incomplete.

import java.io.FileOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Scanner;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import io.confluent.parallelconsumer.offsets.OffsetEncoding;
import io.confluent.parallelconsumer.offsets.OffsetMapCodecManager;
import io.confluent.parallelconsumer.offsets.OffsetSimultaneousEncoder;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

public class Group {
    /** Threads of a group that are given to records that hang. */
    static final int HANG = 3;
    static final Duration NEVER = Duration.ofDays(1);
    /** More than any test leaves incomplete, so that reading goes on. */
    static final int BUFFER = 1_000_000;

    final String bootstrap;
    final String topic;
    final FileOutputStream journal;
    final AtomicInteger tried = new AtomicInteger();
    final AtomicInteger stuck = new AtomicInteger();

    Group(String bootstrap, String topic, FileOutputStream journal) {
        this.bootstrap = bootstrap;
        this.topic = topic;
        this.journal = journal;
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("read")) {
            read();
            return;
        }
        try (var journal = new FileOutputStream(args[2], true)) {
            for (var group : List.of(args).subList(3, args.length)) {
                var parts = group.split(":");
                var one = new Group(args[1], parts[0], journal);
                one.force(parts[2]);
                one.start(ProcessingOrder.valueOf(parts[1]));
                if (!parts[2].equals("chosen")) {
                    one.awaitCommitted(OffsetEncoding.valueOf(parts[2]));
                    System.out.println("committed " + one.topic);
                }
            }
            new CountDownLatch(1).await();
        }
    }

    static void read() throws Exception {
        var lines = new Scanner(System.in);
        while (lines.hasNextLong()) {
            var map = OffsetMapCodecManager.deserialiseIncompleteOffsetMapFromBase64(
                    lines.nextLong(), lines.next());
            var line = new StringBuilder().append(map.getHighestSeenOffset().orElseThrow());
            map.getIncompleteOffsets().forEach(offset -> line.append(' ').append(offset));
            System.out.println(line);
        }
    }

    void force(String encoding) {
        OffsetSimultaneousEncoder.compressionForced = encoding.endsWith("Compressed");
        OffsetMapCodecManager.forcedCodec = encoding.equals("chosen")
                ? Optional.empty() : Optional.of(OffsetEncoding.valueOf(encoding));
    }

    void start(ProcessingOrder ordering) {
        var settings = new Properties();
        settings.putAll(Map.of("bootstrap.servers", bootstrap, "group.id", topic,
                "enable.auto.commit", "false", "auto.offset.reset", "earliest",
                "session.timeout.ms", "3000", "heartbeat.interval.ms", "500"));
        var text = new StringDeserializer();
        var options = ParallelConsumerOptions.<String, String>builder()
                .ordering(ordering)
                .consumer(new KafkaConsumer<>(settings, text, text))
                .commitInterval(Duration.ofMillis(200))
                .messageBufferSize(BUFFER)
                .retryDelayProvider(record -> NEVER)
                .build();
        var processor = ParallelStreamProcessor.createEosStreamProcessor(options);
        processor.subscribe(List.of(topic));
        processor.poll(record -> process(record.getSingleConsumerRecord()));
    }

    void process(ConsumerRecord<String, String> record) {
        tried.incrementAndGet();
        if (record.value().startsWith("stuck")) {
            if (stuck.incrementAndGet() <= HANG) {
                hang();
            }
            throw new IllegalStateException("it is to fail");
        }
        var line = topic + " " + record.partition() + " " + record.offset() + "\n";
        try {
            journal.write(line.getBytes(StandardCharsets.UTF_8));
        } catch (java.io.IOException error) {
            throw new java.io.UncheckedIOException(error);
        }
    }

    static void hang() {
        try {
            new CountDownLatch(1).await();
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    /** Until the commit says of every record what became of it. */
    void awaitCommitted(OffsetEncoding encoding) throws Exception {
        var partition = new TopicPartition(topic, 0);
        try (var admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            var latest = admin.listOffsets(Map.of(partition, OffsetSpec.latest()));
            var end = latest.partitionResult(partition).get().offset();
            while (true) {
                var committed = admin.listConsumerGroupOffsets(topic)
                        .partitionsToOffsetAndMetadata().get().get(partition);
                if (tried.get() == end && says(committed, encoding, end)) {
                    return;
                }
                Thread.sleep(50);
            }
        }
    }

    boolean says(OffsetAndMetadata committed, OffsetEncoding encoding, long end) throws Exception {
        if (committed == null || committed.metadata().isEmpty()) {
            return false;
        }
        var bytes = java.util.Base64.getDecoder().decode(committed.metadata());
        var map = OffsetMapCodecManager.deserialiseIncompleteOffsetMapFromBase64(
                committed.offset(), committed.metadata());
        var open = new TreeSet<>(map.getIncompleteOffsets());
        return bytes[0] == encoding.magicByte && open.size() == stuck.get()
                && map.getHighestSeenOffset().orElse(-1L) == end - 1;
    }
}
