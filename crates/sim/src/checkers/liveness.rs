//! Liveness: when all trouble has ended, everything is delivered and committed.

use super::{Checker, Fact};
use crate::model::Model;

pub(super) struct AllIsDelivered;

impl Checker for AllIsDelivered {
    fn look(&mut self, fact: &Fact<'_>, _: &Model) -> Result<(), String> {
        match fact {
            Fact::Over { undelivered: Some(what) } => Err(what.clone()),
            _ => Ok(()),
        }
    }
}
