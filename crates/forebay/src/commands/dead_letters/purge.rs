//! `forebay dead-letters purge`.

use forebay_kafka::Producer;
use forebay_wire::dead_letter::Mark;

use super::outbox::Outbox;
use super::topic::LetterTopic;
use super::work::{Working, dry_run};
use crate::cli::dead_letters::Purge;
use crate::cluster::failure;
use crate::exit::{Exit, Failure, Outcome};
use crate::process::Interrupt;

pub(super) fn run(args: &Purge) -> Outcome {
    let Purge { selection, pace: work, .. } = args;
    if selection.is_all() && !args.everything && !work.dry_run {
        let message = "nothing says which letters; give a filter such as --until 30d, or \
                       --everything";
        return Err(Failure::new(Exit::Usage, message));
    }
    let interrupt = Interrupt::listen().map_err(Failure::of(Exit::Usage))?;
    let (mut cluster, name) = super::find(&args.place, selection.subscription.as_deref())?;
    let topic = LetterTopic::open(&cluster, &name, &selection.partitions(), &interrupt)?;
    let mark = Mark::Purged;
    if work.dry_run {
        return dry_run(&topic, selection, work, mark, &interrupt);
    }
    super::fit(&mut cluster, [name.as_str()].into_iter())?;
    let producer = Producer::new(&cluster.properties, "purge").map_err(failure)?;
    let working = Working {
        outbox: Outbox::new(producer, &name, mark),
        topic: &topic,
        selection,
        work,
        mark,
        interrupt: &interrupt,
        patience: cluster.timeout,
    };
    working.run(|outbox, letter| outbox.mark(letter.at, letter.record.key()))
}
