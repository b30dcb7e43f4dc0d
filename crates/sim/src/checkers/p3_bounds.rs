//! P3: what is held (handed over and not settled) and what is in flight stay within their bounds.
//!
//! A partition may always hold one record, however many partitions there are and however large
//! the record is; so beyond one record for each partition, all of them together keep the bounds.
//! What is in flight keeps the limit that was learnt as well, but for probes; what is sent keeps
//! the cap on a second.

use forebay_core::{Output, View};

use super::{Checker, Fact};
use crate::model::{Model, Term};

pub(super) struct BoundsHold;

impl Checker for BoundsHold {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        match fact {
            Fact::Wants { process, output: Output::Deliver(_), view } => {
                in_flight(*process, view, model)?;
                in_a_second(*process, model)
            }
            Fact::Idle { process, view, .. } => {
                held(*process, model)?;
                counted(*process, view, model)
            }
            _ => Ok(()),
        }
    }
}

fn in_flight(process: usize, view: &View, model: &Model) -> Result<(), String> {
    let most = match view.hold.target {
        Some(_) => model.rules.in_flight_max,
        None => view.limit.min(model.rules.in_flight_max),
    };
    match model.offices[process].flights {
        out if out >= most => Err(format!("{} deliveries out of {most}", out + 1)),
        _ => Ok(()),
    }
}

/// No more in any second than the rate, and what may come at once after a pause.
fn in_a_second(process: usize, model: &Model) -> Result<(), String> {
    let Some(rate) = model.rules.rate_max else { return Ok(()) };
    let most = (rate + (rate / 10).max(1)) as usize;
    let sends = model.offices[process].sends.iter().rev();
    let sent = sends.take_while(|at| **at + 1_000_000 > model.now).count();
    match sent >= most {
        true => Err(format!("{} deliveries in a second, of {rate}", sent + 1)),
        false => Ok(()),
    }
}

fn held(process: usize, model: &Model) -> Result<(), String> {
    let (mut records, mut bytes) = (0, 0);
    for term in model.terms_of(process) {
        records += term.held.saturating_sub(1);
        bytes += term.held_bytes - largest(term);
    }
    let (records_max, bytes_max) = model.held_max;
    if records > records_max || bytes > bytes_max {
        return Err(format!(
            "{records} records of {records_max} and {bytes} bytes of {bytes_max} are held, beyond \
             one record for each partition"
        ));
    }
    Ok(())
}

/// What the core says it holds is what it holds.
fn counted(process: usize, view: &View, model: &Model) -> Result<(), String> {
    for partition in &view.partitions {
        let term = model.term(process, partition.partition);
        let books = term.map_or((0, 0), |term| (term.held, term.held_bytes));
        if (partition.held, partition.held_bytes) != books {
            return Err(format!(
                "partition {} counts {} records and {} bytes as held, and holds {books:?}",
                partition.partition.0, partition.held, partition.held_bytes
            ));
        }
    }
    Ok(())
}

fn largest(term: &Term) -> usize {
    let held = term.entries[term.prefix..].iter().filter(|entry| !entry.settled);
    held.map(|entry| entry.bytes).max().unwrap_or(0)
}
