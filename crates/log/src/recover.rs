//! How much of a log is checked when it is opened, and what that found.

/// How much to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing: the log was closed cleanly.
    Trust,
    /// What a crash can have damaged: the last segment. Older ones were synced before it was
    /// begun.
    Tail,
    /// Every byte.
    All,
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Bytes cut off behind the last whole batch, later segments included.
    pub truncated_bytes: u64,
    /// Why, where anything was cut off.
    pub damage: Option<String>,
}
