//! What can go wrong, and that it did: each fault returns once it is over.

use std::fmt;
use std::time::Duration;

use forebay_trial::Link;

use super::cluster::NODES;
use super::fleet::SESSION;
use super::trial::Trial;
use crate::system::process::{pause, within};

/// How long a broken way stays broken.
const BROKEN: Duration = Duration::from_secs(4);
/// A service or a gateway that is away.
const AWAY: Duration = Duration::from_secs(2);
/// What a group and its members may take to agree again.
const AGREE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    KillEachBroker,
    KillLeader,
    KillCoordinator,
    FreezeBroker,
    TwoBrokersDown,
    ElectLeaders,
    AddPartitions,
    CutOneBroker,
    CutAllBrokers,
    SilenceOneBroker,
    SilenceAllBrokers,
    SlowBrokers,
    TearConnections,
    KillGateway,
    KillGatewayForLong,
    RestartGateway,
    FreezeGateway,
    CrashService,
    RecreateTopic,
    RecreateTopicUnseen,
}

impl Fault {
    pub(super) const ALL: [Self; 20] = [
        Self::KillEachBroker,
        Self::KillLeader,
        Self::KillCoordinator,
        Self::FreezeBroker,
        Self::TwoBrokersDown,
        Self::ElectLeaders,
        Self::AddPartitions,
        Self::CutOneBroker,
        Self::CutAllBrokers,
        Self::SilenceOneBroker,
        Self::SilenceAllBrokers,
        Self::SlowBrokers,
        Self::TearConnections,
        Self::KillGateway,
        Self::KillGatewayForLong,
        Self::RestartGateway,
        Self::FreezeGateway,
        Self::CrashService,
        Self::RecreateTopic,
        Self::RecreateTopicUnseen,
    ];

    pub(super) fn what(self) -> &'static str {
        match self {
            Self::KillEachBroker => "brokers killed and started again, one after another",
            Self::KillLeader => "the broker killed that leads partition 0",
            Self::KillCoordinator => "the group coordinator's broker killed",
            Self::FreezeBroker => "a broker frozen for 8 s",
            Self::TwoBrokersDown => "two of three brokers killed, with records to dead-letter",
            Self::ElectLeaders => "a broker ended, and leaders elected back to it",
            Self::AddPartitions => "partitions added",
            Self::CutOneBroker => "connections to one broker cut for 4 s",
            Self::CutAllBrokers => "connections to all brokers cut for 4 s",
            Self::SilenceOneBroker => "nothing passes to or from one broker for 4 s",
            Self::SilenceAllBrokers => "nothing passes to or from any broker for 4 s",
            Self::SlowBrokers => "50 ms and 64 KiB/s to and from all brokers for 4 s",
            Self::TearConnections => "connections to all brokers torn in the middle of answers",
            Self::KillGateway => "a gateway killed, and started again at once",
            Self::KillGatewayForLong => "a gateway killed, and started after another took over",
            Self::RestartGateway => "a gateway ended in good order and started again",
            Self::FreezeGateway => "a gateway frozen until another took over",
            Self::CrashService => "one of two services down for 2 s",
            Self::RecreateTopic => "a topic deleted and created again",
            Self::RecreateTopicUnseen => "a topic deleted and created again unseen by gateways",
        }
    }

    /// Does it, and undoes it.
    pub(super) fn happen(self, trial: &mut Trial) {
        match self {
            Self::KillEachBroker => (0..NODES).for_each(|node| trial.bounce(&[node])),
            Self::KillLeader => {
                let topic = trial.topic.clone();
                let cluster = &trial.cluster;
                let leader = within(AGREE, "a leader", || cluster.leader(&topic, 0));
                trial.bounce(&[leader]);
            }
            Self::KillCoordinator => {
                let (cluster, group) = (&trial.cluster, trial.topic.clone());
                let node = within(AGREE, "a coordinator", || cluster.coordinator(&group));
                trial.bounce(&[node]);
            }
            Self::FreezeBroker => {
                let node = trial.chance(NODES);
                trial.cluster.signal(node, "STOP");
                pause(2 * BROKEN);
                trial.cluster.signal(node, "CONT");
                trial.cluster.await_whole();
            }
            Self::TwoBrokersDown => two_brokers_down(trial),
            Self::ElectLeaders => {
                let node = trial.chance(NODES);
                trial.bounce(&[node]);
                trial.cluster.tool(
                    "org.apache.kafka.tools.LeaderElectionCommand",
                    &["--election-type", "preferred", "--all-topic-partitions"],
                );
            }
            Self::AddPartitions => trial.add_partitions(2),
            Self::CutOneBroker => one_way(trial, Link::Cut),
            Self::CutAllBrokers => all_ways(trial, Link::Cut),
            Self::SilenceOneBroker => one_way(trial, Link::Silent),
            Self::SilenceAllBrokers => all_ways(trial, Link::Silent),
            Self::SlowBrokers => {
                let delay = Duration::from_millis(50);
                all_ways(trial, Link::Slow { delay, bytes_per_second: Some(64 << 10) });
            }
            Self::TearConnections => all_ways(trial, Link::Torn { bytes: 700 }),
            Self::KillGateway => {
                let gateway = trial.chance(trial.fleet.len());
                trial.fleet.kill(gateway);
                trial.fleet.start_one(gateway);
            }
            Self::KillGatewayForLong => {
                let gateway = trial.chance(trial.fleet.len());
                trial.fleet.kill(gateway);
                trial.await_taken_over(gateway);
                trial.fleet.start_one(gateway);
            }
            Self::RestartGateway => {
                let gateway = trial.chance(trial.fleet.len());
                trial.fleet.terminate(gateway);
                trial.fleet.start_one(gateway);
            }
            Self::FreezeGateway => {
                let gateway = trial.chance(trial.fleet.len());
                trial.fleet.signal(gateway, "STOP");
                pause(Duration::from_secs(SESSION));
                trial.await_taken_over(gateway);
                trial.fleet.signal(gateway, "CONT");
            }
            Self::CrashService => {
                let service = trial.chance(trial.services.len());
                let kill = trial.services[service].down();
                trial.kills.push(kill);
                pause(AWAY);
                trial.services[service].up();
            }
            Self::RecreateTopic => trial.recreate_topic(),
            Self::RecreateTopicUnseen => trial.recreate_topic_unseen(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}

/// Records to reject come just before: their dead letters and all commits must wait for a second
/// node (min.insync.replicas = 2).
fn two_brokers_down(trial: &mut Trial) {
    let stays = trial.chance(NODES);
    let down: Vec<usize> = (0..NODES).filter(|node| *node != stays).collect();
    trial.load.poison(5);
    for node in &down {
        trial.cluster.kill(*node);
    }
    trial.load.poison(5);
    pause(2 * BROKEN);
    trial.cluster.start_again(&down);
    trial.cluster.await_whole();
}

fn one_way(trial: &mut Trial, link: Link) {
    let node = trial.chance(NODES);
    trial.cluster.set_link(node, link);
    pause(BROKEN);
    trial.cluster.set_link(node, Link::Open);
}

fn all_ways(trial: &mut Trial, link: Link) {
    trial.cluster.set_links(link);
    pause(BROKEN);
    trial.cluster.set_links(Link::Open);
}
