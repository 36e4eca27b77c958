//! The operator's door: `/admin/v1`. JSON in and out, problems as RFC 9457, one bearer token that
//! stands in a file of the data directory which only its owner can read.

pub mod dto;

mod budgets;
mod cache;
mod dead_letters;
mod keys;
mod review;
mod secret;
mod spend;
mod system;
pub(crate) mod table;
mod timelines;
mod users;

pub use budgets::{account, history_line};
pub use keys::{key_dto, key_record};
pub use secret::{new_secret, secret_hint};
pub use spend::spend_line;
pub use timelines::{PAGE_BYTES, stream_lines};

use crate::problem::admin_problem;
use crate::router::App;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use haltline_ports::Streams;
use http::StatusCode;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What an operator's order gives back: a sentence, or why it could not be done.
pub type Done = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// What admin routes need besides the gateway.
pub struct Admin {
    /// The bearer token. Empty = the door is shut.
    pub token: String,
    /// Reads the configuration again.
    pub reload: Box<dyn Fn() -> Done + Send + Sync>,
    /// Checks the store.
    pub verify: Box<dyn Fn() -> Done + Send + Sync>,
    /// Streams as they were kept; none where none are.
    pub streams: Option<Arc<dyn Streams>>,
}

pub(crate) fn router() -> Router<App> {
    let mut router = Router::new();
    for entry in table::entries() {
        router = router.route(entry.path, entry.methods);
    }
    router.fallback(nothing_here).layer(middleware::from_fn(no_store))
}

/// Lets in whoever has the token. A route extractor, so that it needs no state of its own.
pub(crate) struct Operator;

impl axum::extract::FromRequestParts<App> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut http::request::Parts, app: &App) -> Result<Self, Response> {
        let presented = crate::headers::presented_key(&parts.headers).unwrap_or_default();
        let token = &app.admin.token;
        let equal: bool = presented.as_bytes().ct_eq(token.as_bytes()).into();
        if token.is_empty() || !equal {
            return Err(admin_problem(
                StatusCode::UNAUTHORIZED,
                "Not an operator",
                "Send the admin token as `Authorization: Bearer …`; it stands in admin.json in the data directory.",
            ));
        }
        Ok(Self)
    }
}

async fn nothing_here(State(_app): State<App>) -> Response {
    admin_problem(
        StatusCode::NOT_FOUND,
        "Nothing here",
        "The admin API has keys, budgets, spend, timelines of requests, sessions and traces, streams, dead-letters, review, cache, store/verify and reload.",
    )
}

async fn no_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}

/// Reads RFC 3339.
fn timestamp(text: &str) -> Result<haltline_types::Timestamp, String> {
    text.parse::<jiff::Timestamp>()
        .map(|at| haltline_types::Timestamp::from_millis(at.as_millisecond()))
        .map_err(|_| format!("`{text}` is not a time; write it like 2026-11-24T18:00:00Z"))
}
