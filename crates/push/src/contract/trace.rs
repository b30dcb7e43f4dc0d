//! The trace that a record belongs to: its own context goes on to the service, whose work is a part of
//! it then (W3C Trace Context, level 1). A record without one, or with one that can't be read, begins
//! none. Left out: spans of our own.

use hyper::header::{HeaderName, HeaderValue};

use super::{Block, DoesNotFit};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

impl Block<'_> {
    pub(super) fn put_trace<'a, H>(&mut self, headers: H) -> Result<(), DoesNotFit>
    where
        H: Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    {
        let (mut parent, mut state) = (None, None);
        for (name, value) in headers {
            match name {
                "traceparent" => parent = value,
                "tracestate" => state = value,
                _ => {}
            }
        }
        let Some(parent) = parent.filter(|parent| is_parent(parent)) else { return Ok(()) };
        let written = |value: &[u8]| HeaderValue::from_bytes(value).ok();
        if let Some(parent) = written(parent) {
            self.put(TRACEPARENT, parent)?;
        }
        match state.and_then(written) {
            Some(state) => self.put(TRACESTATE, state),
            None => Ok(()),
        }
    }
}

/// `version-trace id-parent id-flags`, in lower-case hexadecimal digits, no id all zeros. Versions to
/// come may have more behind that.
fn is_parent(value: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let id = |part: &[u8]| hex(part) && part.iter().any(|digit| *digit != b'0');
    let Some((head, rest)) = value.split_at_checked(55) else { return false };
    let (version, flags) = (&head[..2], &head[53..]);
    let dashes = [head[2], head[35], head[52]] == [b'-'; 3];
    let ends = rest.is_empty() || (version != b"00" && rest.starts_with(b"-"));
    let legal = hex(version) && version != b"ff" && hex(flags);
    dashes && ends && legal && id(&head[3..35]) && id(&head[36..52])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_one_by_its_form() {
        let own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_parent(own.as_bytes()));
        assert!(is_parent(own.replacen("00", "cc", 1).as_bytes()));
        assert!(is_parent([&own.replacen("00", "cc", 1), "-more"].concat().as_bytes()));
        for wrong in [
            String::new(),
            "00-abc-def-01".to_owned(),
            own.to_uppercase(),
            own.replacen("00", "ff", 1),
            own.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            own.replace("b7ad6b7169203331", &"0".repeat(16)),
            own.replace('-', "_"),
            format!("{own}-more"),
            format!("{own}1"),
        ] {
            assert!(!is_parent(wrong.as_bytes()), "{wrong}");
        }
    }
}
