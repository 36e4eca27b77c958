//! Which endpoint of a plan is tried next: the first whose breaker lets the attempt pass. Which
//! endpoints there are, and their order, is `plan`'s decision; whether there is a next attempt at
//! all is `retry`'s, and comes first.

use crate::breaker::Admission;
use crate::plan::Plan;
use crate::retry::Rest;
use haltline_types::{Fault, FaultKind, ModelName, Timestamp};

/// Kinds of fault that may lead to the next target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FallbackOn {
    /// It fails, does not answer, is not there, or does not accept the operator's key.
    Unavailable,
    /// It wants fewer requests or tokens per time.
    RateLimited,
    /// Its policy forbids the content.
    ContentPolicy,
    /// The input is longer than its context.
    ContextLength,
}

impl FallbackOn {
    /// All of them: the default.
    pub const ALL: [Self; 4] = [Self::Unavailable, Self::RateLimited, Self::ContentPolicy, Self::ContextLength];

    /// The kind that a fault belongs to; `None` when no other target is worth a try.
    #[must_use]
    pub fn of(fault: &Fault) -> Option<Self> {
        if !fault.fallback {
            return None;
        }
        Some(match fault.kind {
            FaultKind::RateLimited | FaultKind::RequestTooLargeForQuota => Self::RateLimited,
            FaultKind::ContentPolicy => Self::ContentPolicy,
            FaultKind::ContextLength => Self::ContextLength,
            _ => Self::Unavailable,
        })
    }

    /// The word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::RateLimited => "rate_limited",
            Self::ContentPolicy => "content_policy",
            Self::ContextLength => "context_length",
        }
    }

    /// The kind of a word in the configuration.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What may lead a request away from an endpoint, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRules {
    /// Which faults lead to the next target.
    pub fallback_on: Vec<FallbackOn>,
    /// The only endpoints that are asked once a provider's policy has forbidden the content; the
    /// model's other targets when empty.
    pub content_policy_to: Vec<ModelName>,
    /// The only endpoints that are asked once the input was too long for one; the model's other
    /// targets that take more when empty.
    pub context_length_to: Vec<ModelName>,
}

impl Default for RouteRules {
    fn default() -> Self {
        Self::on(FallbackOn::ALL.to_vec())
    }
}

impl RouteRules {
    /// These faults lead to the next target, and no target is reserved for any of them.
    #[must_use]
    pub const fn on(fallback_on: Vec<FallbackOn>) -> Self {
        Self { fallback_on, content_policy_to: Vec::new(), context_length_to: Vec::new() }
    }

    /// May this kind of fault lead to another target?
    #[must_use]
    pub fn names(&self, kind: FallbackOn) -> bool {
        self.fallback_on.contains(&kind)
    }

    /// May this fault lead to another target?
    #[must_use]
    pub fn allows(&self, fault: &Fault) -> bool {
        FallbackOn::of(fault).is_some_and(|kind| self.names(kind))
    }
}

/// An endpoint that failed for this request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Which one.
    pub endpoint: ModelName,
    /// The kind of its fault; what it proves of the request holds to the end.
    pub class: Option<FallbackOn>,
    /// How long the request must leave it alone: `retry::rest` of its fault.
    pub rest: Rest,
    /// The very next attempt must not go there: `avoid_endpoint` of the retry verdict.
    pub avoid_next: bool,
}

/// Where the attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteVerdict {
    /// To the step of the plan with this index, which its breaker has let pass.
    Use(usize),
    /// To none for the present: every breaker is open, or every endpoint wants a rest.
    AllOpen {
        /// The earliest instant at which one may pass.
        until: Timestamp,
    },
    /// To none: there is nothing left that could help.
    Exhausted,
}

/// Takes the first step of the plan that passes. `admissions` asks the breaker and is called at
/// most once for each endpoint, and for none after one has let the attempt pass.
pub fn next(plan: &Plan, admissions: &mut dyn FnMut(&ModelName) -> Admission) -> RouteVerdict {
    let mut until = plan.until();
    for (index, step) in plan.steps.iter().enumerate().filter(|(_, step)| step.reason.is_used()) {
        match admissions(&step.endpoint) {
            Admission::Closed | Admission::Probe => return RouteVerdict::Use(index),
            Admission::Open { until: instant } => until = Some(until.map_or(instant, |first| first.min(instant))),
        }
        if plan.stays {
            break;
        }
    }
    until.map_or(RouteVerdict::Exhausted, |until| RouteVerdict::AllOpen { until })
}

/// How an endpoint stands after all its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Ready,
    Resting(Timestamp),
    Out,
}

pub(crate) fn standing(target: &ModelName, tried: &[Tried], now: Timestamp) -> Standing {
    let mut standing = Standing::Ready;
    for (index, attempt) in tried.iter().enumerate() {
        if attempt.endpoint != *target {
            continue;
        }
        let is_last = index + 1 == tried.len();
        match attempt.rest {
            Rest::RestOfRequest => return Standing::Out,
            _ if is_last && attempt.avoid_next => return Standing::Out,
            Rest::Until(instant) if instant > now => standing = Standing::Resting(instant),
            Rest::Until(_) | Rest::No => {}
        }
    }
    standing
}

/// Indices of the endpoints, each once: untried ones in order, then those that were tried, the
/// longest ago first.
pub(crate) fn preference(endpoints: &[ModelName], tried: &[Tried]) -> Vec<usize> {
    let first = |index: &usize| {
        let endpoint = endpoints.get(*index);
        endpoint.is_some_and(|endpoint| endpoints.iter().position(|other| other == endpoint) == Some(*index))
    };
    let mut order: Vec<usize> = (0..endpoints.len()).filter(first).collect();
    order.sort_by_key(|index| {
        endpoints.get(*index).and_then(|endpoint| tried.iter().rposition(|attempt| attempt.endpoint == *endpoint))
    });
    order
}
