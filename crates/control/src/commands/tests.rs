//! What is remembered of the commands that were given, and what is yet to be written.

use super::*;

fn entry(at_ms: i64) -> Entry {
    let command = Command {
        at_ms,
        instance: "a".to_owned(),
        subscription: None,
        from: "1.2.3.4:5".to_owned(),
        command: "reload".to_owned(),
        outcome: "done".to_owned(),
    };
    Entry { command, memberships: Vec::new(), properties: None }
}

fn times(entries: &[Entry]) -> Vec<i64> {
    entries.iter().map(|entry| entry.command.at_ms).collect()
}

#[test]
fn each_command_is_written_in_its_turn() {
    let mut given = Given::default();
    assert!(given.unkept().1.is_empty());
    (0..WRITTEN_MAX as i64 + 1).for_each(|at_ms| given.push(entry(at_ms)));
    let (first, some) = given.unkept();
    assert_eq!((first, some.len()), (0, WRITTEN_MAX));
    assert_eq!(times(&given.unkept().1), times(&some), "what failed is tried again");
    given.kept = first + some.len() as u64;
    let (first, rest) = given.unkept();
    assert_eq!((first, times(&rest)), (WRITTEN_MAX as u64, vec![WRITTEN_MAX as i64]));
}

#[test]
fn what_could_not_be_written_for_long_is_forgotten_the_oldest_first() {
    let mut given = Given::default();
    let all = REMEMBERED_MAX as i64 + 5;
    (0..all).for_each(|at_ms| given.push(entry(at_ms)));
    assert_eq!(given.all.len(), REMEMBERED_MAX);
    let (first, some) = given.unkept();
    assert_eq!((first, some[0].command.at_ms), (5, 5));

    // Those that are forgotten while they are written are not written in another's stead.
    (all..all + 3).for_each(|at_ms| given.push(entry(at_ms)));
    given.kept = first + some.len() as u64;
    let (_, next) = given.unkept();
    assert_eq!(next[0].command.at_ms, 5 + WRITTEN_MAX as i64);
}

#[test]
fn what_was_given_in_one_moment_keeps_its_order() {
    let mut given = Given::default();
    [7, 7, 5, 9].into_iter().for_each(|at_ms| given.push(entry(at_ms)));
    assert_eq!(times(&given.unkept().1), [7, 8, 9, 10]);
}

#[test]
fn a_refusal_is_kept_in_one_line() {
    let words =
        "f.toml:3: unknown key `a`\n  3 | a = 1\n    | ^\nf.toml:4: no `b`\n  4 | b\n    | ^";
    assert_eq!(one_line(words), "f.toml:3: unknown key `a`; f.toml:4: no `b`");
    assert_eq!(one_line("offset 3 is settled"), "offset 3 is settled");
}
