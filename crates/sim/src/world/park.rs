//! The way of a record to the park topic and of its acknowledgement back, or not; and what a process
//! asks Kafka about that topic.

use forebay_core::{Input, Instant, Park, ParkPlace, Past, View};

use super::{Event, Letter, ParkTold, Parking, World};
use crate::model::Copied;
use crate::swarm::{MILLI, Row, SECOND};

impl World {
    pub(super) fn park(&mut self, process: usize, park: &Park<usize>) {
        let Park { partition, tenure, offset, payload: index, to, .. } = *park;
        let life = self.processes[process].life;
        if let Some(term) = self.model.term_mut(process, partition)
            && let Some(at) = term.index(offset.0)
        {
            term.entries[at].park_out = true;
        }
        let letter = Letter { process, life, partition, tenure, offset, index };
        let past = Past { charged: park.charged, deliveries: park.deliveries };
        let takes = self.rng.below(self.plan.pace.letter + 1);
        self.agenda.enter(self.now + takes, Event::WritePark(Parking { letter, to, past }));
    }

    /// The record reaches Kafka. What is written is written, whoever hears of it.
    pub(super) fn write_park(&mut self, parking: Parking) {
        let fails = self.strikes(|odds| odds.letter_fails) || self.now < self.letters_from;
        let ack_lost = self.strikes(|odds| odds.letter_ack_lost);
        let place = (!fails).then(|| self.append(parking));
        let takes = self.rng.below(self.plan.pace.letter + 1);
        let at = place.filter(|_| !ack_lost);
        self.agenda.enter(self.now + takes, Event::Parked { parking, at });
    }

    fn append(&mut self, parking: Parking) -> ParkPlace {
        let Parking { letter: Letter { partition, tenure, index, .. }, to, past } = parking;
        let row = self.kafka.of(partition).log[index].clone();
        let by_key = row.key.unwrap_or(index as u64) % u64::from(self.plan.park);
        let to = to.unwrap_or(by_key as i32);
        let copied = Copied { partition, record: index, tenure, at: self.now };
        let copy = self.model.copy(to as usize, copied);
        let left_out = if self.rng.odds(100) { self.rng.between(1, 3) as i64 } else { 0 };
        let row = Row { produced: self.now, past, ..row };
        let offset = self.kafka.of_mut(copy).append(row, left_out);
        self.note(|| format!("park partition {to} has {parking:?} at offset {offset}"));
        for fetch in std::mem::take(&mut self.at_park_end) {
            self.agenda.enter(self.now, Event::Hand(fetch));
        }
        ParkPlace { partition: to, offset }
    }

    pub(super) fn parked(&mut self, parking: Parking, at: Option<ParkPlace>) {
        let Letter { process, life, partition, tenure, offset, .. } = parking.letter;
        if !self.lives(process, life) {
            return;
        }
        self.model.expire(process);
        let term = self.model.term_mut(process, partition).filter(|term| term.tenure == tenure);
        if let Some(term) = term
            && let Some(index) = term.index(offset.0)
        {
            let was_out = std::mem::take(&mut term.entries[index].park_out);
            let term = term.id;
            if at.is_some() && was_out {
                self.model.offices[process].ends.parked += 1;
                self.model.settled(process, term, index);
            }
        }
        self.tell(process, Input::Parked { partition, tenure, offset, at });
    }

    /// While keys are parked, a process asks now and then how far the group is with them.
    pub(super) fn ask_soon(&mut self, process: usize, view: &View) {
        let it = &mut self.processes[process];
        if !it.asking && view.partitions.iter().any(|partition| partition.parked > 0) {
            it.asking = true;
            let life = it.life;
            let at = self.now + self.rng.spread(MILLI / 10, SECOND / 2);
            self.agenda.enter(at, Event::AskPark { process, life });
        }
    }

    pub(super) fn ask_park(&mut self, process: usize) {
        let life = self.processes[process].life;
        let asked = Instant::from_micros(self.now);
        let sources = self.kafka.partitions.len() - self.plan.park as usize;
        let mut told = Vec::new();
        for (index, stored) in self.kafka.partitions[sources..].iter().enumerate() {
            if let Some(point) = stored.point {
                told.push(ParkTold { partition: index as i32, asked, point, end: stored.end() });
            }
        }
        let at = self.now + self.network();
        self.agenda.enter(at, Event::TellPark { process, life, told });
    }

    pub(super) fn tell_park(&mut self, process: usize, told: Vec<ParkTold>) {
        self.processes[process].asking = false;
        for ParkTold { partition, asked, point, end } in told {
            self.tell(process, Input::ParkCommitted { partition, asked, point, end });
        }
        self.poll_soon(process, 0);
    }
}
