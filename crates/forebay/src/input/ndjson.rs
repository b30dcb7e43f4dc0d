//! NDJSON: a JSON value a line. The value is the line's bytes as they stand; where a key or a
//! part of it is asked for, the line must be an object that has that field.
//!
//! Numbers keep their digits: nothing goes through a float.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::lines::Lines;
use super::{Ended, Malformed, Row, Shape, Value};

#[derive(Default)]
pub(super) struct Ndjson {
    line: Vec<u8>,
}

impl Ndjson {
    pub(super) fn next(&mut self, lines: &mut Lines, shape: &Shape) -> Result<Option<Row>, Ended> {
        loop {
            self.line.clear();
            let Some(line) = lines.next(&mut self.line)? else { return Ok(None) };
            let text = self.line.trim_ascii();
            if !text.is_empty() {
                return Ok(Some(row(line, text, shape)?));
            }
        }
    }
}

fn row(line: u64, text: &[u8], shape: &Shape) -> Result<Row, Malformed> {
    let part = match &shape.value {
        Value::Part(name) => Some(name),
        Value::Whole | Value::Raw => None,
    };
    if shape.key.is_none() && part.is_none() {
        serde_json::from_slice::<&RawValue>(text).map_err(|error| not_json(line, &error))?;
        return Ok(Row { line, key: None, value: Some(text.to_vec()) });
    }
    if text[0] != b'{' {
        return Err(Malformed::new(line, "not a JSON object, so it has no fields"));
    }
    let fields: HashMap<String, &RawValue> =
        serde_json::from_slice(text).map_err(|error| not_json(line, &error))?;
    let find = |name: &String| {
        let field = fields.get(name).map(|field| field.get());
        field.ok_or_else(|| Malformed::new(line, format!("no field `{name}`")))
    };
    let key = match &shape.key {
        Some(name) => key(line, name, find(name)?)?.and_then(|key| shape.key(key)),
        None => None,
    };
    let value = match part {
        Some(name) => plain(find(name)?),
        None => Some(text.to_vec()),
    };
    Ok(Row { line, key, value })
}

fn key(line: u64, name: &str, field: &str) -> Result<Option<Vec<u8>>, Malformed> {
    if field.starts_with(['{', '[']) {
        let what = format!("the key `{name}` is an object or a list; it must be a plain value");
        return Err(Malformed::new(line, what));
    }
    Ok(plain(field))
}

/// A string's text, other JSON as it stands, nothing for null.
fn plain(json: &str) -> Option<Vec<u8>> {
    match json.as_bytes() {
        b"null" => None,
        [b'"', ..] => {
            // A lone surrogate is JSON but no text: it stays as it is written.
            let text = serde_json::from_str::<String>(json);
            Some(text.map_or_else(|_| json.as_bytes().to_vec(), String::into_bytes))
        }
        other => Some(other.to_vec()),
    }
}

fn not_json(line: u64, error: &serde_json::Error) -> Malformed {
    let told = error.to_string();
    let told = told.split(" at line ").next().unwrap_or_default();
    Malformed::new(line, format!("not JSON: {told} (column {})", error.column()))
}
