//! Runs of the binary that end by themselves or by a signal, with all that they said. Processes
//! that serve (brokers, gateways) are `system::process::Forebay`.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::system::process::eventually;

/// How a run ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// −1: by a signal.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Fails the test unless the exit code is 0; gives standard output.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// Standard output as JSON, of a run that is done.
    pub(crate) fn json(self) -> Value {
        let out = self.done();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// Fails the test unless it ended with this code and said all of these.
    pub(crate) fn refused(&self, code: i32, said: &[&str]) {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        for said in said {
            assert!(self.err.contains(said), "`{said}` is not in: {}", self.err);
        }
    }
}

/// Runs the binary to its end with nothing on its standard input.
pub(crate) fn forebay(args: &[&str]) -> Ran {
    Running::start(args).finish()
}

/// Runs it to its end with these bytes on its standard input.
pub(crate) fn forebay_fed(args: &[&str], input: &[u8]) -> Ran {
    let mut running = Running::start(args);
    running.feed(input);
    running.finish()
}

/// A run that goes on; killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    out: Heard,
    err: Heard,
}

impl Running {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_forebay"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let input = child.stdin.take();
        let out = Heard::from(child.stdout.take().expect("piped"));
        let err = Heard::from(child.stderr.take().expect("piped"));
        Self { child, input, out, err }
    }

    /// A process that has ended already is seen by its exit code, not here.
    pub(crate) fn feed(&mut self, input: &[u8]) {
        let pipe = self.input.as_mut().expect("open until it is finished");
        let _ = pipe.write_all(input).and_then(|()| pipe.flush());
    }

    /// What is on its standard output so far.
    pub(crate) fn out(&self) -> String {
        self.out.text()
    }

    /// A signal by its name, such as INT.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.expect("kill(1)").success());
    }

    /// Waits for its end, its standard input left as it is.
    pub(crate) fn end(mut self) -> Ran {
        let status =
            eventually("the end of the command", || self.child.try_wait().expect("our own child"));
        self.out.finish();
        self.err.finish();
        Ran { code: status.code().unwrap_or(-1), out: self.out.text(), err: self.err.text() }
    }

    /// Closes its standard input and waits for its end.
    pub(crate) fn finish(mut self) -> Ran {
        self.input = None;
        self.end()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came out of a pipe.
struct Heard {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Heard {
    fn from(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = bytes.clone();
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 64 * 1024];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                into.lock().expect("nobody panics in here").extend_from_slice(&chunk[..count]);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("it only reads");
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("nobody panics in here")).into_owned()
    }
}

/// A name that no other test uses, on this Kafka or in another run.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_millis();
    format!("{name}-{now}-{}-{count}", std::process::id())
}

/// A time of records, the same for as long as the tests run: no retention takes them, and Kafka refuses
/// what is of the future.
pub(crate) fn lately() -> i64 {
    static LATELY: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *LATELY.get_or_init(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        i64::try_from(now.expect("after 1970").as_millis()).expect("long before the end") - 600_000
    })
}
