//! What a script's acts put on the wire, and into the journal before it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::connection::{Close, Flow};
use super::wire::Wire;
use super::work::{Kept, Work};
use crate::script::{Act, Answer, Broken};

/// Written at a time where there is much to write.
static CHUNK: [u8; 64 << 10] = [b'x'; 64 << 10];

/// Does it, and says whether the connection goes on.
pub(super) async fn perform(
    shared: &Arc<Shared>,
    wire: &mut Wire,
    work: &mut Work,
    act: &Act,
) -> Flow {
    let done = match act {
        Act::Answer(answer) => return self::answer(wire, work, answer).await,
        Act::Hang => {
            wire.until_left().await;
            work.broken("hang").map(|()| Some(Close::Orderly))
        }
        Act::Close { reset, .. } => work.broken("close").map(|()| Some(Close::by(*reset))),
        Act::Drip { answer, every_ms } => drip(wire, work, answer, *every_ms).await,
        Act::Broken(broken) => self::broken(wire, work, *broken).await,
        Act::Huge { bytes, chunked } => huge(wire, work, *bytes, *chunked).await,
        Act::EndlessHeaders => endless_headers(wire, work).await,
        Act::GiantHeader { bytes } => giant_header(wire, work, *bytes).await,
        Act::Informational { count } => informational(wire, work, *count).await,
        Act::Crash => {
            let written = work.broken("crash");
            shared.crash();
            written.map(|()| Some(Close::Reset))
        }
    };
    match done {
        Ok(None) => Flow::Continue(()),
        Ok(Some(close)) => Flow::Break(close),
        Err(_) => Flow::Break(Close::Orderly),
    }
}

/// Whether and how the connection ends; an error where it has.
type Done = io::Result<Option<Close>>;

pub(super) async fn answer(wire: &mut Wire, work: &mut Work, answer: &Answer) -> Flow {
    let said = async {
        let refused = match work.answer(answer.status, verdict(answer))? {
            Kept::Refused(by) => Some(refusal(by)),
            Kept::Yes => None,
        };
        if wire.has_left() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        wire.say(&render(refused.as_ref().unwrap_or(answer))).await?;
        work.told();
        Ok::<_, io::Error>(())
    };
    go_on(&said.await)
}

/// Says that a delivery was refused; nobody is to blame the record for it.
pub(super) async fn refuse(wire: &mut Wire, work: &mut Work, by: &str) -> Flow {
    let said = wire.say(&render(&refusal(by))).await;
    if said.is_ok() {
        work.told();
    }
    go_on(&said)
}

fn refusal(by: &str) -> Answer {
    Answer::status(503).body(&format!("refused for {by}\n"))
}

/// Until something can't be written.
pub(super) fn go_on(written: &io::Result<()>) -> Flow {
    match written {
        Ok(()) => Flow::Continue(()),
        Err(_) => Flow::Break(Close::Orderly),
    }
}

fn verdict(answer: &Answer) -> Option<String> {
    let mut headers = answer.headers.iter();
    let said = headers.find(|(name, _)| name.eq_ignore_ascii_case("forebay-verdict"));
    said.map(|(_, verdict)| verdict.to_ascii_lowercase())
}

pub(super) fn render(answer: &Answer) -> Vec<u8> {
    // RFC 9110, 8.6: these two have no content, and no length of it.
    let length = match answer.status {
        204 | 304 => Vec::new(),
        _ => vec![("content-length".to_owned(), answer.body.len().to_string())],
    };
    let mut bytes = head(answer.status, answer.headers.iter().chain(&length));
    bytes.extend_from_slice(answer.body.as_bytes());
    bytes
}

fn head<'a>(status: u16, headers: impl Iterator<Item = &'a (String, String)>) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} \r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

async fn drip(wire: &mut Wire, work: &mut Work, answer: &Answer, every_ms: u64) -> Done {
    let bytes = render(answer);
    let (last, before) = bytes.split_last().expect("an answer has a status line");
    for byte in before {
        if wire.has_left() || wire.say(&[*byte]).await.is_err() {
            return work.broken("drip").map(|()| Some(Close::Orderly));
        }
        tokio::time::sleep(Duration::from_millis(every_ms)).await;
    }
    work.answer(answer.status, verdict(answer))?;
    wire.say(&[*last]).await?;
    work.told();
    Ok(None)
}

const OK: &str = "HTTP/1.1 200 \r\n";

async fn broken(wire: &mut Wire, work: &mut Work, broken: Broken) -> Done {
    let (bytes, whole) = match broken {
        Broken::StatusLine => ("ICY two hundred\r\n\r\n".to_owned(), false),
        Broken::LengthTooShort => (format!("{OK}content-length: 2\r\n\r\nok and more"), true),
        Broken::LengthTooLong => (format!("{OK}content-length: 100\r\n\r\nshort"), false),
        Broken::ChunkedGarbage => {
            (format!("{OK}transfer-encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n"), false)
        }
        Broken::LengthAndChunked => {
            let both = "content-length: 99\r\ntransfer-encoding: chunked\r\n\r\n";
            (format!("{OK}{both}2\r\nok\r\n0\r\n\r\n"), true)
        }
        Broken::ExtraBytes => {
            let first = format!("{OK}content-length: 0\r\n\r\n");
            (format!("{first}HTTP/1.1 500 \r\ncontent-length: 0\r\n\r\n"), true)
        }
    };
    if whole {
        work.answer(200, None)?;
    } else {
        work.broken("broken")?;
    }
    wire.say(bytes.as_bytes()).await?;
    work.told();
    Ok(match broken {
        // Its client decides whether it trusts what comes next.
        Broken::LengthTooShort | Broken::ExtraBytes => None,
        _ => Some(Close::Orderly),
    })
}

async fn huge(wire: &mut Wire, work: &mut Work, bytes: u64, chunked: bool) -> Done {
    work.answer(200, None)?;
    let framing = match chunked {
        true => "transfer-encoding: chunked".to_owned(),
        false => format!("content-length: {bytes}"),
    };
    wire.say(format!("{OK}{framing}\r\n\r\n").as_bytes()).await?;
    let mut left = bytes;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(CHUNK.len()).min(CHUNK.len());
        if chunked {
            wire.say(format!("{count:x}\r\n").as_bytes()).await?;
        }
        wire.say(&CHUNK[..count]).await?;
        if chunked {
            wire.say(b"\r\n").await?;
        }
        left -= count as u64;
    }
    if chunked {
        wire.say(b"0\r\n\r\n").await?;
    }
    work.told();
    Ok(None)
}

async fn endless_headers(wire: &mut Wire, work: &mut Work) -> Done {
    work.broken("endless-headers")?;
    wire.say(OK.as_bytes()).await?;
    for number in 0_u64.. {
        wire.say(format!("x-{number}: {:0>1000}\r\n", number).as_bytes()).await?;
    }
    Ok(Some(Close::Orderly))
}

/// Counted as no answer, for a client's bounds make it none.
async fn giant_header(wire: &mut Wire, work: &mut Work, bytes: u64) -> Done {
    work.broken("giant-header")?;
    wire.say(format!("{OK}content-length: 0\r\nx-giant: ").as_bytes()).await?;
    let mut left = bytes;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(CHUNK.len()).min(CHUNK.len());
        wire.say(&CHUNK[..count]).await?;
        left -= count as u64;
    }
    wire.say(b"\r\n\r\n").await?;
    Ok(None)
}

async fn informational(wire: &mut Wire, work: &mut Work, count: Option<u64>) -> Done {
    const EARLY_HINTS: &[u8] = b"HTTP/1.1 103 \r\nlink: </>\r\n\r\n";
    match count {
        Some(_) => drop(work.answer(200, None)?),
        None => work.broken("informational")?,
    }
    let mut said = 0;
    while count.is_none_or(|count| said < count) {
        wire.say(EARLY_HINTS).await?;
        said += 1;
    }
    wire.say(format!("{OK}content-length: 0\r\n\r\n").as_bytes()).await?;
    work.told();
    Ok(None)
}
