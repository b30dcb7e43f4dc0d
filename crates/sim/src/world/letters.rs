//! The way of a dead letter to Kafka and of its acknowledgement back, or not.

use forebay_core::{DeadLetter, Input};

use super::{Event, Letter, World};

impl World {
    pub(super) fn post(&mut self, process: usize, letter: &DeadLetter<usize>) {
        let DeadLetter { partition, tenure, offset, payload: index, .. } = *letter;
        let life = self.processes[process].life;
        if let Some(term) = self.model.term_mut(process, partition)
            && let Some(at) = term.index(offset.0)
        {
            term.entries[at].letter_out = true;
        }
        let letter = Letter { process, life, partition, tenure, offset, index };
        let takes = self.rng.below(self.plan.pace.letter + 1);
        self.agenda.enter(self.now + takes, Event::Write(letter));
    }

    /// The dead letter reaches Kafka. What is written is written, whoever hears of it.
    pub(super) fn write(&mut self, letter: Letter) {
        let fails = self.strikes(|odds| odds.letter_fails) || self.now < self.letters_from;
        let ack_lost = self.strikes(|odds| odds.letter_ack_lost);
        if !fails {
            self.model.is_done(letter.partition, letter.index);
        }
        let takes = self.rng.below(self.plan.pace.letter + 1);
        let written = Event::Written { letter, written: !fails && !ack_lost };
        self.agenda.enter(self.now + takes, written);
    }

    pub(super) fn written(&mut self, letter: Letter, written: bool) {
        let Letter { process, life, partition, tenure, offset, .. } = letter;
        if !self.lives(process, life) {
            return;
        }
        self.model.expire(process);
        let term = self.model.term_mut(process, partition).filter(|term| term.tenure == tenure);
        if let Some(term) = term
            && let Some(index) = term.index(offset.0)
        {
            let was_out = std::mem::take(&mut term.entries[index].letter_out);
            let term = term.id;
            if written && was_out {
                self.model.offices[process].ends.dead_lettered += 1;
                self.model.settled(process, term, index);
            }
        }
        self.tell(process, Input::DeadLettered { partition, tenure, offset, written });
    }
}
