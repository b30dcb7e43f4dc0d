//! One client's connection: frames in, answers out in the order of their requests.
//!
//! A request is started as soon as it is read, so that pipelined produces append in order and
//! share one fsync; its answer waits for its turn. A commit behind a join or a sync that is held is
//! not started before that is answered: Kafka would refuse it then, for its generation has passed,
//! and what a client was not told must not be done meanwhile. At most [`IN_FLIGHT`] requests are
//! unanswered, and reading stops while the broker's budget for request bytes is used up. When the
//! client is gone, what waits for it is dropped.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::api::{Frame, Refused, Reply, Serving, dispatch};
use crate::node::Node;

const IN_FLIGHT: usize = 64;

/// A frame that was begun holds memory, so its sender may not pause longer than this within it.
const FRAME_PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the client closed the connection")]
    ByClient,
    #[error("a request of {0} bytes is larger than socket.request.max.bytes or negative")]
    FrameSize(i32),
    #[error("the client paused within a request")]
    Paused,
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("{0}")]
    Io(#[from] io::Error),
}

struct Waiting {
    answer: Answer,
    /// Whether commits behind it wait for its answer.
    holds: bool,
    /// Held while a produce request's bytes are, and those of what is not started.
    _memory: Option<OwnedSemaphorePermit>,
}

enum Answer {
    Ready(Reply),
    Later(Serving),
    Unstarted(Bytes),
}

/// Serves the connection until either side ends it.
pub(crate) async fn run(node: Arc<Node>, stream: TcpStream, peer: SocketAddr) {
    // Small answers must not wait for more; failing to say so only costs latency.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let (queue, waiting) = mpsc::channel(IN_FLIGHT);
    let held = AtomicUsize::new(0);
    let ended = tokio::select! {
        ended = read(&node, peer, reader, queue, &held) => ended,
        ended = write(&node, peer, writer, waiting, &held) => ended,
    };
    match ended {
        Err(Ended::ByClient | Ended::Io(_)) | Ok(()) => {
            tracing::debug!(%peer, ?ended, "connection ended");
        }
        Err(error) => tracing::warn!(%peer, %error, "connection closed"),
    }
}

async fn read(
    node: &Arc<Node>,
    peer: SocketAddr,
    reader: OwnedReadHalf,
    queue: mpsc::Sender<Waiting>,
    held: &AtomicUsize,
) -> Result<(), Ended> {
    let mut reader = BufReader::with_capacity(16 * 1024, reader);
    loop {
        let (frame, memory) = read_frame(node, &mut reader).await?;
        let waiting = match held.load(Ordering::Relaxed) > 0 && is_commit(&frame) {
            true => {
                Waiting { answer: Answer::Unstarted(frame), holds: true, _memory: Some(memory) }
            }
            false => start(node, peer, frame, memory).await?,
        };
        held.fetch_add(usize::from(waiting.holds), Ordering::Relaxed);
        if queue.send(waiting).await.is_err() {
            return Ok(());
        }
    }
}

fn is_commit(frame: &[u8]) -> bool {
    frame.starts_with(&(ApiKey::OffsetCommit as i16).to_be_bytes())
}

async fn start(
    node: &Arc<Node>,
    peer: SocketAddr,
    frame: Bytes,
    memory: OwnedSemaphorePermit,
) -> Result<Waiting, Refused> {
    let mut started = dispatch(node, peer.ip(), frame)?;
    let memory = (started.key == ApiKey::Produce).then_some(memory);
    let first = poll_fn(|context| Poll::Ready(started.serving.as_mut().poll(context))).await;
    let (answer, holds) = match first {
        Poll::Ready(reply) => (Answer::Ready(reply), false),
        Poll::Pending => {
            let holds = matches!(started.key, ApiKey::JoinGroup | ApiKey::SyncGroup);
            (Answer::Later(started.serving), holds)
        }
    };
    Ok(Waiting { answer, holds, _memory: memory })
}

async fn read_frame(
    node: &Node,
    reader: &mut BufReader<OwnedReadHalf>,
) -> Result<(Bytes, OwnedSemaphorePermit), Ended> {
    let length = match reader.read_i32().await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Ended::ByClient),
        length => length?,
    };
    let size = u32::try_from(length).map_err(|_| Ended::FrameSize(length))?;
    if size > node.config.request_max_bytes {
        return Err(Ended::FrameSize(length));
    }
    let memory = node.request_memory.take(size).await;
    let mut left = size as usize;
    let mut frame = BytesMut::with_capacity(left);
    while left > 0 {
        let mut body = (&mut *reader).take(left as u64);
        let read = tokio::time::timeout(FRAME_PAUSE, body.read_buf(&mut frame)).await;
        match read.map_err(|_| Ended::Paused)?? {
            0 => return Err(Ended::ByClient),
            count => left -= count,
        }
    }
    Ok((frame.freeze(), memory))
}

async fn write(
    node: &Arc<Node>,
    peer: SocketAddr,
    mut writer: OwnedWriteHalf,
    mut waiting: mpsc::Receiver<Waiting>,
    held: &AtomicUsize,
) -> Result<(), Ended> {
    while let Some(next) = waiting.recv().await {
        let reply = match next.answer {
            Answer::Ready(reply) => reply,
            Answer::Later(serving) => serving.await,
            Answer::Unstarted(frame) => dispatch(node, peer.ip(), frame)?.serving.await,
        };
        held.fetch_sub(usize::from(next.holds), Ordering::Relaxed);
        match reply {
            Reply::Send(frame) => write_frame(&mut writer, frame).await?,
            Reply::Nothing => {}
            Reply::Close(refused) => return Err(refused.into()),
        }
    }
    Ok(())
}

async fn write_frame(writer: &mut OwnedWriteHalf, frame: Frame) -> io::Result<()> {
    let mut pieces = Pieces(frame.pieces.into());
    writer.write_all_buf(&mut pieces).await?;
    drop(frame.permit);
    Ok(())
}

/// The pieces of a frame as one buffer, so that many of them share a system call.
struct Pieces(VecDeque<Bytes>);

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.iter().map(Bytes::as_ref).find(|piece| !piece.is_empty()).unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pieces = self.0.iter().filter(|piece| !piece.is_empty());
        slices.iter_mut().zip(pieces).map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.0.front_mut() {
            if count < first.len() {
                return first.advance(count);
            }
            count -= first.len();
            self.0.pop_front();
        }
    }
}
