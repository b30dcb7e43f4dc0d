//! Several consumers of one subscription in one process: what each is called in the group, and what
//! is its part of the subscription's bounds.
//!
//! To the group each is a member like any other, and to each other they are what other processes
//! are: nothing of a hand-over is different between two of one process.

use forebay_core::Share;

use crate::plan::Plan;

/// Consumers of a subscription in a process: as many as there are records given up for nothing
/// (20), so that each has one at least, and in sight of the processors of a machine.
pub const CONSUMERS_MAX: usize = 16;

/// The `group.instance.id` of a process's consumer, counted from 1. The first has the process's own,
/// so that it stays the same member when others come.
pub fn nth_id(first: &str, number: usize) -> String {
    match number {
        1 => first.to_owned(),
        number => format!("{first}.{number}"),
    }
}

/// The id of the first consumer of the process whose consumer has this one; none where it is not an
/// id of this subscription.
pub fn first_id<'a>(id: &'a str, subscription: &str) -> Option<&'a str> {
    let is_first = |id: &str| {
        let instance = id.strip_suffix(subscription).and_then(|rest| rest.strip_suffix('-'));
        instance.is_some_and(|instance| !instance.is_empty())
    };
    if is_first(id) {
        return Some(id);
    }
    let (first, number) = id.rsplit_once('.')?;
    let read = number.parse::<usize>().ok().filter(|read| *read > 1)?;
    (read.to_string() == number && is_first(first)).then_some(first)
}

impl Plan {
    /// What the consumer of this number, from 1, is to do as one of so many (P3).
    pub(crate) fn part(&self, number: usize, of: usize) -> Self {
        let share = Share::new(number - 1, of);
        let mut part = self.clone();
        part.consumers = of;
        part.rules = self.rules.share(share);
        part.intake.instance_id = self.intake.instance_id.as_ref().map(|id| nth_id(id, number));
        part.intake.records_max = share.of(self.intake.records_max);
        part.intake.bytes_max = share.of(self.intake.bytes_max);
        part.limits.max_resting = share.of(self.limits.max_resting);
        part
    }

    /// Which one a part is, where there are several.
    pub(crate) fn number(&self) -> Option<usize> {
        let id = self.intake.instance_id.as_deref().filter(|_| self.consumers > 1)?;
        let first = first_id(id, &self.name)?;
        if id == first { Some(1) } else { id.rsplit_once('.')?.1.parse().ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_process() {
        for (first, subscription) in [
            ("host-a-orders", "orders"),
            ("h.2-orders", "orders"),
            ("a-x.2", "x.2"),
            ("a-b-b", "b"),
        ] {
            for number in 1..=CONSUMERS_MAX {
                let id = nth_id(first, number);
                assert_eq!(first_id(&id, subscription), Some(first), "{id}");
            }
        }
    }

    #[test]
    fn ids_of_others_lead_nowhere() {
        for id in ["orders", "-orders", "a-orders.1", "a-orders.02", "a-orders.x", "a-order", ""] {
            assert_eq!(first_id(id, "orders"), None, "{id}");
        }
    }
}
