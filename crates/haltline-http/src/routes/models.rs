//! `GET /v1/models`: what the caller may ask for, in the shape that the caller's own provider has:
//! Google's below `/v1beta` and `/google` and for its own clients, Anthropic's for whoever names an `anthropic-version`,
//! else OpenAI's.

use super::notes_without_a_journey;
use crate::headers;
use crate::problem::chat_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{MatchedPath, Path, State};
use axum::response::{IntoResponse, Response};
use haltline_gateway::Problem;
use haltline_types::Code;
use http::HeaderMap;
use serde_json::{Value, json};

/// When a model was made is not known here.
const LONG_AGO: &str = "1970-01-01T00:00:00Z";

#[derive(Clone, Copy)]
enum Shape {
    OpenAi,
    Anthropic,
    Google,
}

impl Shape {
    fn of(path: &MatchedPath, head: &HeaderMap) -> Self {
        let path = path.as_str();
        // google-genai 3.1 lists models at `/v1`.
        let is_google = ["x-goog-api-key", "x-goog-api-client"].iter().any(|name| head.contains_key(*name));
        if is_google || path.starts_with("/v1beta") || path.starts_with("/google") {
            Self::Google
        } else if path.starts_with("/anthropic") || head.contains_key("anthropic-version") {
            Self::Anthropic
        } else {
            Self::OpenAi
        }
    }

    fn list(self, ids: &[String]) -> Value {
        let models: Vec<Value> = ids.iter().map(|id| self.model(id)).collect();
        match self {
            Self::OpenAi => json!({"object": "list", "data": models}),
            Self::Anthropic => {
                json!({"data": models, "has_more": false, "first_id": ids.first(), "last_id": ids.last()})
            }
            Self::Google => json!({"models": models}),
        }
    }

    fn model(self, id: &str) -> Value {
        let owner = id.split_once('/').map_or("haltline", |(provider, _)| provider);
        match self {
            Self::OpenAi => json!({"id": id, "object": "model", "created": 0, "owned_by": owner}),
            Self::Anthropic => json!({"type": "model", "id": id, "display_name": id, "created_at": LONG_AGO}),
            Self::Google => json!({
                "name": format!("models/{id}"),
                "displayName": id,
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
            }),
        }
    }
}

pub(crate) async fn list(State(app): State<App>, path: MatchedPath, head: HeaderMap) -> Response {
    match app.gateway.models_for(&headers::presented(&head)) {
        Ok(models) => Json(Shape::of(&path, &head).list(&models)).into_response(),
        Err(problem) => chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head)),
    }
}

pub(crate) async fn one(
    State(app): State<App>,
    path: MatchedPath,
    Path(id): Path<String>,
    head: HeaderMap,
) -> Response {
    let problem = match app.gateway.models_for(&headers::presented(&head)) {
        Ok(models) if models.contains(&id) => return Json(Shape::of(&path, &head).model(&id)).into_response(),
        Ok(_) => Problem::new(
            Code::UnknownModel,
            format!("There is no model `{id}` for this key; GET /v1/models lists those there are."),
        ),
        Err(problem) => problem,
    };
    chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head))
}
