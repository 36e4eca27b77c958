//! Error codes: the names that clients, documents and dashboards rely on. The table of statuses,
//! types and advice stands here once; `haltline-http` turns it into answers, `docs/errors` into pages.

use std::fmt;

/// One of our error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each code has a page of its own in docs/errors")]
pub enum Code {
    InvalidRequest,
    UnknownField,
    UnpricedModel,
    UnknownModel,
    AuthMissing,
    KeyInvalid,
    KeyExpired,
    KeyFrozen,
    ModelNotAllowed,
    NotForBrowsers,
    Csrf,
    RouteNotAllowed,
    AddressNotAllowed,
    BudgetExceeded,
    ReservationTooLarge,
    ContextLengthExceeded,
    ContentBlocked,
    BodyTooLarge,
    NotFound,
    MethodNotAllowed,
    IdempotencyKeyReused,
    RetryLimit,
    RateLimited,
    HeadroomHeld,
    GuardUnavailable,
    Overloaded,
    Draining,
    BreakerOpen,
    StoreUnavailable,
    IdentityUnavailable,
    UpstreamFailed,
    UpstreamTimeout,
    StreamDeadline,
    CeilingReached,
    Stopped,
    Interrupted,
    Internal,
}

/// What a client is told about acting on a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeClass {
    /// Nothing was spent and a repetition can succeed within a minute.
    Retryable,
    /// The user can change something.
    UserActionable,
    /// The operator must act.
    OperatorActionable,
    /// Neither: it failed for good.
    Permanent,
}

struct Row {
    word: &'static str,
    status: u16,
    openai_type: &'static str,
    anthropic_type: &'static str,
    class: CodeClass,
}

impl Code {
    /// All codes, in the order of the contract's table.
    pub const ALL: [Self; 37] = [
        Self::InvalidRequest,
        Self::UnknownField,
        Self::UnpricedModel,
        Self::UnknownModel,
        Self::AuthMissing,
        Self::KeyInvalid,
        Self::KeyExpired,
        Self::KeyFrozen,
        Self::ModelNotAllowed,
        Self::NotForBrowsers,
        Self::Csrf,
        Self::RouteNotAllowed,
        Self::AddressNotAllowed,
        Self::BudgetExceeded,
        Self::ReservationTooLarge,
        Self::ContextLengthExceeded,
        Self::ContentBlocked,
        Self::BodyTooLarge,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::IdempotencyKeyReused,
        Self::RetryLimit,
        Self::RateLimited,
        Self::HeadroomHeld,
        Self::GuardUnavailable,
        Self::Overloaded,
        Self::Draining,
        Self::BreakerOpen,
        Self::StoreUnavailable,
        Self::IdentityUnavailable,
        Self::UpstreamFailed,
        Self::UpstreamTimeout,
        Self::StreamDeadline,
        Self::CeilingReached,
        Self::Stopped,
        Self::Interrupted,
        Self::Internal,
    ];

    const fn row(self) -> Row {
        use CodeClass::{OperatorActionable, Permanent, Retryable, UserActionable};
        let (word, status, openai_type, anthropic_type, class) = match self {
            Self::InvalidRequest => {
                ("invalid_request", 400, "invalid_request_error", "invalid_request_error", UserActionable)
            }
            Self::UnknownField => {
                ("unknown_field", 400, "invalid_request_error", "invalid_request_error", UserActionable)
            }
            Self::UnpricedModel => {
                ("unpriced_model", 400, "invalid_request_error", "invalid_request_error", OperatorActionable)
            }
            Self::UnknownModel => ("unknown_model", 404, "invalid_request_error", "not_found_error", UserActionable),
            Self::AuthMissing => ("auth_missing", 401, "authentication_error", "authentication_error", UserActionable),
            Self::KeyInvalid => ("key_invalid", 401, "authentication_error", "authentication_error", UserActionable),
            Self::KeyExpired => ("key_expired", 401, "authentication_error", "authentication_error", UserActionable),
            Self::KeyFrozen => ("key_frozen", 403, "permission_error", "permission_error", OperatorActionable),
            Self::ModelNotAllowed => {
                ("model_not_allowed", 403, "permission_error", "permission_error", OperatorActionable)
            }
            Self::NotForBrowsers => ("not_for_browsers", 403, "permission_error", "permission_error", Permanent),
            Self::Csrf => ("csrf", 403, "permission_error", "permission_error", UserActionable),
            Self::RouteNotAllowed => {
                ("route_not_allowed", 403, "permission_error", "permission_error", OperatorActionable)
            }
            Self::AddressNotAllowed => {
                ("address_not_allowed", 403, "permission_error", "permission_error", OperatorActionable)
            }
            Self::BudgetExceeded => ("budget_exceeded", 402, "insufficient_quota", "billing_error", UserActionable),
            Self::ReservationTooLarge => {
                ("reservation_too_large", 402, "insufficient_quota", "billing_error", UserActionable)
            }
            Self::ContextLengthExceeded => {
                ("context_length_exceeded", 400, "invalid_request_error", "invalid_request_error", UserActionable)
            }
            Self::ContentBlocked => {
                ("content_filter", 400, "invalid_request_error", "invalid_request_error", UserActionable)
            }
            Self::BodyTooLarge => ("body_too_large", 413, "invalid_request_error", "request_too_large", UserActionable),
            Self::NotFound => ("not_found", 404, "invalid_request_error", "not_found_error", UserActionable),
            Self::MethodNotAllowed => {
                ("method_not_allowed", 405, "invalid_request_error", "invalid_request_error", UserActionable)
            }
            Self::IdempotencyKeyReused => {
                ("idempotency_key_reused", 422, "invalid_request_error", "invalid_request_error", UserActionable)
            }
            Self::RetryLimit => ("retry_limit", 424, "server_error", "api_error", UserActionable),
            Self::RateLimited => ("rate_limited", 429, "rate_limit_exceeded", "rate_limit_error", Retryable),
            Self::HeadroomHeld => ("headroom_held", 429, "rate_limit_exceeded", "rate_limit_error", Retryable),
            Self::GuardUnavailable => ("guard_unavailable", 503, "server_error", "overloaded_error", Retryable),
            Self::Overloaded => ("overloaded", 503, "server_error", "overloaded_error", Retryable),
            Self::Draining => ("draining", 503, "server_error", "overloaded_error", Retryable),
            Self::BreakerOpen => ("breaker_open", 503, "server_error", "overloaded_error", Retryable),
            Self::StoreUnavailable => ("store_unavailable", 503, "server_error", "api_error", OperatorActionable),
            Self::IdentityUnavailable => ("identity_unavailable", 503, "server_error", "api_error", Retryable),
            Self::UpstreamFailed => ("upstream_failed", 502, "server_error", "api_error", Permanent),
            Self::UpstreamTimeout => ("upstream_timeout", 504, "server_error", "api_error", Permanent),
            Self::StreamDeadline => ("stream_deadline", 504, "server_error", "api_error", Permanent),
            Self::CeilingReached => ("ceiling_reached", 502, "server_error", "api_error", Permanent),
            // 499 is what servers log for a client that went away; no SDK repeats it.
            Self::Stopped => ("stopped", 499, "server_error", "api_error", UserActionable),
            Self::Interrupted => ("interrupted", 502, "server_error", "api_error", Permanent),
            Self::Internal => ("internal", 500, "server_error", "api_error", Permanent),
        };
        Row { word, status, openai_type, anthropic_type, class }
    }

    /// The code's name on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        self.row().word
    }

    /// The HTTP status when it is answered before the first byte.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().status
    }

    /// `error.type` in the OpenAI dialect.
    #[must_use]
    pub const fn openai_type(self) -> &'static str {
        self.row().openai_type
    }

    /// `error.type` in the Anthropic dialect.
    #[must_use]
    pub const fn anthropic_type(self) -> &'static str {
        self.row().anthropic_type
    }

    /// Who can act.
    #[must_use]
    pub const fn class(self) -> CodeClass {
        self.row().class
    }

    /// The value of `x-should-retry`: true only where nothing was spent and a repetition can
    /// succeed within a minute.
    #[must_use]
    pub fn should_retry(self) -> bool {
        self.class() == CodeClass::Retryable
    }

    /// The code of a name on the wire.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.word() == word)
    }
}

impl CodeClass {
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

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_denial_that_waiting_cannot_cure_has_a_status_that_clients_repeat() {
        for code in Code::ALL {
            let repeated_by_clients = matches!(code.status(), 408 | 409 | 429 | 500..);
            let ours_and_final = matches!(code.class(), CodeClass::UserActionable);
            assert!(!(repeated_by_clients && ours_and_final), "{code}");
        }
    }

    #[test]
    fn words_are_unique() {
        for code in Code::ALL {
            assert_eq!(Code::from_word(code.word()), Some(code));
        }
    }
}
