//! Route: where the next attempt goes. The plan is `policy::plan`'s and the choice `policy::route`'s;
//! here they meet the breakers, the prices and the budgets that are short.

use crate::deliver::Degraded;
use crate::endpoints::Manner;
use crate::gateway::{Gateway, Live};
use crate::line::accept::Request;
use crate::line::quote::{self, Measured};
use crate::line::trip::Trip;
use crate::metrics::RouteLabels;
use crate::problem::Problem;
use haltline_policy::breaker::{Admission, BreakerState};
use haltline_policy::plan::{self, Degrade, EndpointState, Model, Offer, Plan, PlanInput, Reason, Strategy};
use haltline_policy::retry::Rest;
use haltline_policy::route::{self, FallbackOn, RouteVerdict, Tried};
use haltline_ports::{PLANNED_MAX, Planned, What};
use haltline_types::{Code, Fault, ModelName, Name, NanoUsd, Subjects};
use std::cell::RefCell;
use std::time::Duration;

/// An endpoint that its breaker lets pass. Whoever holds one reports to the breaker what became
/// of it: a fault, a success, or that it was never sent.
pub(crate) struct Routed {
    pub(crate) endpoint: ModelName,
    /// Is there a cheaper model to ask when money is short?
    pub(crate) is_degradable: bool,
    admission: Admission,
}

/// Why a cheaper model is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// A budget is nearly used. The model that was asked for still fits.
    Nearly,
    /// It does not fit any more.
    Full,
}

/// One request's way through its endpoints.
pub(crate) struct Router<'a> {
    gateway: &'a Gateway,
    live: &'a Live,
    request: &'a Request,
    measured: &'a Measured,
    affinity: Option<u64>,
    chance: u64,
    degrade: Option<(Degrade, Cause)>,
    tried: Vec<Tried>,
    fault: Option<Fault>,
}

impl<'a> Router<'a> {
    /// Before any attempt.
    pub(crate) fn new(gateway: &'a Gateway, live: &'a Live, request: &'a Request, measured: &'a Measured) -> Self {
        let is_by_chance =
            |model: &Model| matches!(model.strategy, Strategy::Weighted | Strategy::Fastest) && model.targets.len() > 1;
        let models = request.routing.models();
        let chance = if models.iter().any(is_by_chance) { gateway.entropy.u64() } else { 0 };
        let affinity = request.subjects.session.as_deref().map(plan::affinity);
        let degrade = nearly_used(gateway, live, request).map(|budget| (Degrade { level: 1, budget }, Cause::Nearly));
        Self { gateway, live, request, measured, affinity, chance, degrade, tried: Vec::new(), fault: None }
    }

    /// Chooses where the next attempt goes.
    pub(crate) fn route(&mut self, trip: &mut Trip) -> Result<Routed, Problem> {
        let mut routed = self.choose(trip);
        // A cheaper model that cannot be asked is no reason to refuse what still fits.
        if routed.is_err() && self.tried.is_empty() && matches!(self.degrade, Some((_, Cause::Nearly))) {
            self.degrade = None;
            routed = self.choose(trip);
        }
        let degraded = self.degraded();
        if let Some(degraded) = degraded.as_ref().filter(|degraded| trip.degraded.as_ref() != Some(*degraded)) {
            trip.step(What::Degraded { to: degraded.to.clone() });
        }
        trip.degraded = degraded;
        if let (Ok(routed), Some(last)) = (&routed, trip.attempts.last())
            && routed.endpoint != last.endpoint
        {
            trip.step(What::Fallback { to: routed.endpoint.clone() });
        }
        routed
    }

    /// The endpoint failed. What comes next is decided by `leads_elsewhere` and `retry`.
    pub(crate) fn failed(&mut self, endpoint: &ModelName, fault: &Fault, rest: Rest) {
        self.gateway.endpoints.note_fault(endpoint, fault, self.gateway.clock.now());
        let class = FallbackOn::of(fault);
        self.tried.push(Tried { endpoint: endpoint.clone(), class, rest, avoid_next: false });
        self.fault = Some(fault.clone());
    }

    /// The next attempt must go to another endpoint than the last.
    pub(crate) fn avoid_last(&mut self, avoid: bool) {
        if let Some(last) = self.tried.last_mut() {
            last.avoid_next = avoid;
        }
    }

    /// Is there another endpoint than `failed` that could take the next attempt?
    pub(crate) fn leads_elsewhere(&self, trip: &Trip, failed: &ModelName) -> bool {
        self.plan(trip).leads_elsewhere(failed)
    }

    /// May this fault lead to another endpoint?
    pub(crate) fn allows(&self, fault: &Fault) -> bool {
        self.model().is_some_and(|model| model.rules.allows(fault))
    }

    /// The fault of the last attempt, when there was one.
    pub(crate) fn last_fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The attempt does not fit `budget`: goes one step down to a cheaper model, if the budget
    /// degrades and there is one.
    pub(crate) fn degrade(&mut self, budget: Name) -> bool {
        let level = self.level() + 1;
        let degrades = self.live.settings.degrade.budgets.contains_key(&budget);
        if !degrades || level >= self.request.routing.models().len() {
            return false;
        }
        self.degrade = Some((Degrade { level, budget }, Cause::Full));
        true
    }

    fn choose(&self, trip: &Trip) -> Result<Routed, Problem> {
        let plan = self.plan(trip);
        let now = self.gateway.clock.now();
        let mut admission = Admission::Closed;
        let mut admit = |endpoint: &ModelName| {
            admission = self.gateway.breaker(endpoint).lock().admit(now);
            admission
        };
        let verdict = route::next(&plan, &mut admit);
        trip.step(planned(&plan));
        tracing::debug!(request = %trip.id, model = %plan.model, steps = ?plan.steps, ?verdict, "a plan");
        match verdict {
            RouteVerdict::Use(index) => match plan.steps.get(index) {
                Some(step) => {
                    self.count(&step.endpoint, &step.reason);
                    Ok(self.routed(step.endpoint.clone(), admission))
                }
                None => Err(Problem::new(Code::Internal, "The route leads nowhere.")),
            },
            RouteVerdict::AllOpen { until } => {
                for open in plan.steps.iter().filter(|step| matches!(step.reason, Reason::SkippedBreakerOpen { .. })) {
                    trip.step(What::BreakerRefused { endpoint: open.endpoint.clone() });
                }
                let wait = until.since(now).clamp(Duration::from_secs(1), Duration::from_secs(60));
                let problem = Problem::new(
                    Code::BreakerOpen,
                    format!(
                        "The model's endpoints fail at present and are left alone for a while; try again in {} s.",
                        wait.as_secs().max(1)
                    ),
                );
                Err(problem.retry_after(wait + Duration::from_millis(self.gateway.entropy.u64() % 1000)))
            }
            RouteVerdict::Exhausted => match unfit(&plan).filter(|_| self.tried.is_empty()) {
                // The next stages say precisely what is wrong with it.
                Some(endpoint) => Ok(self.routed(endpoint.clone(), Admission::Closed)),
                None => Err(Problem::new(Code::UpstreamFailed, "No endpoint is left that could answer this request.")),
            },
        }
    }

    fn routed(&self, endpoint: ModelName, admission: Admission) -> Routed {
        let is_degradable = self.level() + 1 < self.request.routing.models().len();
        Routed { endpoint, is_degradable, admission }
    }

    fn count(&self, endpoint: &ModelName, reason: &Reason) {
        let labels = RouteLabels {
            provider: endpoint.provider.to_string(),
            model: endpoint.model.to_string(),
            reason: reason.word(),
        };
        self.gateway.metrics.routes.get_or_create(&labels).inc();
    }

    fn plan(&self, trip: &Trip) -> Plan {
        let left = self.request.max_cost.map(|most| most.checked_sub(trip.cost()).unwrap_or(NanoUsd::ZERO));
        let seen: RefCell<Vec<(ModelName, EndpointState)>> = RefCell::default();
        let look = |endpoint: &ModelName| {
            let known = seen.borrow().iter().find(|(known, _)| known == endpoint).map(|(_, state)| *state);
            known.unwrap_or_else(|| {
                let state = self.state(trip, endpoint, left);
                seen.borrow_mut().push((endpoint.clone(), state));
                state
            })
        };
        let input = PlanInput {
            models: self.request.routing.models(),
            degrade: self.degrade.as_ref().map(|(degrade, _)| degrade),
            tried: &self.tried,
            fault: self.fault.as_ref(),
            affinity: self.affinity,
            chance: self.chance,
            now: self.gateway.clock.now(),
        };
        plan::plan(&input, &look)
    }

    fn state(&self, trip: &Trip, endpoint: &ModelName, left: Option<NanoUsd>) -> EndpointState {
        let now = self.gateway.clock.now();
        let (exhausted_until, latency) = self.gateway.endpoints.look(endpoint, Manner::of(trip.streamed), now);
        EndpointState {
            open_until: self.gateway.breaker(endpoint).lock().open_until(now),
            exhausted_until,
            latency,
            offer: self.offer(endpoint, left),
            max_input: self.live.settings.prices.get(endpoint).and_then(|price| price.max_input),
        }
    }

    fn offer(&self, endpoint: &ModelName, left: Option<NanoUsd>) -> Offer {
        // With nothing to choose from, the next stages say precisely what is wrong.
        if matches!(self.request.routing.models(), [only] if only.targets.len() == 1) {
            return Offer::Ceiling(NanoUsd::ZERO);
        }
        let (gateway, minimum) = (self.gateway, self.live.settings.headroom.min_output_tokens);
        let asked = Routed { endpoint: endpoint.clone(), is_degradable: false, admission: Admission::Closed };
        let quoted = match quote::quote(gateway, self.live, &asked, self.measured) {
            Ok(quoted) => quoted,
            Err(problem) if problem.code == Code::ContextLengthExceeded => return Offer::TooLong,
            Err(problem) if problem.code == Code::UnpricedModel => return Offer::Unpriced,
            Err(_) => return Offer::Unsayable,
        };
        let ceiling = quoted.quote.ceiling.usd;
        match left.filter(|most| ceiling > *most) {
            Some(most) if quoted.lowered(gateway, &asked, Some(most), None, minimum).is_none() => {
                Offer::AboveMaxCost { ceiling, most }
            }
            _ => Offer::Ceiling(ceiling),
        }
    }

    fn level(&self) -> usize {
        self.degrade.as_ref().map_or(0, |(degrade, _)| degrade.level)
    }

    fn model(&self) -> Option<&Model> {
        self.request.routing.models().get(self.level())
    }

    fn degraded(&self) -> Option<Degraded> {
        let from = self.request.routing.models().first()?;
        let to = self.model().filter(|_| self.level() > 0)?;
        Some(Degraded { from: from.name.clone(), to: to.name.clone() })
    }
}

/// A plan as a step: those that are asked first, and as many as are told.
fn planned(plan: &Plan) -> What {
    let step = |step: &plan::Step| Planned {
        endpoint: step.endpoint.clone(),
        used: step.reason.is_used(),
        why: step.reason.word().into(),
    };
    let left_out = plan.steps.iter().filter(|step| !step.reason.is_used());
    What::Planned(plan.used().chain(left_out).take(PLANNED_MAX).map(step).collect())
}

/// An endpoint that cannot take this request, and never could.
fn unfit(plan: &Plan) -> Option<&ModelName> {
    let unfit = |reason: &Reason| {
        matches!(
            reason,
            Reason::SkippedUnpriced | Reason::SkippedDialect | Reason::SkippedContext | Reason::SkippedPrice { .. }
        )
    };
    plan.steps.iter().find(|step| unfit(&step.reason)).map(|step| &step.endpoint)
}

/// The budget of this request that has used the largest part of its limit, if that is as much as
/// its `degrade_at` and there is a cheaper model to ask.
fn nearly_used(gateway: &Gateway, live: &Live, request: &Request) -> Option<Name> {
    let degrade = &live.settings.degrade;
    if degrade.budgets.is_empty() || request.routing.models().len() < 2 {
        return None;
    }
    let first = request.routing.first();
    let subjects = Subjects {
        provider: first.map(|endpoint| endpoint.provider.clone()),
        provider_model: first.map(|endpoint| endpoint.model.clone()),
        ..request.subjects.clone()
    };
    let now = gateway.clock.now();
    let used = |(budget, at): (&Name, &u8)| {
        let balance = gateway.book.balance_of(budget, &subjects, now)?;
        let (spent, limit) = (i128::from(balance.spent.value()), i128::from(balance.limit.value()));
        let is_short = spent * 100 >= limit * i128::from(*at);
        // In millionths, for comparison only.
        is_short.then(|| ((spent * 1_000_000).checked_div(limit).unwrap_or(i128::MAX), budget.clone()))
    };
    degrade.budgets.iter().filter_map(used).max_by_key(|(share, _)| *share).map(|(_, budget)| budget)
}

impl Routed {
    /// One to be reckoned with, and never called.
    pub(crate) const fn only_looked_at(endpoint: ModelName) -> Self {
        Self { endpoint, is_degradable: false, admission: Admission::Closed }
    }

    /// Nothing was sent. A probe that was not used is given back, so that another may try.
    pub(crate) fn abandoned(&self, gateway: &Gateway) {
        if self.admission == Admission::Probe {
            gateway.breaker(&self.endpoint).lock().on_abandoned(gateway.clock.now());
        }
    }

    /// The attempt ended: tell the breaker how, and note when that opens it.
    pub(crate) fn ended(&self, gateway: &Gateway, trip: &Trip, fault: Option<&Fault>) {
        let breaker = gateway.breaker(&self.endpoint);
        let mut breaker = breaker.lock();
        let now = gateway.clock.now();
        let was_open = breaker.open_until(now).is_some() && self.admission != Admission::Probe;
        let before = breaker.state(now);
        match fault {
            None => breaker.on_success(now),
            // A fault that says nothing of the endpoint's health gives a probe back, and only a probe.
            Some(fault) if fault.breaker || self.admission == Admission::Probe => breaker.on_fault(now, fault),
            Some(_) => {}
        }
        let after = breaker.state(now);
        let open_until = breaker.open_until(now);
        drop(breaker);
        if before != after && (before == BreakerState::Closed || after == BreakerState::Closed) {
            gateway.alerts.breaker_turned(&self.endpoint, after != BreakerState::Closed, now);
        }
        if let (false, Some(until)) = (was_open, open_until) {
            trip.step(What::BreakerOpened { endpoint: self.endpoint.clone(), open_for: until.since(now) });
        }
    }
}
