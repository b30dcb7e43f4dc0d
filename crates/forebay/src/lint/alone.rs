//! Rules over the file alone: times, guarantees and secrets.

use std::time::Duration;

use super::{Hit, Rule, Seen, Severity, retries};
use crate::config::secret::Property;
use crate::config::{CommitMode, Order, Time, defaults};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "drain-outlasts-rebalance",
        severity: Severity::Error,
        cluster: false,
        when: "`commit.drain` and 2 s for the last commit do not fit into `max.poll.interval.ms`, in \
               which a group waits for its members",
        advice: "shorten `commit.drain`, or raise `max.poll.interval.ms`: a member that is late is \
                 thrown out, and what it delivered meanwhile is delivered again",
        find: drain_outlasts_rebalance,
    },
    Rule {
        name: "deadline-outlasts-drain",
        severity: Severity::Warning,
        cluster: false,
        when: "`target.deadline` is above its default of 30 s and above `commit.drain`, so that a \
               delivery may long be in flight when its partition is handed over",
        advice: "raise `commit.drain` to the deadline, or accept that slow deliveries are repeated \
                 after each rebalance and restart",
        find: deadline_outlasts_drain,
    },
    Rule {
        name: "pause-outlasts-deadline",
        severity: Severity::Warning,
        cluster: false,
        when: "the first pause of `retry.backoff` is longer than `target.deadline`",
        advice: "begin with a shorter pause: one failure that passes at once holds its key for so \
                 long",
        find: pause_outlasts_deadline,
    },
    Rule {
        name: "park-after-give-up",
        severity: Severity::Warning,
        cluster: false,
        when: "`park.after` is longer than all retries take, so that a key is given up before it is \
               parked",
        advice: "shorten `park.after`, or allow more `retry.attempts`",
        find: park_after_give_up,
    },
    Rule {
        name: "poll-interval-raised",
        severity: Severity::Warning,
        cluster: false,
        when: "`max.poll.interval.ms` is raised above Kafka's default of five minutes while no drain \
               needs it",
        advice: "leave it out: Forebay polls whatever the service does, so slow deliveries need no \
                 longer interval, and a member that hangs is noticed later",
        find: poll_interval_raised,
    },
    Rule {
        name: "session-too-short",
        severity: Severity::Warning,
        cluster: false,
        when: "`session.timeout.ms` is below 10 s",
        advice: "raise it (45000 is Kafka's default): a restart of the gateway that takes longer \
                 moves its partitions to others, which is what static members are to avoid",
        find: session_too_short,
    },
    Rule {
        name: "calls-end-before-requests",
        severity: Severity::Warning,
        cluster: false,
        when: "`default.api.timeout.ms` is below `request.timeout.ms`",
        advice: "raise `default.api.timeout.ms`: a call is given up before its first request may be \
                 answered",
        find: calls_end_before_requests,
    },
    Rule {
        name: "fetch-waits",
        severity: Severity::Warning,
        cluster: false,
        when: "`fetch.min.bytes` is above 1 and `fetch.max.wait.ms` above 1000",
        advice: "lower one of them: records of a quiet topic wait so long before they are delivered",
        find: fetch_waits,
    },
    Rule {
        name: "automatic-commit-loses",
        severity: Severity::Warning,
        cluster: false,
        when: "`commit = \"auto\"`",
        advice: "use `commit = \"settled\"`; automatic commits name what was fetched, so a crash \
                 loses what was not delivered yet",
        find: automatic_commit_loses,
    },
    Rule {
        name: "order-across-topics",
        severity: Severity::Warning,
        cluster: false,
        when: "`order = \"partition\"` with several topics",
        advice: "write what must stay in one order to one topic: there is no order between topics",
        find: order_across_topics,
    },
    Rule {
        name: "password-in-clear",
        severity: Severity::Warning,
        cluster: false,
        when: "`security.protocol` is SASL_PLAINTEXT with PLAIN or OAUTHBEARER, to servers off \
               loopback",
        advice: "use SASL_SSL: the password or token crosses the network readably",
        find: password_in_clear,
    },
    Rule {
        name: "host-name-unchecked",
        severity: Severity::Warning,
        cluster: false,
        when: "`ssl.endpoint.identification.algorithm` is empty",
        advice: "leave it out (https) and give brokers certificates for their names: as it is, any \
                 certificate of the same authority may pose as the broker",
        find: host_name_unchecked,
    },
    Rule {
        name: "token-unsigned",
        severity: Severity::Warning,
        cluster: false,
        when: "`sasl.jaas.config` makes a token that nobody signs (unsecuredLoginStringClaim_sub)",
        advice: "use it for trials only: whoever can connect may claim any name; a real token comes \
                 by `sasl.oauthbearer.token.endpoint.url = \"file:///…\"`",
        find: token_unsigned,
    },
    Rule {
        name: "secret-in-file",
        severity: Severity::Warning,
        cluster: false,
        when: "a secret stands in the configuration file itself",
        advice: "write `{ env = \"NAME\" }` or `{ file = \"PATH\" }`, so that the file can be shown \
                 and kept with the code",
        find: secret_in_file,
    },
    Rule {
        name: "advertised-elsewhere",
        severity: Severity::Warning,
        cluster: false,
        when: "`control.advertise` and `control.listen` are not both on loopback, or both off it",
        advice: "listen where others are told to ask, or say where it listens: other processes of the \
                 group can't ask this one, unless something between passes their requests on",
        find: advertised_elsewhere,
    },
];

fn millis(time: i64) -> Duration {
    Duration::from_millis(u64::try_from(time).unwrap_or(0))
}

const LAST_COMMIT: Duration = Duration::from_secs(2);
const POLL: i64 = 300_000;

fn drain_outlasts_rebalance(seen: &Seen<'_>) -> Vec<Hit> {
    let interval = millis(seen.number("max.poll.interval.ms", POLL));
    let late = seen.subscriptions().filter(|it| it.commit.drain.0 + LAST_COMMIT >= interval);
    let hit = |it: &crate::config::Subscription| {
        let (drain, interval) = (it.commit.drain, Time(interval));
        Hit::at(it.name.span(), format!("a drain of {drain} against {interval} for a rebalance"))
    };
    late.map(hit).collect()
}

fn deadline_outlasts_drain(seen: &Seen<'_>) -> Vec<Hit> {
    let usual = *defaults::deadline().get_ref();
    let all = seen.subscriptions().map(|it| (it, &it.target.get_ref().deadline));
    let long = all.filter(|(it, deadline)| *deadline.get_ref() > it.commit.drain.max(usual));
    long.map(|(it, deadline)| {
        let (deadline, drain) = (deadline.get_ref(), it.commit.drain);
        let span = it.target.get_ref().deadline.span();
        Hit::at(span, format!("deliveries of up to {deadline} against a drain of {drain}"))
    })
    .collect()
}

fn pause_outlasts_deadline(seen: &Seen<'_>) -> Vec<Hit> {
    let long = seen
        .subscriptions()
        .filter(|it| it.retry.backoff.first > it.target.get_ref().deadline.get_ref().0);
    long.map(|it| {
        let (first, deadline) =
            (Time(it.retry.backoff.first), it.target.get_ref().deadline.get_ref());
        Hit::at(it.name.span(), format!("a first pause of {first} for deliveries of {deadline}"))
    })
    .collect()
}

fn park_after_give_up(seen: &Seen<'_>) -> Vec<Hit> {
    let parked = seen.subscriptions().filter_map(|it| Some((it, it.park.as_ref()?)));
    let never = parked.filter_map(|(it, park)| {
        let (after, all) = (park.get_ref().after, retries(it)?);
        let deadlines = it.target.get_ref().deadline.get_ref().0;
        let all = all + deadlines.saturating_mul(it.retry.attempts.get_ref().number());
        (after.0 > all).then(|| {
            let what = format!("parked after {after}, but given up after {} at most", Time(all));
            Hit::at(park.span(), what)
        })
    });
    never.collect()
}

fn poll_interval_raised(seen: &Seen<'_>) -> Vec<Hit> {
    let interval = seen.number("max.poll.interval.ms", POLL);
    let needed = seen.subscriptions().any(|it| it.commit.drain.0 + LAST_COMMIT >= millis(POLL));
    let raised = (interval > POLL && !needed).then(|| {
        Hit::key("max.poll.interval.ms", format!("an interval of {}", Time(millis(interval))))
    });
    raised.into_iter().collect()
}

fn session_too_short(seen: &Seen<'_>) -> Vec<Hit> {
    let session = seen.number("session.timeout.ms", 45_000);
    let short = session < 10_000;
    let hit = || Hit::key("session.timeout.ms", format!("a session of {session} ms"));
    short.then(hit).into_iter().collect()
}

fn calls_end_before_requests(seen: &Seen<'_>) -> Vec<Hit> {
    let (call, request) =
        (seen.number("default.api.timeout.ms", 60_000), seen.number("request.timeout.ms", 30_000));
    let key = match seen.text("default.api.timeout.ms") {
        Some(_) => "default.api.timeout.ms",
        None => "request.timeout.ms",
    };
    let hit = || Hit::key(key, format!("{call} ms for a call, {request} ms for a request"));
    (call < request).then(hit).into_iter().collect()
}

fn fetch_waits(seen: &Seen<'_>) -> Vec<Hit> {
    let (least, wait) = (seen.number("fetch.min.bytes", 1), seen.number("fetch.max.wait.ms", 500));
    let hit = || {
        let what = format!("brokers wait up to {wait} ms for {least} bytes");
        Hit::key("fetch.max.wait.ms", what)
    };
    (least > 1 && wait > 1_000).then(hit).into_iter().collect()
}

fn automatic_commit_loses(seen: &Seen<'_>) -> Vec<Hit> {
    let automatic = seen.subscriptions().filter(|it| it.commit.mode == CommitMode::Auto);
    let hit = |it: &crate::config::Subscription| {
        let name = it.name.get_ref();
        Hit::at(it.name.span(), format!("`{name}` commits what it fetched, on a timer"))
    };
    automatic.map(hit).collect()
}

fn order_across_topics(seen: &Seen<'_>) -> Vec<Hit> {
    let several = seen
        .subscriptions()
        .filter(|it| it.order == Order::Partition && it.topics.get_ref().len() > 1);
    several
        .map(|it| {
            let count = it.topics.get_ref().len();
            Hit::at(it.topics.span(), format!("an order is asked for over {count} topics"))
        })
        .collect()
}

fn password_in_clear(seen: &Seen<'_>) -> Vec<Hit> {
    let readable = matches!(seen.text("sasl.mechanism"), Some("PLAIN" | "OAUTHBEARER"));
    let servers = seen.text("bootstrap.servers").unwrap_or_default();
    let near = |server: &str| {
        let host = server.trim().rsplit_once(':').map_or(server, |(host, _)| host).trim();
        matches!(host, "localhost" | "[::1]") || host.starts_with("127.")
    };
    let far = servers.split(',').any(|server| !near(server));
    let clear = seen.text("security.protocol") == Some("SASL_PLAINTEXT") && readable && far;
    let hit = || Hit::key("security.protocol", format!("a login without TLS to {servers}"));
    clear.then(hit).into_iter().collect()
}

const NAME_CHECK: &str = "ssl.endpoint.identification.algorithm";

fn host_name_unchecked(seen: &Seen<'_>) -> Vec<Hit> {
    let off = seen.text(NAME_CHECK) == Some("");
    let hit = || Hit::key(NAME_CHECK, "brokers' host names are not checked");
    off.then(hit).into_iter().collect()
}

fn token_unsigned(seen: &Seen<'_>) -> Vec<Hit> {
    let jaas = seen.text("sasl.jaas.config").unwrap_or_default();
    let unsigned = jaas.contains("unsecuredLoginStringClaim_sub");
    let hit = || Hit::key("sasl.jaas.config", "the login is a token that the client made itself");
    unsigned.then(hit).into_iter().collect()
}

/// Those that may be written out, for [`Hit::key`] needs names that live for ever.
const SECRETS: &[&str] = &[
    "sasl.password",
    "sasl.jaas.config",
    "ssl.keystore.key",
    "ssl.keystore.password",
    "ssl.key.password",
];

fn secret_in_file(seen: &Seen<'_>) -> Vec<Hit> {
    let written = SECRETS.iter().filter(|name| {
        let property = seen.config.kafka.properties.get(**name);
        property.is_some_and(Property::is_written_out)
    });
    let mut hits: Vec<Hit> =
        written.map(|name| Hit::key(name, format!("the value of {name}"))).collect();
    let token = seen.config.control.token.as_ref();
    if let Some(token) = token.filter(|token| token.get_ref().is_written_out()) {
        hits.push(Hit::at(token.span(), "the token of the control API"));
    }
    hits
}

fn advertised_elsewhere(seen: &Seen<'_>) -> Vec<Hit> {
    let control = &seen.config.control;
    let is_near = |address: &str| {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let ip = host.parse::<std::net::IpAddr>();
        host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    };
    let Some(advertise) = &control.advertise else { return Vec::new() };
    let (listens, said) = (control.listen.get_ref(), advertise.get_ref());
    let hit = || Hit::at(advertise.span(), format!("it listens on {listens}, and says {said}"));
    (is_near(listens) != is_near(said)).then(hit).into_iter().collect()
}
