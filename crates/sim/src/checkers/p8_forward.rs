//! P8: the commit point goes back by a recorded command only: a tenure begins with the point that
//! was stored, and goes on from there.

use forebay_core::{Guarantee, Output, ParkedLast};

use super::{Checker, Fact};
use crate::model::Model;

pub(super) struct CommitsGoForward;

impl Checker for CommitsGoForward {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        let Fact::Wants { process, output: Output::Commit { partition, point, state }, .. } = fact
        else {
            return Ok(());
        };
        let Some(term) = model.term(*process, *partition) else { return Ok(()) };
        if term.commits.out.is_some() {
            return Err(format!("partition {} commits before the last answer", partition.0));
        }
        let last = term.commits.acknowledged;
        // A key is named before its first record is parked.
        let names = state.parked.iter().any(|row| {
            matches!(row.last, ParkedLast::Named(_)) && term.named.get(&row.key) != Some(&row.last)
        });
        // What is settled beyond the commit point is stored as well, and what has failed.
        let news = term.commits.news && model.rules.guarantee == Guarantee::AtLeastOnce;
        let forward = match term.claimed {
            true => *point > last || (*point == last && (names || news)),
            false => *point == term.opening.start,
        };
        match forward {
            true => Ok(()),
            false => Err(format!(
                "partition {} commits {} after {}, begun at {}",
                partition.0, point.0, last.0, term.opening.start.0
            )),
        }
    }
}
