//! A Kafka property's value, which may be a secret that stands elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};
use toml::Spanned;

/// `"text"`, `5`, `true`, `{ env = "NAME" }` or `{ file = "PATH" }`.
#[derive(Clone, Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "a value is text in quotes, a whole number, true, false, `{ env = \"NAME\" }` or \
                 `{ file = \"PATH\" }`"
)]
pub(crate) enum Property {
    Text(String),
    Number(i64),
    Flag(bool),
    Elsewhere(Elsewhere),
}

/// Where a value stands that is not in the file.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Elsewhere {
    Env(String),
    File(PathBuf),
}

/// Why a secret can't be had; it never holds the secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    #[error("cannot read {path}: {error}", path = .0.display(), error = .1)]
    File(PathBuf, std::io::Error),
}

impl Property {
    /// Whether the value itself stands in the file.
    pub(crate) fn is_written_out(&self) -> bool {
        !matches!(self, Self::Elsewhere(_))
    }

    fn hidden(&self) -> Self {
        if self.is_written_out() { Self::Text("(hidden)".into()) } else { self.clone() }
    }

    pub(crate) fn resolve(&self) -> Result<String, SecretError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Number(number) => Ok(number.to_string()),
            Self::Flag(flag) => Ok(flag.to_string()),
            Self::Elsewhere(Elsewhere::Env(name)) => {
                std::env::var(name).map_err(|_| SecretError::NotSet(name.clone()))
            }
            Self::Elsewhere(Elsewhere::File(file)) => std::fs::read_to_string(file)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| SecretError::File(file.clone(), error)),
        }
    }
}

/// Properties as they may be shown: what may be a secret is not.
pub(crate) fn shown<S: Serializer>(
    properties: &BTreeMap<String, Property>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(properties.iter().map(|(name, property)| {
        let secret = forebay_kafka::Properties::is_secret(name);
        (name, if secret { property.hidden() } else { property.clone() })
    }))
}

/// A secret as it may be shown: where it stands, and never what it is.
pub(crate) fn shown_secret<S: Serializer>(
    secret: &Option<Spanned<Property>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|secret| secret.get_ref().hidden()).serialize(serializer)
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) | Self::Number(_) | Self::Flag(_) => f.write_str("(a value)"),
            Self::Elsewhere(Elsewhere::Env(name)) => write!(f, "(environment variable {name})"),
            Self::Elsewhere(Elsewhere::File(file)) => write!(f, "(file {})", file.display()),
        }
    }
}
