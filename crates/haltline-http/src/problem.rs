//! Problems on the wire: the one place where a code becomes a status, headers and a body.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use haltline_gateway::{Notes, Problem};
use haltline_types::Code;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::headers;

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The body of a problem in the OpenAI dialect, as an HTTP answer and as a stream's last event alike.
#[must_use]
pub fn chat_error_body(problem: &Problem, notes: &Notes) -> Vec<u8> {
    let mut facts = Map::new();
    facts.insert("class".into(), problem.code.class().word().into());
    facts.insert("retryable".into(), problem.should_retry().into());
    if let Some(budget) = &problem.budget {
        facts.insert("budget".into(), budget.name.clone().into());
        if let Some(at) = budget.resets_at {
            facts.insert("resets_at".into(), at.to_string().into());
        }
    }
    if let Some(cap) = problem.max_tokens_that_fits {
        facts.insert("max_tokens_that_fits".into(), cap.get().into());
    }
    if let Some(upstream) = &problem.upstream {
        facts.insert(
            "upstream".into(),
            json!({"status": upstream.status, "code": upstream.code, "kind": upstream.kind.word()}),
        );
    }
    facts.insert("request_id".into(), notes.request_id.to_string().into());
    facts.insert("trace_id".into(), notes.trace_id.clone().into());
    facts.insert("doc".into(), format!("/errors/{}", problem.code.word()).into());
    let body = json!({"error": {
        "message": problem.message,
        "type": problem.code.openai_type(),
        "param": problem.param,
        "code": problem.code.word(),
        "haltline": Value::Object(facts),
    }});
    body.to_string().into_bytes()
}

/// A problem as an HTTP answer in the OpenAI dialect.
pub(crate) fn chat_problem(problem: &Problem, notes: &Notes) -> Response {
    let status = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(chat_error_body(problem, notes)));
    *response.status_mut() = status;
    let head = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    head.insert(SHOULD_RETRY, HeaderValue::from_static(if problem.should_retry() { "true" } else { "false" }));
    if let (true, Some(wait)) = (problem.should_retry(), problem.retry_after) {
        let seconds = wait.as_millis().div_ceil(1000).clamp(1, 60);
        if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
            head.insert(RETRY_AFTER, value);
        }
    }
    headers::write_notes(head, notes);
    response
}

/// A problem of the admin API (RFC 9457).
pub(crate) fn admin_problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body = json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail});
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The page of an error code, from `docs/errors`.
#[must_use]
pub fn error_page(code: Code) -> &'static str {
    pages::page(code)
}

pub(crate) fn page_response(code: Code) -> Response {
    let mut response = Response::new(Body::from(Bytes::from_static(error_page(code).as_bytes())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/markdown; charset=utf-8"));
    response
}

mod pages {
    use haltline_types::Code;

    macro_rules! pages {
        ($($variant:ident => $file:literal),* $(,)?) => {
            pub(super) fn page(code: Code) -> &'static str {
                match code {
                    $(Code::$variant => include_str!(concat!("../../../docs/errors/", $file, ".md")),)*
                }
            }
        };
    }

    pages! {
        InvalidRequest => "invalid_request", UnknownField => "unknown_field", UnpricedModel => "unpriced_model",
        UnknownModel => "unknown_model", AuthMissing => "auth_missing", KeyInvalid => "key_invalid",
        KeyExpired => "key_expired", KeyFrozen => "key_frozen", ModelNotAllowed => "model_not_allowed",
        BudgetExceeded => "budget_exceeded", ReservationTooLarge => "reservation_too_large",
        ContextLengthExceeded => "context_length_exceeded", ContentBlocked => "content_filter",
        BodyTooLarge => "body_too_large", NotFound => "not_found", MethodNotAllowed => "method_not_allowed",
        IdempotencyKeyReused => "idempotency_key_reused", RetryLimit => "retry_limit", RateLimited => "rate_limited",
        HeadroomHeld => "headroom_held", Overloaded => "overloaded", Draining => "draining",
        BreakerOpen => "breaker_open", StoreUnavailable => "store_unavailable", UpstreamFailed => "upstream_failed",
        UpstreamTimeout => "upstream_timeout", StreamDeadline => "stream_deadline", CeilingReached => "ceiling_reached",
        Internal => "internal",
    }
}
