//! A TCP stream that knows two things the HTTP client above it can't tell: whether any byte of the
//! current request was handed to the kernel, and whether the kernel has news (an end, or bytes
//! nobody asked for) that the runtime has not heard of yet.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What the socket and the connection that owns the client above it share.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Some byte since the last [`Wire::begin`] may have reached the peer.
    sent: Cell<bool>,
    /// The next read first asks the kernel whether the peer is still silent.
    probe: Cell<bool>,
}

impl Wire {
    pub(crate) fn begin(&self, probe: bool) {
        self.sent.set(false);
        self.probe.set(probe);
    }

    pub(crate) fn sent(&self) -> bool {
        self.sent.get()
    }
}

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    wire: Rc<Wire>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, wire: Rc<Wire>) -> Self {
        Self { stream, wire }
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
        if self.wire.probe.take() {
            self.expect_silence()?;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
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
