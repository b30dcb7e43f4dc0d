//! A way into the Kafka: a listener, and what a client shows and trusts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forebay_trial::{Journal, Script, Service};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::broker::broker;
use crate::harness::{Ran, forebay, forebay_fed, unique};
use crate::system::process::{Forebay, eventually};

const RECORDS: usize = 20;

pub(super) struct Way {
    directory: TempDir,
    /// Kafka's property names, and values as TOML.
    properties: BTreeMap<String, String>,
    /// What nobody may ever see.
    secrets: Vec<String>,
    name: String,
}

/// A gateway on this way, and the service that it delivers to.
pub(super) struct Running {
    pub(super) gateway: Forebay,
    pub(super) journal: Journal,
    _service: Service,
}

impl Way {
    /// By the listener of this name, with nothing shown and nothing trusted yet.
    pub(super) fn new(listener: &str) -> Self {
        let protocol = match listener {
            "tls" | "mtls" | "elsewhere" => "SSL",
            "sasl" => "SASL_PLAINTEXT",
            "sasltls" => "SASL_SSL",
            other => panic!("there is no listener {other}"),
        };
        let way = Self {
            directory: tempfile::tempdir().unwrap(),
            properties: BTreeMap::new(),
            secrets: vec![text(&broker()["password"]), text(&broker()["key_password"])],
            name: unique(listener),
        };
        let address = text(&broker()["listeners"][listener]);
        way.set("bootstrap.servers", &address).set("security.protocol", protocol)
    }

    pub(super) fn set(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.to_owned(), format!("{value:?}"));
        self
    }

    /// The value stands in a file that is there already.
    pub(super) fn held_in(mut self, name: &str, path: &str) -> Self {
        self.properties.insert(name.to_owned(), format!("{{ file = {path:?} }}"));
        self
    }

    /// The value stands in a file, and is never shown.
    pub(super) fn secret(mut self, name: &str, value: &str) -> Self {
        let path = self.path(&format!("secret-{name}"));
        std::fs::write(&path, format!("{value}\n")).unwrap();
        self.secrets.push(value.to_owned());
        self.held_in(name, path.to_str().unwrap())
    }

    pub(super) fn trusting(self) -> Self {
        let authority = self.tls("authority.crt");
        self.set("ssl.truststore.location", &authority)
    }

    /// As the user who may do all, with the password.
    pub(super) fn login(self, mechanism: &str) -> Self {
        let password = self.password();
        let way = self.set("sasl.mechanism", mechanism).set("sasl.username", "ann");
        way.secret("sasl.password", &password)
    }

    /// A token without a signature, for `life` seconds from now.
    pub(super) fn token(&self, user: &str, life: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let now = i64::try_from(now).unwrap();
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({ "sub": user, "iat": now - 10_000, "exp": now + life });
        format!("{}.{}.", part(json!({ "alg": "none" })), part(claims))
    }

    pub(super) fn token_file(mut self, token: &str) -> Self {
        let path = self.path("token");
        std::fs::write(&path, token).unwrap();
        self.secrets.push(token.to_owned());
        self.set("sasl.oauthbearer.token.endpoint.url", &format!("file://{}", path.display()))
    }

    /// A file of the broker's directory of keys and certificates.
    pub(super) fn tls(&self, name: &str) -> String {
        format!("{}/{name}", text(&broker()["tls"]))
    }

    pub(super) fn password(&self) -> String {
        text(&broker()["password"])
    }

    pub(super) fn key_password(&self) -> String {
        text(&broker()["key_password"])
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a command with the configuration of this way.
    pub(super) fn run(&self, args: &[&str], input: &str) -> Ran {
        let file = self.file(&[]);
        let ran =
            forebay_fed(&[args, &["-c", &file, "--timeout", "20s"]].concat(), input.as_bytes());
        self.keeps_secrets(&[&ran.out, &ran.err]);
        ran
    }

    fn file(&self, urls: &[String]) -> String {
        let mut text = "[kafka]\n".to_owned();
        for (name, value) in &self.properties {
            text.push_str(&format!("{name:?} = {value}\n"));
        }
        text.push_str("[control]\nlisten = \"127.0.0.1:0\"\ninstance = \"test\"\n");
        if !urls.is_empty() {
            let (name, dead) = (&self.name, format!("{}.dead", self.name));
            text.push_str(&format!(
                "[[subscription]]\nname = {name:?}\ntopics = [{name:?}]\n\
                 [subscription.target]\nendpoints = {urls:?}\n\
                 [subscription.dead_letter]\ntopic = {dead:?}\n"
            ));
        }
        let path = self.path(if urls.is_empty() { "tools.toml" } else { "gateway.toml" });
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A gateway that delivers to a service which accepts all records but one.
    pub(super) fn gateway(&self) -> Running {
        let journal = Journal::default();
        let reject = forebay_trial::Rule::answering(422).at(0, 3);
        let service = Service::start(Script::accepting().rule(reject), &journal);
        let file = self.file(&[service.url()]);
        let shown = forebay(&["check-config", &file]);
        self.keeps_secrets(&[&shown.out, &shown.err]);
        assert_ne!(shown.code, 3, "{}", shown.err);
        let gateway = Forebay::start(self.directory.path(), &["run", "-c", &file]);
        Running { gateway, journal, _service: service }
    }

    /// All that the gateway says holds no secret.
    pub(super) fn watches(&self, gateway: &Forebay) {
        let shown: Vec<String> = ["/metrics", "/readyz", "/api/v1/subscriptions"]
            .iter()
            .map(|path| gateway.get(path).1)
            .chain([gateway.log()])
            .collect();
        self.keeps_secrets(&shown.iter().map(String::as_str).collect::<Vec<_>>());
    }

    #[track_caller]
    pub(super) fn keeps_secrets(&self, said: &[&str]) {
        for said in said {
            assert!(!said.contains("PRIVATE KEY"), "a key is shown: {said}");
            for secret in &self.secrets {
                assert!(!said.contains(secret.as_str()), "a secret is shown: {said}");
            }
        }
    }

    /// Leads the whole life: topics, records, deliveries, a dead letter, commits.
    pub(super) fn passes(self) {
        let (name, dead) = (self.name.clone(), format!("{}.dead", self.name));
        self.run(&["topics", "create", &name, "--partitions", "1"], "").done();
        self.run(&["topics", "create", &dead, "--partitions", "1"], "").done();
        let lines: String = (0..RECORDS).map(|number| format!("value-{number}\n")).collect();
        self.run(&["produce", "--topic", &name], &lines).done();
        let running = self.gateway();
        let accepted = |count| {
            let are = || (running.journal.accepted().len() == count).then_some(());
            eventually("all but one are accepted", are);
        };
        accepted(RECORDS - 1);
        // That others are accepted after it shows that the record is at fault, not the service.
        self.run(&["produce", "--topic", &name], &lines).done();
        accepted(2 * RECORDS - 1);
        let mut sent = 2 * RECORDS;
        eventually("all is committed", || {
            let args = ["groups", "describe", &name, "--output", "json"];
            let rows: Value = serde_json::from_str(&self.run(&args, "").out).ok()?;
            if rows[0]["current_offset"].as_u64() >= Some(2 * RECORDS as u64) {
                return Some(());
            }
            // It is tried again now and then, and only what comes after that shows anything.
            self.run(&["produce", "--topic", &name], "one more\n").done();
            sent += 1;
            None
        });
        assert_eq!(running.gateway.get("/readyz").0, 200);
        self.watches(&running.gateway);
        assert_eq!(running.gateway.terminate(), 0);
        let letters = self.run(&["dead-letters", "list", "--topic", &dead, "--output", "json"], "");
        assert_eq!(letters.done().lines().count(), 1);
        let args = ["consume", "--topic", &name, "--output", "json"];
        assert_eq!(self.run(&args, "").done().lines().count(), sent);
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("the ready file says it").to_owned()
}
