//! A TCP stream that knows three things the HTTP client above it can't tell: whether any byte of the
//! current request was handed to the kernel; whether the kernel has news (an end, or bytes nobody
//! asked for) that the runtime has not heard of yet; and how much was read, which it bounds, for a
//! client skips interim answers and padding for as long as they come.

use std::cell::Cell;
use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What the socket and the connection that owns the client above it share.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Some byte since the last [`Wire::begin`] may have reached the peer.
    sent: Cell<bool>,
    /// Before the next read the kernel is asked whether the peer is still silent.
    probe: Cell<bool>,
    /// Bytes read in all.
    received: Cell<u64>,
    /// Bytes that may be read until the next [`Wire::begin`].
    left: Cell<usize>,
}

impl Wire {
    /// A request whose answer comes to at most `most` bytes, all that is passed over counted in.
    pub(crate) fn begin(&self, probe: bool, most: usize) {
        self.sent.set(false);
        self.probe.set(probe);
        self.left.set(most);
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    fn read(&self, bytes: usize) -> io::Result<()> {
        self.received.set(self.received.get() + bytes as u64);
        let left = self.left.get().checked_sub(bytes);
        self.left.set(left.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "the answer has no end in sight")
        })?);
        Ok(())
    }

    pub(crate) fn sent(&self) -> bool {
        self.sent.get()
    }
}

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    wire: Rc<Wire>,
    /// TLS lies above: what the peer says unasked may be TLS's own, so TLS is to read it.
    secured: bool,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, wire: Rc<Wire>, secured: bool) -> Self {
        Self { stream, wire, secured }
    }

    /// Reads what the kernel has, if anything. Costs a system call, as below.
    fn read_at_once(&self, buf: &mut ReadBuf<'_>) -> io::Result<Option<usize>> {
        match (&*SockRef::from(&self.stream)).read(buf.initialize_unfilled()) {
            Ok(read) => {
                buf.advance(read);
                Ok(Some(read))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Errs unless the peer has said nothing and not hung up. Costs a system call, so it is only
    /// made where the runtime may not have looked for a while.
    fn expect_silence(&self) -> io::Result<()> {
        let mut byte = [MaybeUninit::uninit()];
        match SockRef::from(&self.stream).peek(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
            Ok(0) => Err(io::Error::other("the service closed the idle connection")),
            Ok(_) => Err(io::Error::other("the service sent bytes that nobody asked for")),
        }
    }

    fn note<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(result, Poll::Ready(Ok(_))) {
            self.wire.sent.set(true);
        }
        result
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.wire.probe.get() {
            match self.secured {
                false => self.expect_silence()?,
                // All of it: what comes behind TLS's own words is as little asked for.
                true => {
                    if let Some(read) = self.read_at_once(buf)? {
                        return Poll::Ready(self.wire.read(read));
                    }
                }
            }
            self.wire.probe.set(false);
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        Poll::Ready(self.wire.read(buf.filled().len() - before))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
