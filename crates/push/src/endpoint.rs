//! One address of a revision: where its requests go, parsed from a URL and checked once.
//!
//! What every request to it has in common (path, `host`, `forebay-revision`) is prepared here. The
//! name is resolved when a connection is opened, not before, so that a changed address is found.

use std::net::IpAddr;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use rustls::pki_types::ServerName;

use crate::contract::visible;

/// One address of a revision: `http[s]://host[:port][/path][?query]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub(crate) uri: Uri,
    pub(crate) host: HeaderValue,
    pub(crate) revision: HeaderValue,
    name: Box<str>,
    port: u16,
    /// Whom its certificate is to be for; none where no TLS is spoken.
    certified: Option<ServerName<'static>>,
}

/// Why a URL can't be delivered to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("{url:?} is no URL: {reason}")]
    Malformed { url: String, reason: String },
    #[error("{url:?} is no URL, it has no http:// or https://; write http://{url}")]
    NoScheme { url: String },
    #[error("{url:?} has no host; write http://host:port/path")]
    NoHost { url: String },
    #[error("no certificate can be for {host:?}; write the service's name as DNS has it")]
    Uncertifiable { host: String },
    #[error("{url:?} has the scheme {scheme:?}; only http and https are delivered to")]
    Scheme { url: String, scheme: String },
    #[error(
        "a URL of {host:?} carries a user name or password, which would be shown in logs; leave it out"
    )]
    UserInfo { host: String },
    #[error("{url:?} has a fragment (#…), which is never sent to a server; leave it out")]
    Fragment { url: String },
    #[error("{url:?} names no port that can be connected to: 1 to 65535")]
    Port { url: String },
}

/// A URL, or what was to be one, without what may be a secret of it: a user's name and password, and
/// the query.
fn presentable(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, _)| (url, "?…"));
    match url.rsplit_once('@') {
        None => format!("{url}{query}"),
        Some((front, host)) => {
            let scheme = front.find("//").map_or("", |at| &front[..at + 2]);
            format!("{scheme}…@{host}{query}")
        }
    }
}

impl Endpoint {
    /// Parses `url` as an address of the revision named `revision`.
    pub fn parse(url: &str, revision: &str) -> Result<Self, EndpointError> {
        let owned = || presentable(url);
        if url.contains('#') {
            return Err(EndpointError::Fragment { url: owned() });
        }
        if !url.contains("://") && !url.starts_with('/') {
            match Self::parse(&format!("http://{url}"), revision) {
                Ok(_) => return Err(EndpointError::NoScheme { url: owned() }),
                // What would be shown is not said again.
                Err(error @ EndpointError::UserInfo { .. }) => return Err(error),
                Err(_) => {}
            }
        }
        let uri: Uri = url.parse().map_err(|error: hyper::http::uri::InvalidUri| {
            EndpointError::Malformed { url: owned(), reason: error.to_string() }
        })?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(scheme) => {
                return Err(EndpointError::Scheme { url: owned(), scheme: scheme.to_owned() });
            }
            None => {
                let reason = "it does not start with http:// or https://".to_owned();
                return Err(EndpointError::Malformed { url: owned(), reason });
            }
        };
        let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty())
        else {
            return Err(EndpointError::NoHost { url: owned() });
        };
        if authority.as_str().contains('@') {
            return Err(EndpointError::UserInfo { host: authority.host().to_owned() });
        }
        // What the parser takes for no port at all: `host:`, or a number out of range.
        let written = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        let port = match (written, authority.port_u16()) {
            ("", None) if secure => 443,
            ("", None) => 80,
            (_, Some(port @ 1..)) => port,
            _ => return Err(EndpointError::Port { url: owned() }),
        };
        let host = HeaderValue::from_str(authority.as_str()).map_err(|error| {
            EndpointError::Malformed { url: owned(), reason: error.to_string() }
        })?;
        let name: Box<str> = authority.host().trim_start_matches('[').trim_end_matches(']').into();
        let certified = match ServerName::try_from(String::from(name.clone())) {
            _ if !secure => None,
            Ok(certified) => Some(certified),
            Err(_) => return Err(EndpointError::Uncertifiable { host: name.into() }),
        };
        let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        Ok(Self {
            uri: path.into(),
            host,
            revision: visible(revision.as_bytes()),
            name,
            port,
            certified,
        })
    }

    /// The same at this one of its name's addresses; `host` stays as it was written, and so does
    /// whom its certificate is to be for.
    #[must_use]
    pub fn at(&self, address: IpAddr) -> Self {
        Self { name: address.to_string().into(), ..self.clone() }
    }

    /// The host's name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.name
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The whole address again.
    pub fn url(&self) -> String {
        let scheme = if self.is_secure() { "https" } else { "http" };
        format!("{scheme}://{self}{}", self.uri)
    }

    /// Whether TLS is spoken.
    pub fn is_secure(&self) -> bool {
        self.certified.is_some()
    }

    /// Bytes of the request line that [`RequestWriter`](crate::RequestWriter) writes for it.
    pub(crate) fn request_line_len(&self) -> usize {
        let path = self.uri.path_and_query().map_or(1, |path| path.as_str().len());
        "POST  HTTP/1.1\r\n".len() + path
    }

    pub(crate) fn certified(&self) -> Option<&ServerName<'static>> {
        self.certified.as_ref()
    }

    pub(crate) fn address(&self) -> (&str, u16) {
        (&self.name, self.port)
    }
}

/// `host:port`, as people write it.
impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_host_port_and_path() {
        let endpoint = Endpoint::parse("http://payments:8080/records?kind=a%20b", "v1").unwrap();
        assert_eq!(endpoint.address(), ("payments", 8080));
        assert_eq!(endpoint.uri.to_string(), "/records?kind=a%20b");
        assert_eq!(endpoint.host, "payments:8080");
        assert_eq!(endpoint.revision, "v1");
    }

    #[test]
    fn port_and_path_have_their_defaults() {
        let endpoint = Endpoint::parse("http://payments", "v1").unwrap();
        assert_eq!(endpoint.address(), ("payments", 80));
        assert_eq!(endpoint.uri.to_string(), "/");
    }

    #[test]
    fn an_ipv6_address_loses_its_brackets_only_where_it_is_resolved() {
        let endpoint = Endpoint::parse("http://[::1]:8080/", "v1").unwrap();
        assert_eq!(endpoint.address(), ("::1", 8080));
        assert_eq!(endpoint.host, "[::1]:8080");
        assert_eq!(endpoint.to_string(), "[::1]:8080");
    }

    #[test]
    fn an_address_of_its_name_gets_the_same_requests() {
        let endpoint = Endpoint::parse("http://payments:8080/records?x=1", "v1").unwrap();
        let at = endpoint.at("fd00::1".parse().unwrap());
        assert_eq!(at.address(), ("fd00::1", 8080));
        assert_eq!((&at.host, &at.uri), (&endpoint.host, &endpoint.uri));
        assert_eq!(at.url(), "http://[fd00::1]:8080/records?x=1");
    }

    #[test]
    fn over_tls_the_port_is_443_and_an_address_is_certified_by_its_name() {
        let endpoint = Endpoint::parse("https://payments/records", "v1").unwrap();
        assert_eq!(endpoint.address(), ("payments", 443));
        let at = endpoint.at("10.0.0.7".parse().unwrap());
        assert_eq!(at.url(), "https://10.0.0.7:443/records");
        assert_eq!(at.host, "payments");
        assert_eq!(at.certified(), Some(&ServerName::try_from("payments").unwrap()));
        assert!(!Endpoint::parse("http://payments", "v1").unwrap().is_secure());
    }

    #[test]
    fn what_cannot_be_delivered_to_is_refused_with_its_reason() {
        let refused = |url: &str| Endpoint::parse(url, "v1").unwrap_err();
        assert!(matches!(refused("https://-a/"), EndpointError::Uncertifiable { .. }));
        assert!(matches!(refused("ftp://a/"), EndpointError::Scheme { .. }));
        let bare = refused("a:80/x").to_string();
        assert!(bare.contains("write http://a:80/x"), "{bare}");
        assert!(!refused("user:secret@a/").to_string().contains("secret"));
        assert!(matches!(refused("/records"), EndpointError::Malformed { .. }));
        assert!(matches!(refused("http:///x"), EndpointError::Malformed { .. }));
        assert!(matches!(refused("http://a b/"), EndpointError::Malformed { .. }));
        assert!(matches!(refused("http://a:99999/"), EndpointError::Port { .. }));
        assert!(matches!(refused("http://[::1]:/"), EndpointError::Port { .. }));
        assert!(matches!(refused("http://a:0/"), EndpointError::Port { .. }));
        assert!(matches!(refused("http://a:/"), EndpointError::Port { .. }));
        assert!(matches!(refused("http://a/#b"), EndpointError::Fragment { .. }));
        assert!(matches!(refused(""), EndpointError::Malformed { .. }));
        let secret = refused("http://user:secret@a/");
        assert!(matches!(secret, EndpointError::UserInfo { .. }));
        assert!(!secret.to_string().contains("secret"));
    }
}
