//! What no single value shows: contradictions between values, and names that must be unique.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use forebay_gateway::{CONSUMERS_MAX, ENDPOINTS_MAX, nth_id};
use forebay_wire::{keep, offsets_topic};
use toml::Spanned;

use super::problem::Problem;
use super::{
    CommitMode, Config, Delivery, Discovery, GiveUp, IN_FLIGHT_MAX, Order, Subscription, Target,
};

/// Everything that is wrong, in the order of the file.
pub(crate) fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    control(config, &mut problems);
    if config.kafka.embedded && config.kafka.properties.contains_key("bootstrap.servers") {
        let message = "`embedded = true` starts a broker in this process, and \
                       `bootstrap.servers` names another; keep one of them";
        problems.push(Problem { span: None, message: message.into() });
    }
    for subscription in &config.subscriptions {
        one(subscription.get_ref(), &mut problems);
    }
    names(config, &mut problems);
    groups(config, &mut problems);
    park_topics(config, &mut problems);
    problems
}

fn control(config: &Config, problems: &mut Vec<Problem>) {
    let listen = &config.control.listen;
    let addresses = listen.get_ref().to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>);
    match addresses {
        Err(_) => problems.push(Problem::at(
            listen.span(),
            format!("`{}` is no address; write host:port, port 0 for any", listen.get_ref()),
        )),
        Ok(addresses)
            if config.control.token.is_none()
                && addresses.iter().any(|address| !address.ip().is_loopback()) =>
        {
            problems.push(Problem::at(
                listen.span(),
                "off loopback the control API needs a token: control.token = { env = \"NAME\" } \
                 or { file = \"PATH\" }",
            ));
        }
        Ok(_) => {}
    }
    if let Some(instance) = config.control.instance.as_ref().filter(|it| it.get_ref().is_empty()) {
        let message = "an instance needs a name; leave `instance` out for that of the host";
        problems.push(Problem::at(instance.span(), message));
    }
    advertise(config, problems);
}

/// An address that others can go to, as it is written: it need not mean anything here.
fn advertise(config: &Config, problems: &mut Vec<Problem>) {
    let Some(advertise) = &config.control.advertise else { return };
    let address = advertise.get_ref();
    let parts = address.rsplit_once(':').and_then(|(host, port)| {
        Some((host.trim_start_matches('[').trim_end_matches(']'), port.parse::<u16>().ok()?))
    });
    let message = match parts {
        None | Some(("", _)) => format!("`{address}` is no address; write host:port"),
        Some((_, 0)) => {
            "others need to know the port: give control.listen one, and say it here".into()
        }
        Some((host, _)) => match host.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() => {
                format!("nobody can go to {host}; say an address or a name of this machine")
            }
            Err(_) if host.contains(|c: char| c.is_whitespace() || "/:@".contains(c)) => {
                format!("`{address}` is no address; write host:port")
            }
            _ => return,
        },
    };
    problems.push(Problem::at(advertise.span(), message));
}

fn one(subscription: &Subscription, problems: &mut Vec<Problem>) {
    let Subscription { topics, target, hold, .. } = subscription;
    if subscription.name.get_ref().is_empty() {
        problems.push(Problem::at(subscription.name.span(), "a subscription needs a name"));
    }
    if let Some(group) = subscription.group.as_ref().filter(|group| group.get_ref().is_empty()) {
        let message = "a group needs a name; leave `group` out for that of the subscription";
        problems.push(Problem::at(group.span(), message));
    }
    if subscription.delivery == Delivery::AtMostOnce && subscription.commit.mode == CommitMode::Auto
    {
        let message = "`delivery = \"at-most-once\"` commits each record before it is sent, and \
                       `commit = \"auto\"` on a timer; leave one of them out";
        problems.push(Problem::at(subscription.name.span(), message));
    }
    topic_names(topics, problems);
    endpoints(target, problems);
    tls(target.get_ref(), problems);
    let target = target.get_ref();
    if target.deadline.get_ref().0.is_zero() {
        problems.push(Problem::at(target.deadline.span(), "a deadline of nothing is always over"));
    }
    in_flight(subscription, problems);
    giving_up(subscription, problems);
    parking(subscription, problems);
    if !(1_024..=65_536).contains(&target.max_header_bytes.get_ref().0) {
        let message = "`max_header_bytes` is between 1KiB and 64KiB";
        problems.push(Problem::at(target.max_header_bytes.span(), message));
    }
    if target.max_value_bytes.get_ref().0 == 0 {
        let message = "`max_value_bytes` of nothing lets no value through";
        problems.push(Problem::at(target.max_value_bytes.span(), message));
    }
    if !(HELD_MIN..=10_000_000).contains(hold.records.get_ref()) {
        let message = format!("`hold.records` is at least {HELD_MIN}, and at most 10000000");
        problems.push(Problem::at(hold.records.span(), message));
    }
    if !(*hold.records.get_ref()..=100_000_000).contains(hold.window.get_ref()) {
        let message = "`hold.window` is at least `hold.records`, and at most 100000000";
        problems.push(Problem::at(hold.window.span(), message));
    }
    if !(BYTES_MIN..=1 << 36).contains(&hold.bytes.get_ref().0) {
        let message = "`hold.bytes` is between 1MiB and 64GiB";
        problems.push(Problem::at(hold.bytes.span(), message));
    }
    consumers(subscription, problems);
}

/// Records and bytes that one consumer must be able to hold.
const HELD_MIN: usize = 4;
const BYTES_MIN: usize = 1 << 20;

/// Each consumer needs its part of every bound.
fn consumers(subscription: &Subscription, problems: &mut Vec<Problem>) {
    let Subscription { consumers, target, hold, .. } = subscription;
    let count = *consumers.get_ref();
    if !(1..=CONSUMERS_MAX).contains(&count) {
        let message = format!(
            "`consumers` is between 1 and {CONSUMERS_MAX}; more processors are used by more processes"
        );
        return problems.push(Problem::at(consumers.span(), message));
    }
    if count == 1 {
        return;
    }
    let target = target.get_ref();
    let first = target.in_flight.as_ref().or(target.in_flight_max.as_ref());
    let rate = target.rate.as_ref();
    let bounds = [
        ("target.in_flight", subscription.in_flight().0, 1, first.map(Spanned::span)),
        (
            "target.rate",
            rate.map_or(usize::MAX, |it| *it.get_ref() as usize),
            1,
            rate.map(Spanned::span),
        ),
        ("hold.records", *hold.records.get_ref(), HELD_MIN, Some(hold.records.span())),
        ("hold.bytes", hold.bytes.get_ref().0, BYTES_MIN, Some(hold.bytes.span())),
    ];
    for (name, bound, each, span) in bounds {
        if bound < count * each {
            let each = if each == BYTES_MIN { "1MiB".to_owned() } else { each.to_string() };
            let message = format!(
                "`{name}` is divided among {count} `consumers`, and each needs {each} at least; raise \
                 it, or have fewer consumers"
            );
            let span = span.filter(|span| !span.is_empty()).unwrap_or_else(|| consumers.span());
            problems.push(Problem::at(span, message));
        }
    }
}

fn in_flight(subscription: &Subscription, problems: &mut Vec<Problem>) {
    let (target, hold) = (subscription.target.get_ref(), &subscription.hold);
    for (name, given) in
        [("in_flight", &target.in_flight), ("in_flight_max", &target.in_flight_max)]
    {
        let Some(given) = given else { continue };
        if !(1..=IN_FLIGHT_MAX).contains(given.get_ref()) {
            let message = format!("`{name}` is between 1 and {IN_FLIGHT_MAX} deliveries");
            problems.push(Problem::at(given.span(), message));
        } else if hold.records.get_ref() < given.get_ref() {
            let message = format!(
                "`hold.records` is below `target.{name}` ({}): it would never be reached",
                given.get_ref()
            );
            problems.push(Problem::at(hold.records.span(), message));
        }
    }
    let (first, most) = subscription.in_flight();
    if first > most {
        let span = target.in_flight_max.as_ref().map_or(0..0, Spanned::span);
        let message = format!("`in_flight_max` is below `in_flight` ({first}), where it begins");
        problems.push(Problem::at(span, message));
    }
    if let Some(rate) = target.rate.as_ref().filter(|rate| *rate.get_ref() == 0) {
        let message = "`rate` of 0 sends nothing; leave it out for no cap, or `pause` by command";
        problems.push(Problem::at(rate.span(), message));
    }
}

/// What becomes of records that fail.
fn giving_up(subscription: &Subscription, problems: &mut Vec<Problem>) {
    let Subscription { retry, dead_letter, topics, .. } = subscription;
    if retry.attempts.get_ref().number() == 0 {
        let message = "`attempts` is at least 1, or \"unlimited\"";
        problems.push(Problem::at(retry.attempts.span(), message));
    }
    for rule in [&retry.on_exhausted, &retry.on_reject].into_iter().flatten() {
        if *rule.get_ref() == GiveUp::DeadLetter && dead_letter.is_none() {
            let message = "\"dead-letter\" needs [subscription.dead_letter] with a topic";
            problems.push(Problem::at(rule.span(), message));
        }
    }
    let Some(letters) = dead_letter else { return };
    let topic = &letters.get_ref().topic;
    written_topic(topic, problems);
    if topics.get_ref().contains(topic.get_ref()) {
        let message = "the dead letter topic is one that the subscription reads: each dead letter \
                       would be delivered again";
        problems.push(Problem::at(topic.span(), message));
    }
}

/// Where keys go that make room for others.
fn parking(subscription: &Subscription, problems: &mut Vec<Problem>) {
    let Subscription { park, dead_letter, topics, .. } = subscription;
    let Some(park) = park else { return };
    let topic = &park.get_ref().topic;
    written_topic(topic, problems);
    if topics.get_ref().contains(topic.get_ref()) {
        let message = "the park topic is read by itself; leave it out of `topics`";
        problems.push(Problem::at(topic.span(), message));
    }
    if dead_letter.as_ref().is_some_and(|it| it.get_ref().topic.get_ref() == topic.get_ref()) {
        let message = "the park topic is the dead letter topic as well: what is given up would be \
                       delivered again";
        problems.push(Problem::at(topic.span(), message));
    }
    let settled = subscription.commit.mode == CommitMode::Settled;
    if subscription.delivery != Delivery::AtLeastOnce || !settled {
        let message = "[subscription.park] needs `delivery = \"at-least-once\"` and commits of what \
                       is settled: in other modes no record holds a commit point back";
        problems.push(Problem::at(park.span(), message));
    }
    if subscription.order == Order::Partition {
        let message = "[subscription.park] with `order = \"partition\"` would move the whole \
                       partition; use `order = \"key\"` or \"none\"";
        problems.push(Problem::at(park.span(), message));
    }
}

/// Kafka's own rule for names; a pattern is not one.
fn topic_names(topics: &Spanned<Vec<String>>, problems: &mut Vec<Problem>) {
    let names = topics.get_ref();
    if names.is_empty() {
        problems.push(Problem::at(topics.span(), "name at least one topic"));
    }
    for (index, name) in names.iter().enumerate() {
        topic_name(name, topics.span(), problems);
        if names[..index].contains(name) {
            let message = format!("the topic `{name}` is named twice");
            problems.push(Problem::at(topics.span(), message));
        }
    }
}

/// One that records are written to: not one that Kafka or Forebay keeps its own books in.
fn written_topic(topic: &Spanned<String>, problems: &mut Vec<Problem>) {
    topic_name(topic.get_ref(), topic.span(), problems);
    let books = [offsets_topic::TOPIC, "__transaction_state", keep::TOPIC];
    if books.contains(&topic.get_ref().as_str()) {
        let message = format!("`{}` is not for records; name another topic", topic.get_ref());
        problems.push(Problem::at(topic.span(), message));
    }
}

fn topic_name(name: &str, span: std::ops::Range<usize>, problems: &mut Vec<Problem>) {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let dots = name == "." || name == "..";
    if dots || name.is_empty() || name.len() > 249 || !name.chars().all(legal) {
        let message = format!(
            "`{name}` is no topic's name, which has 1 to 249 of a-z, A-Z, 0-9, `.`, `_`, `-`, and is \
             not `.` or `..`; patterns are not taken"
        );
        problems.push(Problem::at(span, message));
    }
}

fn endpoints(target: &Spanned<Target>, problems: &mut Vec<Problem>) {
    let inner = target.get_ref();
    if inner.url.is_some() && !inner.endpoints.is_empty() {
        let message = "give either `url`, for one address, or `endpoints`, for several";
        problems.push(Problem::at(inner.url.as_ref().map_or(0..0, Spanned::span), message));
    }
    if inner.url.is_none() && inner.endpoints.is_empty() {
        let message = "a target needs `url` or `endpoints`: where records are delivered";
        problems.push(Problem::at(target.span(), message));
    }
    if inner.endpoints.len() > ENDPOINTS_MAX {
        let message = format!("a target has at most {ENDPOINTS_MAX} endpoints");
        problems.push(Problem::at(target.span(), message));
    }
    if inner.discovery != Discovery::List && (inner.url.is_none() || !inner.endpoints.is_empty()) {
        let message = "`discovery` of dns or vip needs one `url`, and no `endpoints`";
        problems.push(Problem::at(target.span(), message));
    }
    let mut seen = BTreeSet::new();
    for url in inner.urls() {
        if let Err(error) = forebay_push::Endpoint::parse(url.get_ref(), "default") {
            problems.push(Problem::at(url.span(), error.to_string()));
        }
        if !seen.insert(url.get_ref()) {
            let message = format!("the endpoint `{}` is listed twice", url.get_ref());
            problems.push(Problem::at(url.span(), message));
        }
    }
}

/// What is said of TLS is of use: it is spoken, and what belongs together is there.
fn tls(target: &Target, problems: &mut Vec<Problem>) {
    let Some(tls) = &target.tls else { return };
    if !target.urls().any(|url| url.get_ref().starts_with("https:")) {
        let message =
            "[subscription.target.tls] is for https:// addresses, and the target has none";
        problems.push(Problem::at(tls.span(), message));
    }
    let alone = match (&tls.get_ref().certificate, &tls.get_ref().key) {
        (Some(certificate), None) => (certificate, "`certificate` needs its `key`"),
        (None, Some(key)) => (key, "`key` needs its `certificate`"),
        (Some(_), Some(_)) | (None, None) => return,
    };
    problems.push(Problem::at(alone.0.span(), alone.1));
}

/// Two subscriptions of one group would take each other's partitions.
fn groups(config: &Config, problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for subscription in &config.subscriptions {
        let subscription = subscription.get_ref();
        let name = subscription.name.get_ref();
        if let Some(other) = seen.insert(subscription.group(), name) {
            let span = subscription.group.as_ref().unwrap_or(&subscription.name).span();
            let message = format!(
                "subscriptions `{other}` and `{name}` share the group `{}` and would take each \
                 other's partitions; give each its own `group`",
                subscription.group()
            );
            problems.push(Problem::at(span, message));
        }
    }
}

/// A park topic is read whole by the one that parks there.
fn park_topics(config: &Config, problems: &mut Vec<Problem>) {
    let subscriptions = || config.subscriptions.iter().map(|entry| entry.get_ref());
    for (index, subscription) in subscriptions().enumerate() {
        let Some(park) = &subscription.park else { continue };
        let topic = &park.get_ref().topic;
        let others = subscriptions().enumerate().filter(|(other, _)| *other != index);
        for (_, other) in others {
            let parks = other.park.as_ref().map(|park| &park.get_ref().topic);
            let gives_up = other.dead_letter.as_ref().map(|letter| &letter.get_ref().topic);
            let is_it = |name: Option<&Spanned<String>>| {
                name.is_some_and(|name| name.get_ref() == topic.get_ref())
            };
            let use_of_it = match () {
                () if is_it(parks) => {
                    "parks there, too, and each would deliver what the other parked"
                }
                () if is_it(gives_up) => {
                    "has it as its dead letter topic, and what it gives up would be delivered"
                }
                () if other.topics.get_ref().contains(topic.get_ref()) => {
                    "reads it, and would deliver what is parked"
                }
                () => continue,
            };
            let message = format!(
                "a park topic is one subscription's alone: `{}` {use_of_it}",
                other.name.get_ref()
            );
            problems.push(Problem::at(topic.span(), message));
        }
    }
}

fn names(config: &Config, problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    let subscriptions = || config.subscriptions.iter().map(|entry| entry.get_ref());
    for name in subscriptions().map(|it| &it.name) {
        if !seen.insert(name.get_ref().as_str()) {
            let message = format!("another subscription has the name `{}`", name.get_ref());
            problems.push(Problem::at(name.span(), message));
        }
    }
    for subscription in subscriptions() {
        let (name, count) = (&subscription.name, *subscription.consumers.get_ref());
        let further = (2..=count.min(CONSUMERS_MAX)).map(|number| nth_id(name.get_ref(), number));
        for taken in further.filter(|further| seen.contains(further.as_str())) {
            let message = format!(
                "a consumer of `{}` would have the name of the subscription `{taken}` in its \
                 `group.instance.id`; give one of them another name",
                name.get_ref()
            );
            problems.push(Problem::at(subscription.consumers.span(), message));
        }
    }
}
