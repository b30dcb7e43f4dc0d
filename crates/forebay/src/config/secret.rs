//! A Kafka property's value, which may be a secret that stands elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

/// `"text"`, `5`, `true`, `{ env = "NAME" }` or `{ file = "PATH" }`.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Property {
    Text(String),
    Number(i64),
    Flag(bool),
    Environment(FromEnvironment),
    File(FromFile),
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FromEnvironment {
    env: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FromFile {
    file: PathBuf,
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
    pub(crate) fn resolve(&self) -> Result<String, SecretError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Number(number) => Ok(number.to_string()),
            Self::Flag(flag) => Ok(flag.to_string()),
            Self::Environment(FromEnvironment { env }) => {
                std::env::var(env).map_err(|_| SecretError::NotSet(env.clone()))
            }
            Self::File(FromFile { file }) => std::fs::read_to_string(file)
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
    serializer.collect_map(properties.iter().map(|(name, property)| match property {
        Property::Text(_) if is_secret(name) => (name, Property::Text("(hidden)".into())),
        property => (name, property.clone()),
    }))
}

/// Names that hold secrets even when they are written out.
fn is_secret(name: &str) -> bool {
    ["password", "secret", "jaas", ".key", "token"].iter().any(|part| name.contains(part))
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) | Self::Number(_) | Self::Flag(_) => f.write_str("(a value)"),
            Self::Environment(from) => write!(f, "(environment variable {})", from.env),
            Self::File(from) => write!(f, "(file {})", from.file.display()),
        }
    }
}

impl Serialize for Property {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Number(number) => number.serialize(serializer),
            Self::Flag(flag) => flag.serialize(serializer),
            Self::Environment(from) => {
                [("env", &from.env)].into_iter().collect::<BTreeMap<_, _>>().serialize(serializer)
            }
            Self::File(from) => {
                [("file", &from.file)].into_iter().collect::<BTreeMap<_, _>>().serialize(serializer)
            }
        }
    }
}
