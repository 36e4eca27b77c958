//! All routes on one page.

use crate::admin::{self, Admin};
use crate::routes::{chat, errors, generation, health, metrics, models};
use axum::Router;
use axum::routing::{get, post};
use haltline_gateway::Gateway;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// What routes need.
#[derive(Clone)]
pub struct App {
    /// The line's door.
    pub gateway: Arc<Gateway>,
    /// What `/metrics` shows.
    pub registry: Arc<Registry>,
    /// The operator's door.
    pub admin: Arc<Admin>,
}

/// The router. Clients differ in what they call a base URL, so every dialect route stands with
/// and without `/v1`, and below `/openai`.
pub fn router(app: App) -> Router {
    let dialect = Router::new()
        .route("/chat/completions", post(chat::completions).fallback(errors::method_not_allowed))
        .route("/models", get(models::list).fallback(errors::method_not_allowed))
        .route("/models/{*id}", get(models::one).fallback(errors::method_not_allowed))
        .route("/generation", get(generation::show).fallback(errors::method_not_allowed));
    Router::new()
        .nest("/v1", dialect.clone())
        .nest("/openai/v1", dialect.clone())
        .nest("/openai", dialect.clone())
        .merge(dialect)
        .nest("/admin/v1", admin::router())
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .route("/errors/{code}", get(errors::page))
        .fallback(errors::not_found)
        .with_state(app)
}
