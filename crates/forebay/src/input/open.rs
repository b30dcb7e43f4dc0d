//! Opens a file or standard input, finds out whether it is Zstandard, and counts what is read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::InputError;

/// RFC 8878, 3.1.1. No text in UTF-8 begins like this.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// An input that is open.
pub(crate) struct Input {
    /// As errors call it.
    pub(crate) name: String,
    pub(crate) bytes: Box<dyn BufRead + Send>,
    pub(crate) progress: Progress,
}

/// How much of an input was read, in its own bytes, compressed or not.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    read: Arc<AtomicU64>,
    /// `None`: nobody knows.
    pub(crate) length: Option<u64>,
}

impl Progress {
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl Input {
    /// `-` is standard input, which is read only when bytes are asked for.
    pub(crate) fn open(path: &Path) -> Result<Self, InputError> {
        let read = Arc::new(AtomicU64::new(0));
        if path == Path::new("-") {
            let bytes =
                Lazy::Unopened(Box::new(Counted { inner: io::stdin(), read: read.clone() }));
            let bytes = Box::new(BufReader::new(bytes));
            let progress = Progress { read, length: None };
            return Ok(Self { name: "standard input".to_owned(), bytes, progress });
        }
        let name = path.display().to_string();
        let opened = || -> io::Result<(File, Option<u64>)> {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok((file, metadata.is_file().then_some(metadata.len())))
        };
        let (file, length) =
            opened().map_err(|source| InputError::Open { name: name.clone(), source })?;
        let counted = Counted { inner: file, read: read.clone() };
        let bytes = Box::new(BufReader::new(Lazy::Unopened(Box::new(counted))));
        Ok(Self { name, bytes, progress: Progress { read, length } })
    }
}

impl Input {
    /// Bytes that are part of the program.
    pub(crate) fn carried(name: &str, bytes: &'static [u8]) -> Self {
        let progress = Progress { read: Arc::default(), length: Some(bytes.len() as u64) };
        let counted = Counted { inner: bytes, read: progress.read.clone() };
        let bytes = Box::new(BufReader::new(Lazy::Unopened(Box::new(counted))));
        Self { name: name.to_owned(), bytes, progress }
    }
}

/// Adds up what passes.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

type Bytes = Box<dyn Read + Send>;

/// Looks at the first bytes when it is first read, not before: standard input may have none yet.
enum Lazy {
    Unopened(Bytes),
    Opened(Bytes),
}

impl Read for Lazy {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Self::Unopened(bytes) = self {
            let bytes = std::mem::replace(bytes, Box::new(io::empty()));
            *self = Self::Opened(decompressed(bytes)?);
        }
        let Self::Opened(bytes) = self else { unreachable!("opened above") };
        bytes.read(buffer)
    }
}

/// Reads on until the bytes can't be the magic any more, so that a line of three letters does not
/// wait for a fourth.
fn decompressed(mut bytes: Bytes) -> io::Result<Bytes> {
    let mut first = Vec::with_capacity(ZSTD_MAGIC.len());
    let mut byte = [0];
    while first.len() < ZSTD_MAGIC.len() && ZSTD_MAGIC.starts_with(&first) {
        if bytes.read(&mut byte)? == 0 {
            break;
        }
        first.push(byte[0]);
    }
    let is_zstd = first == ZSTD_MAGIC;
    let whole = Cursor::new(first).chain(bytes);
    if !is_zstd {
        return Ok(Box::new(whole));
    }
    Ok(Box::new(zstd::Decoder::new(whole)?))
}
