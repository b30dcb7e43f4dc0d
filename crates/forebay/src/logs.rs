//! Logs: to standard error, as text for people or as JSON for machines. Where nobody reads it any
//! more, lines are lost and nothing else is: a closed pipe ends no process.

use std::io::{IsTerminal, Write};

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
    let logs = fmt().with_env_filter(filter).with_writer(|| Lenient);
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
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Standard error, of which every write works: the log's own complaint would go there, too.
struct Lenient;

impl Write for Lenient {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = std::io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
