//! What is wrong with a configuration, and where: each problem names the file and the line, shows
//! the place, and says what to do.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use super::secret::Property;
use super::wording::{in_words, key_before};

/// A configuration text and what to call it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    pub(crate) name: String,
    /// Empty where nobody wrote one, and so has no lines to be shown.
    pub(crate) text: String,
}

/// Something that is wrong; the span counts bytes of the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) span: Option<Range<usize>>,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        // A default stands nowhere.
        let span = (!span.is_empty()).then_some(span);
        Self { span, message: message.into() }
    }
}

/// A configuration that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{flag} {reason}")]
    Flag { flag: &'static str, reason: String },
    #[error("cannot read the configuration {path}: {error}", path = path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("{}", .0.iter().map(|place| place.to_string()).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<Placed>),
}

/// A problem with the line that it stands in.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) name: String,
    pub(crate) message: String,
    line: Option<Line>,
}

impl Placed {
    /// Of the file, from 1.
    pub(crate) fn line_number(&self) -> Option<usize> {
        self.line.as_ref().map(|line| line.number)
    }
}

#[derive(Debug)]
struct Line {
    number: usize,
    text: String,
    /// In characters.
    column: usize,
    width: usize,
}

impl Source {
    pub(crate) fn found(&self, problems: Vec<Problem>) -> ConfigError {
        ConfigError::Wrong(problems.into_iter().map(|problem| self.place(problem)).collect())
    }

    /// The parser's own error, with the nearest known key where one is unknown.
    pub(crate) fn refuses(&self, error: &toml::de::Error) -> ConfigError {
        if error.message().starts_with("a value is text")
            && let Some(problem) = self.unquoted().or_else(|| self.ill_typed(error.message()))
        {
            return self.found(vec![problem]);
        }
        let message = if self.is_lone_subscription(error) {
            "each subscription begins with [[subscription]], in two brackets".to_owned()
        } else {
            let key = error.span().and_then(|span| key_before(&self.text[..span.start]));
            in_words(error.message(), key)
        };
        self.found(vec![Problem { span: error.span(), message }])
    }

    /// A property of Kafka's whose name is not in quotes: its dots make tables of it, and the
    /// parser finds fault with those.
    fn unquoted(&self) -> Option<Problem> {
        let mut at = 0;
        let mut in_kafka = false;
        for line in self.text.split_inclusive('\n') {
            let (start, text) = (at, line.trim());
            at += line.len();
            if text.starts_with('[') {
                in_kafka = text == "[kafka]";
                continue;
            }
            let Some((name, _)) = text.split_once('=').filter(|_| in_kafka) else { continue };
            let name = name.trim();
            let plain = |part: &str| {
                !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            };
            if name.contains('.') && name.split('.').all(plain) {
                let begin = start + line.find(name)?;
                let message = format!("put the name in quotes: \"{name}\" = …");
                return Some(Problem::at(begin..begin + name.len(), message));
            }
        }
        None
    }

    /// A property of Kafka's whose value is of no kind that there is. The parser knows only that one is.
    fn ill_typed(&self, message: &str) -> Option<Problem> {
        let whole: toml::Table = self.text.parse().ok()?;
        let is_one = |value: &toml::Value| value.clone().try_into::<Property>().is_ok();
        let mut properties = whole.get("kafka")?.as_table()?.iter();
        let (name, _) = properties.find(|(name, value)| *name != "embedded" && !is_one(value))?;
        Some(self.problem_at(name, format!("{name}: {message}")))
    }

    /// Whether it is about a table of a subscription that the list of them was not begun for.
    fn is_lone_subscription(&self, error: &toml::de::Error) -> bool {
        let Some(span) = error.span() else { return false };
        let begin = self.text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let lone = ["duplicate key", "expected a sequence"];
        self.text[begin..].trim_start().starts_with("[subscription")
            && lone.iter().any(|words| error.message().contains(words))
    }

    /// A problem with a plain key, found by its name at a line's beginning.
    pub(crate) fn problem_of(&self, key: &str, message: String) -> Problem {
        let mut begin = 0;
        for line in self.text.split_inclusive('\n') {
            let indent = line.len() - line.trim_start().len();
            let rest = line.trim_start().strip_prefix(key);
            if rest.is_some_and(|rest| rest.trim_start().starts_with('=')) {
                let at = begin + indent;
                return Problem { span: Some(at..at + key.len()), message };
            }
            begin += line.len();
        }
        Problem { span: None, message }
    }

    /// A problem with a quoted key, found by its name.
    pub(crate) fn problem_at(&self, key: &str, message: String) -> Problem {
        let at = self.text.find(&format!("\"{key}\""));
        Problem { span: at.map(|at| at..at + key.len() + 2), message }
    }

    pub(crate) fn place(&self, problem: Problem) -> Placed {
        let line = problem.span.filter(|_| !self.text.is_empty()).map(|span| {
            let start = span.start.min(self.text.len());
            let head = &self.text[..start];
            let begin = head.rfind('\n').map_or(0, |newline| newline + 1);
            let text = self.text[begin..].lines().next().unwrap_or("");
            let text = if self.hides(begin, text) { hidden(text) } else { text.to_owned() };
            let column = self.text[begin..start].chars().count().min(text.chars().count());
            let rest = text.chars().count().saturating_sub(column);
            let width = span.len().clamp(1, rest.max(1));
            Line { number: head.matches('\n').count() + 1, text, column, width }
        });
        Placed { name: self.name.clone(), message: problem.message, line }
    }
}

impl Source {
    /// Whether the line that begins here may hold a secret: by its key, or because it is part of a
    /// text of several lines whose key is one, or its key stands in the line before.
    fn hides(&self, begin: usize, line: &str) -> bool {
        let mut open: Option<(&str, bool)> = None;
        for line in self.text[..begin].lines() {
            for quotes in ["\"\"\"", "'''"] {
                if line.matches(quotes).count() % 2 == 1 {
                    open = match open {
                        Some((opened, _)) if opened == quotes => None,
                        None => Some((quotes, names_secret(line))),
                        other => other,
                    };
                }
            }
        }
        let elsewhere = line.contains("{ env") || line.contains("{ file");
        let before = self.text[..begin].trim_end().lines().next_back().unwrap_or("");
        open.is_some_and(|(_, secret)| secret)
            || (before.ends_with('=') && names_secret(before))
            || (names_secret(line) && !elsewhere)
    }
}

/// Whether a line has a key whose value may be a secret, or an address with a login in it. It may
/// not be written as a key should be.
fn names_secret(line: &str) -> bool {
    let line = line.to_lowercase();
    ["pas", "secret", "jaas", ".key\"", "token", "@"].iter().any(|word| line.contains(word))
}

fn hidden(line: &str) -> String {
    match line.split_once('=') {
        Some((key, _)) if names_secret(&format!("{key}=")) => format!("{key}= (hidden)"),
        _ => "(hidden)".to_owned(),
    }
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, message, line } = self;
        let Some(Line { number, text, column, width }) = line else {
            return write!(f, "{name}: {message}");
        };
        let digits = number.to_string().len();
        writeln!(f, "{name}:{number}: {message}")?;
        writeln!(f, "  {number} | {text}")?;
        write!(f, "  {:digits$} | {:column$}{}", "", "", "^".repeat(*width))
    }
}

/// The known name that was probably meant.
pub(crate) fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(unknown.len()) / 3 + 1)
        .min()
        .map(|(_, name)| name)
}
