//! The plan of a request: which endpoints it may go to, in which order, and why each one is asked
//! or left out. Pure: what is known of the endpoints, the time and chance are arguments. Whether a
//! further attempt is made at all is `retry`'s decision; whether there is money is the ledger's.

mod rank;
mod reason;

pub use rank::affinity;
pub use reason::Reason;

use crate::route::{FallbackOn, RouteRules, Standing, Tried, preference, standing};
use haltline_types::{Fault, ModelName, Name, NanoUsd, Timestamp, Tokens};
use rank::{Why, ceiling, rank};
use std::num::NonZeroU32;
use std::time::Duration;

/// How a model's targets are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Strategy {
    /// As they are listed.
    #[default]
    Ordered,
    /// By chance, each as often as its weight says; a session stays where it was put.
    Weighted,
    /// The lowest ceiling for the request first.
    Cheapest,
    /// The one that has answered fastest of late first.
    Fastest,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ordered, Self::Weighted, Self::Cheapest, Self::Fastest];

    /// The word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ordered => "fallback",
            Self::Weighted => "weighted",
            Self::Cheapest => "cheapest",
            Self::Fastest => "fastest",
        }
    }

    /// The strategy of a word in the configuration.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.word() == word)
    }
}

/// One target of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which endpoint.
    pub endpoint: ModelName,
    /// Its share under `Strategy::Weighted`, relative to the others'.
    pub weight: NonZeroU32,
}

impl Target {
    /// With a weight of one.
    #[must_use]
    pub const fn new(endpoint: ModelName) -> Self {
        Self { endpoint, weight: NonZeroU32::MIN }
    }
}

/// What the configuration says of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// As clients ask for it.
    pub name: Name,
    /// Where it leads.
    pub targets: Vec<Target>,
    /// In which order.
    pub strategy: Strategy,
    /// What may lead away from the first, and where to.
    pub rules: RouteRules,
}

/// What a request may cost at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// The ceiling at the cap that was asked for.
    Ceiling(NanoUsd),
    /// Even at the lowest cap it may cost more than the request's own limit.
    AboveMaxCost {
        /// At the cap that was asked for.
        ceiling: NanoUsd,
        /// The request's own limit.
        most: NanoUsd,
    },
    /// The input is longer than it takes; proved, not supposed.
    TooLong,
    /// Its provider's dialect cannot say the request.
    Unsayable,
    /// There is no price.
    Unpriced,
}

/// What is known of an endpoint when a plan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointState {
    /// Its breaker lets nothing pass until then.
    pub open_until: Option<Timestamp>,
    /// It said that it has no capacity until then.
    pub exhausted_until: Option<Timestamp>,
    /// How fast it has answered of late.
    pub latency: Option<Duration>,
    /// What the request may cost there.
    pub offer: Offer,
    /// The longest input that it takes, where that is known.
    pub max_input: Option<Tokens>,
}

/// A cheaper model is asked because a budget is short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degrade {
    /// So many steps down the models of `PlanInput`; 0 is none.
    pub level: usize,
    /// The budget that is short.
    pub budget: Name,
}

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The model that was asked for, and then, step by step, where it degrades to.
    pub models: &'a [Model],
    /// Which of them is meant; the first when absent.
    pub degrade: Option<&'a Degrade>,
    /// The attempts so far, in order.
    pub tried: &'a [Tried],
    /// The fault of the last one.
    pub fault: Option<&'a Fault>,
    /// The number of the request's session; see `affinity`.
    pub affinity: Option<u64>,
    /// 64 random bits, the same for all plans of one request.
    pub chance: u64,
    /// The present instant.
    pub now: Timestamp,
}

/// One endpoint of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub endpoint: ModelName,
    /// Asked or left out, and why.
    pub reason: Reason,
    /// The ceiling there, where it is known.
    pub ceiling: Option<NanoUsd>,
    /// How fast it has answered of late.
    pub latency: Option<Duration>,
}

/// Where a request may go. No endpoint is in it twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The model that is asked: the one that the client named, or a cheaper one.
    pub model: Name,
    /// The steps: those that are asked in their order, among them those that are left out.
    pub steps: Vec<Step>,
    /// An open breaker is no leave to go on to the next step.
    pub stays: bool,
}

impl Plan {
    /// The endpoints that are asked, in order.
    pub fn used(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.reason.is_used())
    }

    /// Could another endpoint than `failed` take the next attempt? For `RetrySituation`.
    #[must_use]
    pub fn leads_elsewhere(&self, failed: &ModelName) -> bool {
        self.used().any(|step| step.endpoint != *failed)
    }

    /// The earliest instant at which a step that is left out may be asked.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.steps.iter().filter_map(|step| step.reason.until()).min()
    }
}

/// Makes the plan. `look` tells what is known of an endpoint.
#[must_use]
pub fn plan(input: &PlanInput<'_>, look: &dyn Fn(&ModelName) -> EndpointState) -> Plan {
    let level = input.degrade.map_or(0, |degrade| degrade.level).min(input.models.len().saturating_sub(1));
    let Some(model) = input.models.get(level) else {
        return Plan { model: Name::new("-"), steps: Vec::new(), stays: true };
    };
    let (order, why) = rank(&model.targets, model.strategy, input.affinity, input.chance, look);
    let ranked = order.iter().filter_map(|index| model.targets.get(*index)).map(|target| target.endpoint.clone());
    let mut making = Making { input, rules: &model.rules, look, why, steps: Vec::new(), blocked: None };
    making.walk(ranked.collect());
    making.last_resort();
    let mut steps = making.steps;
    name_degraded(&mut steps, input, level);
    for skipped in input.models.iter().take(level).flat_map(|model| &model.targets) {
        if !steps.iter().any(|step| step.endpoint == skipped.endpoint) {
            let reason = Reason::SkippedDegraded { to: model.name.clone() };
            steps.push(step(skipped.endpoint.clone(), reason, &look(&skipped.endpoint)));
        }
    }
    let stays = input.fault.is_none() && !model.rules.names(FallbackOn::Unavailable);
    Plan { model: model.name.clone(), steps, stays }
}

/// A plan under way.
struct Making<'a> {
    input: &'a PlanInput<'a>,
    rules: &'a RouteRules,
    look: &'a dyn Fn(&ModelName) -> EndpointState,
    why: Why,
    steps: Vec<Step>,
    /// The kind of hindrance that was met without leave to go on after it.
    blocked: Option<FallbackOn>,
}

impl Making<'_> {
    fn walk(&mut self, ranked: Vec<ModelName>) {
        let failed = |kind| self.input.tried.iter().any(|tried| tried.class == Some(kind));
        let (policy, length) = (failed(FallbackOn::ContentPolicy), failed(FallbackOn::ContextLength));
        let rules = self.rules;
        let (named, reason, left_out) = if policy && !rules.content_policy_to.is_empty() {
            (&rules.content_policy_to, Reason::LessRestrictive, Reason::SkippedPolicy)
        } else if length && !rules.context_length_to.is_empty() {
            (&rules.context_length_to, Reason::LongerContext, Reason::SkippedContext)
        } else {
            self.walk_over(&ranked, None);
            if self.steps.iter().any(|step| step.reason == Reason::SkippedContext)
                && !self.steps.iter().any(|step| step.reason.is_used())
                && rules.names(FallbackOn::ContextLength)
            {
                self.walk_over(&rules.context_length_to, Some(&Reason::LongerContext));
            }
            return;
        };
        self.walk_over(named, Some(&reason));
        for endpoint in ranked {
            if self.has(&endpoint) {
                continue;
            }
            let tried = standing(&endpoint, self.input.tried, self.input.now) == Standing::Out;
            let reason = if tried { Reason::SkippedFailed } else { left_out.clone() };
            self.push(endpoint, reason);
        }
    }

    fn walk_over(&mut self, endpoints: &[ModelName], named: Option<&Reason>) {
        for endpoint in preference(endpoints, self.input.tried).into_iter().filter_map(|at| endpoints.get(at)) {
            if self.has(endpoint) {
                continue;
            }
            let reason = match self.hindrance(endpoint, named.is_some()) {
                Some(reason) => reason,
                None => self.merit(endpoint, named),
            };
            self.push(endpoint.clone(), reason);
        }
    }

    /// Why the endpoint is left out, if it is.
    fn hindrance(&mut self, endpoint: &ModelName, is_named: bool) -> Option<Reason> {
        let input = self.input;
        let last = input.tried.last().map(|tried| &tried.endpoint);
        if let Some(fault) = input.fault
            && last != Some(endpoint)
            && !self.rules.allows(fault)
        {
            return Some(FallbackOn::of(fault).map_or(Reason::SkippedHopeless, Reason::SkippedNoLeave));
        }
        if let Some(kind) = self.blocked {
            return Some(Reason::SkippedNoLeave(kind));
        }
        match standing(endpoint, input.tried, input.now) {
            Standing::Out => return Some(Reason::SkippedFailed),
            Standing::Resting(until) => return Some(Reason::SkippedResting { until }),
            Standing::Ready => {}
        }
        let state = (self.look)(endpoint);
        match state.offer {
            Offer::Unpriced => return Some(Reason::SkippedUnpriced),
            Offer::Unsayable => return Some(Reason::SkippedDialect),
            Offer::AboveMaxCost { ceiling, most } => return Some(Reason::SkippedPrice { ceiling, most }),
            Offer::TooLong => {
                self.block(FallbackOn::ContextLength);
                return Some(Reason::SkippedContext);
            }
            Offer::Ceiling(_) => {}
        }
        if !self.takes_more(endpoint, state.max_input, is_named) {
            return Some(Reason::SkippedContext);
        }
        if let Some(until) = state.open_until {
            self.block(FallbackOn::Unavailable);
            return Some(Reason::SkippedBreakerOpen { until });
        }
        // What an endpoint says of its capacity is a hint; without leave to go elsewhere it is asked.
        let until = state.exhausted_until.filter(|until| *until > input.now)?;
        self.rules.names(FallbackOn::RateLimited).then_some(Reason::SkippedExhausted { until })
    }

    /// Before any attempt, a hindrance that `fallback_on` does not name ends the plan.
    fn block(&mut self, kind: FallbackOn) {
        if self.input.fault.is_none() && !self.rules.names(kind) && self.blocked.is_none() {
            self.blocked = Some(kind);
        }
    }

    /// Does it take more input than each endpoint that could not take this one? The operator's
    /// list counts where nothing is known.
    fn takes_more(&self, endpoint: &ModelName, max_input: Option<Tokens>, is_named: bool) -> bool {
        let refused = self.input.tried.iter().filter(|tried| tried.class == Some(FallbackOn::ContextLength));
        refused.filter(|tried| tried.endpoint != *endpoint).all(|tried| {
            match (max_input, (self.look)(&tried.endpoint).max_input) {
                (Some(here), Some(there)) => here > there,
                _ => is_named,
            }
        })
    }

    /// Why the endpoint is asked.
    fn merit(&self, endpoint: &ModelName, named: Option<&Reason>) -> Reason {
        if let Some(named) = named {
            return named.clone();
        }
        if self.steps.iter().any(|step| step.reason.is_used()) {
            return Reason::Standby;
        }
        match (self.input.fault, self.input.tried.last()) {
            (Some(_), Some(last)) if last.endpoint == *endpoint => Reason::Again,
            (Some(fault), _) => FallbackOn::of(fault).map_or(Reason::Standby, Reason::Fallback),
            (None, _) if !self.steps.is_empty() => Reason::Standby,
            (None, _) => match self.why {
                Why::Strategy(strategy) => Reason::Chosen(strategy),
                Why::Affinity => Reason::Affinity,
                Why::Explored => Reason::Explored,
            },
        }
    }

    /// With nothing else to ask and nothing to wait for, an endpoint is asked that said it has no
    /// capacity: its own answer is the truth, and a refusal costs nothing.
    fn last_resort(&mut self) {
        let stuck = |step: &Step| step.reason.is_used() || matches!(step.reason, Reason::SkippedResting { .. });
        if self.steps.iter().any(stuck) {
            return;
        }
        let soonest = self.steps.iter_mut().filter_map(|step| match step.reason {
            Reason::SkippedExhausted { until } => Some((until, step)),
            _ => None,
        });
        if let Some((until, step)) = soonest.min_by_key(|(until, _)| *until) {
            step.reason = Reason::LastResort { until };
        }
    }

    fn has(&self, endpoint: &ModelName) -> bool {
        self.steps.iter().any(|step| step.endpoint == *endpoint)
    }

    fn push(&mut self, endpoint: ModelName, reason: Reason) {
        let state = (self.look)(&endpoint);
        self.steps.push(step(endpoint, reason, &state));
    }
}

fn step(endpoint: ModelName, reason: Reason, state: &EndpointState) -> Step {
    Step { endpoint, reason, ceiling: ceiling(&state.offer), latency: state.latency }
}

/// What is asked because of a short budget says so, instead of how it was preferred.
fn name_degraded(steps: &mut [Step], input: &PlanInput<'_>, level: usize) {
    let (Some(degrade), Some(asked)) = (input.degrade.filter(|_| level > 0), input.models.first()) else { return };
    for step in steps {
        if matches!(step.reason, Reason::Chosen(_) | Reason::Affinity | Reason::Explored) {
            step.reason = Reason::Degraded { from: asked.name.clone(), budget: degrade.budget.clone() };
        }
    }
}
