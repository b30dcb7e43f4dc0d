//! The connections to one endpoint: those at rest are kept, the last used is taken first. Where the
//! endpoint has a habit of leaving them, they are closed before it does.
//!
//! [`Connections::deliver`] is all that a delivery slot needs. The number of connections in use is
//! the number of deliveries under way, which is the caller's to bound.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::{Answer, TargetFault};
use tokio::time::Instant;

use crate::age::Ages;
use crate::connection::{at_fault, too_late};
use crate::reuse::{Loss, Reuse};
use crate::{
    Connection, DoesNotFit, Endpoint, Exchange, OpenError, Origin, Record, RequestWriter, Tls,
};

/// Bounds on connections and requests, and what of a record requests hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Request line and headers, bytes.
    pub max_header_bytes: usize,
    /// Names, as records have them, of the record headers that are sent; none is all.
    pub record_headers: Option<Arc<[String]>>,
    /// How long an endpoint may take to accept a connection, where the deadline is not nearer.
    pub connect_timeout: Duration,
    /// A connection at rest for longer is closed: shorter than the two seconds after which the
    /// hastiest common servers hang up, so that a request does not cross with their leaving.
    pub max_idle: Duration,
    /// Connections kept at rest.
    pub max_resting: usize,
    /// A connection is closed, at rest or after an exchange, at an age of its own between a half of
    /// this and the whole.
    pub max_age: Option<Duration>,
    /// A connection is closed after this many exchanges.
    pub max_exchanges: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_header_bytes: 8 << 10,
            record_headers: None,
            connect_timeout: Duration::from_secs(5),
            max_idle: Duration::from_secs(1),
            max_resting: 256,
            max_age: None,
            max_exchanges: None,
        }
    }
}

/// The connections to one endpoint.
#[derive(Debug)]
pub struct Connections {
    endpoint: Endpoint,
    limits: Limits,
    tls: Tls,
    writer: RefCell<RequestWriter>,
    /// The last used at the back.
    resting: RefCell<VecDeque<Connection>>,
    reuse: RefCell<Reuse>,
    ages: Ages,
}

impl Connections {
    /// `tls` is for endpoints that want it.
    pub fn new(endpoint: Endpoint, limits: Limits, tls: Tls) -> Self {
        let writer = RequestWriter::new(limits.max_header_bytes);
        let writer = RefCell::new(writer.sending(limits.record_headers.clone()));
        let ages = Ages::new(limits.max_age);
        let (resting, reuse) = (RefCell::default(), RefCell::default());
        Self { endpoint, limits, tls, writer, resting, reuse, ages }
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Connections at rest.
    pub fn resting(&self) -> usize {
        self.resting.borrow().len()
    }

    /// Delivers `record` once, and answers by `deadline`. Errs before anything is sent.
    ///
    /// Dropping the future gives the delivery up; the service may then still process it.
    pub async fn deliver<'a, H>(
        &self,
        origin: &Origin,
        record: &Record<'a, H>,
        deadline: Instant,
    ) -> Result<Answer, DoesNotFit>
    where
        H: Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone,
    {
        let write = |now| {
            let timeout = deadline.saturating_duration_since(now);
            self.writer.borrow_mut().write(&self.endpoint, origin, record, timeout)
        };
        let now = Instant::now();
        let request = write(now)?;
        if now >= deadline {
            return Ok(too_late());
        }
        if let Some(mut connection) = self.take(now) {
            // One that was left while at rest says nothing of the endpoint, so a new one is tried.
            let (opened, exchanges) = (connection.opened(), connection.exchanges());
            let rest = now.saturating_duration_since(connection.used());
            if let Exchange::Answer(answer) = connection.exchange(request, deadline).await {
                if connection.was_lost_unheard() {
                    let loss = Loss { opened, exchanges, rest };
                    self.reuse.borrow_mut().lost(loss, connection.used());
                }
                self.put(connection);
                return Ok(answer);
            }
        }
        // Well before the deadline, so that what was not sent is known not to be.
        let half = deadline.saturating_duration_since(now) / 2;
        let connect_by = now + half.min(self.limits.connect_timeout);
        let mut connection = match self.open(connect_by).await {
            Ok(connection) => connection,
            Err(error) => return Ok(error.into()),
        };
        match connection.exchange(write(Instant::now())?, deadline).await {
            Exchange::Answer(answer) => {
                self.put(connection);
                Ok(answer)
            }
            Exchange::NotSent { fault, reason } => {
                Ok(at_fault(fault, format!("{}: {reason}", self.endpoint)))
            }
        }
    }

    /// Connects once, within the connect timeout, and sends nothing. Says what is wrong, if anything.
    pub async fn check(&self) -> Option<TargetFault> {
        let by = Instant::now() + self.limits.connect_timeout;
        match self.open(by).await {
            Ok(connection) => {
                self.put(connection);
                None
            }
            Err(error) => Some(error.fault()),
        }
    }

    async fn open(&self, deadline: Instant) -> Result<Connection, OpenError> {
        let mut connection = Connection::open(&self.endpoint, &self.tls, deadline).await?;
        if let Some(age) = self.ages.draw() {
            connection.retire_at(connection.opened() + age);
        }
        Ok(connection)
    }

    /// Closes connections that have rested for too long or are too old. Deliveries do so for the connections that
    /// they come across; where there are none, it is for the caller to do now and then.
    pub fn prune(&self) {
        let now = Instant::now();
        let max_idle = self.max_idle(now);
        let mut resting = self.resting.borrow_mut();
        while resting.front().is_some_and(|oldest| is_stale(oldest, max_idle, now)) {
            resting.pop_front();
        }
        if self.limits.max_age.is_some() {
            resting.retain(|connection| !connection.is_retired(now));
        }
    }

    fn max_idle(&self, now: Instant) -> Duration {
        let learned = self.reuse.borrow().max_idle(now);
        learned.map_or(self.limits.max_idle, |learned| learned.min(self.limits.max_idle))
    }

    fn take(&self, now: Instant) -> Option<Connection> {
        let max_idle = self.max_idle(now);
        let mut resting = self.resting.borrow_mut();
        let mut connection = resting.pop_back()?;
        // Since it came to rest it may have grown too old, or a limit was learned.
        while self.is_spent(&connection, now) {
            connection = resting.pop_back()?;
        }
        if is_stale(&connection, max_idle, now) {
            // All others have rested for longer.
            resting.clear();
            return None;
        }
        if resting.front().is_some_and(|oldest| is_stale(oldest, max_idle, now)) {
            resting.pop_front();
        }
        connection.set_doubted(self.reuse.borrow().is_doubtful(now));
        Some(connection)
    }

    fn is_spent(&self, connection: &Connection, now: Instant) -> bool {
        if connection.is_retired(now) {
            return true;
        }
        let learned = self.reuse.borrow().max_exchanges(now);
        [self.limits.max_exchanges, learned]
            .into_iter()
            .flatten()
            .any(|most| connection.exchanges() >= most)
    }

    fn put(&self, connection: Connection) {
        let spent = self.is_spent(&connection, connection.used());
        let mut resting = self.resting.borrow_mut();
        if connection.is_usable() && !spent && resting.len() < self.limits.max_resting {
            resting.push_back(connection);
        }
    }
}

fn is_stale(connection: &Connection, max_idle: Duration, now: Instant) -> bool {
    now.saturating_duration_since(connection.used()) > max_idle
}
