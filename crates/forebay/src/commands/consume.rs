//! `forebay consume`: prints records of a topic, by itself or as a member of a group.

use std::time::Duration;

use forebay_kafka::{ReadFrom, Reader, ReaderItem};

use crate::cli::consume::{Consume, From};
use crate::cluster::{Cluster, failure};
use crate::commands::trouble::Trouble;
use crate::exit::{Exit, Failure, Outcome};
use crate::process::Interrupt;

mod member;
mod printer;

use printer::{Printer, Stop};

/// How long records are waited for before signals are looked at again.
const LOOK_UP: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &Consume) -> Outcome {
    if args.group.is_some() && args.count.is_none() && !args.follow {
        let message = "a member of a group has no end: partitions come and go. Say --count N or \
                       --follow";
        return Err(Failure::new(Exit::Usage, message));
    }
    let interrupt = Interrupt::listen().map_err(Failure::of(Exit::Usage))?;
    let cluster = Cluster::new(&args.cluster)?;
    let topic = cluster.topic(&args.topic)?;
    let count = topic.partitions.len();
    if let Some(missing) = args.partition.iter().find(|partition| **partition as usize >= count) {
        let message = format!(
            "topic `{}` has no partition {missing}; it has {count}, from 0 to {}",
            args.topic,
            count.saturating_sub(1)
        );
        return Err(Failure::new(Exit::Unreachable, message));
    }
    let mut printer = Printer::new(args.output, args.count);
    let stop = match &args.group {
        Some(group) => member::read(args, group, &cluster, &interrupt, &mut printer)?,
        None => read(args, &cluster, &interrupt, &mut printer)?,
    };
    match stop {
        Stop::Counted | Stop::ReaderGone => Ok(Exit::Done),
        Stop::Interrupted => Ok(Exit::Interrupted),
        Stop::Failed(error) => {
            let message = format!("cannot write to standard output: {error}");
            Err(Failure::new(Exit::Usage, message))
        }
    }
}

/// Reads without a group. Reaching the end counts as done.
fn read(
    args: &Consume,
    cluster: &Cluster,
    interrupt: &Interrupt,
    printer: &mut Printer,
) -> Result<Stop, Failure> {
    let from = match args.from {
        From::Beginning => ReadFrom::Beginning,
        From::End => ReadFrom::End,
        From::Offset(offset) => ReadFrom::Offset(offset),
        From::Time(ms) => ReadFrom::Time(ms),
    };
    let partitions = (!args.partition.is_empty()).then_some(args.partition.as_slice());
    let (properties, timeout) = (&cluster.properties, cluster.timeout);
    let mut reader =
        Reader::start(properties, &args.topic, partitions, from, timeout).map_err(failure)?;
    let mut trouble = Trouble::default();
    loop {
        if interrupt.asked() {
            return Ok(printer.flush().err().unwrap_or(Stop::Interrupted));
        }
        if reader.is_at_end() && !args.follow {
            return Ok(printer.flush().err().unwrap_or(Stop::Counted));
        }
        let item = match reader.next(Duration::ZERO) {
            Some(item) => Some(item),
            None => {
                // Somebody may be watching, or waiting behind a pipe.
                if let Err(stop) = printer.flush() {
                    return Ok(stop);
                }
                reader.next(LOOK_UP)
            }
        };
        match item {
            Some(ReaderItem::Record(partition, record)) => {
                trouble = Trouble::default();
                if let Err(stop) = printer.print(&partition, &record) {
                    return Ok(stop);
                }
            }
            Some(ReaderItem::End(_)) => trouble = Trouble::default(),
            Some(ReaderItem::Failed(error)) => trouble.heard(error)?,
            None => {}
        }
        // Somebody who follows waits for Kafka to come back.
        if !args.follow {
            trouble.check(timeout)?;
        }
    }
}
