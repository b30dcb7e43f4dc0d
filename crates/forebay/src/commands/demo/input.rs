//! What is replayed: the flights that the binary carries, or the user's own CSV file.
//!
//! Rows are read as `forebay produce` reads them: the key is one column, the value the row as a
//! JSON object of strings. An empty key, or `NA` (what tables of the R world write for "unknown"),
//! makes a record without a key.

use std::path::Path;

use crate::exit::{Exit, Failure};
use crate::input::{Format, Input, InputError, Rows, Shape, Value};

/// One record to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Option<String>,
    pub(super) value: Vec<u8>,
}

/// The 27,004 flights that left New York in January 2013; see `data/README.md`.
const FLIGHTS: &[u8] = include_bytes!("../../../data/january.csv.zst");
const FLIGHTS_KEY: &str = "tailnum";

pub(super) fn flights() -> Result<Vec<Row>, Failure> {
    rows(Input::carried("the flights in this binary", FLIGHTS), FLIGHTS_KEY)
}

pub(super) fn file(path: &Path, key: &str) -> Result<Vec<Row>, Failure> {
    rows(Input::open(path).map_err(refused)?, key)
}

fn refused(error: InputError) -> Failure {
    Failure::new(Exit::Usage, error)
}

fn rows(input: Input, key: &str) -> Result<Vec<Row>, Failure> {
    let name = input.name.clone();
    let shape = Shape {
        format: Format::Csv,
        key: Some(key.to_owned()),
        null_keys: vec!["NA".to_owned()],
        value: Value::Whole,
    };
    let row = |row: crate::input::Row| Row {
        key: row.key.map(|key| String::from_utf8_lossy(&key).into_owned()),
        value: row.value.unwrap_or_default(),
    };
    let rows: Result<Vec<_>, _> = Rows::new(input, shape).map(|read| read.map(row)).collect();
    let rows = rows.map_err(refused)?;
    if rows.is_empty() {
        return Err(Failure::new(Exit::Usage, format!("{name} has no rows to replay")));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &'static str) -> Input {
        Input::carried("table", text.as_bytes())
    }

    #[test]
    fn a_row_is_a_json_object_under_the_key_of_its_column() {
        let all = rows(table("plane,to\nN1,IAH\nNA,MIA\n,\"B,N\"\n"), "plane").expect("a table");
        let row = |key: Option<&str>, value: &str| Row {
            key: key.map(str::to_owned),
            value: value.into(),
        };
        assert_eq!(
            all,
            [
                row(Some("N1"), r#"{"plane":"N1","to":"IAH"}"#),
                row(None, r#"{"plane":"NA","to":"MIA"}"#),
                row(None, r#"{"plane":"","to":"B,N"}"#),
            ]
        );
    }

    #[test]
    fn the_carried_flights_are_all_there() {
        let all = flights().expect("carried");
        assert_eq!(all.len(), 27_004);
        assert_eq!(all.iter().filter(|row| row.key.is_none()).count(), 155);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_or_its_columns() {
        let why = |text, key| rows(table(text), key).expect_err("refused").to_string();
        assert!(why("a,b\n1,2\n3\n", "a").contains("table:3"), "{}", why("a,b\n1,2\n3\n", "a"));
        assert!(why("a,b\n1,2\n", "c").contains("a, b"), "{}", why("a,b\n1,2\n", "c"));
        assert_eq!(why("a,b\n", "a"), "table has no rows to replay");
    }
}
