//! `POST /v1/cache/invalidate`: answers with these tags are not given again.

use super::notes_without_a_journey;
use crate::headers::presented;
use crate::problem::chat_problem;
use crate::request_body;
use crate::router::App;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use haltline_gateway::Problem;
use haltline_types::Code;
use http::Request;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest body.
const BYTES_MAX: usize = 64 * 1024;

/// What is to be invalidated.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invalidate {
    /// Tags, as `x-haltline-cache-tags` had them; 1 to 100.
    tags: Vec<String>,
}

/// What was invalidated.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Invalidated {
    /// How many tags.
    invalidated: usize,
}

pub(crate) async fn invalidate(State(app): State<App>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let presented = presented(&head.headers);
    let done = async {
        app.gateway.backend_key(&presented)?;
        let body = request_body::read(&head.headers, body, BYTES_MAX).await?;
        let wanted = read(&body)?;
        app.gateway.invalidate_cache(&presented, &wanted.tags).await
    };
    match done.await {
        Ok(invalidated) => Json(Invalidated { invalidated }).into_response(),
        Err(problem) => chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head.headers)),
    }
}

fn read(body: &Bytes) -> Result<Invalidate, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("The body must be like {{\"tags\": [\"page:/pricing\"]}}: {error}.");
        Problem::new(Code::InvalidRequest, message)
    })
}
