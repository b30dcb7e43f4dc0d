//! What the parser finds, in the words of whoever wrote the file: which key it is about, what it must
//! be and how that is written, and the name that was probably meant. What was written is shown by its
//! line, never here: it may be a secret.

use super::keys;
use super::problem::nearest;

/// How `start` is written; the parser knows its variants alone.
const START: &str =
    "one of \"earliest\", \"latest\", \"none\" and { time = \"2026-11-01T00:00:00Z\" }";

/// The key whose value comes next.
pub(super) fn key_before(text: &str) -> Option<&str> {
    let keys = text.trim_end().strip_suffix('=')?.trim_end();
    let key = match keys.strip_suffix('"') {
        Some(quoted) => quoted.rsplit('"').next()?,
        None => keys.rsplit(|c: char| c.is_whitespace() || "{,.".contains(c)).next()?,
    };
    (!key.is_empty()).then_some(key)
}

/// A message of the parser's about the value of `key`, or about a key.
pub(super) fn in_words(message: &str, key: Option<&str>) -> String {
    if key == Some("start")
        || message.contains("expected one of `earliest`")
        || message.contains("expected newtype variant")
    {
        return format!("start is {START}");
    }
    if message == "wanted string or table" {
        return format!("{} must be a word in quotes", named(key));
    }
    let words = unknown_key(message)
        .or_else(|| unknown_word(message, key))
        .or_else(|| another_kind(message, key));
    words.unwrap_or_else(|| message.to_owned())
}

/// serde names all known fields; people want the one they meant.
fn unknown_key(message: &str) -> Option<String> {
    let mut names = quoted(message.strip_prefix("unknown field ")?);
    let unknown = names.next()?;
    if let Some(home) = keys::home(unknown) {
        return Some(format!("unknown key `{unknown}` here; {home}"));
    }
    let known: Vec<&str> = names.collect();
    Some(match nearest(unknown, known.iter().copied()) {
        Some(nearest) => format!("unknown key `{unknown}`; did you mean `{nearest}`?"),
        None => format!("unknown key `{unknown}`; known here: {}", known.join(", ")),
    })
}

fn unknown_word(message: &str, key: Option<&str>) -> Option<String> {
    let mut words = quoted(message.strip_prefix("unknown variant ")?);
    let unknown = words.next()?;
    let known: Vec<&str> = words.collect();
    let meant = nearest(unknown, known.iter().copied());
    let meant = meant.map_or_else(String::new, |word| format!("; did you mean \"{word}\"?"));
    let known: Vec<String> = known.iter().map(|word| format!("\"{word}\"")).collect();
    Some(format!("{} is one of {}{meant}", named(key), known.join(", ")))
}

fn another_kind(message: &str, key: Option<&str>) -> Option<String> {
    let rest = message.strip_prefix("invalid type: ");
    let rest = rest.or_else(|| message.strip_prefix("invalid value: "))?;
    let (given, expected) = rest.rsplit_once(", expected ")?;
    let kind = match expected {
        "a string" => "text in quotes",
        "a sequence" => "a list, as in [\"a\", \"b\"]",
        "a boolean" => "true or false",
        "usize" | "u64" | "u32" | "u16" => "a whole number, 0 or more",
        "i64" | "i32" => "a whole number",
        "a map" => "a table, as in { key = \"value\" }",
        table if table.starts_with("struct ") => "a table, as in { key = \"value\" }",
        other => other,
    };
    let with_unit = || {
        let number = given.split_once("integer `")?.1.trim_matches('`');
        let unit = unit(key?, number.len())?;
        Some(format!("; write it with its unit, in quotes: \"{number}{unit}\""))
    };
    let with_unit = (expected == "a string").then(with_unit).flatten();
    Some(format!("{} must be {kind}{}", named(key), with_unit.unwrap_or_default()))
}

/// The unit that the value of a key probably has, which has so many digits.
fn unit(key: &str, digits: usize) -> Option<&'static str> {
    match key {
        "deadline" | "grace" | "recycle" | "drain" | "interval" | "wait" | "after" => Some("s"),
        "bytes" | "max_header_bytes" | "max_value_bytes" if digits < 4 => Some("MiB"),
        "bytes" | "max_header_bytes" | "max_value_bytes" => Some("B"),
        _ => None,
    }
}

fn named(key: Option<&str>) -> String {
    key.map_or_else(|| "this".to_owned(), |key| format!("`{key}`"))
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_what_stands_before_the_equals_sign() {
        for (text, key) in [
            ("rate = ", Some("rate")),
            ("[a]\ntarget = { url = \"b\", rate=", Some("rate")),
            ("\"fetch.min.bytes\" = ", Some("fetch.min.bytes")),
            ("target.tls.ca = ", Some("ca")),
            ("topics = [\"a\", ", None),
            ("[[subscription]]\n", None),
            ("= ", None),
            ("", None),
        ] {
            assert_eq!(key_before(text), key, "{text}");
        }
    }

    #[test]
    fn what_a_value_must_be_is_said_in_words() {
        let words = |message| in_words(message, Some("drain"));
        assert_eq!(
            words("invalid type: integer `5`, expected a string"),
            "`drain` must be text in quotes; write it with its unit, in quotes: \"5s\""
        );
        assert_eq!(
            words("invalid value: integer `-5`, expected u32"),
            "`drain` must be a whole number, 0 or more"
        );
        assert_eq!(
            in_words("invalid type: string \"a, expected b\", expected a sequence", None),
            "this must be a list, as in [\"a\", \"b\"]"
        );
        assert_eq!(words("what nobody foresaw"), "what nobody foresaw");
    }

    #[test]
    fn an_unknown_word_is_told_with_the_nearest_one() {
        assert_eq!(
            in_words("unknown variant `keys`, expected one of `key`, `none`", Some("order")),
            "`order` is one of \"key\", \"none\"; did you mean \"key\"?"
        );
    }
}
