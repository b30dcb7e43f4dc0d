//! One Apache Kafka for all of these tests, with a listener for each way in.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::system::process::within;

/// What its ready file says: where it listens, whom it knows, and where certificates are.
pub(super) fn broker() -> &'static Value {
    static READY: OnceLock<Value> = OnceLock::new();
    READY.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap().keep();
        let ready = directory.join("ready.json");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/apache-kafka/kafka");
        let mut process = Command::new(script)
            .args(["start", "--secure", "--until-stdin-closes", "--dir"])
            .arg(directory.join("kafka"))
            .arg("--ready-file")
            .arg(&ready)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the script can be run");
        let found = within(Duration::from_secs(300), "Apache Kafka is ready", || {
            let ended = process.try_wait().expect("our own child");
            assert!(ended.is_none(), "Apache Kafka did not start: {ended:?}");
            serde_json::from_slice(&std::fs::read(&ready).ok()?).ok()
        });
        // Never waited for: it ends when this process does, and its standard input with it.
        std::mem::forget(process);
        found
    })
}
