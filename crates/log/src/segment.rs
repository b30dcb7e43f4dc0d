//! One segment: a file of batches that begins at a base offset, with its indexes.
//!
//! Files are opened on first use, so an idle partition holds none. A sealed segment never
//! changes; its index files are rebuilt from the log where they are missing or can't be true.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::files;
use crate::index::Index;
use crate::scan::{Place, Scan};

/// The name of a file that belongs to an offset, as Kafka writes it.
pub(crate) fn file_name(offset: i64, extension: &str) -> String {
    format!("{offset:020}.{extension}")
}

/// The offset and extension of a name that [`file_name`] wrote.
pub(crate) fn parse_file_name(name: &str) -> Option<(i64, &str)> {
    let (digits, extension) = name.split_once('.')?;
    let is_offset = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    Some((digits.parse().ok().filter(|_| is_offset)?, extension))
}

#[derive(Debug)]
pub(crate) struct Segment {
    dir: Arc<Path>,
    base_offset: i64,
    size: u64,
    file: OnceLock<Arc<File>>,
    index: OnceLock<Index>,
    /// Held while index files are opened or rebuilt, so that readers don't do it twice.
    opening: Mutex<()>,
}

impl Segment {
    /// A segment file that exists with `size` bytes.
    pub(crate) fn found(dir: Arc<Path>, base_offset: i64, size: u64) -> Self {
        let (file, index) = (OnceLock::new(), OnceLock::new());
        Self { dir, base_offset, size, file, index, opening: Mutex::default() }
    }

    /// Creates an empty segment, durably.
    pub(crate) fn create(dir: Arc<Path>, base_offset: i64) -> io::Result<Self> {
        let segment = Self::found(dir, base_offset, 0);
        let file = options().create_new(true).open(segment.path("log"))?;
        if let Err(error) = files::sync_dir(&segment.dir) {
            // It must not stand in the way of the next attempt.
            files::remove_if_there(&segment.path("log"))?;
            return Err(error);
        }
        segment.file.get_or_init(|| Arc::new(file));
        segment.index.get_or_init(|| Index::new(base_offset));
        Ok(segment)
    }

    pub(crate) const fn base_offset(&self) -> i64 {
        self.base_offset
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.dir.join(file_name(self.base_offset, extension))
    }

    pub(crate) fn file(&self) -> io::Result<&Arc<File>> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = Arc::new(options().open(self.path("log"))?);
        Ok(self.file.get_or_init(|| file))
    }

    /// The index: the one being built, or the files', rebuilt first where need be.
    pub(crate) fn index(&self, interval: u32) -> io::Result<&Index> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        let index = match self.stored_index()? {
            Some(index) => index,
            None => {
                self.rebuild_index(interval)?
                    .write([&self.path("index"), &self.path("timeindex")])?;
                let rebuilt = self.stored_index()?;
                rebuilt.ok_or_else(|| files::damaged(&self.path("index"), "can't be rebuilt"))?
            }
        };
        Ok(self.index.get_or_init(|| index))
    }

    fn stored_index(&self) -> io::Result<Option<Index>> {
        let paths = [self.path("index"), self.path("timeindex")];
        Index::open(self.base_offset, [&paths[0], &paths[1]], self.size)
    }

    /// Takes the index into memory, so that the segment can be appended to.
    pub(crate) fn adopt_index(&mut self, interval: u32) -> io::Result<()> {
        let index = match self.stored_index()? {
            Some(index) => index.into_memory(self.size)?,
            None => self.rebuild_index(interval)?,
        };
        self.index = OnceLock::from(index);
        Ok(())
    }

    fn rebuild_index(&self, interval: u32) -> io::Result<Index> {
        let mut index = Index::new(self.base_offset);
        let mut scan = self.scan_from(0)?;
        while let Some(place) = scan.next()? {
            index.note(&place.header, place.position, interval);
        }
        Ok(index)
    }

    /// Takes an index that was built from the log, for a segment that will be appended to.
    pub(crate) fn set_index(&mut self, index: Index) {
        self.index = OnceLock::from(index);
    }

    /// Lets go of the open files and the index; they are opened again when needed.
    pub(crate) fn release(&mut self) {
        self.file = OnceLock::new();
        self.index = OnceLock::new();
    }

    /// Lets go of the log file only.
    pub(crate) fn release_file(&mut self) {
        self.file = OnceLock::new();
    }

    /// Appends one batch in one write, all or nothing, and answers its place.
    pub(crate) fn append(
        &mut self,
        head: &[u8],
        records: &[u8],
        header: forebay_wire::BatchHeader,
        interval: u32,
    ) -> Result<Place, WriteError> {
        let file = Arc::clone(self.file().map_err(WriteError::Undone)?);
        if let Err(error) = write_all(&file, head, records) {
            // What was written of the batch would else stand before the next one.
            return Err(match file.set_len(self.size) {
                Ok(()) => WriteError::Undone(error),
                Err(_) => WriteError::Torn(error),
            });
        }
        let place = Place { position: self.size, header };
        self.size = place.end();
        if let Some(index) = self.index.get_mut() {
            index.note(&header, place.position, interval);
        }
        Ok(place)
    }

    /// The walk over the batches from `position` on, where one begins.
    pub(crate) fn scan_from(&self, position: u64) -> io::Result<Scan<'_>> {
        Ok(Scan::new(self.file()?, position, self.size))
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file()?.sync_data()
    }

    /// Writes the index files; durable once the directory is synced.
    pub(crate) fn write_index(&mut self) -> io::Result<()> {
        let paths = [self.path("index"), self.path("timeindex")];
        if let Some(index) = self.index.get_mut() {
            index.write([&paths[0], &paths[1]])?;
        }
        Ok(())
    }

    /// Cuts the log to `size` bytes, durably. The index goes: it may point behind the end.
    pub(crate) fn cut(&mut self, size: u64) -> io::Result<()> {
        self.remove_index()?;
        let file = self.file()?;
        file.set_len(size)?;
        file.sync_all()?;
        self.size = size;
        Ok(())
    }

    pub(crate) fn remove_index(&mut self) -> io::Result<()> {
        self.index = OnceLock::new();
        files::remove_if_there(&self.path("index"))?;
        files::remove_if_there(&self.path("timeindex"))
    }

    /// Removes the segment's files; readers that hold the log file keep it.
    pub(crate) fn remove(mut self) -> io::Result<()> {
        self.remove_index()?;
        files::remove_if_there(&self.path("log"))
    }
}

/// Why a batch was not appended.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The file is as it was.
    Undone(io::Error),
    /// The file may end in part of a batch.
    Torn(io::Error),
}

fn options() -> std::fs::OpenOptions {
    let mut options = File::options();
    options.read(true).append(true);
    options
}

fn write_all(mut file: &File, head: &[u8], records: &[u8]) -> io::Result<()> {
    let mut slices = &mut [IoSlice::new(head), IoSlice::new(records)][..];
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        assert_eq!(file_name(42, "log"), "00000000000000000042.log");
        assert_eq!(parse_file_name("00000000000000000042.timeindex"), Some((42, "timeindex")));
        for name in ["42.log", "0000000000000000004x.log", "99999999999999999999.log", "x"] {
            assert_eq!(parse_file_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_write_that_fails_and_cant_be_undone_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let mut segment = Segment::found(dir.path().into(), 0, 0);
        // Every write fails as on a full disk, and so does cutting the file.
        std::os::unix::fs::symlink("/dev/full", segment.path("log")).unwrap();
        let mut builder = forebay_wire::BatchBuilder::new();
        let batch = builder.push(1, None, None).clone().build().unwrap();
        let header = forebay_wire::BatchHeader::read(&batch).unwrap();
        let error = segment.append(&batch[..61], &batch[61..], header, 0).unwrap_err();
        assert!(matches!(error, WriteError::Torn(_)), "{error:?}");
        assert_eq!(segment.size(), 0);
    }
}
