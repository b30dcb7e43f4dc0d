//! The one line of JAAS that Kafka's users write: a login module with a name and a password.
//!
//! `org.apache.kafka…PlainLoginModule required username="…" password="…";` and the same for SCRAM.
//! Other modules are refused. Errors never quote the line.

pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: String,
}

pub(super) fn parse(line: &str) -> Result<Login, &'static str> {
    let (module, rest) = word(line);
    if !module.ends_with(".PlainLoginModule") && !module.ends_with(".ScramLoginModule") {
        return Err("only PlainLoginModule and ScramLoginModule are supported");
    }
    let (flag, mut rest) = word(rest);
    if flag != "required" {
        return Err("the module's name must be followed by `required`");
    }
    let (mut username, mut password) = (None, None);
    loop {
        rest = rest.trim_start();
        if rest == ";" || rest.is_empty() {
            break;
        }
        let (name, value) = rest.split_once('=').ok_or("an option must be name=\"value\"")?;
        let (value, after) = quoted(value)?;
        rest = after;
        match name.trim() {
            "username" => username = Some(value),
            "password" => password = Some(value),
            _ => return Err("the only options are username and password"),
        }
    }
    match (username, password) {
        (Some(username), Some(password)) => Ok(Login { username, password }),
        _ => Err("it needs both username=\"…\" and password=\"…\""),
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
        assert_eq!((login.username.as_str(), login.password.as_str()), ("ann", r#"a"b;c=\d"#));
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
        ] {
            let reason = parse(line).err().expect("refused");
            assert!(!reason.contains("hunter2"));
        }
    }
}
