//! The other processes of a group: where they answer, and what they say when they are asked.
//!
//! A process that is not alone in its group announces its control address in the topic `__forebay`,
//! and reads there where the others answer when it has something to ask. One that is alone writes
//! and reads nothing. Whom to ask comes from Kafka, which says who is in the group; an announcement
//! only adds the address. Requests carry this process's own token and name the member they are for,
//! which refuses what is for another; they ask for the process alone, so nobody asks on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use forebay_gateway::{Handle, Handles};
use forebay_wire::Announcement;
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::blocking::blocking;
use crate::exchange::{ExchangeError, Question, exchange};

mod announce;
pub(crate) mod merge;
pub(crate) mod whom;

use announce::Stated;
use whom::{Announced, At, Peer, Said};

/// How long a process may take to say what it has: whoever asks waits for all of them.
const ASK: Duration = Duration::from_secs(1);
/// How long one may take to do what it is told: it may have to ask Kafka.
const TELL: Duration = Duration::from_secs(15);
/// How long it may take to read where the others answer.
const READ: Duration = Duration::from_secs(3);
/// How old what was read may be where somebody is not found by it.
const REREAD: Duration = Duration::from_secs(3);
/// The same where nothing else tells who is in the group.
const REREAD_UNTOLD: Duration = Duration::from_secs(10);
/// Longest answer, bytes: that of tens of thousands of partitions.
const ANSWER_MAX: usize = 16 << 20;

/// This process among others of its groups.
#[derive(Clone)]
pub struct Peers(Arc<Inner>);

struct Inner {
    token: Option<String>,
    listens: SocketAddr,
    /// What others are told instead.
    advertise: Option<String>,
    /// What was announced, by group and instance id.
    stated: Mutex<BTreeMap<(String, String), Stated>>,
    /// What was read, by group.
    books: Mutex<BTreeMap<String, Arc<Book>>>,
}

/// What is known of one group's addresses.
#[derive(Default)]
struct Book {
    read: Mutex<Option<(Instant, Announced)>>,
    /// Held by the one who reads.
    reading: Arc<tokio::sync::Mutex<()>>,
}

/// What is asked of the other processes about one subscription.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    method: Method,
    /// Behind the subscription's name.
    rest: String,
    body: Value,
    patience: Duration,
}

impl Asked {
    /// What a process has.
    pub(crate) fn shown() -> Self {
        Self { method: Method::GET, rest: String::new(), body: Value::Null, patience: ASK }
    }

    /// A command; `rest` begins with a slash. The body is not null: it is what confirms it.
    pub(crate) fn command(rest: impl Into<String>, body: Value) -> Self {
        Self { method: Method::POST, rest: rest.into(), body, patience: TELL }
    }
}

/// What a process answered to a command.
#[derive(Debug)]
pub(crate) enum Told {
    Answered(StatusCode, Value),
    /// It was not sent.
    Unsent(String),
    /// It may be done, or not.
    Unknown(String),
}

impl Told {
    /// Whether it is certain that this process did it.
    fn is_by(&self, peer: &Peer) -> bool {
        matches!(self, Self::Answered(StatusCode::OK, shown) if merge::is_by(peer, shown))
    }
}

impl Peers {
    /// `advertise`: where others are to ask this process, if not where it listens.
    pub fn new(listens: SocketAddr, advertise: Option<String>, token: Option<String>) -> Self {
        let (stated, books) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { token, listens, advertise, stated, books }))
    }

    /// Says where this process answers, for each group in which it is not alone, again and again.
    /// Never ends.
    pub async fn announce(&self, handles: Handles) {
        announce::forever(self, handles).await;
    }

    /// Takes back what was announced, so that nobody asks a process that has ended.
    pub async fn leave(&self) {
        announce::take_back(self).await;
    }

    /// Where others find this process as a member of this group.
    pub(crate) fn address(&self, handle: &Handle) -> Option<String> {
        let fellows = handle.fellows();
        let own = fellows
            .iter()
            .flat_map(|all| all.iter())
            .find(|fellow| whom::process(fellow, handle.name()) == Some(handle.instance_id()));
        let seen_at = own.map(|fellow| fellow.member.host.as_str());
        whom::advertised(self.0.advertise.as_deref(), self.0.listens, seen_at)
    }

    /// Why it is not known who else is in the group, where that is so.
    pub(crate) fn unknown(&self, handle: &Handle) -> Option<String> {
        if handle.fellows().is_some() {
            return None;
        }
        if !handle.properties().joins_by_epochs() {
            return Some("Kafka has not said yet who else is in the group".to_owned());
        }
        let book = self.book(handle.group());
        let read = lock(&book.read);
        read.as_ref().and_then(|(_, found)| found.as_ref().err().cloned())
    }

    /// What every other process of the group shows of this subscription, all asked at once.
    pub(crate) async fn ask_all(&self, handle: &Handle) -> Vec<(Peer, Said)> {
        let said = |peer: &Peer, told: Told| match told {
            Told::Answered(StatusCode::OK, shown) => merge::shown_by(peer, shown),
            Told::Answered(status, body) => Err(refusal(status, &body)),
            Told::Unsent(why) | Told::Unknown(why) => Err(why),
        };
        let all = self.tell_all(handle, Asked::shown()).await;
        let all = all.into_iter().map(|(peer, told)| (said(&peer, told), peer));
        all.map(|(said, peer)| (peer, said)).collect()
    }

    /// Tells every other process of the group, all at once, and gives what each says to it.
    pub(crate) async fn tell_all(&self, handle: &Handle, asked: Asked) -> Vec<(Peer, Told)> {
        let (peers, age) = self.known(handle).await;
        let mut told = self.send(handle, peers, &asked).await;
        if age < REREAD || told.iter().all(|(peer, told)| told.is_by(peer)) {
            return told;
        }
        // It may have begun anew elsewhere; who answers at its address may be anybody.
        let announced = self.read(handle, REREAD).await;
        let again = self.peers(handle, &announced);
        let moved = |peer: &Peer| {
            let before = told.iter().find(|(before, _)| before.instance_id == peer.instance_id);
            before.is_none_or(|(before, told)| !told.is_by(before) && before.at != peer.at)
        };
        let again: Vec<Peer> = again.into_iter().filter(moved).collect();
        let ids: Vec<String> = again.iter().map(|peer| peer.instance_id.clone()).collect();
        told.retain(|(peer, _)| !ids.contains(&peer.instance_id));
        told.extend(self.send(handle, again, &asked).await);
        told.sort_by(|(one, _), (other, _)| one.instance_id.cmp(&other.instance_id));
        told
    }

    /// Tells one of them.
    pub(crate) async fn tell(&self, handle: &Handle, peer: &Peer, asked: Asked) -> Told {
        self.0.clone().send(handle.name().to_owned(), peer.clone(), asked).await
    }

    async fn send(&self, handle: &Handle, peers: Vec<Peer>, asked: &Asked) -> Vec<(Peer, Told)> {
        let mut out = JoinSet::new();
        for peer in peers {
            let (inner, name, asked) = (self.0.clone(), handle.name().to_owned(), asked.clone());
            out.spawn(async move {
                let told = inner.send(name, peer.clone(), asked).await;
                (peer, told)
            });
        }
        let mut told = out.join_all().await;
        told.sort_by(|(one, _), (other, _)| one.instance_id.cmp(&other.instance_id));
        told
    }

    /// The others as far as is known, and how old that may be.
    async fn known(&self, handle: &Handle) -> (Vec<Peer>, Duration) {
        let fellows = handle.fellows();
        let by_epochs = handle.properties().joins_by_epochs();
        let (own, name) = (handle.instance_id(), handle.name());
        if !whom::has_company(own, name, fellows.as_deref(), by_epochs) {
            return (Vec::new(), Duration::ZERO);
        }
        let fresh = if fellows.is_some() { Duration::MAX } else { REREAD_UNTOLD };
        let announced = self.read(handle, fresh).await;
        let read = lock(&self.book(handle.group()).read).as_ref().map(|(at, _)| at.elapsed());
        (self.peers(handle, &announced), read.unwrap_or_default())
    }

    fn peers(&self, handle: &Handle, announced: &Announced) -> Vec<Peer> {
        let fellows = handle.fellows();
        whom::peers(handle.instance_id(), handle.name(), fellows.as_deref(), announced, now_ms())
    }

    /// Where the others answer, read no longer ago than `fresh`.
    async fn read(&self, handle: &Handle, fresh: Duration) -> Announced {
        let book = self.book(handle.group());
        let known = move |book: &Book| {
            let read = lock(&book.read);
            read.as_ref().filter(|(at, _)| at.elapsed() < fresh).map(|(_, found)| found.clone())
        };
        if let Some(found) = known(&book) {
            return found;
        }
        let (properties, group) = (handle.properties().clone(), handle.group().to_owned());
        // It goes on when nobody waits any more, so that one at a time reads.
        let reading = tokio::spawn(async move {
            let _one = book.reading.clone().lock_owned().await;
            if let Some(found) = known(&book) {
                return found;
            }
            let found = blocking(move || forebay_kafka::announced(&properties, &group)).await;
            *lock(&book.read) = Some((Instant::now(), found.clone()));
            found
        });
        match tokio::time::timeout(READ, reading).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => Err("the process is about to end".to_owned()),
            Err(_) => Err(format!("__forebay was not read within {READ:?}")),
        }
    }

    fn book(&self, group: &str) -> Arc<Book> {
        lock(&self.0.books).entry(group.to_owned()).or_default().clone()
    }
}

impl Inner {
    async fn send(self: Arc<Self>, name: String, peer: Peer, asked: Asked) -> Told {
        let address = match &peer.at {
            At::Address(address) => address,
            At::Ended => return Told::Unsent("it has ended".to_owned()),
            At::Unknown(why) => return Told::Unsent(why.clone()),
        };
        if let Err(why) = whom::may_ask(address, self.token.is_some()) {
            return Told::Unsent(why);
        }
        let Asked { method, rest, body, patience } = asked;
        let part = |text: &str| {
            let set = percent_encoding::NON_ALPHANUMERIC;
            percent_encoding::utf8_percent_encode(text, set).to_string()
        };
        let (name, id) = (part(&name), part(&peer.instance_id));
        let path = format!("/api/v1/subscriptions/{name}{rest}?scope=process&instance={id}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let question = Question { method, path, body: body.into() };
        let answer = exchange(address, self.token.as_deref(), question, ANSWER_MAX);
        match tokio::time::timeout(patience, answer).await {
            // It was not for the process that answers there now.
            Ok(Ok((StatusCode::MISDIRECTED_REQUEST, body))) => {
                let body = serde_json::from_slice(&body).unwrap_or_default();
                Told::Unsent(refusal(StatusCode::MISDIRECTED_REQUEST, &body))
            }
            Ok(Ok((status, body))) => {
                Told::Answered(status, serde_json::from_slice(&body).unwrap_or_default())
            }
            Ok(Err(ExchangeError::NotSent(why))) => Told::Unsent(why),
            Ok(Err(ExchangeError::NoAnswer(why))) => Told::Unknown(why),
            Err(_) => Told::Unknown(format!("no answer within {patience:?}")),
        }
    }
}

/// A refusal in words.
pub(crate) fn refusal(status: StatusCode, body: &Value) -> String {
    match body["error"].as_str() {
        _ if status == StatusCode::UNAUTHORIZED => {
            "it refuses our control.token: all processes of a group need the same".to_owned()
        }
        Some(why) => why.to_owned(),
        None => format!("it answers {status}"),
    }
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What this process says of itself.
fn announcement(handle: &Handle, address: String) -> Announcement {
    Announcement {
        group: handle.group().to_owned(),
        instance_id: handle.instance_id().to_owned(),
        address,
        at_ms: now_ms(),
    }
}
