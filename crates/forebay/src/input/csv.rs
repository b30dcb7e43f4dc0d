//! CSV by RFC 4180: a header, then rows of as many fields.
//!
//! Rows are put together here, from lines, and split by `csv-core`: so each row is known as it
//! stands, and a quote that is never closed is an error instead of one field to the end of the
//! file. Blank lines are skipped. Fields are text in UTF-8; an empty key is a null key.

use std::collections::HashSet;

use csv_core::{ReadRecordResult, Reader};

use super::lines::{Lines, trim_end};
use super::{Ended, Malformed, Row, Shape, Value};

#[derive(Default)]
pub(super) struct Csv {
    header: Option<Header>,
    row: Vec<u8>,
    fields: Fields,
}

/// What the first row says about all others.
struct Header {
    columns: usize,
    /// Each column's name as JSON, with its colon.
    names: Vec<Vec<u8>>,
    key: Option<usize>,
    value: Option<usize>,
}

impl Csv {
    pub(super) fn next(&mut self, lines: &mut Lines, shape: &Shape) -> Result<Option<Row>, Ended> {
        if self.header.is_none() {
            let Some(line) = self.read(lines)? else {
                return Err(Malformed::new(1, "there is no header line").into());
            };
            self.header = Some(Header::new(line, &self.fields, shape)?);
        }
        let Some(line) = self.read(lines)? else { return Ok(None) };
        let header = self.header.as_ref().expect("read above");
        let (found, expected) = (self.fields.len(), header.columns);
        if found != expected {
            let what = format!("{found} fields, where the header has {expected}");
            return Err(Malformed::new(line, what).into());
        }
        let key = header.key.map(|column| self.fields.get(column).as_bytes().to_vec());
        let key = key.filter(|key| !key.is_empty()).and_then(|key| shape.key(key));
        let value = match (&shape.value, header.value) {
            (Value::Raw, _) => self.row.clone(),
            (_, Some(column)) => self.fields.get(column).as_bytes().to_vec(),
            _ => header.object(&self.fields),
        };
        Ok(Some(Row { line, key, value: Some(value) }))
    }

    /// The next row that is not blank, into `row` and `fields`; tells its first line.
    fn read(&mut self, lines: &mut Lines) -> Result<Option<u64>, Ended> {
        loop {
            let Some(line) = self.assemble(lines)? else { return Ok(None) };
            trim_end(&mut self.row);
            if !self.row.is_empty() {
                self.fields.split(line, &self.row)?;
                return Ok(Some(line));
            }
        }
    }

    /// Adds lines to `row` until no quote is open.
    fn assemble(&mut self, lines: &mut Lines) -> Result<Option<u64>, Ended> {
        self.row.clear();
        let mut quotes = Quotes::FieldStart;
        let mut first = None;
        loop {
            let start = self.row.len();
            let unclosed = |first: u64| {
                Malformed::new(first, "a quote that is opened in this row is never closed")
            };
            match (lines.next(&mut self.row), first) {
                (Ok(Some(line)), _) => {
                    first.get_or_insert(line);
                }
                (Ok(None), None) => return Ok(None),
                (Ok(None) | Err(Ended::Malformed(_)), Some(first)) => {
                    return Err(unclosed(first).into());
                }
                (Err(error), _) => return Err(error),
            }
            quotes = self.row[start..].iter().fold(quotes, |quotes, byte| quotes.next(*byte));
            if quotes != Quotes::Open {
                return Ok(first);
            }
        }
    }
}

/// Where in a field a byte is, as far as quotes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quotes {
    FieldStart,
    Unquoted,
    Open,
    /// A quote inside quotes: the end, or the first of two.
    Closing,
}

impl Quotes {
    fn next(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::FieldStart | Self::Closing, b'"') => Self::Open,
            (Self::Open, b'"') => Self::Closing,
            (Self::Open, _) => Self::Open,
            (_, b',') => Self::FieldStart,
            _ => Self::Unquoted,
        }
    }
}

impl Header {
    fn new(line: u64, fields: &Fields, shape: &Shape) -> Result<Self, Malformed> {
        let mut seen = HashSet::new();
        if let Some(twice) = fields.iter().find(|name| !seen.insert(*name)) {
            return Err(Malformed::new(line, format!("two columns are called `{twice}`")));
        }
        let find = |wanted: &String| {
            let column = fields.iter().position(|name| name == wanted);
            column.ok_or_else(|| {
                let names: Vec<&str> = fields.iter().collect();
                let what = format!("no column `{wanted}`; there are: {}", names.join(", "));
                Malformed::new(line, what)
            })
        };
        let key = shape.key.as_ref().map(find).transpose()?;
        let value = match &shape.value {
            Value::Part(name) => Some(find(name)?),
            Value::Whole | Value::Raw => None,
        };
        let name = |name: &str| {
            let mut json = Vec::with_capacity(name.len() + 3);
            write_json(&mut json, name);
            json.push(b':');
            json
        };
        Ok(Self { columns: fields.len(), names: fields.iter().map(name).collect(), key, value })
    }

    fn object(&self, fields: &Fields) -> Vec<u8> {
        let mut json = vec![b'{'];
        for (name, field) in self.names.iter().zip(fields.iter()) {
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend_from_slice(name);
            write_json(&mut json, field);
        }
        json.push(b'}');
        json
    }
}

fn write_json(into: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(into, text).expect("text in memory can be written as JSON");
}

/// The fields of one row, side by side.
struct Fields {
    text: String,
    ends: Vec<usize>,
    splitter: Reader,
    output: Vec<u8>,
}

impl Default for Fields {
    fn default() -> Self {
        // Not `Reader::default()`, whose table of transitions is empty.
        let splitter = Reader::new();
        Self { text: String::new(), ends: Vec::new(), splitter, output: Vec::new() }
    }
}

impl Fields {
    fn split(&mut self, line: u64, row: &[u8]) -> Result<(), Malformed> {
        self.splitter.reset();
        // No field is longer than its row, and no row has more fields than bytes and one.
        self.output.resize(row.len().max(1), 0);
        let commas = row.iter().filter(|byte| **byte == b',').count();
        self.ends.resize(commas + 1, 0);
        let (mut read, mut written, mut fields) = (0, 0, 0);
        loop {
            let (result, nread, nwritten, nfields) = self.splitter.read_record(
                &row[read..],
                &mut self.output[written..],
                &mut self.ends[fields..],
            );
            (read, written, fields) = (read + nread, written + nwritten, fields + nfields);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record => break,
                ReadRecordResult::OutputFull
                | ReadRecordResult::OutputEndsFull
                | ReadRecordResult::End => unreachable!("there is room, and the row is not blank"),
            }
        }
        self.ends.truncate(fields);
        if read < row.len() {
            let what = "a carriage return ends the row before its line does; quote the field, or \
                        end lines with \\n or \\r\\n";
            return Err(Malformed::new(line, what));
        }
        self.text.clear();
        match std::str::from_utf8(&self.output[..written]) {
            Ok(text) => self.text.push_str(text),
            Err(error) => {
                let field = self.ends.partition_point(|end| *end <= error.valid_up_to()) + 1;
                return Err(Malformed::new(line, format!("field {field} is not UTF-8")));
            }
        }
        match self.ends.iter().position(|end| !self.text.is_char_boundary(*end)) {
            None => Ok(()),
            Some(field) => Err(Malformed::new(line, format!("field {} is not UTF-8", field + 1))),
        }
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, field: usize) -> &str {
        let start = field.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[field]]
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|field| self.get(field))
    }
}
