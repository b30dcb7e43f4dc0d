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
const BROKERS: [Fault; 4] =
    [Fault::KillCoordinator, Fault::TwoBrokersDown, Fault::KillEachBroker, Fault::FreezeBroker];

fn each(faults: &[Fault]) -> Outcome {
    let protocol = Protocol::ClassicStatic;
    let setting = Setting { protocol, gateways: 2, rate: 200, seed: 1, reborn: false };
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
