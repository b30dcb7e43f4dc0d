//! Processor time, user and system together, from `/proc/<pid>/stat` and `/proc/stat` (proc(5)).
//! Its grain is a clock tick, usually 10 ms.

use anyhow::Context as _;

/// Seconds that the process itself has used.
pub(crate) fn of(pid: u32) -> anyhow::Result<f64> {
    process(&format!("/proc/{pid}/stat"), [13, 14])
}

/// Seconds that children of this process had used when they were waited for.
pub(crate) fn of_ended_children() -> anyhow::Result<f64> {
    process("/proc/self/stat", [15, 16])
}

/// Seconds of all processors together.
#[derive(Clone, Copy)]
pub(crate) struct Machine {
    /// Work for processes.
    pub(crate) worked: f64,
    /// What a hypervisor gave to others while there was work.
    pub(crate) stolen: f64,
}

pub(crate) fn of_machine() -> anyhow::Result<Machine> {
    let text = std::fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    let fields: Vec<&str> = text.split_whitespace().collect();
    // The first line: `cpu`, then user, nice, system, idle, iowait, irq, softirq, steal.
    Ok(Machine { worked: ticks(&fields, &[1, 2, 3])?, stolen: ticks(&fields, &[8])? })
}

impl std::ops::Sub for Machine {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { worked: self.worked - earlier.worked, stolen: self.stolen - earlier.stolen }
    }
}

/// Processes that were running or wanted to, on average over the last minute.
pub(crate) fn load_average() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg")?;
    let first = text.split_whitespace().next().context("/proc/loadavg is empty")?;
    Ok(first.parse()?)
}

/// `fields` count from zero, as in the manual less one.
fn process(path: &str, fields: [usize; 2]) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    // The second field is the command in parentheses, which may hold anything.
    let (_, rest) = text.rsplit_once(')').with_context(|| format!("{path} has no command"))?;
    let numbers: Vec<&str> = rest.split_whitespace().collect();
    ticks(&numbers, &fields.map(|field| field - 2))
}

/// The sum of some fields that count clock ticks, in seconds.
fn ticks(fields: &[&str], wanted: &[usize]) -> anyhow::Result<f64> {
    let mut ticks = 0;
    for &field in wanted {
        ticks += fields.get(field).context("too few fields")?.parse::<u64>()?;
    }
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_the_time_of_the_process_that_did_it() {
        let (before, all) = (of(std::process::id()).unwrap(), of_machine().unwrap());
        while of(std::process::id()).unwrap() < before + 0.05 {}
        assert!((of_machine().unwrap() - all).worked > 0.0);
        assert!(of_ended_children().unwrap() < before + 10.0);
        assert!(of(0).is_err());
    }
}
