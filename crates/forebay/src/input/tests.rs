use std::io::Cursor;

use super::*;

fn input(bytes: &[u8]) -> Input {
    let path = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(path.path(), bytes).expect("written");
    let mut input = Input::open(path.path()).expect("it is there");
    input.name = "f".to_owned();
    input
}

fn shape(format: Format, key: Option<&str>, value: Value) -> Shape {
    let null_keys = vec!["NA".to_owned()];
    Shape { format, key: key.map(str::to_owned), null_keys, value }
}

/// Keys and values as text, `-` for null, until the end or the first error.
fn read(bytes: &[u8], shape: Shape) -> (Vec<(u64, String, String)>, Option<String>) {
    let text = |part: Option<Vec<u8>>| {
        part.map_or("-".to_owned(), |part| String::from_utf8_lossy(&part).into_owned())
    };
    let mut rows = Vec::new();
    for row in Rows::new(input(bytes), shape) {
        match row {
            Ok(row) => rows.push((row.line, text(row.key), text(row.value))),
            Err(error) => return (rows, Some(error.to_string())),
        }
    }
    (rows, None)
}

fn row(line: u64, key: &str, value: &str) -> (u64, String, String) {
    (line, key.to_owned(), value.to_owned())
}

fn csv(text: &str, value: Value) -> (Vec<(u64, String, String)>, Option<String>) {
    read(text.as_bytes(), shape(Format::Csv, Some("k"), value))
}

#[test]
fn a_csv_row_is_an_object_by_the_names_in_its_header() {
    let text = "\u{feff}k,\"v \"\"1\"\"\"\r\na,1\r\n\r\n,\"x,\ny\"\nNA,\"é\"";
    let (rows, error) = csv(text, Value::Whole);
    assert_eq!(error, None);
    let expected = [
        row(2, "a", r#"{"k":"a","v \"1\"":"1"}"#),
        row(4, "-", r#"{"k":"","v \"1\"":"x,\ny"}"#),
        row(6, "-", r#"{"k":"NA","v \"1\"":"é"}"#),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_csv_value_may_be_one_column_or_the_row_as_it_stands() {
    let text = "k,v\na,\"1 \"\"2\"\"\"\r\n";
    assert_eq!(csv(text, Value::Part("v".to_owned())).0, [row(2, "a", "1 \"2\"")]);
    assert_eq!(csv(text, Value::Raw).0, [row(2, "a", "a,\"1 \"\"2\"\"\"")]);
}

#[test]
fn each_way_a_csv_can_be_malformed_is_told_with_its_line() {
    let malformed = |text: &str| csv(text, Value::Whole).1.expect("an error");
    assert_eq!(malformed("k,v\na,1\nb\n"), "f:3: 1 fields, where the header has 2");
    assert_eq!(
        malformed("k,v\na,\"1\nb,2\n"),
        "f:2: a quote that is opened in this row is never closed"
    );
    assert_eq!(
        malformed("k,v\na,\"1\"\"\n"),
        "f:2: a quote that is opened in this row is never closed"
    );
    assert_eq!(malformed("x,v\na,1\n"), "f:1: no column `k`; there are: x, v");
    assert_eq!(malformed("k,k\na,1\n"), "f:1: two columns are called `k`");
    assert!(malformed("k,v\na,1\rb,2\n").starts_with("f:2: a carriage return"));
    let (rows, error) = read(b"k,v\na,1\nb,\xff\n", shape(Format::Csv, Some("k"), Value::Raw));
    assert_eq!((rows.len(), error.as_deref()), (1, Some("f:3: field 2 is not UTF-8")));
    // One character cut in two by a comma is two broken fields, though the row as a whole reads on.
    let (_, error) = read(b"k,v\n\xc3,\xa9\n", shape(Format::Csv, Some("k"), Value::Raw));
    assert_eq!(error.as_deref(), Some("f:2: field 1 is not UTF-8"));
}

#[test]
fn a_quote_inside_an_unquoted_field_is_a_letter() {
    assert_eq!(csv("k,v\na,5\" pipe\nb,2\n", Value::Part("v".to_owned())).0.len(), 2);
}

#[test]
fn ndjson_values_stay_as_they_are_written() {
    let text = b"{\"k\": \"a\\n\", \"n\": 1.0}\n\n {\"k\":12345678901234567890123,\"n\":null}\r\n\
                 {\"k\":null,\"n\":[1, 2]}\n{\"k\":\"NA\",\"n\":\"x\"}";
    let (rows, error) = read(text, shape(Format::Ndjson, Some("k"), Value::Whole));
    assert_eq!(error, None);
    assert_eq!(rows[0], row(1, "a\n", r#"{"k": "a\n", "n": 1.0}"#));
    assert_eq!(
        rows[1],
        row(3, "12345678901234567890123", r#"{"k":12345678901234567890123,"n":null}"#)
    );
    assert_eq!((&*rows[2].1, &*rows[3].1), ("-", "-"));
    let (rows, _) = read(text, shape(Format::Ndjson, None, Value::Part("n".to_owned())));
    let values: Vec<&str> = rows.iter().map(|row| row.2.as_str()).collect();
    assert_eq!(values, ["1.0", "-", "[1, 2]", "x"]);
}

#[test]
fn each_way_an_ndjson_can_be_malformed_is_told_with_its_line() {
    let malformed = |text: &str, key: Option<&str>| {
        read(text.as_bytes(), shape(Format::Ndjson, key, Value::Whole)).1.expect("an error")
    };
    let told = malformed("{\"k\":1}\n{\"k\":\n", Some("k"));
    assert!(told.starts_with("f:2: not JSON: EOF while parsing"), "{told}");
    let told = malformed("[1,]\n", None);
    assert!(told.starts_with("f:1: not JSON: "), "{told}");
    assert_eq!(malformed("{\"x\":1}", Some("k")), "f:1: no field `k`");
    assert_eq!(malformed("[1]", Some("k")), "f:1: not a JSON object, so it has no fields");
    assert!(malformed("{\"k\":{}}", Some("k")).contains("must be a plain value"));
}

#[test]
fn lines_lose_their_ends_and_nothing_else() {
    let lines = shape(Format::Lines, None, Value::Whole);
    let (rows, error) = read(b"a\r\n\n  b \n\xffc", lines);
    assert_eq!(error, None);
    let expected =
        [row(1, "-", "a"), row(2, "-", ""), row(3, "-", "  b "), row(4, "-", "\u{fffd}c")];
    assert_eq!(rows, expected);
}

#[test]
fn zstandard_is_recognised_by_its_first_bytes() {
    let mut bytes = zstd::encode_all(&b"one\n"[..], 1).expect("compressed");
    bytes.extend(zstd::encode_all(&b"two\n"[..], 1).expect("compressed"));
    let (rows, error) = read(&bytes, shape(Format::Lines, None, Value::Whole));
    assert_eq!((rows.len(), error), (2, None));
    let (rows, error) = read(&bytes[..bytes.len() - 3], shape(Format::Lines, None, Value::Whole));
    assert_eq!(rows.len(), 1);
    assert!(error.expect("cut off").starts_with("cannot read f after line 1: "));
    assert_eq!(read(b"\x28\xb5", shape(Format::Lines, None, Value::Whole)).0.len(), 1);
}

#[test]
fn a_row_longer_than_the_most_is_refused_before_it_is_held() {
    let mut lines = Lines::new(Box::new(Cursor::new(b"1234\n12345\n"))).with_largest(5);
    let mut row = Vec::new();
    assert!(matches!(lines.next(&mut row), Ok(Some(1))));
    row.clear();
    assert!(matches!(lines.next(&mut row), Err(Ended::Malformed(Malformed { line: 2, .. }))));
    assert_eq!(row.len(), 6);
}

#[test]
fn the_format_is_known_by_the_name() {
    assert_eq!(Format::of(Path::new("a.csv")), Format::Csv);
    assert_eq!(Format::of(Path::new("A.CSV.zst")), Format::Csv);
    assert_eq!(Format::of(Path::new("a.jsonl")), Format::Ndjson);
    assert_eq!(Format::of(Path::new("-")), Format::Lines);
}
