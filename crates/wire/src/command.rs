//! An operator's command as one process was given it, as Forebay keeps it in its topic `__forebay`.
//!
//! - Key: `command/<group>/<instance id>/<slot>`, `/` and `%` of the instance id percent-encoded.
//!   Each member has [`SLOTS`] of them, uses one after another and begins again, so that compaction
//!   keeps its last commands and no more. Where to go on, the last one in the log tells.
//! - Value: JSON, `{"v":1,"at_ms":…,"instance":…,"subscription":…,"from":…,"command":…,"outcome":…}`;
//!   the subscription is null where a command is about the process.
//!
//! One that is read twice, for it was written twice or stands under several groups, is the same.

use serde::{Deserialize, Serialize};

use crate::keep::{self, Kept};

/// Commands of one member that compaction keeps.
pub const SLOTS: u32 = 1_000;
/// Longest text in one, bytes.
const TEXT_MAX: usize = 2 << 10;

/// A command, whatever became of it. They are in the order of their times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Command {
    /// When it was done or refused, milliseconds since the epoch by the process's clock.
    pub at_ms: i64,
    /// The `control.instance` of the process.
    pub instance: String,
    /// None where it is about the process.
    pub subscription: Option<String>,
    /// The address that sent it.
    pub from: String,
    pub command: String,
    /// `done`, or why not.
    pub outcome: String,
}

impl Kept for Command {
    const KIND: &'static str = "command";
    // Each byte of a text may need six, and there are five of them.
    const VALUE_MAX: usize = 64 << 10;

    fn is_legal(&self) -> bool {
        self.at_ms >= 0
    }
}

impl Command {
    /// The record's key.
    pub fn key(group: &str, instance_id: &str, slot: u32) -> String {
        format!("{}/{group}/{}/{slot}", Self::KIND, keep::escape(instance_id))
    }

    /// The instance id and the slot in a key that is of this group's.
    pub fn place_of(key: &[u8], group: &str) -> Option<(String, u32)> {
        let (instance_id, slot) = keep::parts::<Self>(key, group)?;
        let slot = slot.parse().ok().filter(|slot| *slot < SLOTS)?;
        Some((keep::unescape(instance_id), slot))
    }

    /// With its texts as long as they may be kept.
    #[must_use]
    pub fn cut(mut self) -> Self {
        let texts = [&mut self.instance, &mut self.from, &mut self.command, &mut self.outcome];
        for text in texts.into_iter().chain(&mut self.subscription) {
            if text.len() > TEXT_MAX {
                text.truncate(text.floor_char_boundary(TEXT_MAX - '…'.len_utf8()));
                text.push('…');
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keep::tests::{is_read_as_written, keys_are_members_own};

    fn pause() -> Command {
        let [instance, from] = ["a", "10.0.0.1:5"].map(str::to_owned);
        let [command, outcome] = ["pause s", "done"].map(str::to_owned);
        Command { at_ms: 5, instance, subscription: Some("s".to_owned()), from, command, outcome }
    }

    #[test]
    fn a_key_is_its_members_alone_whatever_the_names_are() {
        let key = |group: &str, instance_id: &str| Command::key(group, instance_id, 7);
        keys_are_members_own(key, |key, group| {
            let (instance_id, slot) = Command::place_of(key, group)?;
            assert_eq!(slot, 7);
            Some(instance_id)
        });
        let foreign =
            ["command/g/a", "command/g/a/", "command/g//1", "command/g/a/x", "peer/g/a/1"];
        for foreign in foreign.into_iter().chain(["command/g/a/1000", "command/g/a/-1"]) {
            assert_eq!(Command::place_of(foreign.as_bytes(), "g"), None, "{foreign}");
        }
    }

    #[test]
    fn a_value_is_read_as_it_was_written() {
        let text = r#"{"v":1,"at_ms":5,"instance":"a","subscription":"s","from":"10.0.0.1:5","command":"pause s","outcome":"done"}"#;
        is_read_as_written(&pause(), text, &[&text.replace(":5,", ":-5,")]);
        let about_the_process = Command { subscription: None, ..pause() };
        assert_eq!(Command::decode(&about_the_process.encode()), Ok(about_the_process));
    }

    #[test]
    fn what_is_too_long_is_cut_so_that_it_can_be_read() {
        // Of all letters this one is longest in JSON.
        let long = || "\u{1}".repeat(TEXT_MAX + 1);
        let (instance, from, command, outcome) = (long(), long(), long(), "ü".repeat(TEXT_MAX));
        let subscription = Some(long());
        let long = Command { at_ms: i64::MAX, instance, subscription, from, command, outcome };
        let cut = long.cut();
        assert!(cut.outcome.len() <= TEXT_MAX && cut.outcome.ends_with("ü…"), "{}", cut.outcome);
        assert_eq!(Command::decode(&cut.encode()), Ok(cut));
        assert_eq!(pause().cut(), pause());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Command::decode(&bytes);
            let _ = Command::place_of(&bytes, "g");
        }

        #[test]
        fn any_texts_are_read_as_they_were_written(
            at_ms in 0..=i64::MAX, texts: [String; 4], subscription: Option<String>
        ) {
            let [instance, from, command, outcome] = texts;
            let command = Command { at_ms, instance, subscription, from, command, outcome }.cut();
            prop_assert_eq!(Command::decode(&command.encode()), Ok(command));
        }
    }
}
