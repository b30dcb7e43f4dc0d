//! librdkafka's logs and errors, sent to `tracing` at a bounded rate.
//!
//! It repeats "connection refused" for each attempt. Here a line that differs from an earlier one
//! in its numbers alone is held back for half a minute, then comes with a count.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr;

use crate::trouble::Trouble;

pub(crate) use changed_id::changed_id;

mod changed_id;

const QUIET: Duration = Duration::from_secs(30);
/// Different lines that are remembered; there are few, unless a broker invents names.
const REMEMBERED: usize = 256;

/// The context of each client we make. Clones share their memory.
#[derive(Clone)]
pub(crate) struct Logs {
    /// Whose client it is, for people: `intake payments`, `admin`, …
    client: Arc<str>,
    seen: Arc<Mutex<HashMap<String, Seen>>>,
    /// The latest failed connection.
    trouble: Arc<Mutex<Option<(Instant, Trouble)>>>,
}

struct Seen {
    said: Instant,
    held_back: u32,
}

impl Logs {
    pub(crate) fn new(client: impl Into<Arc<str>>) -> Self {
        Self { client: client.into(), seen: Arc::default(), trouble: Arc::default() }
    }

    /// One line of librdkafka's, at a syslog level (0–7).
    pub(crate) fn line(&self, level: i32, facility: &str, line: &str) {
        // Of some failed connections it tells here alone.
        if facility == "FAIL" {
            let told = line.split_once("]: ").map_or(line, |(_, told)| told);
            self.remember(Trouble::new(told));
        }
        let Some(held_back) = self.admit(facility, line, Instant::now()) else { return };
        let client = &*self.client;
        match level {
            ..=3 => tracing::error!(target: "librdkafka", client, facility, held_back, "{line}"),
            4 => tracing::warn!(target: "librdkafka", client, facility, held_back, "{line}"),
            5..=6 => tracing::info!(target: "librdkafka", client, facility, held_back, "{line}"),
            _ => tracing::debug!(target: "librdkafka", client, facility, held_back, "{line}"),
        }
    }

    /// Remembers why a connection failed, if this is about one.
    pub(crate) fn failed(&self, code: Option<Code>, reason: &str) {
        let about_one = matches!(
            code,
            Some(Code::BrokerTransportFailure | Code::Resolve | Code::SSL | Code::Authentication)
        );
        if about_one {
            self.remember(Trouble::new(reason));
        } else if code == Some(Code::AllBrokersDown) && self.trouble().is_none() {
            self.remember(Trouble::hung_up());
        }
    }

    fn remember(&self, trouble: Trouble) {
        let mut latest = self.trouble.lock().expect("nothing that holds the lock panics");
        *latest = Some((Instant::now(), trouble));
    }

    /// Why connections fail, if one did lately: librdkafka tells the same failure each half minute.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        let trouble = self.trouble.lock().expect("nothing that holds the lock panics");
        trouble.as_ref().filter(|(at, _)| at.elapsed() < 2 * QUIET).map(|(_, it)| it.clone())
    }

    /// How many lines like it were held back since the last one; `None` to hold back this one.
    fn admit(&self, facility: &str, line: &str, now: Instant) -> Option<u32> {
        let shape: String = facility
            .chars()
            .chain(line.chars().filter(|letter| !letter.is_ascii_digit()))
            .collect();
        let mut seen = self.seen.lock().expect("nothing that holds the lock panics");
        if let Some(seen) = seen.get_mut(&shape) {
            if now.duration_since(seen.said) < QUIET {
                seen.held_back += 1;
                return None;
            }
            seen.said = now;
            return Some(std::mem::take(&mut seen.held_back));
        }
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(shape, Seen { said: now, held_back: 0 });
        Some(0)
    }
}

impl ClientContext for Logs {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.line(level as i32, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.failed(error.rdkafka_error_code(), reason);
        self.line(4, "ERROR", &format!("{reason} ({error})"));
    }
}

impl ConsumerContext for Logs {
    /// Only reached while a consumer is dropped: it gives back all that it had.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        _: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        crate::intake::give_back(consumer, list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_in_numbers_alone_are_held_back_and_counted() {
        let logs = Logs::new("test");
        let start = Instant::now();
        assert_eq!(logs.admit("FAIL", "refused (after 0ms)", start), Some(0));
        assert_eq!(logs.admit("FAIL", "refused (after 12ms)", start), None);
        assert_eq!(logs.admit("FAIL", "something else", start), Some(0));
        assert_eq!(logs.admit("FAIL", "refused (after 7ms)", start + QUIET), Some(1));
    }
}
