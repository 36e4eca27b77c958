//! The administrators' door: `/admin/v1`. JSON in and out, problems as RFC 9457. Who comes in has a name and
//! a role; which role a route needs stands in the table, and `gate` sees to it and to the audit log.

pub mod dto;

mod admins;
mod audit;
mod budgets;
mod cache;
mod dead_letters;
mod gate;
mod key_rules;
mod keys;
mod leaked;
mod secret;
mod spend;
mod system;
pub(crate) mod table;
mod timelines;
mod users;

pub use admins::{admin_dto, admin_record};
pub use audit::{audit_entry, audit_report};
pub use budgets::{account, history_line};
pub(crate) use gate::Operator;
pub use gate::{RefusedLogins, local_act};
pub use key_rules::{OVERLAP_MAX, changed, key_dto, key_record, rotated};
pub use leaked::{Found, find_leaked, read_leaked};
pub use secret::{new_secret, secret_hint};
pub use spend::spend_line;
pub use timelines::{PAGE_BYTES, stream_lines};

use crate::problem::admin_problem;
use crate::router::App;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use haltline_ports::{Acts, Admins, Streams};
use http::StatusCode;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What an operator's order gives back: a sentence, or why it could not be done.
pub type Done = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// What admin routes need besides the gateway.
pub struct Admin {
    /// The bearer token of this process, which is an owner's. Empty = there is none.
    pub token: String,
    /// Administrators by name.
    pub admins: Arc<dyn Admins>,
    /// The audit log.
    pub acts: Arc<dyn Acts>,
    /// How many refused logins are written down.
    pub refusals: RefusedLogins,
    /// Reads the configuration again.
    pub reload: Box<dyn Fn() -> Done + Send + Sync>,
    /// Checks the store.
    pub verify: Box<dyn Fn() -> Done + Send + Sync>,
    /// Streams as they were kept; none where none are.
    pub streams: Option<Arc<dyn Streams>>,
}

pub(crate) fn router(app: &App) -> Router<App> {
    let mut router = Router::new();
    for entry in table::entries() {
        let methods = gate::guarded(entry.methods, &entry.operations, app);
        router = router.route(entry.path, methods);
    }
    router.fallback(nothing_here).layer(middleware::from_fn(no_store))
}

async fn nothing_here(State(_app): State<App>) -> Response {
    admin_problem(
        StatusCode::NOT_FOUND,
        "Nothing here",
        "The admin API has keys, admins, audit, budgets, spend, timelines of requests, sessions and traces, streams, dead-letters, cache, store/verify and reload.",
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
