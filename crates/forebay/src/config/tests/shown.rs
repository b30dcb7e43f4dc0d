//! What an error shows of the file: its line and its key, and never a secret.

use super::*;

#[test]
fn no_error_shows_the_line_of_a_secret() {
    let kafka = |line: &str| WHOLE.replace("[kafka]", &format!("[kafka]\n{line}"));
    for line in [
        "\"sasl.password\" = \"hush\" again",
        "\"sasl.pasword\" = [\"hush\"]",
        "\"ssl.keystore.key\" = \"\"\"\n-----BEGIN\nhush \\q\n\"\"\"",
        "\"sasl.jaas.config\" = '''\nhush''' again",
        "x = { token = \"hush\" ]",
        "\"sasl.password\": \"hush\"",
        "\"sasl.password\" \"hush\"",
        "\"sasl.password\" =\n\"hush\"",
        "\"sasl.password\" =\n\n  hush",
        "\"bootstrap.servers\" = \"me:hush@h\", again",
    ] {
        let error = parse(&kafka(line)).unwrap_err();
        assert!(!error.contains("hush") && error.contains("forebay.toml:"), "{error}");
    }
    let config = parse(&kafka("\"sasl.jaas.config\" = \"hush\"")).unwrap();
    let error = plan::properties(&config, "").unwrap_err().to_string();
    assert!(error.contains("sasl.jaas.config") && !error.contains("hush"), "{error}");
    let config = parse(&kafka("\"sasl.password\" = { env = \"NO_SUCH_NAME\" }")).unwrap();
    let error = plan::properties(&config, "").unwrap_err().to_string();
    assert!(error.contains("{ env = \"NO_SUCH_NAME\" }"), "{error}");
}

#[test]
fn what_the_parser_would_misread_is_told_by_its_key_and_line() {
    let told = |from: &str, to: &str| planned(&WHOLE.replace(from, to)).err().unwrap();
    let subscription = |line: &str| told("name =", &format!("{line}\nname ="));
    for (error, line, words) in [
        (subscription("retry = [1]"), 6, "`subscription.retry` is a table, as in { attempts = … }"),
        (subscription("park = [\"a\", \"5s\"]"), 6, "`subscription.park` is a table"),
        (told("[kafka]", "control = [\"a\"]\n[kafka]"), 2, "`control` is a table"),
        (told("url =", "tls = []\nurl ="), 10, "`subscription.target.tls` is a table"),
        (subscription("order = [\"key\"]"), 6, "`order` must be a word in quotes"),
        (subscription("start = {}"), 6, "start is one of \"earliest\""),
        (subscription("hold = { bytes = 8192 }"), 6, "in quotes: \"8192B\""),
        (told("[kafka]", "[kafka]\n\"fetch.min.bytes\" = [1]"), 3, "fetch.min.bytes: a value is"),
        (told("[kafka]", "[kafka]\n\"client.id\" = { en = \"A\" }"), 3, "client.id: a value is"),
        (
            told("[kafka]", "[kafka]\n\"session.timeout.ms\" = 6000"),
            3,
            "set heartbeat.interval.ms to 2000 or less",
        ),
    ] {
        assert!(error.starts_with(&format!("forebay.toml:{line}: ")), "{error}");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn no_error_shows_a_secret_that_stands_where_none_should() {
    let kafka = |line: &str| WHOLE.replace("[kafka]", &format!("[kafka]\n{line}"));
    for url in [
        "htps://me:hush@h/",
        "http://me:hush@h/a b",
        "http//me:hush@h:80/",
        "http://me:hush/x@h",
        "http://h:99999/?token=hush",
    ] {
        let error = planned(&WHOLE.replace("http://payments:8080/records", url)).err().unwrap();
        assert!(error.contains("forebay.toml:") && !error.contains("hush"), "{error}");
    }
    let servers = WHOLE.replace("127.0.0.1:9092", "me:hush@h:9092");
    let error = planned(&servers).err().unwrap();
    assert!(error.contains("`h:9092` is no HOST:PORT") && !error.contains("hush"), "{error}");
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "hush\n").unwrap();
    for name in ["sasl.mechanism", "session.timeout.ms", "auto.offset.reset"] {
        let error = planned(&kafka(&format!("{name:?} = {{ file = {secret:?} }}"))).err().unwrap();
        assert!(error.contains(name) && !error.contains("hush"), "{error}");
    }
}
