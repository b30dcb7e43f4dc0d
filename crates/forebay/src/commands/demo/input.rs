//! What is replayed: the flights that the binary carries, or the user's own CSV file.
//!
//! A row becomes a record: its key is one column, its value the row as a JSON object of strings. An
//! empty cell or `NA` (what tables of the R world write for "unknown") is null, and a null key is a
//! record without a key.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::exit::{Exit, Failure};

/// One record to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Option<String>,
    pub(super) value: Vec<u8>,
}

/// The 27,004 flights that left New York in January 2013; see `data/README.md`.
const FLIGHTS: &[u8] = include_bytes!("../../../data/january.csv.zst");
const FLIGHTS_KEY: &str = "tailnum";

/// The first bytes of any Zstandard frame (RFC 8878, section 3.1.1).
const ZSTD: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

pub(super) fn flights() -> Result<Vec<Row>, Failure> {
    rows(FLIGHTS, FLIGHTS_KEY).map_err(|error| refused("the flights in this binary", &error))
}

pub(super) fn file(path: &Path, key: &str) -> Result<Vec<Row>, Failure> {
    let name = path.display().to_string();
    let file = File::open(path)
        .map_err(|error| Failure::new(Exit::Usage, format!("cannot open {name}: {error}")))?;
    rows(BufReader::new(file), key).map_err(|error| refused(&name, &error))
}

fn refused(name: &str, error: &InputError) -> Failure {
    Failure::new(Exit::Usage, format!("cannot replay {name}: {error}"))
}

#[derive(Debug, thiserror::Error)]
enum InputError {
    #[error("{0}")]
    Read(#[from] std::io::Error),
    #[error("{0}; write CSV with a line of column names first")]
    Malformed(#[from] csv::Error),
    #[error("there is no column `{wanted}` for --key; there are: {known}")]
    NoSuchColumn { wanted: String, known: String },
    #[error("it has no rows")]
    Empty,
}

fn rows(mut source: impl Read, key: &str) -> Result<Vec<Row>, InputError> {
    let mut start = Vec::new();
    source.by_ref().take(ZSTD.len() as u64).read_to_end(&mut start)?;
    let packed = start == ZSTD;
    let whole = std::io::Cursor::new(start).chain(source);
    if packed { parse(zstd::Decoder::new(whole)?, key) } else { parse(whole, key) }
}

fn parse(source: impl Read, key: &str) -> Result<Vec<Row>, InputError> {
    let mut reader = csv::Reader::from_reader(source);
    let columns = reader.headers()?.clone();
    let at = columns.iter().position(|column| column == key).ok_or_else(|| {
        let known = columns.iter().collect::<Vec<_>>().join(", ");
        InputError::NoSuchColumn { wanted: key.to_owned(), known }
    })?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let value: serde_json::Map<_, _> = columns
            .iter()
            .zip(&record)
            .map(|(column, cell)| (column.to_owned(), known(cell).into()))
            .collect();
        let value = serde_json::to_vec(&value).expect("strings are JSON");
        rows.push(Row { key: record.get(at).and_then(known).map(str::to_owned), value });
    }
    if rows.is_empty() { Err(InputError::Empty) } else { Ok(rows) }
}

fn known(cell: &str) -> Option<&str> {
    (!cell.is_empty() && cell != "NA").then_some(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "plane,to\nN1,IAH\nNA,MIA\n,\"B,N\"\n";

    #[test]
    fn a_row_is_a_json_object_under_the_key_of_its_column() {
        let all = rows(TABLE.as_bytes(), "plane").expect("a table");
        let row = |key: Option<&str>, value: &str| Row {
            key: key.map(str::to_owned),
            value: value.into(),
        };
        assert_eq!(
            all,
            [
                row(Some("N1"), r#"{"plane":"N1","to":"IAH"}"#),
                row(None, r#"{"plane":null,"to":"MIA"}"#),
                row(None, r#"{"plane":null,"to":"B,N"}"#),
            ]
        );
    }

    #[test]
    fn compressed_input_is_the_same_input() {
        let packed = zstd::encode_all(TABLE.as_bytes(), 1).expect("compressed");
        let plain = rows(TABLE.as_bytes(), "to").expect("a table");
        assert_eq!(rows(&packed[..], "to").expect("a table"), plain);
    }

    #[test]
    fn the_carried_flights_are_all_there() {
        let all = flights().expect("carried");
        assert_eq!(all.len(), 27_004);
        assert_eq!(all.iter().filter(|row| row.key.is_none()).count(), 155);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_or_its_columns() {
        let why = |text: &str, key| rows(text.as_bytes(), key).expect_err("refused").to_string();
        assert!(why("a,b\n1,2\n3\n", "a").contains("line: 3"), "{}", why("a,b\n1,2\n3\n", "a"));
        assert!(why("a,b\n1,2\n", "c").contains("there are: a, b"));
        assert_eq!(why("a,b\n", "a"), "it has no rows");
    }
}
