//! A topic that is taken out of a subscription over a restart: the group may still give it to the
//! static member that comes back.

use forebay_trial::{Journal, Script, Service};

use super::input::Input;
use super::kafka::Kafka;
use super::process::{Forebay, eventually, file};

fn start(directory: &std::path::Path, kafka: &Kafka, topics: &[&str], url: &str) -> Forebay {
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = {:?}\n[control]\nlisten = \"127.0.0.1:0\"\n\
         instance = \"test\"\n[[subscription]]\nname = \"fewer\"\ntopics = {topics:?}\n\
         [subscription.target]\nurl = {url:?}\n",
        kafka.address
    );
    let config = file(directory, &text);
    Forebay::start(directory, &["run", "-c", config.to_str().unwrap()])
}

/// Whether the group has assigned any partition of the topic.
fn is_assigned(kafka: &Kafka, topic: &str) -> bool {
    let groups = kafka.admin().describe_groups(&["fewer"]).expect("the group");
    let mut rows = groups[0].members.iter().flat_map(|member| &member.assignment);
    rows.any(|row| &*row.topic == topic)
}

/// Numbers of records of a topic that reached the service, each as often as it did.
fn reached(journal: &Journal, topic: &str) -> Vec<(i32, i64)> {
    let seen = journal.read().into_iter().map(|seen| seen.what);
    let mut places: Vec<_> =
        seen.filter(|what| what.topic == topic).map(|what| (what.partition, what.offset)).collect();
    places.sort_unstable();
    places
}

fn await_reached(journal: &Journal, topic: &str, input: &Input) {
    let all: Vec<_> = input.places().into_iter().collect();
    eventually("all of it is delivered, once", || (reached(journal, topic) == all).then_some(()));
}

#[test]
fn a_topic_that_is_taken_out_is_read_no_more_and_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let (kafka, journal) = (Kafka::start(directory.path()), Journal::default());
    let service = Service::start(Script::accepting(), &journal);
    let (kept, out) = ("fewer-kept", "fewer-out");
    [kept, out].iter().for_each(|topic| kafka.create(topic, 2));
    let both = start(directory.path(), &kafka, &[kept, out], &service.url());
    let mut of_kept = kafka.fill(kept, 0..100, 10);
    let mut of_out = kafka.fill(out, 0..100, 10);
    await_reached(&journal, kept, &of_kept);
    await_reached(&journal, out, &of_out);
    assert_eq!(both.terminate(), 0);

    let waits = kafka.fill(out, 100..200, 10);
    let gateway = start(directory.path(), &kafka, &[kept], &service.url());
    of_kept.extend(kafka.fill(kept, 100..200, 10));
    await_reached(&journal, kept, &of_kept);
    eventually("it is given back", || (!is_assigned(&kafka, out)).then_some(()));
    eventually("it is ready", || (gateway.get("/readyz").0 == 200).then_some(()));
    of_kept.extend(kafka.fill(kept, 200..300, 10));
    await_reached(&journal, kept, &of_kept);
    await_reached(&journal, out, &of_out);
    assert_eq!(gateway.terminate(), 0);

    let both = start(directory.path(), &kafka, &[kept, out], &service.url());
    of_out.extend(waits);
    await_reached(&journal, out, &of_out);
    await_reached(&journal, kept, &of_kept);
    assert_eq!(both.terminate(), 0);
}
