//! What the owner's rules mean to the machines that a subscription joins: at first, and when they
//! change.

use core::time::Duration;

use crate::fault::Fault;
use crate::limiter::Bounds;
use crate::pool::PoolRules;
use crate::rate::Bucket;
use crate::record::PartitionId;
use crate::rules::Rules;

use super::Subscription;

impl<P: Clone> Subscription<P> {
    pub(super) fn take_rules(&mut self, mut rules: Rules) {
        assert!(rules.order == self.rules.order && rules.guarantee == self.rules.guarantee);
        self.limiter.set_bounds(bounds(&rules));
        self.pool.set_rules(pool(&rules));
        self.rate = rate(&rules);
        if rules.planted.is(Fault::SessionKept) {
            rules.session = self.rules.session;
        }
        self.rules = rules;
        for index in 0..self.seats.len() {
            // A longer session gives back what was not ours for sure any more.
            self.queue_turn(PartitionId(index as u32));
        }
        self.consider_all();
    }
}

pub(super) fn bounds(rules: &Rules) -> Bounds {
    Bounds { first: rules.in_flight, most: rules.in_flight_max }
}

pub(super) fn rate(rules: &Rules) -> Option<Bucket> {
    // A tenth of a second's worth at once: a cap is a cap, and a pause is not saved up.
    rules.rate_max.map(|rate| Bucket::new(rate.into(), u64::from(rate) / 10))
}

pub(super) fn pool(rules: &Rules) -> PoolRules {
    let probe_interval = match rules.planted.is(Fault::NoProbePause) {
        true => Duration::ZERO,
        false => rules.probe_interval,
    };
    let (in_flight_max, ejects) = (rules.in_flight_max, rules.ejects);
    PoolRules { probe_interval, in_flight_max, ejects }
}
