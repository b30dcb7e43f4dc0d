//! Liveness: when all trouble has ended, everything is delivered and committed, or has reached its
//! end in another way.

use super::{Checker, Fact};
use crate::model::Model;

pub(super) struct AllIsDelivered;

impl Checker for AllIsDelivered {
    fn look(&mut self, fact: &Fact<'_>, model: &Model) -> Result<(), String> {
        match fact {
            Fact::Over { undelivered: Some(what) } => Err(what.clone()),
            Fact::Over { undelivered: None } => {
                let held = |term: &&crate::model::Term| !term.over && term.held > 0;
                match model.terms.iter().find(held) {
                    Some(term) => Err(format!(
                        "partition {} still holds {} records",
                        term.partition.0, term.held
                    )),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
