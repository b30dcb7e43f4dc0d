//! Records at a steady rate, each with the moment at which it was due on it, so that whoever gets it
//! knows how long it was under way. A sender that falls behind makes its records later, not fewer.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::forebay::pause;
use crate::workload::VALUE_BYTES;

/// Between two looks at the clock.
const BEAT: Duration = Duration::from_micros(250);

/// Calls `send` for each record of `seconds` at `rate` a second, with its number and its value.
pub(crate) fn pace(
    rate: u64,
    seconds: u64,
    mut send: impl FnMut(usize, Bytes) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (begin, wall) = (Instant::now(), now());
    let mut sent = 0;
    while sent < rate * seconds {
        let elapsed = u64::try_from(begin.elapsed().as_nanos())?;
        let due = (elapsed / 1_000 * rate / 1_000_000).min(rate * seconds);
        for number in sent..due {
            let after = Duration::from_nanos(number * 1_000_000_000 / rate);
            send(usize::try_from(number)?, stamped(wall + after))?;
        }
        sent = due;
        pause(BEAT);
    }
    Ok(())
}

/// A value that was due at `due` after 1970.
fn stamped(due: Duration) -> Bytes {
    let mut value = vec![b'x'; VALUE_BYTES];
    let due = u64::try_from(due.as_nanos()).expect("this is not yet the year 2554");
    value[..8].copy_from_slice(&due.to_le_bytes());
    value.into()
}

/// How long ago the value was due; none where it is no such value.
pub(crate) fn age(value: &[u8]) -> Option<Duration> {
    let due = u64::from_le_bytes(value.get(..8)?.try_into().ok()?);
    now().checked_sub(Duration::from_nanos(due))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_tells_how_long_it_was_under_way() {
        let age = age(&stamped(now() - Duration::from_secs(3))).unwrap();
        assert!(age >= Duration::from_secs(3) && age < Duration::from_secs(60), "{age:?}");
        assert_eq!(super::age(b"short"), None);
    }

    #[test]
    fn as_many_are_sent_as_are_due() {
        let mut numbers = Vec::new();
        let send = |number, _| {
            numbers.push(number);
            Ok(())
        };
        pace(500, 1, send).unwrap();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    }
}
