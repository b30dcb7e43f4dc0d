//! What a configuration comes to: every default in its place, secrets hidden. It reads back as a
//! file that means the same.

use forebay_kafka::{FetchBytes, Properties, StartPolicy};

use super::secret::Property;
use super::{Config, GiveUp, Start, Subscription, Time, unplaced};

impl Config {
    /// The whole configuration as TOML, with what its Kafka properties come to.
    pub(crate) fn effective(&self, properties: &Properties) -> Result<String, toml::ser::Error> {
        let mut whole = self.clone();
        whole.control.instance = Some(unplaced(self.control.instance()));
        let FetchBytes { whole: fetch, partition } = properties.fetch();
        for (name, bytes) in [("fetch.max.bytes", fetch), ("max.partition.fetch.bytes", partition)]
        {
            let bytes = || Property::Number(bytes.try_into().unwrap_or(i64::MAX));
            whole.kafka.properties.entry(name.to_owned()).or_insert_with(bytes);
        }
        let start = match properties.start() {
            Some(StartPolicy::Latest) => Start::Latest,
            Some(StartPolicy::None) => Start::None,
            _ => Start::Earliest,
        };
        for subscription in &mut whole.subscriptions {
            let subscription = subscription.get_mut();
            subscription.start.get_or_insert_with(|| start.clone());
            subscription.fill();
        }
        toml::to_string_pretty(&whole)
    }
}

impl Subscription {
    /// Writes out what depends on other values where it is not said.
    fn fill(&mut self) {
        let (in_flight, in_flight_max) = self.in_flight();
        let gives_up = |rule: &Option<_>| -> Option<toml::Spanned<GiveUp>> {
            Some(unplaced(self.gives_up(rule.as_ref())))
        };
        let (on_exhausted, on_reject) =
            (gives_up(&self.retry.on_exhausted), gives_up(&self.retry.on_reject));
        (self.retry.on_exhausted, self.retry.on_reject) = (on_exhausted, on_reject);
        self.group = Some(unplaced(self.group().to_owned()));
        self.commit.interval = Some(Time(self.commit.interval()));
        let target = self.target.get_mut();
        target.in_flight = Some(unplaced(in_flight));
        target.in_flight_max = Some(unplaced(in_flight_max));
    }
}
