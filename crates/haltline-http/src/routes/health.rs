//! `/livez` and `/readyz`.

use crate::router::App;
use axum::extract::State;
use http::StatusCode;

/// Alive as long as it can answer, also while draining.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Ready for requests, or why not.
pub(crate) async fn ready(State(app): State<App>) -> (StatusCode, String) {
    match app.gateway.ready() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
