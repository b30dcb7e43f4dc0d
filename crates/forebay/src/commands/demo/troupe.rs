//! All processes of a demo and the directory they share, in one place, so that the end of the demo,
//! whichever it is, finds every one of them.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::child::Child;
use crate::exit::{Exit, Failure};
use crate::process::Ready;

/// How long a process may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

pub(super) struct Troupe {
    directory: TempDir,
    children: Vec<Member>,
}

struct Member {
    child: Child,
    /// It was told to end, or killed.
    dismissed: bool,
}

/// Names a process for as long as the troupe lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChildId(usize);

impl Troupe {
    pub(super) fn gather() -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix("forebay-demo-").tempdir();
        let directory = directory.map_err(|error| {
            Failure::new(Exit::Usage, format!("cannot make a temporary directory: {error}"))
        })?;
        Ok(Self { directory, children: Vec::new() })
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn start(&mut self, name: &str, arguments: &[&str]) -> Result<ChildId, Failure> {
        let child = Child::start(self.directory.path(), name, arguments)?;
        self.children.push(Member { child, dismissed: false });
        Ok(ChildId(self.children.len() - 1))
    }

    /// Its addresses, if everything listens already.
    pub(super) fn ready(&mut self, id: ChildId) -> Result<Option<Ready>, Failure> {
        self.children[id.0].child.ready()
    }

    /// Waits until everything listens.
    pub(super) async fn await_ready(&mut self, id: ChildId) -> Result<Ready, Failure> {
        let began = tokio::time::Instant::now();
        loop {
            if let Some(ready) = self.ready(id)? {
                return Ok(ready);
            }
            if began.elapsed() > PATIENCE {
                let message = format!("a process of the demo did not listen within {PATIENCE:?}");
                return Err(Failure::new(Exit::Unreachable, message));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Fails if a process has ended that nobody ended.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        let mut members = self.children.iter_mut().filter(|member| !member.dismissed);
        members.try_for_each(|member| member.child.check())
    }

    pub(super) async fn kill(&mut self, id: ChildId) {
        self.children[id.0].dismissed = true;
        self.children[id.0].child.kill().await;
    }

    pub(super) async fn end(&mut self, id: ChildId, patience: Duration) {
        self.children[id.0].dismissed = true;
        self.children[id.0].child.end(patience).await;
    }

    /// Ends what is left, and removes the directory.
    pub(super) async fn disband(mut self) -> std::io::Result<()> {
        for member in &mut self.children {
            member.child.kill().await;
        }
        self.directory.close()
    }
}
