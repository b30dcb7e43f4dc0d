//! The one line of librdkafka's debug log that is read: the topic behind a name is another one.
//!
//! No call and no event of librdkafka tells which topic of a name a client reads (KIP-516). This
//! line does, and it is written before anything is asked of that topic. Should its words change,
//! nothing is recognised, and a topic made anew is noticed by the survey alone.

/// Name and new id, where the line is that one. Also the first id of a topic is new. The id comes
/// as Kafka prints it: the log has another alphabet.
pub(crate) fn changed_id(line: &str) -> Option<(&str, String)> {
    let (head, id) = line.rsplit_once(" to ")?;
    let (head, _) = head.rsplit_once(" changed id from ")?;
    let (_, topic) = head.rsplit_once("Topic ")?;
    Some((topic, id.replace('+', "-").replace('/', "_")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_topics_id_is_told_from_other_lines() {
        let line = "[thrd:main]: Topic a.b-c changed id from AAAAAAAAAAAAAAAAAAAAAA to x/+1";
        assert_eq!(changed_id(line), Some(("a.b-c", "x_-1".to_owned())));
        assert_eq!(changed_id("[thrd:main]: Topic a [0] Leader 1 Epoch 0"), None);
        assert_eq!(changed_id("  [0] leader 1 to 2"), None);
    }
}
