//! The pages of the error codes, as they stand in `docs/errors`.

use haltline_types::Code;

macro_rules! pages {
    ($($variant:ident => $file:literal),* $(,)?) => {
        pub(super) fn page(code: Code) -> &'static str {
            match code {
                $(Code::$variant => include_str!(concat!("../../../../docs/errors/", $file, ".md")),)*
            }
        }
    };
}

pages! {
    InvalidRequest => "invalid_request", UnknownField => "unknown_field", UnpricedModel => "unpriced_model",
    UnknownModel => "unknown_model", AuthMissing => "auth_missing", KeyInvalid => "key_invalid",
    KeyExpired => "key_expired", KeyFrozen => "key_frozen", ModelNotAllowed => "model_not_allowed",
    NotForBrowsers => "not_for_browsers", Csrf => "csrf",
    RouteNotAllowed => "route_not_allowed", AddressNotAllowed => "address_not_allowed",
    BudgetExceeded => "budget_exceeded", ReservationTooLarge => "reservation_too_large",
    ContextLengthExceeded => "context_length_exceeded", ContentBlocked => "content_filter",
    BodyTooLarge => "body_too_large", NotFound => "not_found", MethodNotAllowed => "method_not_allowed",
    IdempotencyKeyReused => "idempotency_key_reused", RetryLimit => "retry_limit", RateLimited => "rate_limited",
    HeadroomHeld => "headroom_held", GuardUnavailable => "guard_unavailable", Overloaded => "overloaded", Draining => "draining",
    BreakerOpen => "breaker_open", StoreUnavailable => "store_unavailable", IdentityUnavailable => "identity_unavailable", UpstreamFailed => "upstream_failed",
    UpstreamTimeout => "upstream_timeout", StreamDeadline => "stream_deadline", CeilingReached => "ceiling_reached",
    Stopped => "stopped", Interrupted => "interrupted",
    Internal => "internal",
}
