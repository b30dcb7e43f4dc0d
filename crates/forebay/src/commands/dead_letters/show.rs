//! `forebay dead-letters show`.

use std::collections::BTreeSet;

use super::list::json_line;
use super::shown::{Shown, page};
use super::topic::{Found, LetterTopic};
use crate::cli::cluster::Output;
use crate::cli::dead_letters::{Offset, Show};
use crate::exit::{Exit, Failure, Outcome};
use crate::process::{Interrupt, print};

pub(super) fn run(args: &Show) -> Outcome {
    let interrupt = Interrupt::listen().map_err(Failure::of(Exit::Usage))?;
    let (cluster, name) = super::find(&args.place, None)?;
    let mut wanted: BTreeSet<Offset> = args.offsets.iter().copied().collect();
    let partitions = wanted.iter().map(|offset| offset.partition).collect();
    let topic = LetterTopic::open(&cluster, &name, &partitions, &interrupt)?;
    let mut pass = topic.read("reading letters")?;
    while !wanted.is_empty() {
        let Some((partition, record)) = pass.next(&interrupt)? else { break };
        let at = Offset { partition, offset: record.offset };
        if !wanted.remove(&at) {
            continue;
        }
        let Found::Letter(letter) = topic.found(partition, record) else {
            let message = format!("the record at {at} of `{name}` is no dead letter of Forebay's");
            return Err(Failure::new(Exit::Unreachable, message));
        };
        match args.output {
            Output::Table => print(&page(&letter, &name))?,
            Output::Json => print(&json_line(&Shown::full(&letter))?)?,
        };
    }
    match wanted.first() {
        None => Ok(Exit::Done),
        Some(missing) => {
            let message = format!("topic `{name}` has no record at {missing}");
            Err(Failure::new(Exit::Unreachable, message))
        }
    }
}
