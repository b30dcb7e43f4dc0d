//! An authority that certifies, and a front that speaks TLS for a service, as a balancer does.
//!
//! A front runs in a thread of its own, like the service behind it. It can be restarted with another
//! certificate, and remembers whom its clients asked for. It carries bytes and knows no HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, version};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Who signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Certified {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// # Panics
    /// Where the system has no randomness.
    pub fn new(name: &str) -> Self {
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, new_key()).expect("it is complete");
        Self { issuer }
    }

    /// The authority's own certificate in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The authority's own certificate, shown as if it were a service's.
    pub fn itself(&self) -> Certified {
        Certified { certificate: self.issuer.pem(), key: self.issuer.key().serialize_pem() }
    }

    /// A certificate for these names or addresses.
    pub fn certify(&self, names: &[&str]) -> Certified {
        self.sign(&params(names))
    }

    /// The same, which ended long ago.
    pub fn certify_expired(&self, names: &[&str]) -> Certified {
        let mut params = params(names);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(&params)
    }

    /// The same, which begins in a time to come.
    pub fn certify_early(&self, names: &[&str]) -> Certified {
        let mut params = params(names);
        params.not_before = date_time_ymd(2999, 1, 1);
        params.not_after = date_time_ymd(3000, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Certified {
        let key = new_key();
        let certificate = params.signed_by(&key, &self.issuer).expect("it is complete");
        Certified { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Certified {
    /// A certificate for these names that signed itself, and is no authority's.
    ///
    /// # Panics
    /// Where the system has no randomness.
    pub fn alone(names: &[&str]) -> Self {
        let key = new_key();
        let mut params = params(names);
        params.is_ca = IsCa::ExplicitNoCa;
        let certificate = params.self_signed(&key).expect("it is complete");
        Self { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("names that certificates can have")
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the system has randomness")
}

/// What a front shows, and asks for.
#[derive(Clone, Debug)]
pub struct Manners {
    pub certified: Certified,
    /// Clients must show a certificate of this authority, given in PEM.
    pub clients: Option<String>,
    /// Speaks no TLS 1.3.
    pub old: bool,
    /// What is spoken above; none: not said.
    pub alpn: Option<&'static [u8]>,
}

impl Manners {
    pub fn showing(certified: Certified) -> Self {
        Self { certified, clients: None, old: false, alpn: None }
    }

    #[must_use]
    pub fn asking(self, clients: &Authority) -> Self {
        Self { clients: Some(clients.pem()), ..self }
    }

    fn server(&self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = if self.old { &[&version::TLS12][..] } else { rustls::ALL_VERSIONS };
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("the provider has both versions");
        let server = match &self.clients {
            None => server.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(certificates(authority));
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                server.with_client_cert_verifier(verifier.build().expect("it has an authority"))
            }
        };
        let key = PrivateKeyDer::from_pem_slice(self.certified.key.as_bytes()).expect("a key");
        let chain = certificates(&self.certified.certificate);
        let mut server = server.with_single_cert(chain, key).expect("the certificate's own key");
        server.alpn_protocols = self.alpn.iter().map(|alpn| alpn.to_vec()).collect();
        server
    }
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    let certificates: Result<_, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    certificates.expect("certificates in PEM")
}

/// Speaks TLS on the loopback for a service that does not.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// To cut what is connected off, and say when that is done. It ends with this.
    cuts: Option<Sender<SyncSender<()>>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    service: SocketAddr,
    server: Arc<ServerConfig>,
    seen: Vec<Seen>,
    refused: usize,
    carried: usize,
}

/// A handshake that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whom the client asked for.
    pub server_name: Option<String>,
    /// Whether it went on with a session from before.
    pub resumed: bool,
}

impl Front {
    /// # Panics
    /// Where no thread or port is to be had.
    pub fn start(service: SocketAddr, manners: &Manners) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("a socket's option");
        let server = Arc::new(manners.server());
        let state = State { service, server, seen: Vec::new(), refused: 0, carried: 0 };
        let state = Arc::new(Mutex::new(state));
        let (cuts, wanted) = channel(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (runtime, run) =
            (runtime.expect("a runtime"), run(Arc::clone(&state), listener, wanted));
        let thread = std::thread::Builder::new().name("front".to_owned());
        let thread = thread.spawn(move || runtime.block_on(run)).expect("a thread");
        Self { address, state, cuts: Some(cuts), thread: Some(thread) }
    }

    /// Goes on with other manners. Returns once what was connected is cut off.
    pub fn restart(&self, manners: &Manners) {
        lock(&self.state).server = Arc::new(manners.server());
        let (cut, done) = sync_channel(1);
        let cuts = self.cuts.as_ref().expect("it is there until it is dropped");
        cuts.try_send(cut).expect("one restart is waited for before the next");
        done.recv().expect("it answers");
    }

    /// What connects from now on gets to another service.
    pub fn turn(&self, service: SocketAddr) {
        lock(&self.state).service = service;
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An address under this host, which is to mean the loopback.
    pub fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/records", self.address.port())
    }

    /// The handshakes that were made, in their order.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state).seen.clone()
    }

    /// Handshakes that failed.
    pub fn refused(&self) -> usize {
        lock(&self.state).refused
    }

    /// Bytes from services to clients.
    pub fn carried(&self) -> usize {
        lock(&self.state).carried
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.cuts.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has failed its test already.
            let _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(
    state: Arc<Mutex<State>>,
    listener: std::net::TcpListener,
    mut cuts: Receiver<SyncSender<()>>,
) {
    let listener = TcpListener::from_std(listener).expect("a listener that does not block");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    connections.spawn(carry(Arc::clone(&state), client));
                }
            }
            cut = cuts.recv() => {
                connections.shutdown().await;
                let Some(cut) = cut else { break };
                // Whoever asked waits.
                let _ = cut.send(());
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(state: Arc<Mutex<State>>, client: TcpStream) {
    // Otherwise what is counted as carried may wait here for the client's word.
    if client.set_nodelay(true).is_err() {
        return;
    }
    let acceptor = TlsAcceptor::from(Arc::clone(&lock(&state).server));
    let Ok(client) = acceptor.accept(client).await else {
        lock(&state).refused += 1;
        return;
    };
    let session = client.get_ref().1;
    let server_name = session.server_name().map(str::to_owned);
    let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    lock(&state).seen.push(Seen { server_name, resumed });
    let service = lock(&state).service;
    let Ok(mut service) = TcpStream::connect(service).await else { return };
    let (from_client, to_client) = tokio::io::split(client);
    let (from_service, to_service) = service.split();
    // However it ends, both ends see it.
    tokio::select! {
        _ = pass(from_client, to_service, |_| ()) => {}
        _ = pass(from_service, to_client, |bytes| lock(&state).carried += bytes) => {}
    }
}

/// Until there is no more; with TLS its end is said.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: impl Fn(usize),
) -> std::io::Result<()> {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&bytes[..read]).await?;
        to.flush().await?;
        count(read);
    }
}
