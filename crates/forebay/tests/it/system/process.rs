//! Processes of the binary under test, ended by their own process id.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything that will happen may take.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Asks again until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    within(SOON, what, &mut ask)
}

/// As [`eventually`], within a time of the caller's.
pub(crate) fn within<T>(time: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + time;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: not within {time:?}");
        pause(Duration::from_millis(10));
    }
}

/// Lets time pass between two looks at another process.
#[expect(clippy::disallowed_methods, reason = "another process can only be asked again")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A running `forebay`; killed when it is dropped.
pub(crate) struct Forebay {
    child: Child,
    ready: Value,
    log: Arc<Mutex<String>>,
}

impl Forebay {
    /// Starts it and waits for its ready file.
    pub(crate) fn start(directory: &Path, args: &[&str]) -> Self {
        Self::start_with(directory, args, &[])
    }

    /// As above, with these variables in its environment.
    pub(crate) fn start_with(directory: &Path, args: &[&str], set: &[(&str, &Path)]) -> Self {
        Self::start_heard(directory, args, set, true)
    }

    /// The same, and nobody reads the pipe that its log goes to, which is soon full.
    pub(crate) fn start_unheard(directory: &Path, args: &[&str]) -> Self {
        Self::start_heard(directory, args, &[], false)
    }

    fn start_heard(directory: &Path, args: &[&str], set: &[(&str, &Path)], reads: bool) -> Self {
        let ready = directory.join(format!("ready-{}.json", args[0]));
        // One that an earlier process wrote would be believed.
        let _ = std::fs::remove_file(&ready);
        let mut child = Command::new(env!("CARGO_BIN_EXE_forebay"))
            .args(args)
            .envs(set.iter().copied())
            .arg("--ready-file")
            .arg(&ready)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        if reads {
            let (lines, into) = (BufReader::new(child.stderr.take().unwrap()), log.clone());
            std::thread::spawn(move || {
                for line in lines.lines().map_while(Result::ok) {
                    into.lock().unwrap().push_str(&format!("{line}\n"));
                }
            });
        } else {
            let pipe = child.stderr.as_ref().unwrap();
            rustix::pipe::fcntl_setpipe_size(pipe, 4_096).expect("a page is the least");
        }
        let ready = eventually("the ready file", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{args:?} ended with {status}: {}", log.lock().unwrap());
            }
            serde_json::from_slice(&std::fs::read(&ready).ok()?).ok()
        });
        Self { child, ready, log }
    }

    /// An address from the ready file.
    pub(crate) fn address(&self, name: &str) -> String {
        self.ready[name].as_str().expect("the ready file names it").to_owned()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// SIGKILL: it has no say in it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its exit code.
    pub(crate) fn terminate(mut self) -> i32 {
        self.end()
    }

    /// The same, and its log can still be read.
    pub(crate) fn end(&mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = eventually("an orderly end", || self.child.try_wait().unwrap());
        status.code().unwrap_or(-1)
    }

    /// Of its memory, what the kernel calls `name` (`VmRSS` now, `VmHWM` at most so far), bytes.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kib.expect("the kernel tells it in kB") << 10
    }

    /// GET on the control API: status and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        http(&self.address("control"), "GET", path, "", "")
    }

    /// GET with a header of the test's.
    pub(crate) fn get_with(&self, path: &str, header: &str) -> (u16, String) {
        http(&self.address("control"), "GET", path, &format!("{header}\r\n"), "")
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let (flag, pid) = (format!("-{name}"), self.child.id().to_string());
        assert!(Command::new("kill").args([flag, pid]).status().unwrap().success());
    }

    /// POST of JSON to the control API: status and body.
    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, String) {
        http(&self.address("control"), "POST", path, "", body)
    }

    /// The same with a header of the test's.
    pub(crate) fn post_with(&self, path: &str, header: &str, body: &str) -> (u16, String) {
        http(&self.address("control"), "POST", path, &format!("{header}\r\n"), body)
    }

    /// The one subscription that it runs.
    pub(crate) fn subscription(&self) -> Value {
        let (_, body) = self.get("/api/v1/subscriptions");
        let list: Value = serde_json::from_str(&body).expect("the control API speaks JSON");
        list["subscriptions"][0].clone()
    }

    /// Replaces the endpoints of a subscription.
    pub(crate) fn set_endpoints(&self, name: &str, urls: &[String]) {
        let body = serde_json::json!({ "endpoints": urls }).to_string();
        let path = format!("/api/v1/subscriptions/{name}/endpoints");
        let (status, answer) = self.post(&path, &body);
        assert_eq!(status, 200, "{answer}");
    }
}

impl Drop for Forebay {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.ready, self.log());
        }
    }
}

/// Writes a configuration and returns its path.
pub(crate) fn file(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("forebay.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn http(address: &str, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).expect("the control API listens");
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}
