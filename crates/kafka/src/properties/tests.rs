use rdkafka::ClientConfig;

use super::*;

fn parse(given: &[(&str, &str)]) -> Result<Properties, Vec<PropertyError>> {
    let servers = ("bootstrap.servers", "127.0.0.1:9092");
    let given = std::iter::once(&servers).chain(given);
    Properties::parse(&given.map(|(name, value)| ((*name).into(), (*value).into())).collect())
}

fn error(given: &[(&str, &str)]) -> String {
    let errors = parse(given).expect_err("these are wrong");
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].to_string()
}

fn right(given: &[(&str, &str)]) -> Properties {
    parse(given).unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[test]
fn javas_names_are_translated() {
    let properties = right(&[
        ("fetch.max.wait.ms", "250"),
        ("max.partition.fetch.bytes", "65536"),
        ("request.timeout.ms", "20000"),
        ("metadata.max.age.ms", "60000"),
        ("max.request.size", "2000000"),
        ("buffer.memory", "1048576"),
        ("send.buffer.bytes", "-1"),
    ]);
    let (consumer, producer) = (properties.consumer(), properties.producer());
    assert_eq!(consumer.get("fetch.wait.max.ms"), Some("250"));
    assert_eq!(consumer.get("fetch.message.max.bytes"), Some("65536"));
    assert_eq!(consumer.get("socket.timeout.ms"), Some("20000"));
    assert_eq!(consumer.get("topic.metadata.refresh.interval.ms"), Some("60000"));
    assert_eq!(consumer.get("socket.send.buffer.bytes"), Some("0"));
    assert_eq!(consumer.get("message.max.bytes"), None);
    assert_eq!(producer.get("message.max.bytes"), Some("2000000"));
    assert_eq!(producer.get("queue.buffering.max.kbytes"), Some("1024"));
    assert_eq!(producer.get("request.timeout.ms"), Some("20000"));
    assert_eq!(properties.admin().get("fetch.wait.max.ms"), None);
}

#[test]
fn javas_defaults_hold_where_librdkafka_has_others() {
    let properties = right(&[]);
    assert_eq!(properties.consumer().get("check.crcs"), Some("true"));
    assert_eq!(properties.consumer().get("fetch.queue.backoff.ms"), Some("5"));
    assert_eq!(properties.producer().get("delivery.timeout.ms"), Some("120000"));
    assert_eq!(properties.producer().get("partitioner"), Some("murmur2_random"));
    assert_eq!(properties.api_timeout(), Duration::from_secs(60));
    // Without it librdkafka's logs go nowhere.
    assert_eq!(properties.consumer().log_level as i32, RDKafkaLogLevel::Info as i32);
}

#[test]
fn little_is_fetched_at_a_time_unless_more_is_asked_for_or_to_be_waited_for() {
    let fetch = |given: &[(&str, &str)]| {
        let FetchBytes { whole, partition } = right(given).fetch();
        (whole, partition)
    };
    assert_eq!(fetch(&[]), (1_048_576, 131_072));
    assert_eq!(fetch(&[("fetch.max.bytes", "52428800")]), (52_428_800, 131_072));
    assert_eq!(fetch(&[("max.partition.fetch.bytes", "9999")]), (1_048_576, 9_999));
    assert_eq!(fetch(&[("fetch.min.bytes", "500000")]), (1_048_576, 500_000));
    assert_eq!(fetch(&[("fetch.min.bytes", "2000000")]), (2_000_000, 2_000_000));
    assert_eq!(
        fetch(&[("fetch.min.bytes", "2000000"), ("max.partition.fetch.bytes", "9999")]),
        (2_000_000, 9_999)
    );
}

#[test]
fn what_forebay_reads_itself_is_not_told_to_librdkafka() {
    let properties = right(&[("max.poll.records", "250"), ("auto.offset.reset", "none")]);
    assert_eq!(properties.max_poll_records(), Some(250));
    assert_eq!(properties.start(), Some(StartPolicy::None));
    assert_eq!(properties.consumer().get("auto.offset.reset"), None);
    assert_eq!(right(&[]).start(), None);
}

#[test]
fn an_unknown_name_is_told_with_the_nearest_one() {
    let told = error(&[("sesion.timeout.ms", "1")]);
    assert!(told.contains("did you mean session.timeout.ms?"), "{told}");
    let told = error(&[("completely.different", "1")]);
    assert!(!told.contains("did you mean"), "{told}");
}

#[test]
fn what_forebay_owns_is_refused_with_a_reason() {
    for (name, reason) in [
        ("enable.auto.commit", "commits what is settled"),
        ("partition.assignment.strategy", "cooperatively"),
        ("isolation.level", "read_committed"),
        ("key.deserializer", "byte for byte"),
        ("interceptor.classes", "Java virtual machine"),
        ("group.id", "each subscription"),
        ("sasl.kerberos.service.name", "Kerberos"),
    ] {
        let told = error(&[(name, "x")]);
        assert!(told.starts_with(name) && told.contains(reason), "{told}");
    }
}

#[test]
fn impossible_values_are_told_with_what_is_possible() {
    assert!(error(&[("fetch.min.bytes", "many")]).contains("\"many\" is no whole number"));
    assert!(error(&[("fetch.min.bytes", "0")]).contains("not within 1 and 100000000"));
    assert!(error(&[("check.crcs", "yes")]).contains("neither true nor false"));
    assert!(error(&[("compression.type", "rar")]).contains("none of none, gzip"));
    assert!(error(&[("acks", "1")]).contains("all, -1"));
}

#[test]
fn a_server_has_a_port() {
    for wrong in ["localhost", "kafka-1:9092, kafka-2", "[::1]", ":9092", "kafka:x"] {
        let told = error(&[("bootstrap.servers", wrong)]);
        assert!(told.contains("is no HOST:PORT"), "{wrong}: {told}");
    }
    assert!(error(&[("bootstrap.servers", " , ")]).contains("must be set"));
    let listed = [("bootstrap.servers".into(), "a:1, [::1]:9092,".into())];
    assert!(Properties::parse(&listed.into()).is_ok());
}

#[test]
fn contradictions_name_both_properties() {
    let told = error(&[("heartbeat.interval.ms", "20000")]);
    assert!(told.contains("more than a third of 45000"), "{told}");
    assert!(told.starts_with("heartbeat.interval.ms: contradicts session.timeout.ms"), "{told}");
    let told = error(&[("max.poll.interval.ms", "30000")]);
    assert!(told.starts_with("session.timeout.ms: contradicts max.poll.interval.ms"), "{told}");
    let told = error(&[("fetch.max.wait.ms", "29500")]);
    assert!(told.contains("request.timeout.ms"), "{told}");
    let told = error(&[("delivery.timeout.ms", "10000")]);
    assert!(told.contains("delivery.timeout.ms"), "{told}");
    right(&[("session.timeout.ms", "9000"), ("heartbeat.interval.ms", "3000")]);
}

#[test]
fn a_session_that_is_the_brokers_to_say_is_not_taken_from_the_file() {
    let given = [("session.timeout.ms", "300000"), ("max.poll.interval.ms", "300000")];
    assert_eq!(right(&given).session_timeout(), Duration::from_secs(300));
    let by_epochs = [given[0], given[1], ("group.protocol", "consumer")];
    assert_eq!(right(&by_epochs).session_timeout(), Duration::from_secs(40));
}

#[test]
fn servers_are_needed_and_all_errors_come_at_once() {
    let given = [("acks", "0"), ("group.id", "g"), ("nonsense.at.all", "1")];
    let given = given.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let errors = Properties::parse(&given).expect_err("wrong");
    let names: Vec<_> = errors.iter().map(|error| error.name.as_str()).collect();
    assert_eq!(names, ["acks", "group.id", "nonsense.at.all", "bootstrap.servers"]);
}

#[test]
fn security_is_translated_and_must_fit_together() {
    let jaas = r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="ann" password="s3cret";"#;
    let properties = right(&[
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.jaas.config", jaas),
        ("ssl.truststore.location", "/etc/ca.pem"),
        ("ssl.keystore.location", "/etc/client.p12"),
        ("ssl.endpoint.identification.algorithm", ""),
    ]);
    let consumer = properties.consumer();
    assert_eq!(consumer.get("security.protocol"), Some("sasl_ssl"));
    assert_eq!(consumer.get("sasl.username"), Some("ann"));
    assert_eq!(consumer.get("sasl.password"), Some("s3cret"));
    assert_eq!(consumer.get("ssl.ca.location"), Some("/etc/ca.pem"));
    assert_eq!(consumer.get("ssl.keystore.location"), Some("/etc/client.p12"));
    assert_eq!(consumer.get("ssl.endpoint.identification.algorithm"), Some("none"));
    assert!(error(&[("ssl.key.password", "x")]).contains("PLAINTEXT has no TLS"));
    assert!(error(&[("sasl.mechanism", "PLAIN")]).contains("PLAINTEXT has no SASL"));
    let tls = ("security.protocol", "SSL");
    assert!(error(&[tls, ("ssl.truststore.location", "a.jks")]).contains("PEM"));
    let none = parse(&[("security.protocol", "SASL_SSL"), ("sasl.mechanism", "PLAIN")]);
    assert!(none.expect_err("no credentials")[0].to_string().contains("credentials"));
    let kerberos = parse(&[("security.protocol", "SASL_SSL"), ("sasl.mechanism", "GSSAPI")]);
    let told = kerberos.expect_err("no Kerberos");
    assert!(told.len() == 1 && told[0].name == "sasl.mechanism", "{told:?}");
}

#[test]
fn a_token_is_named_by_its_file_or_made_without_a_signature() {
    let sasl = [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "OAUTHBEARER")];
    let with = |more: &[(&'static str, &'static str)]| [&sasl[..], more].concat();
    let url = "sasl.oauthbearer.token.endpoint.url";
    let login = "x.OAuthBearerLoginModule required;";
    let unsecured = "x.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"ann\";";
    let properties = right(&with(&[(url, "file:///run/token"), ("sasl.jaas.config", login)]));
    assert!(properties.token().is_some());
    assert_eq!(properties.admin().get("enable_sasl_queue"), Some("true"));
    let properties = right(&with(&[("sasl.jaas.config", unsecured)]));
    assert!(properties.token().is_none());
    let config = properties.consumer();
    assert_eq!(config.get("sasl.oauthbearer.config"), Some("principal=ann lifeSeconds=3600"));

    assert!(error(&with(&[])).contains("a token is needed from one place"));
    assert!(error(&with(&[("sasl.jaas.config", login)])).contains("from one place"));
    let both = with(&[(url, "file:///run/token"), ("sasl.jaas.config", unsecured)]);
    assert!(error(&both).contains("from one place"));
    assert!(error(&with(&[(url, "https://id.example/token")])).contains("no token endpoint"));
    let client = ("sasl.oauthbearer.client.credentials.client.id", "x");
    assert!(error(&with(&[(url, "file:///t"), client])).contains("no token endpoint"));
    let named = with(&[(url, "file:///t"), ("sasl.username", "a"), ("sasl.password", "b")]);
    assert!(error(&named).contains("not a password"));
}

#[test]
fn a_login_module_fits_its_mechanism() {
    let scram = "x.ScramLoginModule required username=\"a\" password=\"b\";";
    let given = |mechanism| {
        [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", mechanism),
            ("sasl.jaas.config", scram),
        ]
    };
    right(&given("SCRAM-SHA-256"));
    right(&given("SCRAM-SHA-512"));
    let told = error(&given("PLAIN"));
    assert!(told.contains("not one for PLAIN"), "{told}");
}

#[test]
fn a_secret_shows_neither_in_errors_nor_in_debug() {
    let secret = "hunter2";
    let jaas = format!("x.PlainLoginModule required username=\"a\" password=\"{secret}\"");
    let properties = right(&[
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", "ann"),
        ("sasl.password", secret),
    ]);
    assert!(!format!("{properties:?}").contains(secret));
    for wrong in [
        vec![("sasl.jaas.config", jaas.replace("Plain", "Other"))],
        vec![("sasl.jaas.config", jaas.clone())],
        vec![("sasl.password", format!("{secret}\0"))],
        vec![("ssl.keystore.key", secret.to_owned())],
        vec![("sasl.pasword", secret.to_owned())],
    ] {
        let wrong: Vec<_> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let errors = parse(&wrong).expect_err("wrong");
        assert!(!format!("{errors:?}").contains(secret), "{errors:?}");
    }
}

#[test]
fn librdkafka_knows_every_name_and_takes_every_default() {
    let samples: Vec<(&str, String)> = table::names()
        .filter_map(|name| {
            let property = table::find(name).expect("its own name");
            let value = match property.kind {
                _ if matches!(property.to, To::Refused(_) | To::Special) => return None,
                _ if name.starts_with("ssl.") || name.starts_with("sasl.") => return None,
                _ if name.ends_with(".ms") || name.ends_with(".bytes") => return None,
                Kind::Text | Kind::Secret => "127.0.0.1:1".to_owned(),
                Kind::Flag => "true".to_owned(),
                Kind::Number(least, _) => least.to_string(),
                Kind::Choice(choices) => choices.last().expect("a choice").to_string(),
            };
            Some((name, value))
        })
        .collect();
    let given = samples.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let properties = Properties::parse(&given).unwrap_or_else(|errors| panic!("{errors:?}"));
    for client in [properties.consumer(), properties.producer(), properties.admin()] {
        accepted(&client);
    }
    for property in table::names().filter_map(table::find) {
        let (To::All(native) | To::Consumer(native) | To::Producer(native)) = property.to else {
            continue;
        };
        // A value of the wrong kind is another complaint than a name that is not known.
        let said = ClientConfig::new().set(native, "x").create_native_config().err();
        let said = said.map(|error| error.to_string()).unwrap_or_default();
        assert!(!said.contains("No such configuration property"), "{said}");
    }
}

fn accepted(client: &ClientConfig) {
    client.create_native_config().unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn each_property_stands_in_the_table_once() {
    let mut names: Vec<_> = table::names().collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}
