//! What the completion map costs each commit: the time that the core takes for it, the time that
//! writing it down takes, its bytes, and the time that the next owner takes to read it.
//!
//! A partition of 10,000 records is delivered, and all but every so many are settled; then it
//! commits. No Kafka is in it, and one thread.

use std::io::Write as _;
use std::time::{Duration, Instant as Clock};

use anyhow::{Context as _, ensure};
use forebay_core::{
    Answer, Backoff, CommitPoint, CommitState, EndpointId, GiveUp, Guarantee, Input, Instant,
    Offset, Order, Output, PartitionId, Past, Planted, Record, RevisionId, Rules, Subscription,
    Takeover, Verdict,
};
use forebay_wire::commit_metadata::{self, CommitMetadata, MAX_LEN};
use forebay_wire::completion::Completion;
use serde_json::json;

const RECORDS: usize = 10_000;
const PARTITION: PartitionId = PartitionId(0);

#[derive(clap::Args)]
pub(crate) struct Plan {
    /// Commits of which the median counts
    #[arg(long, default_value_t = 31)]
    rounds: usize,
}

/// One commit's cost.
#[derive(Clone, Copy, Default)]
struct Cost {
    open: usize,
    bytes: usize,
    core: Duration,
    write: Duration,
    read: Duration,
}

pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{RECORDS} records beyond the commit point; medians of {} commits", plan.rounds)?;
    writeln!(
        out,
        "{:>8}{:>8}{:>12}{:>12}{:>12}",
        "open", "bytes", "core µs", "write µs", "read µs"
    )?;
    let mut lines = Vec::new();
    for every in [usize::MAX, 1_000, 100, 32, 10] {
        ensure!(plan.rounds > 0, "there is no median of nothing");
        let costs = (0..plan.rounds).map(|_| commit(every)).collect::<anyhow::Result<Vec<_>>>()?;
        let median = |time: fn(&Cost) -> Duration| {
            let mut times: Vec<Duration> = costs.iter().map(time).collect();
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64() * 1e6
        };
        let Cost { open, bytes, .. } = costs[0];
        let (core, write, read) =
            (median(|cost| cost.core), median(|cost| cost.write), median(|cost| cost.read));
        writeln!(out, "{open:>8}{bytes:>8}{core:>12.1}{write:>12.1}{read:>12.1}")?;
        lines.push(json!({
            "open": open, "bytes": bytes, "core_us": core, "write_us": write, "read_us": read,
        }));
    }
    writeln!(out, "{}", json!({"records": RECORDS, "rounds": plan.rounds, "commits": lines}))?;
    Ok(())
}

/// Of a commit with every so many records open, and the first.
fn commit(every: usize) -> anyhow::Result<Cost> {
    let mut core = Subscription::new(rules(), RevisionId(0), 1);
    let mut now = Instant::from_micros(1);
    core.handle(Input::Endpoints(vec![EndpointId(0)]), now);
    let (start, end) = (CommitPoint(0), CommitPoint(RECORDS as i64));
    let (partition, parks, wall_ms) = (PARTITION, false, 1_790_000_000_000);
    core.handle(Input::Assigned { partition, start, end, stored: None, parks, wall_ms }, now);
    let mut open = 0;
    let mut answers = Vec::new();
    loop {
        match core.poll(now) {
            Some(Output::Commit { partition, point, state }) => {
                let tenure = state.tenure;
                core.handle(Input::Committed { partition, tenure, point }, now);
            }
            Some(Output::Fetch { partition, tenure, .. }) if open == 0 => {
                open = RECORDS;
                let records = (0..RECORDS).map(record).collect();
                core.handle(Input::Fetched { partition, tenure, records }, now);
            }
            Some(Output::Deliver(delivery)) => answers.push(delivery.id),
            Some(_) => {}
            None => break,
        }
    }
    ensure!(answers.len() == RECORDS, "{} of {RECORDS} records were sent", answers.len());
    for id in answers {
        let at = usize::try_from(id.offset.0)?;
        if at % every != 0 {
            open -= 1;
            let answer = Answer { verdict: Verdict::Accept, status: Some(200), reason: None };
            core.handle(Input::Answered { id, answer }, now);
        }
    }
    now = now + rules().commit_interval * 2;
    let begin = Clock::now();
    let wanted = core.poll(now);
    let took = begin.elapsed();
    let Some(Output::Commit { point, state, .. }) = wanted else {
        anyhow::bail!("it wants {wanted:?} instead of a commit");
    };
    let begin = Clock::now();
    let text = metadata(point, &state).encode(MAX_LEN);
    let write = begin.elapsed();
    let begin = Clock::now();
    let read = CommitMetadata::decode(&text).context("what was written can be read")?;
    let cost = Cost { open, bytes: text.len(), core: took, write, read: begin.elapsed() };
    let Completion { open: ranges, end } = &read.completion;
    let kept: i64 = ranges.iter().map(|range| range.end - range.start).sum();
    ensure!(kept == open as i64 && *end == end_of(&state), "the map says {kept} of {open} open");
    Ok(cost)
}

fn end_of(state: &CommitState) -> i64 {
    state.completion.end
}

fn record(at: usize) -> Record<()> {
    let past = Past { charged: 0, deliveries: 0 };
    Record { offset: Offset(at as i64), key: None, bytes: 256, past, payload: () }
}

fn metadata(point: CommitPoint, state: &CommitState) -> CommitMetadata {
    CommitMetadata {
        tenure: state.tenure.0,
        base: Some(point.0),
        topic_id: Some("mF1IaZcWTLmkvNm1rFfKzA".to_owned()),
        quiet: state.quiet,
        completion: Completion { open: state.completion.open.clone(), end: state.completion.end },
        ..CommitMetadata::default()
    }
}

fn rules() -> Rules {
    Rules {
        order: Order::Key,
        guarantee: Guarantee::AtLeastOnce,
        in_flight: RECORDS,
        in_flight_max: RECORDS,
        rate_max: None,
        records_max: RECORDS,
        bytes_max: 1 << 30,
        window_max: 1_000_000,
        given_up_free: 20,
        map_max: commit_metadata::map_max(MAX_LEN, None),
        deadline: Duration::from_secs(30),
        grace: Duration::from_secs(1),
        backoff: Backoff { first: Duration::from_millis(200), most: Duration::from_secs(30) },
        attempts: 10,
        dead_letters: false,
        on_exhausted: GiveUp::Hold,
        on_reject: GiveUp::Hold,
        park_after: None,
        evidence_wait: None,
        ejects: true,
        probe_interval: Duration::from_secs(1),
        commit_interval: Duration::from_millis(100),
        commit_retry: Duration::from_millis(100),
        session: Duration::from_secs(45),
        takeover: Takeover::Safe,
        drain: Duration::from_secs(30),
        last_commit: Duration::from_secs(5),
        planted: Planted::NONE,
    }
}
