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
        Err(why) if why == "draining" => (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned()),
        // The reason may name accounts; it stands in the log, and operators see it in `store verify`.
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store has stopped; the log says why\n".to_owned()),
    }
}
