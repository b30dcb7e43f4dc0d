//! Relative paths in a file are of that file's directory, wherever the process was started. A
//! variable of the environment is not part of the file: what it holds is taken as it is.

use std::path::{Path, PathBuf};

use toml::Spanned;

use super::secret::{Elsewhere, Property};
use super::{Config, Tls};

impl Config {
    /// Takes relative paths from this directory.
    pub(super) fn place_in(&mut self, directory: &Path) {
        let place = |path: &mut PathBuf| *path = directory.join(&*path);
        place(&mut self.broker.data);
        for (name, property) in &mut self.kafka.properties {
            match property {
                Property::Elsewhere(Elsewhere::File(file)) => place(file),
                Property::Text(path) if is_store(name) && !path.is_empty() => {
                    *path = directory.join(&*path).display().to_string();
                }
                _ => {}
            }
        }
        let token = self.control.token.as_mut().map(Spanned::get_mut);
        if let Some(Property::Elsewhere(Elsewhere::File(file))) = token {
            place(file);
        }
        let targets = self.subscriptions.iter_mut().map(|it| it.get_mut().target.get_mut());
        for tls in targets.filter_map(|target| target.tls.as_mut()) {
            let Tls { ca, certificate, key, server_name: _ } = tls.get_mut();
            [ca, certificate, key].into_iter().flatten().for_each(|it| place(it.get_mut()));
        }
    }
}

/// Whether a property of Kafka's is the path of a file.
fn is_store(name: &str) -> bool {
    matches!(name, "ssl.truststore.location" | "ssl.keystore.location")
}
