//! The one line of JAAS that Kafka's users write: a login module with its options.
//!
//! `org.apache.kafka…PlainLoginModule required username="…" password="…";`, the same for SCRAM, and
//! `…OAuthBearerLoginModule required;`, alone or with the claims of a token that nobody signs.
//! Other modules are refused. Errors never quote the line.

use std::collections::BTreeMap;

/// How a client shows who it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// By PLAIN, or by SCRAM.
    Password { scram: bool, username: String, password: String },
    /// By a token that comes from elsewhere.
    Token,
    /// By a token that the client makes itself, for a cluster that takes anybody's word.
    Unsecured { principal: String, life_seconds: Option<u32> },
}

const PRINCIPAL: &str = "unsecuredLoginStringClaim_sub";
const LIFE: &str = "unsecuredLoginLifetimeSeconds";

pub(super) fn parse(line: &str) -> Result<Login, &'static str> {
    let (module, rest) = word(line);
    let module = module.rsplit_once('.').map_or(module, |(_, name)| name);
    let (flag, rest) = word(rest);
    let (flag, rest) = match flag.strip_suffix(';') {
        Some(flag) => (flag, ";"),
        None => (flag, rest),
    };
    if !["PlainLoginModule", "ScramLoginModule", "OAuthBearerLoginModule"].contains(&module) {
        return Err("only PlainLoginModule, ScramLoginModule and OAuthBearerLoginModule are \
                    supported");
    }
    if flag != "required" {
        return Err("the module's name must be followed by `required`");
    }
    let options = options(rest)?;
    if module == "OAuthBearerLoginModule" { token(options) } else { password(module, options) }
}

fn password(module: &str, mut options: Options) -> Result<Login, &'static str> {
    let (username, password) = (options.remove("username"), options.remove("password"));
    if !options.is_empty() {
        return Err("the only options are username and password");
    }
    let scram = module == "ScramLoginModule";
    match (username, password) {
        (Some(username), Some(password)) => Ok(Login::Password { scram, username, password }),
        _ => Err("it needs both username=\"…\" and password=\"…\""),
    }
}

fn token(mut options: Options) -> Result<Login, &'static str> {
    if options.contains_key("clientId") || options.contains_key("clientSecret") {
        return Err(
            "this build asks no token endpoint; have the token written to a file, and name \
                    it: sasl.oauthbearer.token.endpoint.url=file:///…",
        );
    }
    let (principal, life) = (options.remove(PRINCIPAL), options.remove(LIFE));
    if !options.is_empty() {
        return Err("the only options are unsecuredLoginStringClaim_sub and \
                    unsecuredLoginLifetimeSeconds");
    }
    let life_seconds = life.map(|text| text.parse::<u32>()).transpose();
    let life_seconds =
        life_seconds.map_err(|_| "unsecuredLoginLifetimeSeconds is a whole number")?;
    match principal {
        Some(name) if name.is_empty() || name.contains(char::is_whitespace) => {
            Err("unsecuredLoginStringClaim_sub is a name without spaces")
        }
        Some(principal) => Ok(Login::Unsecured { principal, life_seconds }),
        None if life_seconds.is_some() => Err("it needs unsecuredLoginStringClaim_sub as well"),
        None => Ok(Login::Token),
    }
}

type Options = BTreeMap<String, String>;

fn options(mut rest: &str) -> Result<Options, &'static str> {
    let mut options = Options::new();
    loop {
        rest = rest.trim_start();
        if rest == ";" || rest.is_empty() {
            return Ok(options);
        }
        let (name, value) = rest.split_once('=').ok_or("an option must be name=\"value\"")?;
        let (value, after) = quoted(value)?;
        options.insert(name.trim().to_owned(), value);
        rest = after.trim_end();
    }
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

/// A quoted value, in which a backslash stands for the letter after it, and what follows.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    const UNQUOTED: &str = "a value must stand in double quotes";
    let text = text.trim_start().strip_prefix('"').ok_or(UNQUOTED)?;
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(letters.next().ok_or(UNQUOTED)?.1),
            other => value.push(other),
        }
    }
    Err(UNQUOTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_password_are_read_with_escapes() {
        let line = r#" org.apache.kafka.common.security.scram.ScramLoginModule  required
            username="ann" password = "a\"b;c=\\d" ;"#;
        let login = parse(line).unwrap_or_else(|reason| panic!("{reason}"));
        let (username, password) = ("ann".to_owned(), r#"a"b;c=\d"#.to_owned());
        assert_eq!(login, Login::Password { scram: true, username, password });
    }

    #[test]
    fn a_token_comes_from_elsewhere_or_is_made_without_a_signature() {
        let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";
        assert_eq!(parse(&format!("{module};")), Ok(Login::Token));
        assert_eq!(parse(&format!("{module} ;")), Ok(Login::Token));
        let unsecured = format!("{module} unsecuredLoginStringClaim_sub=\"ann\";");
        let principal = "ann".to_owned();
        assert_eq!(parse(&unsecured), Ok(Login::Unsecured { principal, life_seconds: None }));
        let endpoint = format!("{module} clientId=\"a\" clientSecret=\"hunter2\";");
        assert!(parse(&endpoint).is_err_and(|reason| reason.contains("file:///")));
    }

    #[test]
    fn what_is_no_such_line_is_refused_without_quoting_it() {
        for line in [
            "",
            "com.example.Other required username=\"a\" password=\"b\";",
            "x.PlainLoginModule optional username=\"a\" password=\"hunter2\";",
            "x.PlainLoginModule required username=\"a\";",
            "x.PlainLoginModule required username=a password=hunter2;",
            "x.PlainLoginModule required username=\"a\" password=\"hunter2",
            "x.PlainLoginModule required debug=\"true\" password=\"hunter2\";",
            "x.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"hunter2 x\";",
            "x.OAuthBearerLoginModule required unsecuredLoginLifetimeSeconds=\"hunter2\";",
        ] {
            let reason = parse(line).expect_err("refused");
            assert!(!reason.contains("hunter2"));
        }
    }
}
