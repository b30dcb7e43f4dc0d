use super::*;

fn arrival(offset: i64) -> Arrival {
    Arrival {
        topic: "flights".to_owned(),
        partition: 3,
        offset,
        key: Some("N1 \"quoted\"".to_owned()),
        digest: Some(u64::MAX),
        tenure: 9,
        attempt: 1,
        revision: "v2".to_owned(),
        idempotency_key: "a/flights/-/3/1".to_owned(),
        timeout_ms: Some(30_000),
    }
}

fn open(directory: &tempfile::TempDir) -> (Writer, Journals) {
    let path = directory.path().join("journal");
    let writer = Writer::create(&path).expect("created");
    let mut journals = Journals::default();
    journals.open(&path, 4).expect("opened");
    (writer, journals)
}

#[test]
fn what_is_written_is_read_as_it_grows_and_a_torn_end_never_happened() {
    let directory = tempfile::tempdir().expect("a directory");
    let (writer, mut journals) = open(&directory);
    let one = writer.begun(arrival(1)).expect("written");
    let two = writer.begun(arrival(2)).expect("written");
    writer.ended(two, Answered::status(204)).expect("written");
    let accepted = |all: &[Delivery]| -> Vec<_> {
        all.iter().map(|delivery| (delivery.what.offset, delivery.accepted().is_some())).collect()
    };
    assert_eq!(accepted(journals.read().expect("read")), [(1, false), (2, true)]);
    let torn = br#"{"ended":{"deliv"#;
    writer.file.lock().expect("no panics").file.write_all(torn).expect("written");
    assert_eq!(accepted(journals.read().expect("read")), [(1, false), (2, true)]);
    let end = format!("ery\":{one},\"at\":7,\"answered\":{{\"whole\":{{\"status\":200}}}}}}}}\n");
    writer.file.lock().expect("no panics").file.write_all(end.as_bytes()).expect("written");
    let read = journals.read().expect("read");
    assert_eq!(read[0].accepted(), Some(7));
    assert_eq!((read[0].instance, &read[0].what), (4, &arrival(1)));
}

#[test]
fn an_answer_that_nobody_got_and_a_request_that_is_no_delivery_are_told_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    let (writer, mut journals) = open(&directory);
    let told = |journals: &Journals| {
        let all = journals.deliveries().iter();
        all.map(|delivery| delivery.ended.as_ref().map(|ended| ended.told)).collect::<Vec<_>>()
    };
    writer.stray().expect("written");
    let one = writer.begun(arrival(1)).expect("written");
    writer.ended(one, Answered::status(200)).expect("written");
    journals.read().expect("read");
    assert_eq!((told(&journals), journals.strays()), (vec![Some(true)], 1));
    writer.untold(one).expect("written");
    journals.read().expect("read");
    assert_eq!(told(&journals), [Some(false)]);
    assert!(journals.deliveries()[0].accepted().is_some(), "the work was done all the same");
}

#[test]
fn a_journal_that_ends_what_it_never_began_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let (writer, mut journals) = open(&directory);
    writer.ended(0, Answered::broken("hang")).expect("written");
    assert!(journals.read().is_err());
}

#[test]
fn what_a_test_waits_for_is_seen_when_it_is_written_and_missed_when_it_is_not() {
    let journal = Journal::default();
    let writing = journal.clone();
    let service = std::thread::spawn(move || {
        for offset in 0..3 {
            let delivery = writing.begun(writing.enlist(), arrival(offset));
            writing.ended(delivery, Answered::status(200));
        }
    });
    let third = journal.wait("the third is accepted", |all| all.get(2)?.accepted());
    service.join().expect("it only writes");
    assert_eq!(journal.read()[2].accepted(), Some(third));
    assert_eq!((journal.accepted().len(), journal.highest()[&3]), (3, 2));
    let never = std::panic::catch_unwind(|| {
        let soon = std::time::Duration::from_millis(30);
        journal.wait_for(soon, "a fourth", |all| all.get(3).map(drop));
    });
    assert!(never.is_err());
    assert_eq!(journal.len(), 3, "a test that failed leaves the journal as it is");
}
