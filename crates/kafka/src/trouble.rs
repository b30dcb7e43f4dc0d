//! Why a connection failed, in words that a user can act on.
//!
//! librdkafka tells it in its own property names, and of TLS only what OpenSSL's error queue holds.
//! Here what is known of such failures is sorted, told with Kafka's property names, and with what to
//! do. What is not known stays as it was told.

/// A failed connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) reason: String,
    /// Somebody answered, and one side did not accept who or how the other is.
    pub(crate) untrusted: bool,
}

/// Words that librdkafka uses, what they mean, and what to do about it. The first that fits counts.
const KNOWN: &[(&[&str], &str)] = &[
    (&["OAUTHBEARER token"], "there is no token to show; see sasl.oauthbearer.token.endpoint.url"),
    (
        &["Unsupported SASL mechanism", "mechanism handshake failed"],
        "the broker does not offer this way to log in; set sasl.mechanism to one that it offers",
    ),
    (
        &["SASL authentication error", "Authentication failed", "invalid_token"],
        "the broker refuses the login; check the name and the password or token (sasl.jaas.config, \
         sasl.username and sasl.password, sasl.oauthbearer.token.endpoint.url), and that the user \
         exists for this sasl.mechanism",
    ),
    (
        &["certificate verify failed"],
        "the broker's certificate is not trusted: it is signed by nobody that \
         ssl.truststore.location knows, or it is for another host name than the one in \
         bootstrap.servers, or it is out of date. `openssl s_client -verify_hostname HOST -CAfile \
         TRUSTED.pem -connect HOST:PORT` shows which",
    ),
    (
        &[
            "client SSL authentication might be required",
            "certificate required",
            "alert bad certificate",
            "alert certificate unknown",
            "alert unknown ca",
            "alert handshake failure",
        ],
        "the broker does not accept our certificate, or wants one and got none; set \
         ssl.keystore.location to a PEM file with a key and a certificate that the broker trusts",
    ),
    (
        &["connecting to a SSL listener?"],
        "the broker hung up; its listener probably speaks TLS: set security.protocol to SSL or \
         SASL_SSL, or name a listener without TLS",
    ),
    (
        &["connecting to a PLAINTEXT broker listener?", "wrong version number"],
        "the listener probably speaks no TLS: set security.protocol to PLAINTEXT or \
         SASL_PLAINTEXT, or name a listener with TLS",
    ),
    (
        &["broker might require SASL authentication"],
        "the broker hung up; its listener probably wants a login: set security.protocol to SASL_SSL \
         or SASL_PLAINTEXT, with sasl.mechanism and sasl.jaas.config",
    ),
];

/// Advice of librdkafka's that names its own properties, and begins with this.
const OWN_ADVICE: [&str; 4] = [
    ": broker certificate could not be verified",
    ": client SSL authentication might be",
    ": connecting to a PLAINTEXT",
    ": requesting ApiVersion: might be",
];

/// What a listener does to a client that speaks another protocol than it does. librdkafka tells
/// nothing of it but that nobody is left.
pub(crate) const HUNG_UP: &str = "connections are closed without a word; the listener probably \
    speaks another protocol: set security.protocol to SSL or SASL_SSL if it wants TLS, to SASL_SSL \
    or SASL_PLAINTEXT if it wants a login, or name another listener";

impl Trouble {
    pub(crate) fn hung_up() -> Self {
        Self { reason: HUNG_UP.to_owned(), untrusted: true }
    }

    /// From librdkafka's words for a failed connection.
    pub(crate) fn new(told: &str) -> Self {
        let fits = |words: &[&str]| words.iter().any(|word| told.contains(word));
        let Some((_, advice)) = KNOWN.iter().find(|(words, _)| fits(words)) else {
            return Self { reason: told.to_owned(), untrusted: false };
        };
        let mut fact = told.split(" (after ").next().unwrap_or(told);
        for own in OWN_ADVICE {
            fact = fact.split(own).next().unwrap_or(fact);
        }
        Self { reason: format!("{fact}: {advice}"), untrusted: true }
    }
}

/// librdkafka's names for what it reads when a client is made, and Kafka's.
const READ: [(&str, &str); 6] = [
    (
        "ssl.key.location",
        "the key in ssl.keystore.location can't be read (is it PEM, and ssl.key.password right?)",
    ),
    ("ssl.key.pem", "ssl.keystore.key can't be read (is it PEM, and ssl.key.password right?)"),
    (
        "ssl.certificate.location",
        "the certificate in ssl.keystore.location can't be read (is it PEM?)",
    ),
    ("ssl.certificate.pem", "ssl.keystore.certificate.chain can't be read (is it PEM?)"),
    (
        "ssl.ca.location",
        "ssl.truststore.location can't be read (is it a PEM file of certificates?)",
    ),
    ("ssl.ca.pem", "ssl.truststore.certificates can't be read (are they PEM?)"),
];

/// Why a client could not be made, in Kafka's names.
pub(crate) fn unmade(told: &str) -> String {
    let told = told.trim();
    match READ.iter().find(|(name, _)| told.contains(name)) {
        Some((_, means)) => format!("{means}: {told}"),
        None => told.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_key_that_cannot_be_read_is_told_by_kafkas_name_for_it() {
        let told = unmade("ssl.key.location failed: error:0A080009:SSL routines::PEM lib\n");
        assert!(told.contains("ssl.key.password") && told.ends_with("PEM lib"), "{told}");
        assert_eq!(unmade("no memory"), "no memory");
    }

    use super::*;

    #[test]
    fn a_refused_login_names_what_to_check_in_kafkas_words() {
        let told = "sasl_ssl://h:1/bootstrap: SASL authentication error: Authentication failed: \
                    Invalid username or password (after 5ms in state AUTH_REQ)";
        let trouble = Trouble::new(told);
        assert!(trouble.untrusted);
        assert!(trouble.reason.starts_with("sasl_ssl://h:1/bootstrap: SASL authentication error"));
        assert!(trouble.reason.contains("sasl.jaas.config"), "{trouble:?}");
        assert!(!trouble.reason.contains("AUTH_REQ"), "{trouble:?}");
    }

    #[test]
    fn advice_in_librdkafkas_own_names_gives_way() {
        let told = "ssl://h:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::\
                    certificate verify failed: broker certificate could not be verified, verify \
                    that ssl.ca.location is correctly configured (after 3ms in state SSL_HANDSHAKE)";
        let trouble = Trouble::new(told);
        assert!(trouble.untrusted);
        assert!(trouble.reason.contains("ssl.truststore.location"), "{trouble:?}");
        assert!(!trouble.reason.contains("ssl.ca.location"), "{trouble:?}");
    }

    #[test]
    fn a_connection_that_nobody_took_is_told_as_it_is() {
        let told =
            "h:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms)";
        assert_eq!(Trouble::new(told), Trouble { reason: told.to_owned(), untrusted: false });
    }

    #[test]
    fn every_kind_of_trouble_says_what_to_do() {
        for (words, advice) in KNOWN {
            for word in *words {
                assert!(Trouble::new(&format!("h:1: x {word}")).untrusted, "{word}");
            }
            assert!(
                advice.contains("set ")
                    || advice.contains("see ")
                    || advice.contains("check")
                    || advice.contains("shows"),
                "{advice}"
            );
        }
    }
}
