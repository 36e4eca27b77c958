//! `/admin/v1/spend` and `/admin/v1/generation`: any key's.

use super::dto::SpendLine;
use super::{Operator, timestamp};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use haltline_ports::{SpendKey, SpendQuery, SpendRow};
use haltline_types::{RequestId, Timestamp};
use http::StatusCode;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    by: String,
    since: Option<String>,
    until: Option<String>,
}

pub(super) async fn show(_: Operator, State(app): State<App>, Query(asked): Query<Asked>) -> Response {
    let query = match query(&asked, app.gateway.clock().now()) {
        Ok(query) => query,
        Err(why) => return admin_problem(StatusCode::BAD_REQUEST, "Not a spend query", &why),
    };
    match app.gateway.records().spend(query).await {
        Ok(rows) => Json(rows.iter().map(spend_line).collect::<Vec<_>>()).into_response(),
        Err(error) => admin_problem(StatusCode::SERVICE_UNAVAILABLE, "The store failed", &error.to_string()),
    }
}

#[derive(Deserialize)]
pub(super) struct Which {
    id: String,
}

pub(super) async fn generation(_: Operator, State(app): State<App>, Query(which): Query<Which>) -> Response {
    let id: RequestId = match which.id.parse() {
        Ok(id) => id,
        Err(error) => return admin_problem(StatusCode::BAD_REQUEST, "Not a request id", &format!("{error}")),
    };
    match app.gateway.records().generation(id).await {
        Ok(Some(record)) => Json(crate::routes::generation::generation(&record)).into_response(),
        Ok(None) => admin_problem(StatusCode::NOT_FOUND, "No such request", &format!("there is no record of {id}")),
        Err(error) => admin_problem(StatusCode::SERVICE_UNAVAILABLE, "The store failed", &error.to_string()),
    }
}

fn query(asked: &Asked, now: Timestamp) -> Result<SpendQuery, String> {
    let mut by = Vec::new();
    for word in asked.by.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let key = SpendKey::ALL.into_iter().find(|key| key.word() == word);
        by.push(
            key.ok_or_else(|| format!("cannot group by `{word}`; use key, team, user, model, provider, tag or day"))?,
        );
    }
    Ok(SpendQuery {
        by,
        since: asked.since.as_deref().map_or(Ok(Timestamp::from_millis(0)), timestamp)?,
        until: asked.until.as_deref().map_or(Ok(now.saturating_add(std::time::Duration::from_secs(1))), timestamp)?,
    })
}

/// A row as it is shown.
#[must_use]
pub fn spend_line(row: &SpendRow) -> SpendLine {
    SpendLine {
        group: row.group.clone(),
        requests: row.requests,
        attempts: row.attempts,
        input_tokens: row.input.get(),
        output_tokens: row.output.get(),
        cost: row.cost.to_decimal(),
    }
}
