//! Parallel Consumer as a process that is killed, with the journal of what its function completed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::system::kafka::Kafka;
use crate::system::process::eventually;

/// Topic, partition and offset.
pub(super) type Completed = BTreeSet<(String, i32, i64)>;

pub(super) struct ParallelConsumer {
    child: Child,
    journal: PathBuf,
    committed: Arc<Mutex<Vec<String>>>,
}

impl ParallelConsumer {
    /// One for each of `TOPIC:ORDERING:ENCODING`.
    pub(super) fn start(directory: &Path, kafka: &Kafka, groups: &[String]) -> Self {
        let journal = directory.join("completed");
        let mut child = Command::new(script())
            .args(["consume", &kafka.address])
            .arg(&journal)
            .args(groups)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script can be run");
        let committed = Arc::new(Mutex::new(Vec::new()));
        let (lines, into) = (child.stdout.take().expect("piped"), committed.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                let topic = line.strip_prefix("committed ").map(str::to_owned);
                into.lock().expect("nobody panics in here").extend(topic);
            }
        });
        Self { child, journal, committed }
    }

    /// Until it has seen that Kafka has all of it.
    pub(super) fn await_committed(&self, topic: &str) {
        eventually("it has committed", || {
            let committed = self.committed.lock().expect("nobody panics in here");
            committed.iter().any(|name| name == topic).then_some(())
        });
    }

    /// SIGKILL. What it had completed: written before Parallel Consumer knew of it.
    pub(super) fn kill(mut self) -> Completed {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
        let journal = std::fs::read_to_string(&self.journal).expect("it has completed something");
        let line = |line: &str| {
            let mut words = line.split(' ');
            let topic = words.next()?.to_owned();
            Some((topic, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        };
        journal.lines().map(|text| line(text).expect("a whole line")).collect()
    }
}

impl Drop for ParallelConsumer {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What Parallel Consumer reads in each commit: the highest offset it knows of, and the open ones.
pub(super) fn read_by_itself(commits: &[(i64, &str)]) -> Vec<(i64, Vec<i64>)> {
    let mut child = Command::new(script())
        .arg("read")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the script can be run");
    let lines: String =
        commits.iter().map(|(offset, metadata)| format!("{offset} {metadata}\n")).collect();
    let mut pipe = child.stdin.take().expect("piped");
    pipe.write_all(lines.as_bytes()).expect("it reads");
    drop(pipe);
    let read = child.wait_with_output().expect("it ends");
    assert!(read.status.success(), "it reads what it wrote");
    let text = String::from_utf8(read.stdout).expect("numbers");
    let line = |line: &str| {
        let mut numbers = line.split(' ').map(|number| number.parse::<i64>().expect("a number"));
        (numbers.next().expect("the highest"), numbers.collect())
    };
    text.lines().map(line).collect()
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/parallel-consumer/group")
}
