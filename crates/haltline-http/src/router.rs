//! All routes on one page.

use crate::admin::{self, Admin};
use crate::routes::{anthropic, errors, generation, google, health, metrics, models, openai, ui};
use axum::Router;
use axum::routing::{MethodRouter, get, post};
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

/// What clients may have put before a dialect's own path: they differ in what they call a base URL.
const BASES: [&str; 8] =
    ["/v1", "/v1beta", "/openai/v1", "/openai", "/anthropic/v1", "/anthropic", "/google/v1beta", "/google/v1"];

/// The router.
pub fn router(app: App) -> Router {
    let dialects = Router::new()
        .route("/chat/completions", only(post(openai::chat)))
        .route("/responses", only(post(openai::responses)))
        .route("/embeddings", only(post(openai::embeddings)))
        .route("/messages", only(post(anthropic::messages)))
        .route("/messages/count_tokens", only(post(anthropic::count_tokens)))
        .route("/models", only(get(models::list)))
        .route("/models/{*id}", only(get(models::one).post(google::generate)))
        .route("/generation", only(get(generation::show)));
    let mut router = Router::new();
    for base in BASES {
        router = router.nest(base, dialects.clone());
    }
    router
        .merge(dialects)
        .route("/api/chat", only(post(ui::chat)))
        .route("/api/ai/chat", only(post(ui::chat)))
        .nest("/admin/v1", admin::router())
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .route("/errors/{code}", get(errors::page))
        .fallback(errors::not_found)
        .with_state(app)
}

/// Other methods get an answer that says so.
fn only(methods: MethodRouter<App>) -> MethodRouter<App> {
    methods.fallback(errors::method_not_allowed)
}
