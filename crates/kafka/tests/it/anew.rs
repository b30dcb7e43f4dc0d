//! A topic that is deleted and made anew while its partitions are read.

use std::sync::Arc;

use forebay_kafka::{Admin, IntakeConfig};
use forebay_trial::{Link, Proxy};

use crate::cluster::{self, Broker, put, unique};
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
