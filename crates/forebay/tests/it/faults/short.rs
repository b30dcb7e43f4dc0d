//! Each kind of fault once, in a few minutes.

use std::time::Duration;

use super::fault::Fault;
use super::fleet::Protocol;
use super::trial::{Outcome, Setting, Trial};

const AROUND: [Fault; 9] = [
    Fault::KillGateway,
    Fault::CutAllBrokers,
    Fault::AddPartitions,
    Fault::SilenceOneBroker,
    Fault::FreezeGateway,
    Fault::TearConnections,
    Fault::SlowBrokers,
    Fault::CrashService,
    Fault::RestartGateway,
];
const BROKERS: [Fault; 5] = [
    Fault::KillCoordinator,
    Fault::TwoBrokersDown,
    Fault::KillEachBroker,
    Fault::KillLeader,
    Fault::FreezeBroker,
];

fn each(faults: &[Fault]) -> Outcome {
    let (protocol, reborn) = (Protocol::ClassicStatic, faults.contains(&Fault::RecreateTopic));
    let setting = Setting { protocol, gateways: 2, rate: 200, seed: 1, reborn };
    let mut trial = Trial::start(&setting);
    for fault in faults {
        trial.suffer(*fault);
        trial.calm(Duration::from_secs(1));
    }
    let outcome = trial.judge();
    eprintln!("{}", outcome.page(&setting, "this machine"));
    assert_eq!(outcome.broken(), Vec::<String>::new());
    outcome
}

#[test]
#[ignore = "starts three brokers: scripts/faults"]
fn around_the_brokers_each_fault_loses_nothing_and_keeps_the_order() {
    each(&AROUND);
}

#[test]
#[ignore = "starts three brokers: scripts/faults"]
fn of_the_brokers_each_fault_loses_nothing_and_keeps_the_order() {
    let outcome = each(&BROKERS);
    assert!(outcome.verdict.excused > 0, "records were dead-lettered");
}

#[test]
#[ignore = "starts three brokers: scripts/faults"]
fn of_a_topic_that_is_created_again_nothing_is_passed_over() {
    let outcome = each(&[Fault::RecreateTopic, Fault::RecreateTopic]);
    assert!(outcome.reborn.is_some_and(|reborn| reborn.delivered > 0));
}
