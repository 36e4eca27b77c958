//! The one vocabulary of faults. A fault is judged where it is born: it carries its class, its
//! origin, the advice on repeating, and whether it may have cost money. Nobody downstream guesses.

use crate::Usage;
use std::fmt;
use std::time::Duration;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// The provider wants fewer requests or tokens per time.
    RateLimited,
    /// The operator's credit or spend limit at the provider is used up.
    QuotaExhausted,
    /// This request alone is above the provider's limit per time; waiting never helps.
    RequestTooLargeForQuota,
    /// The provider has no capacity.
    Overloaded,
    /// The provider failed.
    ServerError,
    /// No head or no first token in time.
    FirstTokenTimeout,
    /// The answer stopped coming.
    IdleTimeout,
    /// The answer took longer than any answer may.
    TotalTimeout,
    /// The provider does not accept the operator's key.
    Auth,
    /// The operator's key may not do this.
    Permission,
    /// The provider does not know the model or the address.
    NotFound,
    /// Input longer than the model's context.
    ContextLength,
    /// The provider's policy forbids the content.
    ContentPolicy,
    /// The provider does not understand the request.
    InvalidRequest,
    /// The body is larger than the provider takes.
    RequestTooLarge,
    /// The model's own output was unusable (a tool call that does not parse).
    ModelOutputInvalid,
    /// No connection could be made; nothing was written.
    ConnectFailed,
    /// The connection broke after the request was written.
    ConnectionLost,
    /// The stream ended before its protocol said that it was finished.
    Truncated,
    /// The answer is not what the protocol says it must be.
    Malformed,
    /// The stream reached what was held for it and was cut.
    CeilingReached,
    /// The client stopped the generation, or left and `on_disconnect` is `cancel`.
    Cancelled,
    /// Anything that no rule names.
    Unknown,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [Self; 23] = [
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::RequestTooLargeForQuota,
        Self::Overloaded,
        Self::ServerError,
        Self::FirstTokenTimeout,
        Self::IdleTimeout,
        Self::TotalTimeout,
        Self::Auth,
        Self::Permission,
        Self::NotFound,
        Self::ContextLength,
        Self::ContentPolicy,
        Self::InvalidRequest,
        Self::RequestTooLarge,
        Self::ModelOutputInvalid,
        Self::ConnectFailed,
        Self::ConnectionLost,
        Self::Truncated,
        Self::Malformed,
        Self::CeilingReached,
        Self::Cancelled,
        Self::Unknown,
    ];

    /// The word for logs, metrics and records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::RequestTooLargeForQuota => "request_too_large_for_quota",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::FirstTokenTimeout => "first_token_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::TotalTimeout => "total_timeout",
            Self::Auth => "auth",
            Self::Permission => "permission",
            Self::NotFound => "not_found",
            Self::ContextLength => "context_length",
            Self::ContentPolicy => "content_policy",
            Self::InvalidRequest => "invalid_request",
            Self::RequestTooLarge => "request_too_large",
            Self::ModelOutputInvalid => "model_output_invalid",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectionLost => "connection_lost",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::CeilingReached => "ceiling_reached",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }

    /// The kind that a word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Who can do something about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// The same request may succeed later or elsewhere.
    Retryable,
    /// The user can change the request.
    UserActionable,
    /// The operator must act: key, credit, configuration.
    OperatorActionable,
    /// This request will never succeed.
    Permanent,
}

impl FaultClass {
    /// The word of the error contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Retryable => "retryable",
            Self::UserActionable => "user_actionable",
            Self::OperatorActionable => "operator_actionable",
            Self::Permanent => "permanent",
        }
    }
}

/// Where a fault was born.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The request itself.
    Client,
    /// Ourselves.
    Gateway,
    /// Between us and the provider.
    Network,
    /// The provider.
    Provider,
}

/// May the attempt have cost money? (promise, rule 5)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billing {
    /// The connection gave the unwritten request back: release.
    NotSent,
    /// A well-formed rejection that the fault table marks never-billed: release.
    Rejected,
    /// The provider reported what was used: settle.
    Known(Usage),
    /// Anything else: the ceiling is charged.
    Unknown,
}

/// What the other side said about repeating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RetryAdvice {
    /// Stated wait, never zero.
    pub after: Option<Duration>,
    /// `x-should-retry`, where stated.
    pub should: Option<bool>,
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// Where it was born.
    pub origin: Origin,
    /// Who can act.
    pub class: FaultClass,
    /// What was said about repeating.
    pub retry: RetryAdvice,
    /// May it have cost money?
    pub billing: Billing,
    /// Does it speak against the endpoint's health? A client's own error does not.
    pub breaker: bool,
    /// Is another endpoint worth a try?
    pub fallback: bool,
    /// The provider's HTTP status, where there was one.
    pub status: Option<u16>,
    /// The provider's own code or type, where there was one.
    pub provider_code: Option<String>,
    /// For operators' logs: may hold the provider's text. A client is shown it only where it says
    /// what is wrong with the client's own request, and then without what names an account.
    pub detail: String,
}

impl Fault {
    /// A fault of `kind` with the defaults of that kind: class, breaker and fallback as the
    /// fault table has them, billing unknown (the careful choice) unless nothing was written.
    #[must_use]
    pub fn new(kind: FaultKind, origin: Origin, detail: impl Into<String>) -> Self {
        use FaultKind as K;
        let (class, breaker, fallback) = match kind {
            K::RateLimited => (FaultClass::Retryable, false, true),
            K::Overloaded
            | K::ServerError
            | K::FirstTokenTimeout
            | K::IdleTimeout
            | K::TotalTimeout
            | K::ConnectFailed
            | K::ConnectionLost
            | K::Truncated
            | K::Malformed
            | K::Unknown => (FaultClass::Retryable, true, true),
            K::ModelOutputInvalid => (FaultClass::Retryable, false, true),
            K::QuotaExhausted | K::Auth | K::Permission | K::NotFound => (FaultClass::OperatorActionable, false, true),
            K::ContextLength | K::ContentPolicy => (FaultClass::UserActionable, false, true),
            K::RequestTooLarge | K::CeilingReached | K::Cancelled => (FaultClass::UserActionable, false, false),
            K::RequestTooLargeForQuota => (FaultClass::Permanent, false, true),
            K::InvalidRequest => (FaultClass::Permanent, false, false),
        };
        let billing = if kind == K::ConnectFailed { Billing::NotSent } else { Billing::Unknown };
        Self {
            kind,
            origin,
            class,
            breaker,
            fallback,
            billing,
            retry: RetryAdvice::default(),
            status: None,
            provider_code: None,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind.word())?;
        if let Some(status) = self.status {
            write!(f, " (HTTP {status})")?;
        }
        write!(f, ": {}", self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_costs_the_ceiling_unless_something_proves_otherwise() {
        for kind in FaultKind::ALL {
            let expected = if kind == FaultKind::ConnectFailed { Billing::NotSent } else { Billing::Unknown };
            assert_eq!(Fault::new(kind, Origin::Provider, "").billing, expected, "{kind:?}");
        }
    }

    #[test]
    fn a_clients_own_error_does_not_count_against_the_endpoint() {
        for kind in
            [FaultKind::InvalidRequest, FaultKind::ContextLength, FaultKind::ContentPolicy, FaultKind::RequestTooLarge]
        {
            assert!(!Fault::new(kind, Origin::Provider, "").breaker, "{kind:?}");
        }
    }
}
