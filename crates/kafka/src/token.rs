//! A token for OAUTHBEARER from a file that others keep fresh: a sidecar, an agent, Kubernetes.
//!
//! The file is read whenever a client wants a token: when it is made, and when four fifths of the
//! last token's life are over. How long it lives and whose it is stand in a JWT's own claims; of a
//! token that is no JWT nothing is known, so it is read again within a minute. The token itself is
//! in no error and no log.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Where a token is found.
#[derive(Clone, Debug)]
pub(crate) struct TokenFile {
    path: PathBuf,
}

/// A token as Kafka's clients show it.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) principal: String,
    /// Milliseconds since the epoch.
    pub(crate) ends: i64,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("cannot read the token in {path}: {error}", path = .0.display(), error = .1)]
    Unreadable(PathBuf, std::io::Error),
    #[error("{path} holds no token: {reason}", path = .0.display(), reason = .1)]
    NoToken(PathBuf, &'static str),
    #[error(
        "the token in {path} ended {ago:?} ago; see what should renew it",
        path = .0.display(), ago = .1
    )]
    Ended(PathBuf, Duration),
}

/// Larger than any token that a broker takes.
const BYTES_MAX: u64 = 64 * 1024;
/// How long a token is taken to live that does not say it.
const UNKNOWN_LIFE: Duration = Duration::from_secs(60);
/// Whose it is where it does not say: the broker reads it from the token itself.
const UNKNOWN_PRINCIPAL: &str = "forebay";

impl TokenFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What the file holds now.
    pub(crate) fn read(&self) -> Result<Token, TokenError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.read_at(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
    }

    fn read_at(&self, now: i64) -> Result<Token, TokenError> {
        use std::io::Read;
        let no_token = |reason| TokenError::NoToken(self.path.clone(), reason);
        let mut text = String::new();
        std::fs::File::open(&self.path)
            .and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut text))
            .map_err(|error| TokenError::Unreadable(self.path.clone(), error))?;
        if text.len() as u64 > BYTES_MAX {
            return Err(no_token("it is larger than 64 KiB"));
        }
        let text = text.trim();
        if text.is_empty() {
            return Err(no_token("it is empty"));
        }
        if text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return Err(no_token("a token is one word"));
        }
        let claims = claims(text);
        let unknown = now + i64::try_from(UNKNOWN_LIFE.as_millis()).expect("a minute");
        let ends = claims.ends.unwrap_or(unknown);
        if ends <= now {
            let ago = Duration::from_millis(now.abs_diff(ends) / 1_000 * 1_000);
            return Err(TokenError::Ended(self.path.clone(), ago));
        }
        let principal = claims.principal.unwrap_or_else(|| UNKNOWN_PRINCIPAL.to_owned());
        Ok(Token { text: text.to_owned(), principal, ends })
    }
}

#[derive(Default)]
struct Claims {
    ends: Option<i64>,
    principal: Option<String>,
}

/// `exp` and `sub` of a JWT (RFC 7519); nothing of any other token.
fn claims(token: &str) -> Claims {
    let parts: Vec<&str> = token.split('.').collect();
    let [_, payload, _] = parts[..] else { return Claims::default() };
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).unwrap_or_default();
    let Ok(payload) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
        return Claims::default();
    };
    let seconds = &payload["exp"];
    #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
    let seconds = seconds.as_i64().or_else(|| seconds.as_f64().map(|seconds| seconds as i64));
    Claims {
        ends: seconds.map(|seconds| seconds.saturating_mul(1_000)),
        principal: payload["sub"]
            .as_str()
            .filter(|name| !name.is_empty() && !name.contains('\0'))
            .map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000_000_000;

    /// What reading a file with this in it comes to.
    fn read(text: &str) -> Result<Token, TokenError> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("token");
        std::fs::write(&path, text).expect("a file can be written");
        TokenFile::new(path).read_at(NOW)
    }

    fn jwt(payload: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.hunter2", part(r#"{"alg":"RS256"}"#), part(payload))
    }

    #[test]
    fn a_jwt_says_whose_it_is_and_when_it_ends() {
        let text = jwt(r#"{"sub":"ann","exp":1000000100}"#);
        let token = read(&format!("{text}\n")).expect("a token");
        assert_eq!((token.principal.as_str(), token.ends), ("ann", NOW + 100_000));
        assert_eq!(token.text, text);
        let token = read(&jwt(r#"{"exp":1000000100.75}"#)).expect("a token");
        assert_eq!((token.principal.as_str(), token.ends), (UNKNOWN_PRINCIPAL, NOW + 100_000));
    }

    #[test]
    fn what_is_no_jwt_is_shown_as_it_is_and_read_again_within_a_minute() {
        for text in ["opaque", "a.b.c", "a.b", &jwt("7"), &jwt("{}"), &jwt(r#"{"exp":"soon"}"#)] {
            let token = read(text).expect("a token");
            assert_eq!(token.ends, NOW + 60_000, "{text}");
        }
    }

    #[test]
    fn what_can_not_be_shown_is_told_without_the_token() {
        let ended = read(&jwt(r#"{"exp":999999940}"#)).err().expect("it is over").to_string();
        assert!(ended.contains("ended 60s ago") && !ended.contains("hunter2"), "{ended}");
        for (text, said) in
            [("", "empty"), ("two words-hunter2", "one word"), (&"x".repeat(70_000), "64 KiB")]
        {
            let error = read(text).err().expect("no token").to_string();
            assert!(error.contains(said) && !error.contains("hunter2"), "{error}");
        }
        let absent = TokenFile::new("/no/such/token".into()).read().err().expect("absent");
        assert!(absent.to_string().contains("/no/such/token"), "{absent}");
    }
}
