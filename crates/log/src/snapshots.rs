//! The producer snapshots of a partition: which there are, and the newest that can be used.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::files;
use crate::producers::Producers;
use crate::segment::file_name;

/// The newest may turn out to be damaged or to lie behind a cut.
const KEPT: usize = 2;

#[derive(Debug)]
pub(crate) struct Snapshots {
    dir: Arc<Path>,
    /// Rising.
    offsets: Vec<i64>,
}

impl Snapshots {
    pub(crate) fn found(dir: Arc<Path>, mut offsets: Vec<i64>) -> Self {
        offsets.sort_unstable();
        Self { dir, offsets }
    }

    /// Writes the state as of `offset`; durable once the directory is synced.
    pub(crate) fn write(&mut self, offset: i64, producers: &Producers) -> io::Result<()> {
        files::replace_lazily(&self.path(offset), &producers.encode())?;
        self.offsets.retain(|&known| known < offset);
        self.offsets.push(offset);
        while self.offsets.len() > KEPT {
            let oldest = self.offsets.remove(0);
            files::remove_if_there(&self.path(oldest))?;
        }
        Ok(())
    }

    /// The newest state for a log that ends at `log_end`, and its offset. Those that are newer
    /// or damaged are removed.
    pub(crate) fn newest(&mut self, log_end: i64) -> io::Result<Option<(i64, Producers)>> {
        while let Some(&offset) = self.offsets.last() {
            let path = self.path(offset);
            if offset <= log_end
                && let Some(bytes) = files::read_if_there(&path)?
                && let Some(producers) = Producers::decode(&bytes)
            {
                return Ok(Some((offset, producers)));
            }
            files::remove_if_there(&path)?;
            self.offsets.pop();
        }
        Ok(None)
    }

    fn path(&self, offset: i64) -> std::path::PathBuf {
        self.dir.join(file_name(offset, "snapshot"))
    }
}
