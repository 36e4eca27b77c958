//! Which of a model's targets is tried next. Whether there is a next attempt at all is `retry`'s
//! decision, and comes first.

use crate::breaker::Admission;
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

/// How a model's targets are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRules {
    /// Which faults lead to the next target.
    pub fallback_on: Vec<FallbackOn>,
}

impl Default for RouteRules {
    fn default() -> Self {
        Self { fallback_on: FallbackOn::ALL.to_vec() }
    }
}

impl RouteRules {
    /// May this fault lead to another target?
    #[must_use]
    pub fn allows(&self, fault: &Fault) -> bool {
        FallbackOn::of(fault).is_some_and(|kind| self.fallback_on.contains(&kind))
    }
}

/// An endpoint that failed for this request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Which one.
    pub endpoint: ModelName,
    /// How long the request must leave it alone: `retry::rest` of its fault.
    pub rest: Rest,
    /// The very next attempt must not go there: `avoid_endpoint` of the retry verdict.
    pub avoid_next: bool,
}

/// Where the attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteVerdict {
    /// To the target with this index, which its breaker has let pass.
    Use(usize),
    /// To none for the present: every breaker is open, or every endpoint wants a rest.
    AllOpen {
        /// The earliest instant at which one may pass.
        until: Timestamp,
    },
    /// To none: there is nothing left that could help.
    Exhausted,
}

/// Chooses among `targets`, in order of preference, those that were not tried first, then those
/// that were, the longest ago first. `tried` is in the order of the attempts; `fault` is that of
/// the last one. `admissions` asks the breaker and is called at most once for each endpoint, and
/// for none after one has let the attempt pass.
///
/// Without leave to fall back (`rules`) only the endpoint of the last attempt is considered, or,
/// when an open breaker is no reason to fall back either, the first target.
pub fn next(
    targets: &[ModelName],
    tried: &[Tried],
    fault: Option<&Fault>,
    rules: &RouteRules,
    now: Timestamp,
    admissions: &mut dyn FnMut(&ModelName) -> Admission,
) -> RouteVerdict {
    let last = tried.last().map(|tried| &tried.endpoint);
    let may_move = match fault {
        Some(fault) => rules.allows(fault),
        None => rules.fallback_on.contains(&FallbackOn::Unavailable),
    };
    let mut until: Option<Timestamp> = None;
    let mut wait_for = |instant: Timestamp| until = Some(until.map_or(instant, |earlier| earlier.min(instant)));
    for index in preference(targets, tried) {
        let target = &targets[index];
        let stays = match last {
            Some(last) => last == target,
            None => index == 0,
        };
        if !may_move && !stays {
            continue;
        }
        match standing(target, tried, now) {
            Standing::Out => continue,
            Standing::Resting(instant) => {
                wait_for(instant);
                continue;
            }
            Standing::Ready => {}
        }
        match admissions(target) {
            Admission::Closed | Admission::Probe => return RouteVerdict::Use(index),
            Admission::Open { until } => wait_for(until),
        }
    }
    until.map_or(RouteVerdict::Exhausted, |until| RouteVerdict::AllOpen { until })
}

/// Could another endpoint than `failed` take the next attempt? For `RetrySituation`, asked before
/// the verdict; `passable` looks at the breaker without taking a probe.
pub fn other_endpoints(
    targets: &[ModelName],
    tried: &[Tried],
    failed: &ModelName,
    now: Timestamp,
    passable: &mut dyn FnMut(&ModelName) -> bool,
) -> bool {
    targets.iter().any(|target| target != failed && standing(target, tried, now) == Standing::Ready && passable(target))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Ready,
    Resting(Timestamp),
    Out,
}

/// How an endpoint stands after all its attempts.
fn standing(target: &ModelName, tried: &[Tried], now: Timestamp) -> Standing {
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

/// Indices of the targets, each endpoint once: untried ones in order, then by the last attempt.
fn preference(targets: &[ModelName], tried: &[Tried]) -> Vec<usize> {
    let mut order: Vec<usize> =
        (0..targets.len()).filter(|index| !targets[..*index].contains(&targets[*index])).collect();
    order.sort_by_key(|index| tried.iter().rposition(|attempt| attempt.endpoint == targets[*index]));
    order
}
