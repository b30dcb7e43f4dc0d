//! The service that answers with 200 and an empty body, on one thread, at once or after a while as
//! one that waits for a database. It counts what it accepted, and tells on `GET`, with its own clock, so that a rate is free of the asking's delay.

use std::cell::Cell;
use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::process::Process;

/// What the service has done by a moment of its own clock.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) accepted: u64,
    pub(crate) seconds: f64,
}

/// The running service, seen from the harness.
pub(crate) struct Service {
    process: Process,
    pub(crate) address: SocketAddr,
}

impl Service {
    /// `delay`: how long each answer takes.
    pub(crate) fn start(delay: Duration) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let arguments = ["service", "--delay-ms", &delay.as_millis().to_string()];
        let mut process =
            Process::spawn("the service", command.args(arguments).stdout(Stdio::piped()))?;
        let stdout = process.child().stdout.take().context("the service has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().context("the service did not say where it listens")?;
        Ok(Self { process, address })
    }

    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        self.process.cpu()
    }

    pub(crate) fn count(&self) -> anyhow::Result<Count> {
        let mut stream = TcpStream::connect(self.address).context("asking the service")?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: service\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("the service's answer has no end")?;
        serde_json::from_str(body).with_context(|| format!("the service said {answer}"))
    }
}

/// Prints the address it listens on as its first line; runs until it is killed.
pub(crate) fn serve(delay: Duration) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let begin = Instant::now();
    let accepted = Rc::new(Cell::new(0));
    local.block_on(&runtime, async {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let accepted = Rc::clone(&accepted);
            let answer =
                service_fn(move |request| answer(request, delay, Rc::clone(&accepted), begin));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            tokio::task::spawn_local(async move {
                // A peer that ends its round in the middle of a request is no news.
                let _ = connection.await;
            });
        }
    })
}

async fn answer(
    request: Request<Incoming>,
    delay: Duration,
    accepted: Rc<Cell<u64>>,
    begin: Instant,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        let count = Count { accepted: accepted.get(), seconds: begin.elapsed().as_secs_f64() };
        let text = serde_json::to_vec(&count).expect("numbers can be written");
        return Ok(Response::new(Full::from(text)));
    }
    // The value has to arrive before it can be accepted.
    if http_body_util::BodyExt::collect(request.into_body()).await.is_ok() {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        accepted.set(accepted.get() + 1);
    }
    Ok(Response::new(Full::default()))
}
