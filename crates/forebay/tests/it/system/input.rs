//! What a test sent to Kafka, and the judgement on its deliveries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_kafka::{Delivery, Produced, Producer, Send, SendError};
use forebay_trial::{Evidence, Journal, Kill, Place, Sent, Verdict, clock, digest};

/// Records that Kafka acknowledged, by partition and offset.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input(BTreeMap<(i32, i64), Sent>);

impl FromIterator<Sent> for Input {
    fn from_iter<I: IntoIterator<Item = Sent>>(all: I) -> Self {
        let place = |sent: &Sent| (sent.place.partition, sent.place.offset);
        Self(all.into_iter().map(|sent| (place(&sent), sent)).collect())
    }
}

impl Input {
    pub(crate) fn places(&self) -> BTreeSet<(i32, i64)> {
        self.0.keys().copied().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_records(self) -> impl Iterator<Item = Sent> {
        self.0.into_values()
    }

    pub(crate) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// Of one partition.
    pub(crate) fn of(&self, partition: i32) -> Self {
        let all = self.0.iter().filter(|((of, _), _)| *of == partition);
        Self(all.map(|(place, sent)| (*place, sent.clone())).collect())
    }

    pub(crate) fn judge(&self, journal: &Journal, kills: &[Kill]) -> Verdict {
        let sent: Vec<Sent> = self.0.values().cloned().collect();
        Evidence::new(&sent, &journal.read()).kills(kills).judge()
    }

    /// Fails the test unless all was delivered in order, and only what the kills explain again.
    #[track_caller]
    pub(crate) fn assert_kept(&self, journal: &Journal, kills: &[Kill]) -> Verdict {
        let sent: Vec<Sent> = self.0.values().cloned().collect();
        Evidence::new(&sent, &journal.read()).kills(kills).assert_kept()
    }

    /// As above; these need not be accepted.
    #[track_caller]
    pub(crate) fn assert_kept_but(
        &self,
        journal: &Journal,
        kills: &[Kill],
        excused: &BTreeSet<Place>,
    ) -> Verdict {
        let sent: Vec<Sent> = self.0.values().cloned().collect();
        Evidence::new(&sent, &journal.read()).kills(kills).excused(excused).assert_kept()
    }

    /// As [`Input::assert_kept`], and nothing twice.
    #[track_caller]
    pub(crate) fn assert_once(&self, journal: &Journal) {
        let verdict = self.assert_kept(journal, &[]);
        assert_eq!(verdict.repeated, BTreeMap::new());
    }
}

/// An input that grows as Kafka acknowledges it.
#[derive(Clone, Default)]
pub(crate) struct Sending(Arc<Mutex<Input>>);

impl Sending {
    pub(crate) fn send(
        &self,
        producer: &Producer,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) {
        self.send_to(producer, topic, None, key, value);
    }

    /// As above, to this partition.
    pub(crate) fn send_to(
        &self,
        producer: &Producer,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) {
        let record = Send { topic, partition, key, value, headers: &[], timestamp_ms: None };
        self.send_all_of(producer, record);
    }

    /// As above, with all that a record can have.
    pub(crate) fn send_all_of(&self, producer: &Producer, record: Send<'_>) {
        let (into, topic_name) = (self.0.clone(), record.topic.to_owned());
        let key_text = record.key.map(|key| String::from_utf8_lossy(key).into_owned());
        let digest = digest(record.value.unwrap_or_default());
        let mut delivery: Delivery = Box::new(move |produced| {
            if let Ok(Produced { partition, offset }) = produced {
                let (place, acknowledged) =
                    (Place::new(topic_name, partition, offset), clock::now());
                let sent = Sent { place, key: key_text, digest, acknowledged };
                into.lock().unwrap().0.insert((partition, offset), sent);
            }
        });
        loop {
            match producer.send(record, delivery) {
                Ok(()) => return,
                Err(SendError::Full(again)) => delivery = again,
                Err(SendError::Refused(error)) => panic!("{error}"),
            }
            producer.wait_for_room(Duration::from_millis(100));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn read(&self) -> Input {
        self.0.lock().unwrap().clone()
    }
}
