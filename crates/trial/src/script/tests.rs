use super::*;

fn parsed(text: &str) -> Result<Script, ScriptError> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("script.toml");
    std::fs::write(&path, text).expect("written");
    Script::read(&path)
}

#[test]
fn a_file_says_what_the_methods_say() {
    let text = r#"
seed = 7
delay = { ms = 8 }
refuse = { switch = "gone", from_ms = 10 }
[limit]
per_second = 5000
over = { answer = { status = 429, headers = [["retry-after", "1"]] } }
[[greeting]]
act = { serve = { requests = 100 } }
every = 2
[[rule]]
when = { share = { count = 1, of = 100 }, during = { from_ms = 1000, to_ms = 61000 } }
delay = { ms = 5, to_ms = 20 }
act = { answer = { status = 500, body = "no" } }
[[rule]]
when = { keys = ["poison"], attempt = { to = 3 }, every = 2, times = 9 }
act = "crash"
[[rule]]
act = { close = { after = "head", reset = true } }
"#;
    let refuse = Window { switch: Some("gone".to_owned()), from_ms: 10, to_ms: None };
    let limited = Answer::status(429).header("retry-after", "1");
    let ms = Duration::from_millis;
    let script = Script::accepting()
        .seed(7)
        .delay(ms(8))
        .refuse(refuse)
        .limit(Limit::per_second(5_000).or_answer(limited))
        .greeting(Greeting::new(Greet::Serve { requests: 100 }).every(2))
        .rule(
            Rule::new(Act::Answer(Answer::status(500).body("no")))
                .share(1, 100)
                .during(Window::between(ms(1_000), ms(61_000)))
                .delay(ms(5)..ms(20)),
        )
        .rule(Rule::new(Act::Crash).key("poison").attempts_to(3).every(2).times(9))
        .rule(Rule::new(Act::Close { after: Read::Head, reset: true }));
    assert_eq!(parsed(text).expect("a script"), script);
    let written = toml::to_string(&script).expect("it can be written");
    assert_eq!(parsed(&written).expect("a script"), script, "{written}");
}

#[test]
fn what_is_unknown_in_a_file_is_refused_with_its_line() {
    for (text, said) in [
        ("sede = 1\n", "sede"),
        ("[[rule]]\nact = \"hang\"\nwhen = { kye = [\"a\"] }\n", "kye"),
        ("[[rule]]\nact = { broken = \"length\" }\n", "length"),
        ("[[rule]]\nact = { answer = { status = 500, bdoy = \"\" } }\n", "bdoy"),
    ] {
        let error = parsed(text).expect_err("refused").to_string();
        assert!(error.contains(said) && error.contains("line"), "{error}");
    }
}

#[test]
fn what_cannot_be_acted_on_is_refused() {
    let split = Answer::status(200).header("a", "b\r\nc: d");
    for script in [
        Script::accepting().rule(Rule::answering(500).share(1, 0)),
        Script::accepting().rule(Rule::answering(500).every(0)),
        Script::answering(99),
        Script::doing(Act::Drip { answer: split, every_ms: 1 }),
        Script::accepting().limit(Limit::per_second(0)),
        Script::accepting().limit(Limit::concurrent(0)),
        Script::accepting().greeting(Greeting::new(Greet::NeverRead).every(0)),
    ] {
        assert!(matches!(script.check(), Err(ScriptError::Impossible(_))), "{script:?}");
    }
}

#[test]
fn a_window_names_its_next_edge() {
    let window = Window { switch: None, from_ms: 10, to_ms: Some(20) };
    let ms = 1_000_000;
    let edges = [0, 10 * ms, 15 * ms, 20 * ms].map(|since| window.next_edge(since));
    assert_eq!(edges, [Some(10 * ms), Some(20 * ms), Some(20 * ms), None]);
    let open = [0, 10 * ms, 20 * ms - 1, 20 * ms].map(|since| window.is_open(Some(since)));
    assert_eq!(open, [false, true, true, false]);
    assert!(!Window::while_on("off").is_open(None));
}
