//! Route: where the next attempt goes. The choice is `policy::route`'s; here it meets the breakers.

use crate::gateway::Gateway;
use crate::line::accept::Request;
use crate::problem::Problem;
use haltline_policy::route::{self, RouteRules, RouteVerdict, Tried};
use haltline_types::{Code, Fault, ModelName};
use std::time::Duration;

/// An endpoint that its breaker lets pass. Whoever holds one reports to the breaker what became
/// of it: a fault, a success, or that it was never sent.
pub(crate) struct Routed {
    pub(crate) endpoint: ModelName,
}

/// Chooses.
pub(crate) fn route(
    gateway: &Gateway,
    request: &Request,
    tried: &[Tried],
    fault: Option<&Fault>,
) -> Result<Routed, Problem> {
    let now = gateway.clock.now();
    let rules = RouteRules { fallback_on: request.fallback_on.clone() };
    let mut admit = |endpoint: &ModelName| gateway.breaker(endpoint).lock().admit(now);
    match route::next(&request.targets, tried, fault, &rules, now, &mut admit) {
        RouteVerdict::Use(index) => match request.targets.get(index) {
            Some(endpoint) => Ok(Routed { endpoint: endpoint.clone() }),
            None => Err(Problem::new(Code::Internal, "The route leads nowhere.")),
        },
        RouteVerdict::AllOpen { until } => {
            let wait = until.since(now).clamp(Duration::from_secs(1), Duration::from_secs(60));
            let problem = Problem::new(
                Code::BreakerOpen,
                format!(
                    "The model's endpoints fail at present and are left alone for a while; try again in {} s.",
                    wait.as_secs().max(1)
                ),
            );
            Err(problem.retry_after(wait))
        }
        RouteVerdict::Exhausted => {
            Err(Problem::new(Code::UpstreamFailed, "No endpoint is left that could answer this request."))
        }
    }
}

impl Routed {
    /// The attempt ended without a word about the endpoint's health.
    pub(crate) fn abandoned(&self, gateway: &Gateway) {
        gateway.breaker(&self.endpoint).lock().on_abandoned(gateway.clock.now());
    }

    /// The attempt ended: tell the breaker how.
    pub(crate) fn ended(&self, gateway: &Gateway, fault: Option<&Fault>) {
        let breaker = gateway.breaker(&self.endpoint);
        let mut breaker = breaker.lock();
        let now = gateway.clock.now();
        match fault {
            None => breaker.on_success(now),
            Some(fault) => breaker.on_fault(now, fault),
        }
    }
}
