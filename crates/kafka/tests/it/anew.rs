//! A topic that is deleted and made anew while its partitions are read.

use std::collections::BTreeSet;
use std::sync::Arc;

use forebay_kafka::{Admin, IntakeConfig, IntakeEvent, LossCause, Rebalance};
use forebay_trial::{Link, Proxy};

use crate::cluster::{self, Broker, fill, put, topic, unique};
use crate::epochs::by_epochs;
use crate::start::make_anew;
use crate::worker::{Worker, config};

/// The intake is cut off until the new log has the position that it had in the former one: then
/// nothing is out of range, and whoever asks by name reads on there.
#[test]
fn nothing_is_read_at_the_position_that_a_partition_had_in_a_former_topic() {
    let proxy = Proxy::open().expect("a free port");
    let broker = Broker::behind(&proxy);
    let direct = cluster::properties(&broker.servers);
    let admin = Admin::new(&direct, cluster::PATIENCE).expect("an admin client");
    let name = unique("position");
    let fill = |count: i64| {
        let producer = cluster::producer(&broker.servers);
        (0..count).for_each(|value| put(&producer, &name, 0, value.to_string().as_bytes()));
        producer.flush(cluster::PATIENCE).expect("all is acknowledged");
    };
    cluster::create(&admin, &name, 1, &[]);
    fill(10);
    let servers = proxy.address().to_string();
    let properties = cluster::properties_with(&servers, &[("heartbeat.interval.ms", "200")]);
    let mut worker = Worker::start(IntakeConfig { properties, ..config(&name, &unique("group")) });
    worker.until_assigned(1);
    worker.until_taken(0, 10);
    // More than once, for where the intake happens to look at its topics as the way opens, it sees
    // the new one in time.
    for count in [20, 30, 40, 50] {
        let former = worker.owned[&0].queue().clone();
        proxy.set(Link::Silent);
        make_anew(&admin, &name, 1);
        fill(count);
        proxy.set(Link::Open);
        worker.until("all of the new topic is read", |worker| {
            worker.take(0);
            let (offsets, before) = (worker.owned[&0].offsets(), count - 10);
            if Arc::ptr_eq(worker.owned[&0].queue(), &former) {
                assert_eq!(offsets.last(), Some(&(before - 1)), "read where the former topic was");
                return false;
            }
            assert_eq!(offsets, (0..offsets.len() as i64).collect::<Vec<_>>());
            offsets.len() as i64 == count
        });
    }
    worker.close();
}

/// Gives back what the group wants back.
fn let_go(worker: &mut Worker) {
    for event in &worker.events {
        if let IntakeEvent::Revoked(partitions) = event {
            partitions.iter().for_each(|it| worker.intake.release(it.clone()));
        }
    }
}

/// The group has assigned all that is there, and nothing else.
fn group_has(group: &str, topic: &str, partitions: i32) -> bool {
    let described = cluster::admin().describe_groups(&[group]).expect("the group is described");
    let assigned = described[0].members.iter().flat_map(|member| &member.assignment);
    let assigned: BTreeSet<_> = assigned.map(|it| (it.topic.to_string(), it.partition)).collect();
    assigned == (0..partitions).map(|number| (topic.to_owned(), number)).collect()
}

#[test]
fn a_topic_made_anew_with_fewer_partitions_is_read_and_the_others_are_given_up_once() {
    for protocol in ["classic", "consumer"] {
        let (topic, group) = (topic("fewer", 6), unique("group"));
        let mut worker = Worker::start(match protocol {
            "consumer" => by_epochs(&topic, &group, None),
            _ => config(&topic, &group),
        });
        worker.until_assigned(6);
        for partition in 0..6 {
            fill(&topic, partition, 0..20);
            worker.until_taken(partition, 20);
            worker.commit(partition, 20, "");
            worker.until_committed(partition, 20);
        }
        make_anew(&cluster::admin(), &topic, 2);
        for partition in 0..2 {
            fill(&topic, partition, 0..50);
        }
        for partition in 0..2 {
            worker.until("what is there is read from its beginning", |worker| {
                let_go(worker);
                worker.take(partition);
                let owned = &worker.owned[&partition];
                owned.assigned.start == Some(0) && owned.offsets() == (0..50).collect::<Vec<_>>()
            });
        }
        worker.until("the group has what is there", |worker| {
            let_go(worker);
            group_has(&group, &topic, 2)
        });
        worker.commit(1, 50, "");
        worker.until("all that is the worker's has a start", |worker| {
            let_go(worker);
            let told = |wanted: fn(&IntakeEvent) -> bool| {
                worker.events.iter().filter(|event| wanted(event)).count()
            };
            let unknown = told(|event| matches!(event, IntakeEvent::StartsUnknown { .. }));
            let known = told(|event| matches!(event, IntakeEvent::StartsKnown));
            assert!(unknown <= 2, "{protocol}: said more than once: {:?}", worker.events);
            let committed = told(|event| {
                matches!(event, IntakeEvent::Committed { partition, offset: 50 } if partition.partition == 1)
            });
            unknown == known && committed == 1
        });
        let mut had: BTreeSet<i32> = BTreeSet::new();
        for event in &worker.events {
            if let IntakeEvent::Rebalanced(Rebalance { lost, gained, .. }) = event {
                had.retain(|had| lost.iter().all(|lost| lost.partition != *had));
                had.extend(gained.iter().map(|gained| gained.partition));
            }
        }
        assert_eq!(had, BTreeSet::from([0, 1]), "{protocol}: {:?}", worker.events);
        let gone = worker.events.iter().filter_map(|event| match event {
            IntakeEvent::Lost(partitions, LossCause::Gone) => Some(partitions.len()),
            _ => None,
        });
        let gone: Vec<usize> = gone.collect();
        assert!(protocol == "consumer" || gone == [4], "{gone:?}");
        worker.close();
    }
}
