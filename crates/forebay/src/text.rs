//! Bytes of records as text: for JSON, with the name of their encoding, and for terminals.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use forebay_kafka::Record;
use serde::Serialize;

/// A record's header as JSON; the encoding is absent where the value is null.
#[derive(Debug, Serialize)]
pub(crate) struct Header<'a> {
    name: &'a str,
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_encoding: Option<&'static str>,
}

/// All headers of a record, in their order.
pub(crate) fn headers(record: &Record) -> Vec<Header<'_>> {
    let headers = record.headers().map(|(name, value)| {
        let (value, value_encoding) = text(value);
        Header { name, value, value_encoding }
    });
    headers.collect()
}

/// Milliseconds since the epoch, if the broker knew any.
pub(crate) fn time(ms: i64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(ms).ok().filter(|_| ms >= 0)?;
    Some(format!("{time:.3}"))
}

/// The text, and the name of its encoding; null has neither.
pub(crate) fn text(bytes: Option<&[u8]>) -> (Option<String>, Option<&'static str>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => (None, None),
        Some((_, Ok(text))) => (Some(text.to_owned()), Some("utf8")),
        Some((bytes, Err(_))) => (Some(STANDARD.encode(bytes)), Some("base64")),
    }
}

/// For a terminal, which must not be told what to do by a record: control characters and bytes
/// that are no text are escaped.
pub(crate) fn shown(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "-".to_owned() };
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter.is_control() {
                shown.extend(letter.escape_default());
            } else {
                shown.push(letter);
            }
        }
        for byte in chunk.invalid() {
            write!(shown, "\\x{byte:02x}").expect("a String takes all");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_cannot_talk_to_the_terminal() {
        assert_eq!(shown(Some(b"a\x1b[2J\n\xff\xc3\xa9")), "a\\u{1b}[2J\\n\\xff\u{e9}");
        assert_eq!(shown(None), "-");
        assert_eq!(shown(Some(b"")), "");
    }

    #[test]
    fn bytes_that_are_no_text_are_base64() {
        assert_eq!(text(Some(b"\xff\x00")), (Some("/wA=".to_owned()), Some("base64")));
        assert_eq!(text(Some("é".as_bytes())), (Some("é".to_owned()), Some("utf8")));
        assert_eq!(text(None), (None, None));
    }
}
