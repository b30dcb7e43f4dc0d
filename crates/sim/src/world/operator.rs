//! The operator: in the storm a nuisance, in the calm the one who looks after what waits for them.

use forebay_core::{BlockedState, Command, Instant, Offset, PartitionId, View};

use super::{Event, World};
use crate::checkers::Fact;
use crate::swarm::{Act, MILLI};

impl World {
    /// Acts upon a process: mostly on a record that is in trouble there, at times on any.
    pub(super) fn operate(&mut self, process: usize, act: Act) {
        let troubled: Vec<_> = self.model.offices[process].troubled.iter().copied().collect();
        let (partition, offset) = if troubled.is_empty() || self.rng.odds(100) {
            let partition = self.rng.below(self.kafka.partitions.len() as u64) as u32;
            (PartitionId(partition), Offset(self.rng.below(64) as i64))
        } else {
            let (term, index) = *self.rng.pick(&troubled);
            let term = &self.model.terms[term];
            (term.partition, Offset(term.entries[index].offset))
        };
        self.command(process, act, partition, offset);
    }

    fn command(&mut self, process: usize, act: Act, partition: PartitionId, offset: Offset) {
        let command = match act {
            Act::Pause => Command::Pause,
            Act::Resume => Command::Resume,
            Act::Retry => Command::Retry { partition, offset },
            Act::Skip => Command::Skip { partition, offset },
            Act::DeadLetter => Command::DeadLetter { partition, offset },
        };
        self.let_time_pass(process);
        let now = Instant::from_micros(self.now);
        let Some(core) = &mut self.processes[process].core else { return };
        let result = core.command(command, now);
        self.note(|| format!("process {process} is told {command:?}: {result:?}"));
        if result.is_ok() {
            let fact = Fact::Obeyed { process, command };
            if let Err(broken) = self.checkers.look(&fact, &self.model) {
                self.broken.get_or_insert(broken);
                return;
            }
            self.model.obeyed(process, command);
        }
        self.observe(process);
        self.poll_soon(process, 0);
    }

    /// In the calm somebody comes to look after what waits for them.
    pub(super) fn call_operator(&mut self, process: usize, view: &View) {
        let stuck = |state| matches!(state, BlockedState::Operator(_));
        let wanted = view.hold.paused
            || view.hold.overdrawn
            || view.troubles.iter().any(|trouble| stuck(trouble.state));
        let it = &mut self.processes[process];
        if self.calm && wanted && !it.called {
            it.called = true;
            let life = it.life;
            let at = self.now + self.rng.below(100 * MILLI);
            self.agenda.enter(at, Event::Operate { process, life });
        }
    }

    pub(super) fn clear_up(&mut self, process: usize) {
        self.processes[process].called = false;
        let Some(core) = &self.processes[process].core else { return };
        let view = core.view();
        if view.hold.paused || view.hold.overdrawn {
            self.command(process, Act::Resume, PartitionId(0), Offset(0));
        }
        for trouble in view.troubles {
            if matches!(trouble.state, BlockedState::Operator(_)) {
                let act = *self.rng.pick(&[Act::Retry, Act::Retry, Act::Skip, Act::DeadLetter]);
                self.command(process, act, trouble.partition, trouble.offset);
            }
        }
    }
}
