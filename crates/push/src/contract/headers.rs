//! A record's own headers in the request.
//!
//! One whose name is a lower-case token without underscore, is not repeated, and whose value is
//! visible ASCII (spaces only inside) goes out as `forebay-header-<name>`. Where any does not fit
//! that form, all of them, in order, go out as well in `forebay-headers`: base64url without padding
//! of the JSON `[[name, base64 or null], …]`, so that nothing of the record is lost.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::BufMut as _;
use hyper::header::{HeaderName, HeaderValue};

use super::{Block, DoesNotFit};

const ALL: HeaderName = HeaderName::from_static("forebay-headers");
const PREFIX: &str = "forebay-header-";
/// Bytes that any record header takes in either form, besides its name and value.
const LEAST_COST: usize = 12;
/// Longer names go out in `forebay-headers` only.
const LONGEST_NAME: usize = 256;

/// The record's own content type, where it has one that HTTP can carry and that is within `limit`.
pub(super) fn content_type<'a, H>(mut headers: H, limit: usize) -> Option<HeaderValue>
where
    H: Iterator<Item = (&'a str, Option<&'a [u8]>)>,
{
    headers.find_map(|(name, value)| {
        let value = value.filter(|_| name.eq_ignore_ascii_case("content-type"))?;
        let fits = value.len() <= limit && is_visible(value);
        fits.then(|| HeaderValue::from_bytes(value).ok()).flatten()
    })
}

impl Block<'_> {
    pub(super) fn put_record_headers<'a, H>(&mut self, headers: H) -> Result<(), DoesNotFit>
    where
        H: Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone,
    {
        let mut all_fit = true;
        let mut raw_bytes = 0;
        for (name, value) in headers.clone() {
            raw_bytes += LEAST_COST + name.len() + value.map_or(0, <[u8]>::len);
            // Bounds the search for repetition below, and what is encoded.
            if raw_bytes > self.limit {
                return Err(DoesNotFit { limit: self.limit });
            }
            let once = headers.clone().filter(|(other, _)| *other == name).count() == 1;
            match value {
                Some(value) if once && is_plain_token(name) && is_visible(value) => {
                    let name = HeaderName::try_from([PREFIX, name].concat())
                        .expect("a lower-case token is a header's name");
                    self.put_text(name, |text| text.put_slice(value))?;
                }
                _ => all_fit = false,
            }
        }
        if !all_fit {
            self.put_all(headers)?;
        }
        Ok(())
    }

    fn put_all<'a, H>(&mut self, headers: H) -> Result<(), DoesNotFit>
    where
        H: Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    {
        let all: Vec<(&str, Option<String>)> = headers
            .map(|(name, value)| (name, value.map(|value| STANDARD.encode(value))))
            .collect();
        let json = serde_json::to_vec(&all).expect("strings are always JSON");
        let encoded = URL_SAFE_NO_PAD.encode(json);
        self.put_text(ALL, |text| text.put_slice(encoded.as_bytes()))
    }
}

/// Underscores are left out because common proxies drop such headers.
fn is_plain_token(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| {
            matches!(byte, b'a'..=b'z' | b'0'..=b'9')
                || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-')
                || matches!(byte, b'.' | b'^' | b'`' | b'|' | b'~')
        })
}

/// Survives HTTP unchanged: HTTP trims spaces at the ends, not those inside.
fn is_visible(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b' '..=b'~'))
        && value.first() != Some(&b' ')
        && value.last() != Some(&b' ')
}
