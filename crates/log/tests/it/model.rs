//! The log against the plainest model there is: a vector of batches.

use forebay_log::{LogConfig, PartitionLog, Recovery};
use proptest::prelude::*;

use crate::support::*;

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<u8>),
    Read { from: u8, max_bytes: usize, end: u8, at_least_one: bool },
    Crash(Recovery),
    Restart,
    LogStart(u8),
    Truncate(u8),
    Roll,
}

#[derive(Default)]
struct Model {
    /// Each batch: its base offset and its values.
    batches: Vec<(i64, Vec<String>)>,
    start: i64,
    end: i64,
}

impl Model {
    fn records(&self) -> Vec<(i64, String)> {
        let all = self.batches.iter().flat_map(|(base, values)| (*base..).zip(values.clone()));
        all.filter(|(offset, _)| *offset >= self.start).collect()
    }

    /// Whole batches from the one that contains `from`, before `end`.
    fn readable(&self, from: i64, end: i64) -> Vec<(i64, String)> {
        let last = |base: i64, values: &[String]| base + values.len() as i64 - 1;
        let wanted = self
            .batches
            .iter()
            .filter(|(base, values)| last(*base, values) >= from && last(*base, values) < end);
        wanted.flat_map(|(base, values)| (*base..).zip(values.clone())).collect()
    }

    fn truncate(&mut self, offset: i64) {
        self.batches.retain(|(base, values)| base + (values.len() as i64) <= offset);
        if offset < self.end {
            let last = self.batches.last();
            let end = last.map_or(0, |(base, values)| base + values.len() as i64);
            // Offsets below the log start are not given again.
            self.end = end.max(self.start);
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 1..5).prop_map(Step::Append),
        6 => (any::<u8>(), 0..600usize, any::<u8>(), any::<bool>()).prop_map(
            |(from, max_bytes, end, at_least_one)| Step::Read { from, max_bytes, end, at_least_one }
        ),
        1 => prop_oneof![Just(Recovery::Tail), Just(Recovery::All)].prop_map(Step::Crash),
        1 => Just(Step::Restart),
        1 => any::<u8>().prop_map(Step::LogStart),
        1 => any::<u8>().prop_map(Step::Truncate),
        1 => Just(Step::Roll),
    ]
}

fn read(log: &PartitionLog, model: &Model, step: (u8, usize, u8, bool)) {
    let (from, max_bytes, end, at_least_one) = step;
    let from = model.start + i64::from(from) % (model.end - model.start + 1);
    let end = from + i64::from(end) % (model.end - from + 1);
    let bytes = log.read(from, max_bytes, end, at_least_one).expect("in range");
    let expected = model.readable(from, end);
    let found = records(&bytes);
    assert!(expected.starts_with(&found), "{found:?} of {expected:?}");
    let first = log.read(from, 0, end, true).expect("in range");
    if !expected.is_empty() && (at_least_one || first.len() <= max_bytes) {
        assert!(!found.is_empty(), "something was there");
    }
    assert!(bytes.len() <= max_bytes || at_least_one && bytes == first);
}

fn run(steps: Vec<Step>, config: LogConfig) {
    let dir = scratch();
    let mut log = open(dir.path(), config, Recovery::Tail);
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append(bytes) => {
                let values: Vec<_> = bytes.iter().map(|byte| "x".repeat(*byte as usize)).collect();
                let base = append(&mut log, &values.iter().map(String::as_str).collect::<Vec<_>>());
                assert_eq!(base, model.end);
                model.end += values.len() as i64;
                model.batches.push((base, values));
            }
            Step::Read { from, max_bytes, end, at_least_one } => {
                read(&log, &model, (from, max_bytes, end, at_least_one));
            }
            Step::Crash(recovery) => {
                drop(log);
                log = open(dir.path(), config, recovery);
                assert_eq!(log.recovered().damage, None);
            }
            Step::Restart => {
                log.close().unwrap();
                log = open(dir.path(), config, Recovery::Trust);
            }
            Step::LogStart(offset) => {
                let offset = i64::from(offset) % (model.end + 1);
                log.set_log_start_offset(offset).unwrap();
                model.start = model.start.max(offset);
            }
            Step::Truncate(offset) => {
                let offset = model.start + i64::from(offset) % (model.end - model.start + 1);
                log.truncate(offset, NOW).unwrap();
                model.truncate(offset);
            }
            Step::Roll => log.roll().unwrap(),
        }
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (model.start, model.end));
        assert_eq!(log.synced_end(), model.end);
    }
    assert_eq!(all(&log), model.records());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_log_is_a_vector_of_batches(
        steps in prop::collection::vec(step(), 1..60),
        segment_bytes in 100..3000u32,
        index_interval_bytes in 0..500u32,
    ) {
        run(steps, LogConfig { segment_bytes, index_interval_bytes, ..LogConfig::default() });
    }
}
