//! `GET /v1/models`: what the caller may ask for.

use super::notes_without_a_journey;
use crate::headers;
use crate::problem::chat_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use haltline_gateway::Problem;
use haltline_types::Code;
use http::HeaderMap;
use serde_json::{Value, json};

pub(crate) async fn list(State(app): State<App>, head: HeaderMap) -> Response {
    match app.gateway.models_for(headers::presented_key(&head).as_deref()) {
        Ok(models) => Json(json!({"object": "list", "data": models.iter().map(|id| model(id)).collect::<Vec<_>>()}))
            .into_response(),
        Err(problem) => chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head)),
    }
}

pub(crate) async fn one(State(app): State<App>, Path(id): Path<String>, head: HeaderMap) -> Response {
    let problem = match app.gateway.models_for(headers::presented_key(&head).as_deref()) {
        Ok(models) if models.contains(&id) => return Json(model(&id)).into_response(),
        Ok(_) => Problem::new(
            Code::UnknownModel,
            format!("There is no model `{id}` for this key; GET /v1/models lists those there are."),
        ),
        Err(problem) => problem,
    };
    chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head))
}

fn model(id: &str) -> Value {
    let owner = id.split_once('/').map_or("haltline", |(provider, _)| provider);
    json!({"id": id, "object": "model", "created": 0, "owned_by": owner})
}
