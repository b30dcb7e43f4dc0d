//! Each kind of fault once, in a few minutes.

use std::time::Duration;

use super::fault::Fault;
use super::fleet::Protocol;
use super::trial::{Setting, Trial};

const FAULTS: [Fault; 11] = [
    Fault::KillGateway,
    Fault::CutAllBrokers,
    Fault::KillCoordinator,
    Fault::AddPartitions,
    Fault::SilenceOneBroker,
    Fault::FreezeGateway,
    Fault::TearConnections,
    Fault::TwoBrokersDown,
    Fault::SlowBrokers,
    Fault::CrashService,
    Fault::RestartGateway,
];

#[test]
#[ignore = "starts three brokers: scripts/faults"]
fn each_fault_once_loses_nothing_and_keeps_the_order() {
    let protocol = Protocol::ClassicStatic;
    let setting = Setting { protocol, gateways: 2, rate: 200, seed: 1, reborn: false };
    let mut trial = Trial::start(&setting);
    for fault in FAULTS {
        trial.suffer(fault);
        trial.calm(Duration::from_secs(1));
    }
    let outcome = trial.judge();
    eprintln!("{}", outcome.page(&setting, "this machine"));
    assert_eq!(outcome.broken(), Vec::<String>::new());
    assert!(outcome.verdict.excused > 0, "records were dead-lettered");
}
