//! Whether a request comes from somebody else's web page.
//!
//! A browser sends what any page has it send, to loopback as well, and says in `origin` whose page it
//! is. A stranger's name may lead here (DNS rebinding), so a page counts as this process's own only
//! where it is asked by an address, or as `localhost`. Tools send no `origin`.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;

pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let page = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let asked = headers.get(HOST).and_then(|host| host.to_str().ok());
    match (page, asked) {
        (Some((_, page)), Some(asked)) => page != asked || !is_here(asked),
        _ => true,
    }
}

fn is_here(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(origin: Option<&str>, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        headers.extend(origin.map(|origin| (ORIGIN, origin.parse().unwrap())));
        is_foreign(&headers)
    }

    #[test]
    fn tools_and_own_pages_are_heard() {
        assert!(!foreign(None, "evil.example"));
        for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"] {
            assert!(!foreign(Some(&format!("http://{host}")), host), "{host}");
        }
    }

    #[test]
    fn pages_of_others_are_not() {
        for (origin, host) in [
            ("http://evil.example", "127.0.0.1:8080"),
            ("http://127.0.0.1:9090", "127.0.0.1:8080"),
            ("http://evil.example:8080", "evil.example:8080"),
            ("null", "localhost:8080"),
        ] {
            assert!(foreign(Some(origin), host), "{origin} to {host}");
        }
    }
}
