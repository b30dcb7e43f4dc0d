//! A Kafka that asks who is who: TLS, client certificates, PLAIN, SCRAM and OAUTHBEARER.
//!
//! Each way in leads the same short life: a topic is made, records are produced, a gateway delivers
//! and commits them, and they are read again. Each wrong way is told by every command, and leaves a
//! gateway alive, unready and trying. Nothing that is said or shown holds a secret.
//!
//! They need Apache Kafka, so they run where that is: `scripts/test-on-apache-kafka`.

mod broker;
mod refused;
mod way;

use way::Way;

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn tls_with_a_trust_store_in_a_file() {
    Way::new("tls").trusting().passes();
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn tls_with_a_trust_store_in_place() {
    let way = Way::new("tls");
    let authority = way.tls("authority.crt");
    way.held_in("ssl.truststore.certificates", &authority).passes();
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_broker_of_another_name_where_names_are_not_compared() {
    Way::new("elsewhere").trusting().set("ssl.endpoint.identification.algorithm", "").passes();
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_client_certificate_with_a_locked_key() {
    let way = Way::new("mtls").trusting();
    let (store, password) = (way.tls("gateway.pem"), way.key_password());
    way.set("ssl.keystore.location", &store).secret("ssl.key.password", &password).passes();
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_client_certificate_in_place() {
    let way = Way::new("mtls").trusting();
    let (key, certificate) = (way.tls("gateway.key"), way.tls("gateway.crt"));
    way.held_in("ssl.keystore.key", &key)
        .held_in("ssl.keystore.certificate.chain", &certificate)
        .passes();
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_name_and_a_password_over_tls() {
    Way::new("sasltls").trusting().login("PLAIN").passes();
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_name_and_a_password_in_a_line_of_jaas() {
    let way = Way::new("sasl");
    let jaas = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"ann\" \
         password=\"{}\";",
        way.password()
    );
    way.set("sasl.mechanism", "PLAIN").secret("sasl.jaas.config", &jaas).passes();
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn scram_with_sha_256_over_tls() {
    Way::new("sasltls").trusting().login("SCRAM-SHA-256").passes();
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn scram_with_sha_512() {
    Way::new("sasl").login("SCRAM-SHA-512").passes();
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_token_from_a_file_over_tls() {
    let way = Way::new("sasltls").trusting().set("sasl.mechanism", "OAUTHBEARER");
    let token = way.token("ann", 600);
    way.token_file(&token).passes();
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_token_that_nobody_signs() {
    let jaas = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
                unsecuredLoginStringClaim_sub=\"ann\";";
    Way::new("sasl").set("sasl.mechanism", "OAUTHBEARER").secret("sasl.jaas.config", jaas).passes();
}
