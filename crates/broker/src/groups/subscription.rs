//! The head of ConsumerProtocolSubscription: `version i16`, then an array of topic names.
//!
//! All versions (0-3) begin so. Nothing behind the topics is read, and what can't be read is
//! treated as "unknown", never as an error: the bytes belong to the clients.

use std::collections::BTreeSet;

/// The topics a member of protocol type `consumer` subscribed to; None if unreadable.
pub(crate) fn topics_of(metadata: &[u8]) -> Option<BTreeSet<String>> {
    let (version, mut rest) = metadata.split_first_chunk::<2>()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let count = i32::from_be_bytes(*take::<4>(&mut rest)?);
    let mut topics = BTreeSet::new();
    for _ in 0..count {
        let length = usize::try_from(i16::from_be_bytes(*take::<2>(&mut rest)?)).ok()?;
        let (name, tail) = rest.split_at_checked(length)?;
        topics.insert(std::str::from_utf8(name).ok()?.to_owned());
        rest = tail;
    }
    Some(topics)
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(head)
}
