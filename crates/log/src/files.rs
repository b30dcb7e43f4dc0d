//! Small files that are replaced as a whole, and making directory entries durable.
//!
//! A replaced file is either the old or the new one after a power cut: temporary file, fsync,
//! rename, fsync of the directory.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Suffix of files that were being written; a crash may leave them, opening removes them.
pub(crate) const TEMPORARY: &str = ".tmp";

/// Makes the entries of a directory (created, renamed, removed files) durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Replaces `path` with `bytes`. Durable only after [`sync_dir`] on its directory.
pub(crate) fn replace_lazily(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(TEMPORARY);
    let temporary = PathBuf::from(temporary);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

/// Replaces `path` with `bytes`, durably.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_lazily(path, bytes)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    found(fs::remove_file(path)).map(|_| ())
}

/// The file's bytes; `None` where there is no file.
pub(crate) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    found(fs::read(path))
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error for a small file whose contents make no sense.
pub(crate) fn damaged(path: &Path, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()))
}
