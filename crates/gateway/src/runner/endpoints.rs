//! The target's endpoints: their numbers, how their names are followed, and whether one is there.

use std::collections::BTreeSet;
use std::rc::Rc;

use forebay_core::{EndpointId, Input};
use forebay_push::{Connections, Endpoint};

use super::Runner;
use crate::discovery;

impl Runner {
    /// Gives every address its number, and tells the core which are listed now.
    pub(super) fn set_endpoints(&self, listed: Vec<Endpoint>) {
        let mut endpoints = self.endpoints.borrow_mut();
        let ids = listed.into_iter().map(|endpoint| {
            let known = endpoints.iter().position(|known| *known.endpoint() == endpoint);
            let index = known.unwrap_or_else(|| {
                endpoints.push(self.connections(endpoint));
                endpoints.len() - 1
            });
            EndpointId(index as u32)
        });
        let ids: Vec<EndpointId> = ids.collect();
        let listed: BTreeSet<EndpointId> = ids.iter().copied().collect();
        for (index, left) in endpoints.iter_mut().enumerate() {
            if !listed.contains(&EndpointId(index as u32)) {
                // Names may go through many addresses: of one that left, only the number is kept.
                // Deliveries that are out keep the connections that they have.
                *left = self.connections(left.endpoint().clone());
            }
        }
        drop(endpoints);
        self.handle(Input::Endpoints(ids));
    }

    /// New connections by the present plan. Deliveries that are out keep those that they have.
    pub(super) fn reconnect(&self) {
        for connections in self.endpoints.borrow_mut().iter_mut() {
            *connections = self.connections(connections.endpoint().clone());
        }
    }

    fn connections(&self, endpoint: Endpoint) -> Rc<Connections> {
        let plan = self.plan.borrow();
        Rc::new(Connections::new(endpoint, plan.limits.clone(), plan.tls.clone()))
    }
}

/// Follows the names of the endpoints for as long as it is polled.
pub(super) async fn follow_names(runner: Rc<Runner>) {
    let changed = |endpoints| {
        runner.set_endpoints(endpoints);
        runner.news.notify_one();
    };
    discovery::follow(&runner.names, &discovery::System, changed).await;
}

/// Tries to connect to an endpoint, and tells the core.
pub(super) async fn check(runner: Rc<Runner>, endpoint: EndpointId) {
    let asked = runner.clock.now();
    let connections = runner.endpoints.borrow()[endpoint.0 as usize].clone();
    let fault = connections.check().await;
    runner.handle(Input::Checked { endpoint, asked, fault });
    runner.news.notify_one();
}
