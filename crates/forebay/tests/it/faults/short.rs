//! Each kind of fault once, in a few minutes.

use std::time::Duration;

use super::fault::Fault;
use super::fleet::Protocol;
use super::trial::{Outcome, Setting, Trial};

/// A topic is created again after leaders moved: its epochs then are lower than the former one's.
const EACH: [Fault; 15] = [
    Fault::KillGateway,
    Fault::CutAllBrokers,
    Fault::KillCoordinator,
    Fault::AddPartitions,
    Fault::SilenceOneBroker,
    Fault::FreezeGateway,
    Fault::KillLeader,
    Fault::RecreateTopic,
    Fault::RecreateTopicUnseen,
    Fault::TearConnections,
    Fault::SlowBrokers,
    Fault::TwoBrokersDown,
    Fault::CrashService,
    Fault::FreezeBroker,
    Fault::RestartGateway,
];
/// Those that take longest.
const LONGER: [Fault; 4] =
    [Fault::ElectLeaders, Fault::KillEachBroker, Fault::RecreateTopic, Fault::KillGatewayForLong];

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
fn each_fault_loses_nothing_and_keeps_the_order() {
    let outcome = each(&EACH);
    assert!(outcome.verdict.excused > 0, "records were dead-lettered");
    assert!(outcome.reborn.is_some_and(|reborn| reborn.verdict.delivered > 0));
}

#[test]
#[ignore = "starts three brokers: scripts/faults --only"]
fn nor_do_those_that_take_longer() {
    each(&LONGER);
}
