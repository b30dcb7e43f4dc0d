//! How TLS is spoken to a target: which authorities are trusted, and what we show of ourselves.
//!
//! Files are read once, by [`Tls::load`]; what changes on disk counts when it is loaded again. Every
//! certificate is verified, there is no way around it. What fails is told in words that say what to
//! do. Left out: lists of revoked certificates, keys that are locked by a password.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use forebay_core::TlsFault;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::socket::Socket;

/// What TLS is to go by, where it is not the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities that are trusted, and no others; none: the system's.
    pub authorities: Option<PathBuf>,
    /// What we show a service that asks.
    pub identity: Option<Identity>,
    /// Whom certificates are to be for, instead of the URL's host.
    pub server_name: Option<String>,
}

/// A certificate, with those that lead to its authority behind it, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Where a [`TlsError`] lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPart {
    Authorities,
    Certificate,
    Key,
    ServerName,
}

/// What is wrong with what TLS is to go by.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable { part: TlsPart, path: PathBuf, source: std::io::Error },
    #[error(
        "{path} holds no certificate; it is to be PEM, -----BEGIN CERTIFICATE-----",
        path = path.display()
    )]
    NoCertificate { part: TlsPart, path: PathBuf },
    #[error(
        "{path} holds no private key that can be used; it is to be PEM, -----BEGIN PRIVATE KEY-----, \
         and not locked (`openssl pkey` unlocks it)",
        path = path.display()
    )]
    NoKey { path: PathBuf },
    #[error("{path} can't be used: {reason}", path = path.display())]
    Unusable { part: TlsPart, path: PathBuf, reason: String },
    #[error("the key {key} is not that of the certificate {certificate}", key = key.display(),
        certificate = certificate.display())]
    Mismatch { key: PathBuf, certificate: PathBuf },
    #[error("{0:?} is no name or address that a certificate can be for")]
    ServerName(String),
    #[error(
        "this system has no authorities to trust; install its package of certificates \
         (ca-certificates), or name a file by `ca` in [subscription.target.tls]"
    )]
    NoAuthorities,
}

impl TlsError {
    pub const fn part(&self) -> TlsPart {
        match self {
            Self::Unreadable { part, .. }
            | Self::NoCertificate { part, .. }
            | Self::Unusable { part, .. } => *part,
            Self::NoKey { .. } | Self::Mismatch { .. } => TlsPart::Key,
            Self::ServerName(_) => TlsPart::ServerName,
            Self::NoAuthorities => TlsPart::Authorities,
        }
    }
}

/// A way to speak TLS, cheap to clone. The default trusts the system's authorities, which are read
/// when they are first needed.
///
/// Two are equal where the same was read, however long ago.
#[derive(Clone, Default)]
pub struct Tls {
    made: Arc<OnceLock<Made>>,
    server_name: Option<ServerName<'static>>,
}

/// What was read, and what was made of it.
struct Made {
    read: Material,
    /// Keeps the sessions that may be resumed.
    client: Arc<ClientConfig>,
}

#[derive(PartialEq, Eq)]
struct Material {
    authorities: Vec<CertificateDer<'static>>,
    chain: Vec<CertificateDer<'static>>,
    key: Option<PrivateKeyDer<'static>>,
}

impl Tls {
    /// Reads all that `files` names, and the system's authorities where it names none.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let named = |name: &String| {
            ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName(name.clone()))
        };
        let server_name = files.server_name.as_ref().map(named).transpose()?;
        let made = OnceLock::from(Made::load(files)?);
        Ok(Self { made: Arc::new(made), server_name })
    }

    fn made(&self) -> Result<&Made, TlsError> {
        match self.made.get() {
            Some(made) => Ok(made),
            None => {
                let made = Made::load(&TlsFiles::default())?;
                Ok(self.made.get_or_init(|| made))
            }
        }
    }

    fn read(&self) -> Option<&Material> {
        self.made.get().map(|made| &made.read)
    }

    /// Shakes hands over `socket` with whom `certified` names, unless another name is configured.
    pub(crate) async fn secure(
        &self,
        socket: Socket,
        certified: &ServerName<'static>,
    ) -> Result<TlsStream<Socket>, Refused> {
        let made = self
            .made()
            .map_err(|error| Refused { fault: TlsFault::Authority, reason: error.to_string() })?;
        let name = self.server_name.as_ref().unwrap_or(certified);
        let connector = TlsConnector::from(Arc::clone(&made.client));
        connector.connect(name.clone(), socket).await.map_err(|error| Refused::by(&error))
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.server_name == other.server_name && self.read() == other.read()
    }
}

/// No key is shown.
impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl Made {
    fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = Material::read(files)?;
        let client = Arc::new(read.client(files)?);
        Ok(Self { read, client })
    }
}

impl Material {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let authorities = match &files.authorities {
            Some(path) => certificates(path, TlsPart::Authorities)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        let Some(Identity { certificate, key }) = &files.identity else {
            return Ok(Self { authorities, chain: Vec::new(), key: None });
        };
        let chain = certificates(certificate, TlsPart::Certificate)?;
        let pem = text(key, TlsPart::Key)?;
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| TlsError::NoKey { path: key.clone() })?;
        Ok(Self { authorities, chain, key: Some(key) })
    }

    fn client(&self, files: &TlsFiles) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .with_root_certificates(self.roots(files)?);
        let mut client = match (&self.key, &files.identity) {
            (Some(key), Some(identity)) => client
                .with_client_auth_cert(self.chain.clone(), key.clone_key())
                .map_err(|error| unusable(identity, &error))?,
            _ => client.with_no_client_auth(),
        };
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(client)
    }

    fn roots(&self, files: &TlsFiles) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        match &files.authorities {
            Some(path) => {
                for authority in &self.authorities {
                    roots.add(authority.clone()).map_err(|error| TlsError::Unusable {
                        part: TlsPart::Authorities,
                        path: path.clone(),
                        reason: error.to_string(),
                    })?;
                }
            }
            // Some that systems ship are too odd to be parsed, and nobody here can mend that.
            None => _ = roots.add_parsable_certificates(self.authorities.iter().cloned()),
        }
        if roots.is_empty() { Err(TlsError::NoAuthorities) } else { Ok(roots) }
    }
}

fn text(path: &Path, part: TlsPart) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable {
        part,
        path: path.to_owned(),
        source,
    })
}

/// At least one.
fn certificates(path: &Path, part: TlsPart) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = text(path, part)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(TlsError::NoCertificate { part, path: path.to_owned() }),
    }
}

fn unusable(identity: &Identity, error: &rustls::Error) -> TlsError {
    let Identity { certificate, key } = identity.clone();
    match error {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { key, certificate },
        rustls::Error::General(_) => TlsError::NoKey { path: key },
        error => TlsError::Unusable {
            part: TlsPart::Certificate,
            path: certificate,
            reason: error.to_string(),
        },
    }
}

/// Why no TLS came about with a service.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) fault: TlsFault,
    pub(crate) reason: String,
}

impl Refused {
    fn by(error: &std::io::Error) -> Self {
        let Some(error) = of_tls(error) else {
            let reason = format!("the connection ended in the TLS handshake: {error}");
            return Self { fault: TlsFault::Handshake, reason };
        };
        let (fault, reason) = match error {
            rustls::Error::InvalidCertificate(error) => of_certificate(error),
            rustls::Error::AlertReceived(alert) => of_alert(*alert),
            rustls::Error::InvalidMessage(_) => (
                TlsFault::Handshake,
                format!("no TLS is spoken there ({error}); is it an http:// address?"),
            ),
            error => (TlsFault::Handshake, format!("the TLS handshake failed: {error}")),
        };
        Self { fault, reason }
    }

    /// Nothing came of it in time.
    pub(crate) fn silent() -> Self {
        let reason = "no TLS handshake in time; is TLS spoken there?".to_owned();
        Self { fault: TlsFault::Handshake, reason }
    }

    /// A service tells only after its handshake that it does not take our certificate, when the
    /// request may have left already. It has not read it then.
    pub(crate) fn late(error: &std::io::Error) -> Option<Self> {
        match of_tls(error)? {
            rustls::Error::AlertReceived(alert) => {
                let (fault, reason) = of_alert(*alert);
                (fault == TlsFault::Client).then_some(Self { fault, reason })
            }
            _ => None,
        }
    }
}

fn of_tls(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// What is wrong with the service's certificate, and what to do.
fn of_certificate(error: &CertificateError) -> (TlsFault, String) {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    match error {
        Expired | ExpiredContext { .. } => (
            TlsFault::Expired,
            "its certificate has expired; the service needs a new one".to_owned(),
        ),
        NotValidYet | NotValidYetContext { .. } => (
            TlsFault::Expired,
            "its certificate is not valid yet; compare the clocks of both machines".to_owned(),
        ),
        UnknownIssuer => (
            TlsFault::Authority,
            "no authority that is trusted here signed its certificate; name the one that did by \
             `ca` in [subscription.target.tls]"
                .to_owned(),
        ),
        NotValidForNameContext { expected, presented } => {
            let (expected, presented) = (expected.to_str(), presented.join(", "));
            let reason = format!(
                "its certificate is not for {expected} but for {presented}; write such a name into \
                 the URL, or as `server_name` in [subscription.target.tls]"
            );
            (TlsFault::Name, reason)
        }
        NotValidForName => (
            TlsFault::Name,
            "its certificate is for another name; write that into the URL, or as `server_name` in \
             [subscription.target.tls]"
                .to_owned(),
        ),
        error if format!("{error:?}").contains("CaUsedAsEndEntity") => (
            TlsFault::AuthoritysOwn,
            "its certificate is an authority's own (CA:TRUE), which no service may show; give the \
             service one that the authority signed, or one of its own that is none (CA:FALSE)"
                .to_owned(),
        ),
        error => (TlsFault::Certificate, format!("its certificate can't be used: {error}")),
    }
}

/// What a service said when it broke off.
fn of_alert(alert: AlertDescription) -> (TlsFault, String) {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        CertificateUnknown, NoApplicationProtocol, UnknownCA, UnsupportedCertificate,
    };
    match alert {
        CertificateRequired => (
            TlsFault::Client,
            "it wants a certificate of ours; give one by `certificate` and `key` in \
             [subscription.target.tls]"
                .to_owned(),
        ),
        AccessDenied
        | BadCertificate
        | CertificateExpired
        | CertificateRevoked
        | CertificateUnknown
        | UnknownCA
        | UnsupportedCertificate => (
            TlsFault::Client,
            format!(
                "it does not take our certificate ({alert:?}); look at `certificate` in \
                 [subscription.target.tls], and at which authorities the service trusts"
            ),
        ),
        NoApplicationProtocol => (
            TlsFault::Handshake,
            "it does not speak HTTP/1.1 there, which is how records are delivered".to_owned(),
        ),
        alert => (
            TlsFault::Handshake,
            format!(
                "it broke off the TLS handshake ({alert:?}); it may want a certificate of ours, or \
                 another version of TLS than 1.2 and 1.3"
            ),
        ),
    }
}
