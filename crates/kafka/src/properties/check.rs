//! Values that are each possible and can't work together.

use std::collections::BTreeMap;

use super::jaas::{self, Login};
use super::{PropertyError, PropertyFault};

/// Properties that were accepted one by one, by their Java names.
pub(super) struct Given(pub(super) BTreeMap<&'static str, String>);

impl Given {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// As given, or by default.
    pub(super) fn ms(&self, name: &str, default: i64) -> i64 {
        self.number(name).unwrap_or(default)
    }
}

/// Adds what is wrong with the properties together to what is wrong with each.
pub(super) fn combinations(given: &Given, errors: &mut Vec<PropertyError>) {
    if let Err(fault) = servers(given.text("bootstrap.servers").unwrap_or_default()) {
        errors.push(PropertyError { name: "bootstrap.servers".to_owned(), fault });
    }
    times(given, errors);
    security(given, errors);
}

/// As Java has it, each with its port; librdkafka would take 9092 in silence.
fn servers(list: &str) -> Result<(), PropertyFault> {
    let mut all = list.split(',').map(str::trim).filter(|server| !server.is_empty()).peekable();
    if all.peek().is_none() {
        return Err(PropertyFault::Missing);
    }
    let has_port = |server: &&str| {
        server
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty() && !host.contains('@'))
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    };
    match all.find(|server| !has_port(server)) {
        Some(server) => {
            // Whoever writes a login there does not want to see it in a log.
            let host = server.rsplit_once('@').map_or(server, |(_, host)| host);
            let reason = format!(
                "`{host}` is no HOST:PORT; Kafka's port is 9092 where nobody chose another"
            );
            Err(PropertyFault::Impossible { reason })
        }
        None => Ok(()),
    }
}

fn contradiction(name: &str, other: &str, reason: String) -> PropertyError {
    let fault = PropertyFault::Contradiction { other: other.to_owned(), reason };
    PropertyError { name: name.to_owned(), fault }
}

fn times(given: &Given, errors: &mut Vec<PropertyError>) {
    let session = given.ms("session.timeout.ms", 45_000);
    let heartbeat = given.ms("heartbeat.interval.ms", 3_000);
    if heartbeat.saturating_mul(3) > session {
        errors.push(contradiction(
            "heartbeat.interval.ms",
            "session.timeout.ms",
            format!(
                "{heartbeat} is more than a third of {session}, so that one late heartbeat could \
                 cost the session; set heartbeat.interval.ms to {} or less",
                session / 3
            ),
        ));
    }
    let mut at_most = |less: (&str, i64), more: (&str, i64), room: i64, why: &str| {
        let (small, large) = (given.ms(less.0, less.1), given.ms(more.0, more.1));
        if small.saturating_add(room) > large {
            let reason = format!("{small} against {large}: {why}");
            errors.push(contradiction(less.0, more.0, reason));
        }
    };
    at_most(
        ("session.timeout.ms", 45_000),
        ("max.poll.interval.ms", 300_000),
        0,
        "a session may not outlive the time in which a member must come back",
    );
    at_most(
        ("fetch.max.wait.ms", 500),
        ("request.timeout.ms", 30_000),
        1_000,
        "a fetch that waits needs a second more before it counts as unanswered",
    );
    at_most(
        ("reconnect.backoff.ms", 50),
        ("reconnect.backoff.max.ms", 1_000),
        0,
        "the first wait is longer than the longest",
    );
    at_most(
        ("retry.backoff.ms", 100),
        ("retry.backoff.max.ms", 1_000),
        0,
        "the first wait is longer than the longest",
    );
    at_most(
        ("request.timeout.ms", 30_000),
        ("delivery.timeout.ms", 120_000),
        given.ms("linger.ms", 5),
        "a delivery must have time to linger and for one request",
    );
    at_most(
        ("fetch.min.bytes", 1),
        ("fetch.max.bytes", 52_428_800),
        0,
        "a fetch could never be answered in time",
    );
}

fn security(given: &Given, errors: &mut Vec<PropertyError>) {
    let protocol = given.text("security.protocol").unwrap_or("PLAINTEXT");
    let unused = |name: &&str, what: &str| {
        contradiction(name, "security.protocol", format!("{protocol} has no {what}"))
    };
    if !protocol.ends_with("SSL") {
        let tls = |name: &&str| name.starts_with("ssl.");
        errors.extend(given.0.keys().filter(|name| tls(name)).map(|name| unused(name, "TLS")));
    }
    if !protocol.starts_with("SASL") {
        let sasl = |name: &&str| name.starts_with("sasl.");
        errors.extend(given.0.keys().filter(|name| sasl(name)).map(|name| unused(name, "SASL")));
        return;
    }
    // What it needs is not known of one that does not exist here.
    if errors.iter().any(|error| error.name == "sasl.mechanism") {
        return;
    }
    if !given.has("sasl.mechanism") {
        errors.push(contradiction(
            "security.protocol",
            "sasl.mechanism",
            "without it Kafka's default is Kerberos, which this build does not have".to_owned(),
        ));
    }
    credentials(given, errors);
}

/// Each mechanism needs its own, once.
fn credentials(given: &Given, errors: &mut Vec<PropertyError>) {
    const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
    let named = given.has("sasl.username") || given.has("sasl.password");
    let both = given.has("sasl.username") && given.has("sasl.password");
    let token = given.text("sasl.mechanism") == Some("OAUTHBEARER");
    // A line that can't be read is told by itself.
    let login = given.text("sasl.jaas.config").and_then(|line| jaas::parse(line).ok());
    if token {
        let unsecured = matches!(login, Some(Login::Unsecured { .. }));
        if named {
            let reason = "OAUTHBEARER shows a token, not a password".to_owned();
            errors.push(contradiction("sasl.username", "sasl.mechanism", reason));
        } else if unsecured == given.has(ENDPOINT)
            && (login.is_some() || !given.has("sasl.jaas.config"))
        {
            let reason = "a token is needed from one place: \
                          sasl.oauthbearer.token.endpoint.url=file:///…, or (for a cluster that \
                          takes anybody's word) unsecuredLoginStringClaim_sub in sasl.jaas.config";
            errors.push(contradiction("sasl.mechanism", ENDPOINT, reason.to_owned()));
        }
    } else if given.has(ENDPOINT) {
        let reason = "only OAUTHBEARER shows a token".to_owned();
        errors.push(contradiction(ENDPOINT, "sasl.mechanism", reason));
    } else if named == given.has("sasl.jaas.config") || named != both {
        let reason = "credentials are needed once: sasl.jaas.config, or sasl.username and \
                      sasl.password";
        errors.push(contradiction("security.protocol", "sasl.jaas.config", reason.to_owned()));
    }
    let module = match login {
        Some(Login::Password { scram: false, .. }) => "PLAIN",
        Some(Login::Password { scram: true, .. }) => "SCRAM-SHA-",
        Some(Login::Token | Login::Unsecured { .. }) => "OAUTHBEARER",
        None => return,
    };
    if let Some(mechanism) = given.text("sasl.mechanism").filter(|it| !it.starts_with(module)) {
        let reason = format!("its login module is not one for {mechanism}");
        errors.push(contradiction("sasl.jaas.config", "sasl.mechanism", reason));
    }
}
