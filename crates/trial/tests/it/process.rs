//! The service as a process: orders, kills and crashes.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use forebay_trial::{Act, Answered, Child, Journals, Kill, Order, Rule, Script};

use crate::client::{Client, Post, post};

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_forebay-trial"))
}

fn journals(directory: &Path, instances: usize) -> Journals {
    let mut journals = Journals::default();
    for instance in 0..instances {
        journals.open(&Child::journal(directory, instance), instance).expect("it wrote one");
    }
    journals.read().expect("whole lines");
    journals
}

#[test]
fn a_process_that_is_killed_keeps_what_it_wrote_and_another_follows_at_its_address() {
    let directory = tempfile::tempdir().expect("a directory");
    let hang = Script::accepting().rule(Rule::new(Act::Hang).key("hang"));
    let mut child = Child::start(binary(), directory.path(), 0, &hang).expect("started");
    let mut client = Client::connect(child.address());
    assert_eq!(client.ask(&post(0)).status, 200);
    client.send(&post(1).key("hang"));
    // Written before it hangs, so the journal is all there is to wait for.
    while journals(directory.path(), 1).deliveries().len() < 2 {
        std::thread::yield_now();
    }
    let Kill::Service { instance: 0, at } = child.kill().expect("ours") else { panic!("of 0") };
    assert!(TcpStream::connect(child.address()).is_err());
    child.start_again(1, &Script::answering(204)).expect("started");
    assert_eq!(Client::connect(child.address()).ask(&post(1)).status, 204);
    let journals = journals(directory.path(), 2);
    let seen: Vec<_> = journals
        .deliveries()
        .iter()
        .map(|delivery| (delivery.instance, delivery.what.offset, delivery.accepted().is_some()))
        .collect();
    assert_eq!(seen, [(0, 0, true), (0, 1, false), (1, 1, true)]);
    assert!(journals.deliveries()[1].ended.is_none() && journals.deliveries()[1].started < at);
}

#[test]
fn every_answer_that_got_out_before_a_kill_is_in_the_journal() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = Script::accepting();
    let mut child = Child::start(binary(), directory.path(), 0, &script).expect("started");
    let address = child.address();
    let (busy, is_busy) = std::sync::mpsc::sync_channel(4);
    let clients: Vec<_> = (0..4)
        .map(|partition| {
            let busy = busy.clone();
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                let delivery = |offset| Post { partition, ..post(offset) };
                let answered = (0..).take_while(|offset| {
                    if *offset == 200 {
                        busy.send(()).expect("the test waits for it");
                    }
                    client.ask_or_end(&delivery(*offset)).is_some()
                });
                answered.map(|offset| (partition, offset)).collect::<Vec<_>>()
            })
        })
        .collect();
    for _ in &clients {
        is_busy.recv().expect("all get that far");
    }
    child.kill().expect("ours");
    let answered: Vec<_> =
        clients.into_iter().flat_map(|client| client.join().expect("it ends")).collect();
    assert!(answered.len() >= 800);
    let journals = journals(directory.path(), 1);
    let accepted = journals.deliveries().iter().filter(|it| it.accepted().is_some());
    let accepted: BTreeSet<_> =
        accepted.map(|delivery| (delivery.what.partition, delivery.what.offset)).collect();
    let missing: Vec<_> = answered.iter().filter(|place| !accepted.contains(place)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_process_takes_orders_and_says_what_it_refuses() {
    let directory = tempfile::tempdir().expect("a directory");
    let bad = Script::accepting().rule(Rule::answering(500).while_on("bad"));
    let mut child = Child::start(binary(), directory.path(), 0, &bad).expect("started");
    let mut client = Client::connect(child.address());
    let mut after = |child: &mut Child, order| {
        child.tell(&order).expect("done");
        client.ask(&post(0)).status
    };
    assert_eq!(after(&mut child, Order::SwitchOn("bad".to_owned())), 500);
    assert_eq!(after(&mut child, Order::SwitchOff("bad".to_owned())), 200);
    assert_eq!(after(&mut child, Order::Play(Script::answering(404))), 404);
    let impossible = Script::accepting().rule(Rule::answering(500).share(1, 0));
    let refused = child.tell(&Order::Play(impossible)).expect_err("refused");
    assert!(refused.to_string().contains("share of 0"), "{refused}");
    child.tell(&Order::Down).expect("done");
    assert!(TcpStream::connect(child.address()).is_err());
    child.tell(&Order::Up).expect("done");
    assert_eq!(Client::connect(child.address()).ask(&post(0)).status, 404);
}

#[test]
fn a_crash_is_the_processs_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = Script::doing(Act::Crash);
    let mut child = Child::start(binary(), directory.path(), 0, &script).expect("started");
    Client::connect(child.address()).send(&post(0));
    child.wait_for_crash().expect("our own child");
    let journals = journals(directory.path(), 1);
    let ended = journals.deliveries()[0].ended.as_ref().expect("written before it");
    assert_eq!(ended.answered, Answered::broken("crash"));
}

#[test]
fn the_command_writes_a_ready_file_and_refuses_a_script_that_is_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name);
    let start = |script: &str| {
        std::fs::write(file("script.toml"), script).expect("written");
        Command::new(binary())
            .args(["serve", "--until-stdin-closes", "--script"])
            .arg(file("script.toml"))
            .arg("--journal")
            .arg(file("journal"))
            .arg("--ready-file")
            .arg(file("ready.json"))
            .stdin(Stdio::null())
            .output()
            .expect("our own binary runs")
    };
    let served = start("[[rule]]\nact = \"hang\"\nwhen = { share = { count = 1, of = 100 } }\n");
    assert!(served.status.success());
    let ready = std::fs::read(file("ready.json")).expect("it was written");
    let ready: forebay_trial::Ready = serde_json::from_slice(&ready).expect("JSON");
    assert!(ready.service.port() > 0);
    assert_eq!(served.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
    let refused = start("[[rule]]\nact = \"hnag\"\n");
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("script.toml") && said.contains("hnag"), "{said}");
}
