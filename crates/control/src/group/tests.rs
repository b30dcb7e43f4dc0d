//! What a command to all comes to.

use super::*;

fn peer(instance: &str, at: At) -> Peer {
    let (instance_id, instance) = (format!("{instance}-s"), instance.to_owned());
    Peer { instance_id, instance, at, partitions: Some(Vec::new()) }
}

fn at(instance: &str) -> Peer {
    peer(instance, At::Address(format!("{instance}:1")))
}

fn done(instance: &str) -> Value {
    merge::own(json!({ "lag": 1, "paused": true, "partitions": [] }), instance, None)
}

fn error(outcome: Result<Value, Refusal>) -> (String, Value) {
    match outcome {
        Err(Refusal::Unfinished { error, processes }) => (error, processes),
        other => panic!("{other:?}"),
    }
}

#[test]
fn done_by_all_is_done() {
    let told = vec![(at("b"), Told::Answered(StatusCode::OK, done("b")))];
    let shown = outcome("pause s", "a", Ok(done("a")), told).unwrap();
    assert_eq!(shown["lag"], 2);
    assert_eq!(shown["processes"].as_array().unwrap().len(), 2);
    assert_eq!(outcome("pause s", "a", Ok(done("a")), Vec::new()).unwrap(), done("a"));
}

#[test]
fn what_is_half_done_says_where_and_whom_to_ask() {
    let told = vec![
        (at("b"), Told::Answered(StatusCode::OK, done("b"))),
        (at("c"), Told::Unsent("connection refused".to_owned())),
        (at("d"), Told::Unknown("no answer".to_owned())),
        (at("e"), Told::Answered(StatusCode::CONFLICT, json!({ "error": "not now" }))),
    ];
    let (error, processes) = error(outcome("pause s", "a", Ok(done("a")), told));
    for said in [
        "`pause s`: done in a, b; not in c at http://c:1: connection refused",
        "d at http://d:1: no answer; it may be done there",
        "e at http://e:1: not now",
    ] {
        assert!(error.contains(said), "{error}");
    }
    let outcomes: Vec<&Value> =
        processes.as_array().unwrap().iter().map(|it| &it["done"]).collect();
    assert_eq!(outcomes, [true, true, false, false, false]);
}

#[test]
fn a_stranger_at_a_process_s_address_has_done_nothing() {
    let stranger = Told::Answered(StatusCode::OK, Value::Null);
    let other = Told::Answered(StatusCode::OK, done("x"));
    let told = vec![(at("b"), stranger), (at("c"), other)];
    let (error, _) = error(outcome("pause s", "a", Ok(done("a")), told));
    assert!(error.contains("not in b at http://b:1: what answers there is no process"), "{error}");
    assert!(error.contains("nor in c at http://c:1"), "{error}");
}

#[test]
fn what_is_done_nowhere_says_so() {
    let told = vec![(at("b"), Told::Unsent("connection refused".to_owned()))];
    let (error, _) = error(outcome("pause s", "a", Err(Refusal::Stopped), told));
    assert!(
        error.starts_with("`pause s`: done nowhere: a: the subscription has stopped"),
        "{error}"
    );
}

#[test]
fn one_that_has_ended_needs_no_telling_and_is_shown() {
    let told = vec![(peer("b", At::Ended), Told::Unsent("it has ended".to_owned()))];
    let shown = outcome("pause s", "a", Ok(done("a")), told).unwrap();
    assert_eq!(shown["processes"][1]["instance"], "b");
    assert!(shown["processes"][1]["error"].as_str().unwrap().contains("has ended"));
}

#[test]
fn an_answer_that_makes_no_sense_is_no_word_that_it_was_done() {
    for nonsense in [json!(null), json!(7), json!([]), json!({ "processes": 7 })] {
        let told = || vec![(at("b"), Told::Answered(StatusCode::OK, nonsense.clone()))];
        let (half, _) = error(outcome("pause s", "a", Ok(done("a")), told()));
        assert!(half.contains("done in a; not in b"), "{half}");
        let (nowhere, _) = error(outcome("pause s", "a", Err(Refusal::Stopped), told()));
        assert!(nowhere.contains("done nowhere"), "{nowhere}");
    }
}
