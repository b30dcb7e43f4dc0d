//! Processor time of processes, user and system together, from `/proc/<pid>/stat` (proc(5)).
//! Its grain is a clock tick, usually 10 ms.

use anyhow::Context as _;

/// Seconds that the process itself has used.
pub(crate) fn of(pid: u32) -> anyhow::Result<f64> {
    seconds(&format!("/proc/{pid}/stat"), [13, 14])
}

/// Seconds that children of this process had used when they were waited for.
pub(crate) fn of_ended_children() -> anyhow::Result<f64> {
    seconds("/proc/self/stat", [15, 16])
}

/// `fields` count from zero, as in the manual less one.
fn seconds(path: &str, fields: [usize; 2]) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    // The second field is the command in parentheses, which may hold anything.
    let (_, rest) = text.rsplit_once(')').with_context(|| format!("{path} has no command"))?;
    let numbers: Vec<&str> = rest.split_whitespace().collect();
    let mut ticks = 0;
    for field in fields {
        ticks += numbers.get(field - 2).context("too few fields")?.parse::<u64>()?;
    }
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_the_time_of_the_process_that_did_it() {
        let before = of(std::process::id()).unwrap();
        while of(std::process::id()).unwrap() < before + 0.02 {}
        assert!(of_ended_children().unwrap() < before + 10.0);
        assert!(of(0).is_err());
    }
}
