//! Values with units, as people write them: `250ms`, `64MiB`, `200ms..30s`, `127.0.0.1:8080`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time: a whole number and one of `us`, `ms`, `s`, `m`, `h`, `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Time(pub(crate) Duration);

/// A number of bytes: a whole number and one of `B`, `KiB`, `MiB`, `GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Size(pub(crate) usize);

/// From the first pause to the longest: `200ms..30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct TimeRange {
    pub(crate) first: Duration,
    pub(crate) most: Duration,
}

/// A length of time, or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct TimeOrNever(pub(crate) Option<Duration>);

/// A moment, in milliseconds since the epoch; written as in RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Moment(pub(crate) i64);

/// What is wrong with a value, and how one is written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("`{0}` is no length of time; write a whole number and a unit: 250ms, 30s, 10m, 1h")]
    Time(String),
    #[error("`{0}` is no size; write a whole number and a unit: 512B, 64KiB, 16MiB, 1GiB")]
    Size(String),
    #[error("`{0}` is no range of times; write the first and the longest: 200ms..30s")]
    Range(String),
    #[error("`{0}` is no moment; write it as 2026-01-01T00:00:00Z")]
    Moment(String),
    #[error("`{0}` is larger than this machine can count")]
    TooLarge(String),
}

const TIME_UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];
const SIZE_UNITS: [(&str, u64); 4] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// The number before the unit, and what the unit stands for.
fn split(text: &str, units: &[(&str, u64)]) -> Option<(u64, u64)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit.trim())?.1;
    Some((number.parse().ok()?, factor))
}

/// The value in the largest unit that divides it.
fn join(value: u64, units: &[(&str, u64)]) -> String {
    let (name, factor) = units
        .iter()
        .find(|(_, factor)| value > 0 && value.is_multiple_of(*factor))
        .unwrap_or(&units[units.len() - 1]);
    format!("{}{name}", value / factor)
}

impl TryFrom<String> for Moment {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, ValueError> {
        let moment = text.parse::<jiff::Timestamp>();
        moment.map(|moment| Self(moment.as_millisecond())).map_err(|_| ValueError::Moment(text))
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        let moment = jiff::Timestamp::from_millisecond(moment.0);
        moment.expect("it was one when it was read").to_string()
    }
}

impl FromStr for Time {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (number, factor) =
            split(text, &TIME_UNITS).ok_or_else(|| ValueError::Time(text.to_owned()))?;
        let micros =
            number.checked_mul(factor).ok_or_else(|| ValueError::TooLarge(text.to_owned()))?;
        Ok(Self(Duration::from_micros(micros)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join(u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX), &TIME_UNITS))
    }
}

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (number, factor) =
            split(text, &SIZE_UNITS).ok_or_else(|| ValueError::Size(text.to_owned()))?;
        let bytes = number.checked_mul(factor).and_then(|bytes| usize::try_from(bytes).ok());
        bytes.map(Self).ok_or_else(|| ValueError::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join(self.0 as u64, &SIZE_UNITS))
    }
}

impl FromStr for TimeRange {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::Range(text.to_owned());
        let (first, most) = text.split_once("..").ok_or_else(wrong)?;
        let (Time(first), Time(most)) = (first.trim().parse()?, most.trim().parse()?);
        if first > most || most.is_zero() { Err(wrong()) } else { Ok(Self { first, most }) }
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", Time(self.first), Time(self.most))
    }
}

impl FromStr for TimeOrNever {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "never" => Ok(Self(None)),
            text => Ok(Self(Some(text.parse::<Time>()?.0))),
        }
    }
}

impl fmt::Display for TimeOrNever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => Time(time).fmt(f),
            None => f.write_str("never"),
        }
    }
}

macro_rules! through_text {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = ValueError;

            fn try_from(text: String) -> Result<Self, ValueError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}
through_text!(Time, Size, TimeRange, TimeOrNever);

#[cfg(test)]
mod tests;
