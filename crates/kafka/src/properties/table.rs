//! Every client property of Kafka (consumer, producer and admin of 4.x) and what becomes of it.

/// One property by its name in Java.
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) to: To,
}

/// What values a property takes.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Secret,
    Flag,
    /// Least and most, inclusive: the narrower of Java's and librdkafka's.
    Number(i64, i64),
    Choice(&'static [&'static str]),
}

/// What becomes of a property.
#[derive(Clone, Copy)]
pub(super) enum To {
    /// librdkafka's name for it, for all clients or one kind.
    All(&'static str),
    Consumer(&'static str),
    Producer(&'static str),
    /// Its value is translated too.
    Special,
    /// Read by Forebay itself, or agreeing with what it does anyway.
    Ours,
    Refused(&'static str),
}

const MS: Kind = Kind::Number(0, 3_600_000);
const BYTES: Kind = Kind::Number(1, 1_000_000_000);

const STORED: &str = "Forebay commits what is settled, and nothing else; see commit.interval";
const ASSIGNED: &str = "Forebay assigns cooperatively, so that a rebalance stops nobody else";
const SERIAL: &str = "Forebay hands on keys and values byte for byte";
const PARTITIONED: &str = "keys go where Java's default partitioner sends them";
const HOOKS: &str = "there is no Java virtual machine to load a class in";
const OWN_METRICS: &str = "Forebay has its own metrics, at /metrics";
const PER_SUBSCRIPTION: &str = "each subscription says it: group";
const TRANSACTIONS: &str = "Forebay owns its transactions";
const KERBEROS: &str = "this build has no Kerberos";
const NO_ENDPOINT: &str = "this build asks no token endpoint; have the token written to a file, and \
                           name it: sasl.oauthbearer.token.endpoint.url=file:///…";
const LOGIN: &str = "a token is renewed when four fifths of its life are over";
const TLS: &str = "OpenSSL chooses it";

const HANDLERS: &[&str] = &[
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
];
const RETRIEVERS: &[&str] = &[
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.FileJwtRetriever",
];

#[rustfmt::skip]
const TABLE: &[Property] = &[
    // All clients.
    all("bootstrap.servers", Kind::Text, "bootstrap.servers"),
    all("client.id", Kind::Text, "client.id"),
    all("client.dns.lookup", Kind::Choice(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]), "client.dns.lookup"),
    all("client.rack", Kind::Text, "client.rack"),
    all("connections.max.idle.ms", Kind::Number(0, 2_147_483_647), "connections.max.idle.ms"),
    all("enable.metrics.push", Kind::Flag, "enable.metrics.push"),
    all("reconnect.backoff.ms", MS, "reconnect.backoff.ms"),
    all("reconnect.backoff.max.ms", MS, "reconnect.backoff.max.ms"),
    all("retry.backoff.ms", Kind::Number(1, 300_000), "retry.backoff.ms"),
    all("retry.backoff.max.ms", Kind::Number(1, 300_000), "retry.backoff.max.ms"),
    all("socket.connection.setup.timeout.ms", Kind::Number(1_000, 2_147_483_647), "socket.connection.setup.timeout.ms"),
    all("metadata.recovery.strategy", Kind::Choice(&["none", "rebootstrap"]), "metadata.recovery.strategy"),
    all("metadata.recovery.rebootstrap.trigger.ms", Kind::Number(0, 2_147_483_647), "metadata.recovery.rebootstrap.trigger.ms"),
    special("metadata.max.age.ms", Kind::Number(1, 3_600_000)),
    special("request.timeout.ms", Kind::Number(10, 300_000)),
    special("receive.buffer.bytes", Kind::Number(-1, 100_000_000)),
    special("send.buffer.bytes", Kind::Number(-1, 100_000_000)),
    ours("default.api.timeout.ms", Kind::Number(1, 2_147_483_647)),
    refused("socket.connection.setup.timeout.max.ms", "connections are set up within socket.connection.setup.timeout.ms, each time"),
    refused("bootstrap.controllers", "Forebay talks to brokers; set bootstrap.servers"),
    refused("config.providers", "Forebay has its own: { env = \"NAME\" } or { file = \"PATH\" }"),

    // Security.
    special("security.protocol", Kind::Choice(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])),
    all("sasl.mechanism", Kind::Choice(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]), "sasl.mechanism"),
    special("sasl.jaas.config", Kind::Secret),
    all("sasl.username", Kind::Text, "sasl.username"),
    all("sasl.password", Kind::Secret, "sasl.password"),
    special("sasl.oauthbearer.token.endpoint.url", Kind::Text),
    // Those that Kafka's users must name for such tokens; what they do is done here.
    ours("sasl.login.callback.handler.class", Kind::Choice(HANDLERS)),
    ours("sasl.oauthbearer.jwt.retriever.class", Kind::Choice(RETRIEVERS)),
    special("ssl.truststore.location", Kind::Text),
    all("ssl.truststore.certificates", Kind::Text, "ssl.ca.pem"),
    ours("ssl.truststore.type", Kind::Choice(&["PEM"])),
    special("ssl.keystore.location", Kind::Text),
    ours("ssl.keystore.type", Kind::Choice(&["PEM", "PKCS12"])),
    all("ssl.keystore.password", Kind::Secret, "ssl.keystore.password"),
    all("ssl.keystore.key", Kind::Secret, "ssl.key.pem"),
    all("ssl.keystore.certificate.chain", Kind::Text, "ssl.certificate.pem"),
    all("ssl.key.password", Kind::Secret, "ssl.key.password"),
    special("ssl.endpoint.identification.algorithm", Kind::Choice(&["", "https"])),
    all("ssl.cipher.suites", Kind::Text, "ssl.cipher.suites"),
    Property { name: "ssl.truststore.password", kind: Kind::Secret, to: To::Refused("a PEM file of certificates has no password") },
    refused("ssl.enabled.protocols", TLS),
    refused("ssl.protocol", TLS),
    refused("ssl.provider", TLS),
    refused("ssl.secure.random.implementation", TLS),
    refused("ssl.keymanager.algorithm", TLS),
    refused("ssl.trustmanager.algorithm", TLS),
    refused("ssl.engine.factory.class", HOOKS),
    refused("security.providers", HOOKS),

    // Consumer.
    consumer("fetch.min.bytes", Kind::Number(1, 100_000_000), "fetch.min.bytes"),
    consumer("fetch.max.bytes", Kind::Number(0, 2_147_483_135), "fetch.max.bytes"),
    consumer("fetch.max.wait.ms", Kind::Number(0, 300_000), "fetch.wait.max.ms"),
    consumer("max.partition.fetch.bytes", BYTES, "fetch.message.max.bytes"),
    consumer("session.timeout.ms", Kind::Number(1, 3_600_000), "session.timeout.ms"),
    consumer("heartbeat.interval.ms", Kind::Number(1, 3_600_000), "heartbeat.interval.ms"),
    consumer("max.poll.interval.ms", Kind::Number(1, 86_400_000), "max.poll.interval.ms"),
    consumer("check.crcs", Kind::Flag, "check.crcs"),
    consumer("allow.auto.create.topics", Kind::Flag, "allow.auto.create.topics"),
    ours("max.poll.records", Kind::Number(1, 2_147_483_647)),
    ours("auto.offset.reset", Kind::Choice(&["earliest", "latest", "none"])),
    ours("group.protocol", Kind::Choice(&["classic", "consumer"])),
    refused("group.id", PER_SUBSCRIPTION),
    refused("group.instance.id", "it is made of control.instance and the subscription's name"),
    refused("group.remote.assignor", ASSIGNED),
    refused("enable.auto.commit", STORED),
    refused("auto.commit.interval.ms", STORED),
    refused("partition.assignment.strategy", ASSIGNED),
    refused("isolation.level", "Forebay reads what is committed only (read_committed)"),
    refused("exclude.internal.topics", "topics are named one by one, never by pattern"),
    refused("key.deserializer", SERIAL),
    refused("value.deserializer", SERIAL),
    refused("share.acknowledgement.mode", "Forebay joins consumer groups, not share groups"),

    // Producer.
    producer("batch.size", Kind::Number(1, 2_147_483_647), "batch.size"),
    producer("linger.ms", Kind::Number(0, 900_000), "linger.ms"),
    producer("compression.type", Kind::Choice(&["none", "gzip", "snappy", "lz4", "zstd"]), "compression.type"),
    producer("delivery.timeout.ms", Kind::Number(1, 2_147_483_647), "delivery.timeout.ms"),
    producer("max.in.flight.requests.per.connection", Kind::Number(1, 5), "max.in.flight.requests.per.connection"),
    producer("max.request.size", Kind::Number(1_000, 1_000_000_000), "message.max.bytes"),
    producer("retries", Kind::Number(1, 2_147_483_647), "retries"),
    special("buffer.memory", Kind::Number(1_024, 2_147_483_647)),
    ours("acks", Kind::Choice(&["all", "-1"])),
    ours("enable.idempotence", Kind::Choice(&["true"])),
    refused("max.block.ms", "a full buffer is back-pressure, for as long as it lasts"),
    refused("compression.gzip.level", "the codec's own default level is used"),
    refused("compression.lz4.level", "the codec's own default level is used"),
    refused("compression.zstd.level", "the codec's own default level is used"),
    refused("metadata.max.idle.ms", "librdkafka forgets unused topics by itself"),
    refused("partitioner.class", PARTITIONED),
    refused("partitioner.ignore.keys", PARTITIONED),
    refused("partitioner.adaptive.partitioning.enable", PARTITIONED),
    refused("partitioner.availability.timeout.ms", PARTITIONED),
    refused("key.serializer", SERIAL),
    refused("value.serializer", SERIAL),
    refused("transactional.id", TRANSACTIONS),
    refused("transaction.timeout.ms", TRANSACTIONS),
    refused("transaction.two.phase.commit.enable", TRANSACTIONS),

    // All clients of Java.
    refused("interceptor.classes", HOOKS),
    refused("metric.reporters", OWN_METRICS),
    refused("metrics.num.samples", OWN_METRICS),
    refused("metrics.recording.level", OWN_METRICS),
    refused("metrics.sample.window.ms", OWN_METRICS),
    refused("auto.include.jmx.reporter", OWN_METRICS),
];

/// Families that are refused as a whole.
const FAMILIES: &[(&str, &str)] = &[
    ("sasl.kerberos.", KERBEROS),
    ("sasl.oauthbearer.", NO_ENDPOINT),
    ("sasl.login.", LOGIN),
    ("sasl.client.callback.", HOOKS),
    ("config.providers.", "Forebay has its own: { env = \"NAME\" } or { file = \"PATH\" }"),
];

const fn all(name: &'static str, kind: Kind, native: &'static str) -> Property {
    Property { name, kind, to: To::All(native) }
}

const fn consumer(name: &'static str, kind: Kind, native: &'static str) -> Property {
    Property { name, kind, to: To::Consumer(native) }
}

const fn producer(name: &'static str, kind: Kind, native: &'static str) -> Property {
    Property { name, kind, to: To::Producer(native) }
}

const fn special(name: &'static str, kind: Kind) -> Property {
    Property { name, kind, to: To::Special }
}

const fn ours(name: &'static str, kind: Kind) -> Property {
    Property { name, kind, to: To::Ours }
}

const fn refused(name: &'static str, reason: &'static str) -> Property {
    Property { name, kind: Kind::Text, to: To::Refused(reason) }
}

pub(super) fn find(name: &str) -> Option<&'static Property> {
    TABLE.iter().find(|property| property.name == name)
}

pub(super) fn refused_family(name: &str) -> Option<&'static str> {
    FAMILIES.iter().find(|(start, _)| name.starts_with(start)).map(|(_, reason)| *reason)
}

/// The property that was probably meant, if any is near enough.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    TABLE
        .iter()
        .map(|property| (distance(name, property.name), property.name))
        .min()
        .filter(|(distance, _)| *distance <= (name.len() / 4).max(2))
        .map(|(_, name)| name)
}

/// Letters to insert, delete or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|property| property.name)
}
