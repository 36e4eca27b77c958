//! Problems on the wire: the one place where a code becomes a status, headers and a body, in the
//! words of each dialect.

mod bodies;
mod codex;
mod pages;

pub(crate) use bodies::event;
pub(crate) use codex::Audience;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use haltline_gateway::{Notes, Problem, Surface};
use haltline_types::Code;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use crate::headers;

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The body of a problem in the OpenAI dialect.
#[must_use]
pub fn chat_error_body(problem: &Problem, notes: &Notes) -> Vec<u8> {
    bodies::body(Surface::ChatCompletions, problem, notes).to_string().into_bytes()
}

/// A problem as an HTTP answer in the words of a surface, for the client that sent `request`.
#[must_use]
pub fn problem_response(surface: Surface, request: &http::HeaderMap, problem: &Problem, notes: &Notes) -> Response {
    answer(surface, Audience::of(request), problem, notes)
}

/// A problem as an HTTP answer in the OpenAI dialect.
pub(crate) fn chat_problem(problem: &Problem, notes: &Notes) -> Response {
    answer(Surface::ChatCompletions, Audience::Any, problem, notes)
}

/// A problem as an HTTP answer, in the words of the surface's dialect.
pub(crate) fn answer(surface: Surface, audience: Audience, problem: &Problem, notes: &Notes) -> Response {
    let mut body = bodies::body(surface, problem, notes);
    let status = audience.adapt(surface, problem, &mut body).unwrap_or_else(|| status(surface, problem.code));
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(body.to_string()));
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
    if matches!(surface, Surface::Messages | Surface::CountTokens) {
        // Anthropic's SDKs show this one.
        if let Some(id) = head.get("x-request-id").cloned() {
            head.insert(HeaderName::from_static("request-id"), id);
        }
    }
    response
}

/// The HTTP status of a code. Anthropic's word for "overloaded" is 529.
const fn status(surface: Surface, code: Code) -> u16 {
    match (surface, code) {
        (Surface::Messages | Surface::CountTokens, Code::Overloaded | Code::Draining | Code::BreakerOpen) => 529,
        _ => code.status(),
    }
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
