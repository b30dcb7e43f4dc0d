//! What a rule does with a request, and a greeting with a connection.

use serde::{Deserialize, Serialize};

/// What is done with a request, after its delay.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    Answer(Answer),
    /// Nothing, for as long as the client stays.
    Hang,
    /// Ends the connection without an answer.
    Close {
        #[serde(default)]
        after: Read,
        /// By a reset instead of an orderly end.
        #[serde(default)]
        reset: bool,
    },
    /// A byte of the answer each time.
    Drip {
        answer: Answer,
        every_ms: u64,
    },
    /// Bytes that are not the answer's framing.
    Broken(Broken),
    /// 200, with so many bytes of body. `chunked`: its length is not told.
    Huge {
        bytes: u64,
        #[serde(default)]
        chunked: bool,
    },
    /// Header after header, as long as the client reads.
    EndlessHeaders,
    /// 200, with one header of this length.
    GiantHeader {
        bytes: u64,
    },
    /// This many answers 103 before a 200; endless where there is no count.
    Informational {
        #[serde(default)]
        count: Option<u64>,
    },
    /// The service ends on the spot, as a process that crashes does: by SIGKILL where it is a
    /// process, else its port and all its connections are gone until it is told `up`.
    Crash,
}

/// A well-formed answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub status: u16,
    /// `content-length` is added.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    #[serde(default)]
    pub body: String,
}

/// How much of a request is read before its connection ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Read {
    Head,
    #[default]
    Request,
}

/// Ways to frame an answer wrongly. Where a client could wait for more, the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Broken {
    /// Not HTTP from the first line on.
    StatusLine,
    /// `content-length` tells less than the body has: a good answer, and bytes after it.
    LengthTooShort,
    /// `content-length` tells more than ever comes.
    LengthTooLong,
    /// A chunk whose length is no number.
    ChunkedGarbage,
    /// `content-length` and `transfer-encoding` at once; by RFC 9112, 6.3 the chunks count.
    LengthAndChunked,
    /// A good answer, then a second one that nobody asked for.
    ExtraBytes,
}

/// What a new connection gets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Greet {
    /// An end before anything is read.
    Close {
        #[serde(default)]
        reset: bool,
    },
    /// Nothing is ever read from it.
    NeverRead,
    /// This, before any request; then it is served as others are.
    Speak(String),
    /// So many requests are served, and then it is closed without a word.
    Serve { requests: u64 },
}

/// What a service can do at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limit {
    pub per_second: Option<u32>,
    /// Requests at work.
    pub concurrent: Option<usize>,
    /// What a request gets that is over it.
    pub over: Over,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// Its turn, later.
    #[default]
    Wait,
    Answer(Answer),
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn body(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }

    /// Whether it can be written down as HTTP without breaking its framing.
    pub(super) fn is_sound(&self) -> bool {
        let line = |text: &str| !text.contains(['\r', '\n', '\0']);
        let header = |(name, value): &(String, String)| {
            line(name) && line(value) && !name.is_empty() && !name.contains([':', ' '])
        };
        (200..1000).contains(&self.status) && self.headers.iter().all(header)
    }
}

impl Act {
    pub(super) fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answer(answer) | Self::Drip { answer, .. } => Some(answer),
            _ => None,
        }
    }
}

impl Limit {
    pub fn per_second(rate: u32) -> Self {
        Self { per_second: Some(rate), ..Self::default() }
    }

    pub fn concurrent(count: usize) -> Self {
        Self { concurrent: Some(count), ..Self::default() }
    }

    /// What is over it is answered so, instead of waiting.
    #[must_use]
    pub fn or_answer(self, answer: Answer) -> Self {
        Self { over: Over::Answer(answer), ..self }
    }
}
