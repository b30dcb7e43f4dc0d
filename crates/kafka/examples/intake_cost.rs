//! What the intake costs for each record: produces a topic full, reads it through an intake, and
//! prints rates and CPU time of the whole process (librdkafka's threads included).
//!
//! `cargo run -p forebay-kafka --example intake_cost -- HOST:PORT [RECORDS] [BYTES] [PARTITIONS]`
#![expect(clippy::print_stdout, reason = "it is a measuring tool")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use forebay_kafka::{
    Admin, Delivery, Intake, IntakeConfig, IntakeEvent, NewTopic, Producer, Properties, Send,
    SendError, StartPolicy,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| {
        arguments.get(at).map_or(Ok(default), |text| text.parse::<usize>())
    };
    let servers = arguments.first().ok_or("HOST:PORT is missing")?.clone();
    let (records, bytes) = (number(1, 1_000_000)?, number(2, 256)?);
    let partitions = i32::try_from(number(3, 8)?)?;
    let given = BTreeMap::from([("bootstrap.servers".to_owned(), servers)]);
    let properties = Properties::parse(&given).map_err(|errors| format!("{errors:?}"))?;
    let topic = format!("intake-cost-{}", std::process::id());
    let admin = Admin::new(&properties, Duration::from_secs(10))?;
    admin.create_topic(&NewTopic {
        name: topic.clone(),
        partitions,
        replication: 1,
        configs: BTreeMap::new(),
    })?;
    let (began, cpu) = (Instant::now(), cpu_seconds()?);
    produce(&properties, &topic, records, bytes)?;
    report("produce", records, began, cpu)?;
    let (began, cpu) = (Instant::now(), cpu_seconds()?);
    read(&properties, &topic, records)?;
    report("intake", records, began, cpu)?;
    admin.delete_topic(&topic)?;
    Ok(())
}

fn produce(
    properties: &Properties,
    topic: &str,
    records: usize,
    bytes: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let producer = Producer::new(properties, "intake-cost")?;
    let value = vec![b'x'; bytes];
    for at in 0..records {
        let key = (at % 10_000).to_string();
        let record = Send {
            topic,
            partition: None,
            key: Some(key.as_bytes()),
            value: Some(&value),
            headers: &[],
            timestamp_ms: None,
        };
        let mut delivery: Delivery = Box::new(|result| assert!(result.is_ok(), "{result:?}"));
        while let Err(error) = producer.send(record, delivery) {
            match error {
                SendError::Full(back) => delivery = back,
                SendError::Refused(error) => return Err(error.into()),
            }
            producer.wait_for_room(Duration::from_secs(10));
        }
    }
    Ok(producer.flush(Duration::from_secs(60))?)
}

fn read(
    properties: &Properties,
    topic: &str,
    records: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let (wake, woken) = sync_channel(1);
    let waker = Arc::new(move || {
        // One call that waits is enough; and the reader is gone when all is read.
        let _ = wake.try_send(());
    });
    let config = IntakeConfig {
        properties: properties.clone(),
        topics: vec![topic.to_owned()],
        group: topic.to_owned(),
        instance_id: None,
        start: StartPolicy::Earliest,
        from_beginning: Vec::new(),
        records_max: 20_000,
        bytes_max: 64 << 20,
        drain: Duration::from_secs(1),
        keeps_book: false,
        committed_for: None,
        kin: None,
    };
    let intake = Intake::start(config, waker)?;
    let (mut queues, mut taken, mut wakes) = (Vec::new(), 0, 0_u64);
    let mut first = None;
    let mut batch = Vec::new();
    while taken < records {
        woken.recv_timeout(Duration::from_secs(10))?;
        wakes += 1;
        while let Some(event) = intake.next_event() {
            if let IntakeEvent::Assigned(assigned) = event {
                first.get_or_insert_with(Instant::now);
                queues.push(assigned.queue);
            }
        }
        for queue in &queues {
            taken += queue.take(usize::MAX, usize::MAX, &mut batch);
            batch.clear();
        }
    }
    if let Some(first) = first {
        let rate = records as f64 / first.elapsed().as_secs_f64();
        println!("intake: {rate:.0} records/s from the first assignment on, {wakes} wakes");
    }
    intake.close(Duration::from_secs(10));
    Ok(())
}

fn report(
    what: &str,
    records: usize,
    began: Instant,
    cpu: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    let each = cpu / records as f64 * 1e6;
    println!("{what}: {records} records, {wall:.2} s, {cpu:.2} s of CPU, {each:.2} µs each");
    Ok(())
}

/// User and system time of this process so far, from the kernel's own count (100 ticks a second).
fn cpu_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().ok_or("no process name")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks =
        |at: usize| fields.get(at).ok_or("too few fields")?.parse::<f64>().map_err(|_| "no number");
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
