//! Services that speak TLS: they are trusted as the file says, shown what they ask for, and a wrong
//! certificate costs no record anything but time.

use std::path::{Path, PathBuf};

use forebay_trial::tls::{Authority, Certified, Front, Manners};
use forebay_trial::{Journal, Script, Service};

use super::kafka::Kafka;
use super::process::{Forebay, eventually, file};

fn put(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// What the gateway shows, as its configuration names it.
fn show(directory: &Path, certified: &Certified) {
    put(directory, "gateway.pem", &certified.certificate);
    put(directory, "gateway.key", &certified.key);
}

/// A gateway that trusts `ca.pem`, and shows `gateway.pem`.
fn gateway(directory: &Path, kafka: &Kafka, topic: &str, target: &str) -> Forebay {
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n[control]\nlisten = \"127.0.0.1:0\"\n\
         [[subscription]]\nname = {topic:?}\ntopics = [{topic:?}]\n\
         dead_letter = {{ topic = \"{topic}.dead\" }}\n\
         retry = {{ attempts = 1, backoff = \"10ms..50ms\" }}\n\
         [subscription.target]\n{target}\n[subscription.target.tls]\nca = {:?}\n\
         certificate = {:?}\nkey = {:?}\n",
        kafka.address,
        directory.join("ca.pem"),
        directory.join("gateway.pem"),
        directory.join("gateway.key"),
    );
    let config = file(directory, &text);
    Forebay::start(directory, &["run", "-c", config.to_str().unwrap()])
}

/// Waits until the target is held for this, and no record is blamed for it.
fn await_held(gateway: &Forebay, front: &Front, fault: &str, advice: &str) {
    let refused = front.refused();
    eventually("it is held for its certificate", || {
        let shown = gateway.subscription();
        let reason = shown["partitions"][0]["blocked"]["reason"].as_str()?;
        let held = shown["held"].as_str()?;
        (held.contains(fault) && reason.contains(advice)).then_some(())
    });
    eventually("it is probed", || (front.refused() >= refused + 2).then_some(()));
    let shown = gateway.subscription();
    assert_eq!(shown["partitions"][0]["blocked"]["attempts_charged"], 0, "{shown}");
    assert_eq!(shown["deliveries"]["dead_lettered"], 0, "{shown}");
}

#[test]
fn a_wrong_certificate_charges_no_record_and_delivery_goes_on_when_it_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (kafka, journal) = (Kafka::start(directory), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    put(directory, "ca.pem", &authority.pem());
    show(directory, &authority.certify(&["gateway"]));
    let good = Manners::showing(authority.certify(&["localhost"])).asking(&authority);
    let front = Front::start(service.address(), &good);
    kafka.create("secured", 1);
    let mut input = kafka.fill("secured", 0..200, 20);
    let target = format!("url = {:?}", front.url("localhost"));
    let gateway = gateway(directory, &kafka, "secured", &target);
    kafka.await_committed("secured", &input);

    let expired = authority.certify_expired(&["localhost"]);
    front.restart(&Manners { certified: expired, ..good.clone() });
    input.extend(kafka.fill("secured", 200..400, 20));
    await_held(&gateway, &front, "expired", "the service needs a new one");
    front.restart(&Manners { certified: authority.itself(), ..good.clone() });
    await_held(&gateway, &front, "an authority's own (CA:TRUE)", "(CA:FALSE)");
    let renewed = Manners { certified: authority.certify(&["localhost"]), ..good };
    front.restart(&renewed);
    kafka.await_committed("secured", &input);

    front.restart(&renewed.asking(&other));
    input.extend(kafka.fill("secured", 400..600, 20));
    await_held(&gateway, &front, "does not take our certificate", "look at `certificate`");
    // A file that is wrong changes nothing, one that is right is taken without a restart.
    show(directory, &Certified { certificate: String::new(), ..other.certify(&["gateway"]) });
    let (status, answer) = gateway.post("/api/v1/reload", "{}");
    assert!(status >= 400 && answer.contains("gateway.pem holds no certificate"), "{answer}");
    show(directory, &other.certify(&["gateway"]));
    gateway.signal("HUP");
    kafka.await_committed("secured", &input);
    assert!(gateway.log().contains("secured: certificates read anew"), "{}", gateway.log());

    input.assert_kept(&journal, &[]);
    let shown = gateway.subscription();
    assert_eq!(shown["deliveries"]["retry"], 0, "{shown}");
    assert_eq!(gateway.terminate(), 0);
}

#[test]
fn the_addresses_of_a_name_are_certified_by_the_name_and_connections_are_recycled() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (kafka, journal) = (Kafka::start(directory), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    let authority = Authority::new("ours");
    put(directory, "ca.pem", &authority.pem());
    show(directory, &authority.certify(&["gateway"]));
    // No address is in it, and that is where connections go.
    let front =
        Front::start(service.address(), &Manners::showing(authority.certify(&["localhost"])));
    let url = front.url("localhost");
    for (topic, target) in [
        ("by-dns", format!("url = {url:?}\ndiscovery = \"dns\"")),
        ("by-vip", format!("url = {url:?}\ndiscovery = \"vip\"\nrecycle = \"200ms\"\nrate = 500")),
    ] {
        let before = front.seen().len();
        kafka.create(topic, 1);
        let input = kafka.fill(topic, 0..500, 1);
        let gateway = gateway(directory, &kafka, topic, &target);
        kafka.await_committed(topic, &input);
        let seen = front.seen().split_off(before);
        assert!(seen.iter().all(|seen| seen.server_name.as_deref() == Some("localhost")));
        if topic == "by-vip" {
            assert!((3..=60).contains(&seen.len()), "{} connections in a second", seen.len());
            assert!(seen[1..].iter().all(|seen| seen.resumed), "{seen:?}");
        }
        assert_eq!(gateway.terminate(), 0);
    }
}

#[test]
fn flags_alone_trust_the_authorities_of_the_system() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (kafka, journal) = (Kafka::start(directory), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    let authority = Authority::new("the system's");
    let front =
        Front::start(service.address(), &Manners::showing(authority.certify(&["localhost"])));
    kafka.create("by-flags", 1);
    let input = kafka.fill("by-flags", 0..50, 5);
    let url = front.url("localhost");
    let args = ["run", "--kafka", &kafka.address, "--topic", "by-flags", "--to", &url];
    let args = [&args[..], &["--control", "127.0.0.1:0"]].concat();
    let system = put(directory, "system.pem", &authority.pem());
    let gateway = Forebay::start_with(directory, &args, &[("SSL_CERT_FILE", &system)]);
    kafka.await_committed("by-flags", &input);
    input.assert_kept(&journal, &[]);
    assert_eq!(gateway.terminate(), 0);
}
