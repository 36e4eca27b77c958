//! Route: where the next attempt goes. The choice is `policy::route`'s; here it meets the breakers.

use crate::gateway::Gateway;
use crate::line::accept::Request;
use crate::problem::Problem;
use haltline_policy::breaker::Admission;
use haltline_policy::route::{self, RouteRules, RouteVerdict, Tried};
use haltline_types::{Code, Fault, ModelName};
use std::time::Duration;

/// An endpoint that its breaker lets pass. Whoever holds one reports to the breaker what became
/// of it: a fault, a success, or that it was never sent.
pub(crate) struct Routed {
    pub(crate) endpoint: ModelName,
    admission: Admission,
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
    let mut admission = Admission::Closed;
    let mut admit = |endpoint: &ModelName| {
        admission = gateway.breaker(endpoint).lock().admit(now);
        admission
    };
    match route::next(&request.targets, tried, fault, &rules, now, &mut admit) {
        RouteVerdict::Use(index) => match request.targets.get(index) {
            Some(endpoint) => Ok(Routed { endpoint: endpoint.clone(), admission }),
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
            Err(problem.retry_after(wait + Duration::from_millis(gateway.entropy.u64() % 1000)))
        }
        RouteVerdict::Exhausted => {
            Err(Problem::new(Code::UpstreamFailed, "No endpoint is left that could answer this request."))
        }
    }
}

impl Routed {
    /// Nothing was sent. A probe that was not used is given back, so that another may try.
    pub(crate) fn abandoned(&self, gateway: &Gateway) {
        if self.admission == Admission::Probe {
            gateway.breaker(&self.endpoint).lock().on_abandoned(gateway.clock.now());
        }
    }

    /// The attempt ended: tell the breaker how.
    pub(crate) fn ended(&self, gateway: &Gateway, fault: Option<&Fault>) {
        let breaker = gateway.breaker(&self.endpoint);
        let mut breaker = breaker.lock();
        let now = gateway.clock.now();
        match fault {
            None => breaker.on_success(now),
            // A fault that says nothing of the endpoint's health gives a probe back, and only a probe.
            Some(fault) if fault.breaker || self.admission == Admission::Probe => breaker.on_fault(now, fault),
            Some(_) => {}
        }
    }
}
