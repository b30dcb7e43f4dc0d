//! Ways that lead nowhere: each is told with what is wrong and what to do, by the tools at once and
//! by a gateway that stays.

use std::time::Duration;

use super::way::Way;
use crate::system::process::{eventually, pause};

impl Way {
    /// Every command says all of this, and so does a gateway, once, while it stays.
    fn fails(self, said: &[&str]) {
        let running = self.gateway();
        let gateway = &running.gateway;
        let reason = eventually("the gateway says that it has no Kafka", || {
            let log = gateway.log();
            let line = log.lines().find(|line| line.contains("Kafka is out of reach"));
            line.map(str::to_owned)
        });
        for said in said {
            assert!(reason.contains(said), "`{said}` is not in: {reason}");
        }
        let tool = self.run(&["topics", "list"], "");
        tool.refused(4, said);
        assert!(!tool.err.contains("is Kafka running there"), "{}", tool.err);
        let (status, body) = gateway.get("/readyz");
        assert_eq!(status, 503);
        for said in said {
            assert!(body.contains(said), "`{said}` is not in: {body}");
        }
        assert_eq!(gateway.get("/livez").0, 200);
        pause(Duration::from_secs(2));
        let log = gateway.log();
        assert_eq!(log.matches("Kafka is out of reach").count(), 1, "{log}");
        self.watches(gateway);
        assert!(running.journal.accepted().is_empty());
    }
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_wrong_password_by_plain() {
    let way = Way::new("sasltls").trusting().login("PLAIN");
    let way = way.secret("sasl.password", "not-the-password-93e1");
    way.fails(&["refuses the login", "sasl.password"]);
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_wrong_password_by_scram() {
    let way = Way::new("sasl").login("SCRAM-SHA-256");
    let way = way.secret("sasl.password", "not-the-password-93e1");
    way.fails(&["refuses the login", "sasl.mechanism"]);
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_token_that_is_over() {
    let way = Way::new("sasl").set("sasl.mechanism", "OAUTHBEARER");
    let token = way.token("ann", -60);
    way.token_file(&token).fails(&["ended", "ago", "renew", "/token"]);
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_certificate_of_an_authority_that_is_not_trusted() {
    let way = Way::new("tls");
    let stranger = way.tls("stranger.crt");
    let way = way.set("ssl.truststore.location", &stranger);
    way.fails(&["certificate is not trusted", "ssl.truststore.location"]);
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_certificate_for_another_host() {
    Way::new("elsewhere").trusting().fails(&["another host name", "bootstrap.servers"]);
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn no_certificate_where_one_is_wanted() {
    let way = Way::new("mtls").trusting();
    way.fails(&["does not accept our certificate", "ssl.keystore.location"]);
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_certificate_that_the_broker_does_not_trust() {
    let way = Way::new("mtls").trusting();
    let impostor = way.tls("impostor.pem");
    let way = way.set("ssl.keystore.location", &impostor);
    way.fails(&["does not accept our certificate", "ssl.keystore.location"]);
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn no_tls_where_the_listener_speaks_it() {
    let way = Way::new("tls").set("security.protocol", "PLAINTEXT");
    way.fails(&["security.protocol", "TLS"]);
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn no_login_where_the_listener_wants_one() {
    let way = Way::new("sasl").set("security.protocol", "PLAINTEXT");
    way.fails(&["security.protocol", "login"]);
}

#[test]
#[ignore = "needs Apache Kafka; scripts/test-on-apache-kafka runs it"]
fn a_locked_key_without_its_password() {
    let way = Way::new("mtls").trusting();
    let store = way.tls("gateway.pem");
    let way = way.set("ssl.keystore.location", &store);
    let way = way.secret("ssl.key.password", "not-the-password-93e1");
    way.run(&["topics", "list"], "").refused(4, &["ssl.key.password"]);
}
