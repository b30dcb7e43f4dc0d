//! Logs: to standard error, as text for people or as JSON for machines. Where nobody reads it any
//! more, lines are lost and nothing else is: a closed pipe ends no process, and a full one holds none
//! up. How many lines were lost is said as soon as there is room again.

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// `FOREBAY_LOG` sets levels, e.g. `debug` or `forebay_gateway=debug`, else they are `level`.
pub(crate) fn start(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_env("FOREBAY_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let logs = fmt().with_env_filter(filter).with_writer(move || Lenient(format));
    match format {
        LogFormat::Text => {
            logs.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
        }
        LogFormat::Json => logs.json().init(),
    }
}

/// Says something on standard error, if anybody listens.
pub(crate) fn say(line: &str) {
    // Where it can't be said, there is nobody to tell that either.
    let _ = writeln!(Lenient(LogFormat::Text), "{line}");
}

/// Standard error, of which every write works: the log's own complaint would go there, too.
struct Lenient(LogFormat);

impl Write for Lenient {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        static GAP: Mutex<Gap> = Mutex::new(Gap { lost: 0, cut: false });
        if let Ok(mut gap) = GAP.lock() {
            gap.pour(std::io::stderr(), bytes, self.0);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What POSIX lets a pipe take at once where it takes anything (`PIPE_BUF`, on Linux).
const ROOM: usize = 4096;

/// How long a reader may pause before lines are lost; once they are, nothing waits any more.
const PATIENCE: Duration = Duration::from_millis(100);

/// What is missing in the log since its last line.
struct Gap {
    lost: u64,
    /// The last line broke off.
    cut: bool,
}

impl Gap {
    /// Writes the line as far as that works at once.
    fn pour(&mut self, mut to: impl Write + AsFd, line: &[u8], format: LogFormat) {
        if self.lost > 0 {
            let told = self.told(format);
            if !is_writable(&to, Duration::ZERO) || to.write_all(told.as_bytes()).is_err() {
                self.lost += 1;
                return;
            }
            *self = Self { lost: 0, cut: false };
        }
        for (index, part) in line.chunks(ROOM).enumerate() {
            if !is_writable(&to, PATIENCE) || to.write_all(part).is_err() {
                *self = Self { lost: 1, cut: index > 0 };
                return;
            }
        }
    }

    fn told(&self, format: LogFormat) -> String {
        let (newline, lost) = (if self.cut { "\n" } else { "" }, self.lost);
        let message = format!("nobody read the log in time: {lost} lines of it are lost");
        match format {
            LogFormat::Text => format!("{newline}{message}\n"),
            LogFormat::Json => {
                format!(
                    "{newline}{{\"level\":\"WARN\",\"fields\":{{\"message\":\"{message}\"}}}}\n"
                )
            }
        }
    }
}

/// Whether a write of at most [`ROOM`] bytes returns at once, after a wait of at most `patience`.
fn is_writable(to: &impl AsFd, patience: Duration) -> bool {
    let mut asked = [PollFd::new(to, PollFlags::OUT)];
    let patience = Timespec::try_from(patience).expect("it is short");
    poll(&mut asked, Some(&patience)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_holds_nobody_up_and_the_gap_is_told() {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut gap = Gap { lost: 0, cut: false };
        let long = [&[b'x'; 3 * ROOM][..], b"\n"].concat();
        let mut poured = 0;
        while gap.lost == 0 {
            gap.pour(&writer, &long, LogFormat::Text);
            poured += 1;
        }
        gap.pour(&writer, b"lost as well\n", LogFormat::Text);
        assert_eq!(gap.lost, 2);

        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        for _ in 0..poured - 1 {
            assert_eq!(lines.next().unwrap().len(), 3 * ROOM);
        }
        gap.pour(&writer, b"heard\n", LogFormat::Text);
        drop(writer);
        let rest: Vec<String> =
            lines.filter(|line| !line.starts_with('x') && !line.is_empty()).collect();
        assert_eq!(rest, ["nobody read the log in time: 2 lines of it are lost", "heard"]);
    }
}
