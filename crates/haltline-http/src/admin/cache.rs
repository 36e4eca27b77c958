//! `/admin/v1/cache`: how the response cache stands, and purging it.

use super::Operator;
use super::dto::{CachePurgeOrder, CacheStanding, Said};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use haltline_gateway::CachePurge;
use haltline_types::Name;
use http::StatusCode;

pub(super) async fn stats(_: Operator, State(app): State<App>) -> Response {
    let stats = app.gateway.cache_stats();
    Json(CacheStanding {
        entries: stats.entries,
        bytes: stats.bytes,
        bytes_max: stats.bytes_max,
        hits: stats.hits,
        misses: stats.misses,
        bypassed: stats.bypassed,
        stale: stats.stale,
    })
    .into_response()
}

pub(super) async fn purge(operator: Operator, State(app): State<App>, Json(order): Json<CachePurgeOrder>) -> Response {
    let what = match (order.tag, order.key, order.all) {
        (Some(tag), None, false) => CachePurge::Tag(tag),
        (None, Some(key), false) => CachePurge::Key(Name::new(&key)),
        (None, None, true) => CachePurge::All,
        _ => {
            let why = "name one of `tag`, `key` and `all`: {\"tag\": \"page:/pricing\"}";
            return admin_problem(StatusCode::BAD_REQUEST, "Nothing to purge", why);
        }
    };
    operator.on(&match &what {
        CachePurge::Tag(tag) => format!("tag {tag}"),
        CachePurge::Key(key) => format!("key {key}"),
        CachePurge::All => "all".to_owned(),
    });
    match app.gateway.purge_cache(&what).await {
        Ok(message) => Json(Said { message }).into_response(),
        Err(why) => admin_problem(StatusCode::UNPROCESSABLE_ENTITY, "Not purged", &why),
    }
}
