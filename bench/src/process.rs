//! Child processes: each ends with the value that stands for it.

use std::process::{Child, Command};

use anyhow::{Context as _, ensure};

use crate::cpu;

pub(crate) struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    pub(crate) fn spawn(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("starting {name}: {}", command.get_program().display()))?;
        Ok(Self { name, child })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Processor seconds that it has used so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        cpu::of(self.child.id())
    }

    /// Bytes of memory that it has now.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        Ok(self.status("VmRSS")? << 10)
    }

    /// A number of `/proc/<pid>/status` (proc(5)), in the unit that it has there.
    pub(crate) fn status(&self, name: &str) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let rest = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = rest.and_then(|rest| rest.split_whitespace().next());
        Ok(number.with_context(|| format!("{path} has no {name}"))?.parse()?)
    }

    /// Errs once it has ended by itself.
    pub(crate) fn expect_running(&mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "{} ended: {ended:?}", self.name);
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which whoever needed it has told then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
