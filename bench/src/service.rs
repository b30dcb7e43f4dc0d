//! The service that answers with 200 and an empty body, on one thread, at once or after a while as
//! one that waits for a database. It counts what it accepted, and tells on `GET`, with its own clock,
//! so that a rate is free of the asking's delay; where it is told to, also how old the records were
//! that came since it was asked last.

use std::cell::{Cell, RefCell};
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
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::latency::Ages;
use crate::pace;
use crate::process::Process;

/// More than arrive in any measurement.
const AGES_MAX: usize = 10_000_000;

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
    /// `delay`: how long each answer takes; `ages`: whether to keep how old the records are.
    pub(crate) fn start(delay: Duration, ages: bool) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let arguments = ["service", "--delay-ms", &delay.as_millis().to_string()];
        command.args(arguments).args(ages.then_some("--ages")).stdout(Stdio::piped());
        let mut process = Process::spawn("the service", &mut command)?;
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
        self.ask("/")
    }

    /// How old the records were that came since this was asked last.
    pub(crate) fn ages(&self) -> anyhow::Result<Option<Ages>> {
        self.ask("/ages")
    }

    fn ask<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let mut stream = TcpStream::connect(self.address).context("asking the service")?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: service\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("the service's answer has no end")?;
        serde_json::from_str(body).with_context(|| format!("the service said {answer}"))
    }
}

/// What the service knows.
struct Book {
    begin: Instant,
    accepted: Cell<u64>,
    /// Microseconds; none where it is not to be kept.
    ages: Option<RefCell<Vec<u64>>>,
}

/// Prints the address it listens on as its first line; runs until it is killed.
pub(crate) fn serve(delay: Duration, ages: bool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let ages = ages.then(RefCell::default);
    let book = Rc::new(Book { begin: Instant::now(), accepted: Cell::new(0), ages });
    local.block_on(&runtime, async {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let book = Rc::clone(&book);
            let answer = service_fn(move |request| answer(request, delay, Rc::clone(&book)));
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
    book: Rc<Book>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        return Ok(Response::new(Full::from(book.tell(request.uri().path()))));
    }
    // The value has to arrive before it can be accepted.
    if let Ok(value) = http_body_util::BodyExt::collect(request.into_body()).await {
        book.keep_age(|| value.to_bytes());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        book.accepted.set(book.accepted.get() + 1);
    }
    Ok(Response::new(Full::default()))
}

impl Book {
    fn keep_age(&self, value: impl FnOnce() -> Bytes) {
        if let Some(ages) = &self.ages
            && let Some(age) = pace::age(&value())
            && ages.borrow().len() < AGES_MAX
        {
            ages.borrow_mut().push(u64::try_from(age.as_micros()).unwrap_or(u64::MAX));
        }
    }

    fn tell(&self, path: &str) -> Vec<u8> {
        let told = if path == "/ages" {
            serde_json::to_vec(&self.ages.as_ref().and_then(|ages| Ages::of(ages.take())))
        } else {
            let seconds = self.begin.elapsed().as_secs_f64();
            serde_json::to_vec(&Count { accepted: self.accepted.get(), seconds })
        };
        told.expect("numbers can be written")
    }
}
