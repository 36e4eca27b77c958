//! Why an endpoint is in a plan, or is not: one stable word and one sentence for each reason.

use super::Strategy;
use crate::route::FallbackOn;
use haltline_types::{Name, NanoUsd, Timestamp};
use std::fmt;

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// First by the model's strategy.
    Chosen(Strategy),
    /// Its session goes there.
    Affinity,
    /// Nobody knows how fast it is, and some request has to find out.
    Explored,
    /// Asked when those before it fail.
    Standby,
    /// Next after a fault of this kind elsewhere.
    Fallback(FallbackOn),
    /// The same endpoint once more.
    Again,
    /// Takes what another one's policy forbids: `content_policy_to`.
    LessRestrictive,
    /// Takes more input than one that could not: `context_length_to`.
    LongerContext,
    /// The cheaper model instead of this one.
    Degraded {
        /// What the client asked for.
        from: Name,
        /// The budget that is short.
        budget: Name,
    },
    /// It said that it has no capacity, but there is nothing else.
    LastResort {
        /// Until then.
        until: Timestamp,
    },
    /// Its breaker is open.
    SkippedBreakerOpen {
        /// Until then.
        until: Timestamp,
    },
    /// This request must leave it alone for a while.
    SkippedResting {
        /// Until then.
        until: Timestamp,
    },
    /// It said that it has no capacity.
    SkippedExhausted {
        /// Until then.
        until: Timestamp,
    },
    /// Even the shortest answer may cost more than the request may.
    SkippedPrice {
        /// At the cap that was asked for.
        ceiling: NanoUsd,
        /// What the request may cost.
        most: NanoUsd,
    },
    /// It has no price, so its cost cannot be bounded.
    SkippedUnpriced,
    /// The dialect of its provider cannot say the request.
    SkippedDialect,
    /// The input is longer than it takes, or is not known to fit after another one refused it.
    SkippedContext,
    /// It is not among those that take what another one's policy forbids.
    SkippedPolicy,
    /// It failed in a way that rules it out for this request.
    SkippedFailed,
    /// The model's `fallback_on` does not name what is wrong with the one before.
    SkippedNoLeave(FallbackOn),
    /// The request cannot succeed anywhere else.
    SkippedHopeless,
    /// The cheaper model is asked instead.
    SkippedDegraded {
        /// Which.
        to: Name,
    },
}

impl Reason {
    /// The word of the reason: a contract.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Chosen(_) => "chosen",
            Self::Affinity => "affinity",
            Self::Explored => "explored",
            Self::Standby => "standby",
            Self::Fallback(_) => "fallback",
            Self::Again => "again",
            Self::LessRestrictive => "less_restrictive",
            Self::LongerContext => "longer_context",
            Self::Degraded { .. } => "degraded",
            Self::LastResort { .. } => "last_resort",
            Self::SkippedBreakerOpen { .. } => "skipped_breaker_open",
            Self::SkippedResting { .. } => "skipped_resting",
            Self::SkippedExhausted { .. } => "skipped_exhausted",
            Self::SkippedPrice { .. } => "skipped_price",
            Self::SkippedUnpriced => "skipped_unpriced",
            Self::SkippedDialect => "skipped_dialect",
            Self::SkippedContext => "skipped_context",
            Self::SkippedPolicy => "skipped_policy",
            Self::SkippedFailed => "skipped_failed",
            Self::SkippedNoLeave(_) => "skipped_no_leave",
            Self::SkippedHopeless => "skipped_hopeless",
            Self::SkippedDegraded { .. } => "skipped_degraded",
        }
    }

    /// Is the endpoint asked?
    #[must_use]
    pub const fn is_used(&self) -> bool {
        matches!(
            self,
            Self::Chosen(_)
                | Self::Affinity
                | Self::Explored
                | Self::Standby
                | Self::Fallback(_)
                | Self::Again
                | Self::LessRestrictive
                | Self::LongerContext
                | Self::Degraded { .. }
                | Self::LastResort { .. }
        )
    }

    /// When it may be otherwise, where that is known.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::SkippedBreakerOpen { until } | Self::SkippedResting { until } | Self::SkippedExhausted { until } => {
                Some(*until)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen(strategy) => f.write_str(match strategy {
                Strategy::Ordered => "first in the model's list",
                Strategy::Weighted => "drawn by weight",
                Strategy::Cheapest => "has the lowest ceiling for this request",
                Strategy::Fastest => "has answered fastest of late",
            }),
            Self::Affinity => f.write_str("the session stays where its weight has put it"),
            Self::Explored => f.write_str("its speed is not known, and one request in sixteen finds out"),
            Self::Standby => f.write_str("asked when those before it fail"),
            Self::Fallback(kind) => write!(f, "next after {} elsewhere", kind.word()),
            Self::Again => f.write_str("the same endpoint once more"),
            Self::LessRestrictive => f.write_str("named by content_policy_to for what another one's policy forbids"),
            Self::LongerContext => f.write_str("named by context_length_to for input that is too long elsewhere"),
            Self::Degraded { from, budget } => write!(f, "instead of `{from}`: budget \"{budget}\" is short"),
            Self::LastResort { until } => {
                write!(f, "said that it has no capacity until {until}, but there is nothing else")
            }
            Self::SkippedBreakerOpen { until } => write!(f, "its breaker is open until {until}"),
            Self::SkippedResting { until } => write!(f, "this request leaves it alone until {until}"),
            Self::SkippedExhausted { until } => write!(f, "said that it has no capacity until {until}"),
            Self::SkippedPrice { ceiling, most } => {
                write!(f, "may cost up to {ceiling}, and the request at most {most}, with the shortest answer too")
            }
            Self::SkippedUnpriced => f.write_str("has no price, so its cost cannot be bounded"),
            Self::SkippedDialect => f.write_str("its provider's dialect cannot say this request"),
            Self::SkippedContext => f.write_str("is not known to take input of this length"),
            Self::SkippedPolicy => f.write_str("content_policy_to does not name it"),
            Self::SkippedFailed => f.write_str("failed in a way that rules it out for this request"),
            Self::SkippedNoLeave(kind) => write!(f, "fallback_on does not name {}", kind.word()),
            Self::SkippedHopeless => f.write_str("the fault would be the same everywhere"),
            Self::SkippedDegraded { to } => write!(f, "the cheaper model `{to}` is asked instead"),
        }
    }
}
