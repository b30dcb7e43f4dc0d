//! A connection's bytes, each direction on its own, as the state of the way says.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{CHUNK, CHUNKS, Link};

/// Bytes, and when they may come out.
type Chunk = (Instant, Vec<u8>);

/// Returns when both directions have ended, or one has broken.
pub(super) async fn both_ways(client: TcpStream, server: TcpStream, link: &watch::Sender<Link>) {
    // Where it can't be set, small requests are slower.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let requests = carry(from_client, to_server, link, Counts::Nothing);
    let answers = carry(from_server, to_client, link, Counts::Bytes);
    // An error means that this connection is over, which is all there is to it.
    let _ = tokio::try_join!(requests, answers);
}

/// Whether [`Link::Torn`] counts what passes in this direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    Nothing,
    Bytes,
}

async fn carry(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    link: &watch::Sender<Link>,
    counts: Counts,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let reading = read(from, sender, link.subscribe());
    let writing = write(to, receiver, link.subscribe(), counts);
    tokio::try_join!(reading, writing).map(|_| ())
}

async fn read(
    mut from: OwnedReadHalf,
    to: mpsc::Sender<Chunk>,
    mut link: watch::Receiver<Link>,
) -> io::Result<()> {
    loop {
        let passing = passes(&mut link).await?;
        let mut bytes = Vec::with_capacity(CHUNK);
        if from.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        let delay = match passing {
            Link::Slow { delay, .. } => delay,
            _ => Duration::ZERO,
        };
        to.send((Instant::now() + delay, bytes)).await.map_err(io::Error::other)?;
    }
}

async fn write(
    mut to: OwnedWriteHalf,
    mut chunks: mpsc::Receiver<Chunk>,
    mut link: watch::Receiver<Link>,
    counts: Counts,
) -> io::Result<()> {
    let mut left = None;
    while let Some((due, bytes)) = chunks.recv().await {
        tokio::time::sleep_until(due).await;
        match passes(&mut link).await? {
            Link::Torn { bytes: most } if counts == Counts::Bytes => {
                let left = left.get_or_insert(most);
                let some = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                to.write_all(&bytes[..some]).await?;
                *left -= some as u64;
                if *left == 0 {
                    to.as_ref().set_zero_linger()?;
                    // Dropped, it would end its direction in good order first.
                    to.forget();
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
            }
            Link::Slow { bytes_per_second: Some(rate), .. } => {
                left = None;
                let time = bytes.len() as f64 / rate.max(1) as f64;
                tokio::time::sleep(Duration::from_secs_f64(time)).await;
                to.write_all(&bytes).await?;
            }
            _ => {
                left = None;
                to.write_all(&bytes).await?;
            }
        }
    }
    to.shutdown().await
}

/// Waits while the way is silent; its state then.
async fn passes(link: &mut watch::Receiver<Link>) -> io::Result<Link> {
    let passes = link.wait_for(|link| *link != Link::Silent).await;
    passes.map(|link| *link).map_err(io::Error::other)
}
