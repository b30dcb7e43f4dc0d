//! What is to happen when: events in virtual time, first in first out within one moment.

use std::collections::BTreeMap;

/// Microseconds since the world began.
pub(crate) type Micros = u64;

#[derive(Debug)]
pub(crate) struct Agenda<E> {
    events: BTreeMap<(Micros, u64), E>,
    entered: u64,
}

impl<E> Agenda<E> {
    pub(crate) fn new() -> Self {
        Self { events: BTreeMap::new(), entered: 0 }
    }

    pub(crate) fn enter(&mut self, at: Micros, event: E) {
        self.entered += 1;
        self.events.insert((at, self.entered), event);
    }

    pub(crate) fn next(&mut self) -> Option<(Micros, E)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}
