//! Responses that were kept: `GET` and `DELETE /v1/responses/{id}`, `POST …/cancel`,
//! `GET …/input_items`.

use super::{notes_without_a_journey, owner};
use crate::problem::chat_problem;
use crate::router::App;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use haltline_gateway::Problem;
use haltline_types::Code;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    stream: Option<String>,
}

pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
    head: HeaderMap,
) -> Response {
    if wanted.stream.as_deref() == Some("true") {
        let problem = Problem::new(
            Code::InvalidRequest,
            "A response that was kept is not streamed again; leave `stream` out and ask until its `status` is final.",
        );
        return chat_problem(&problem.about("stream"), &notes_without_a_journey(&app.gateway, &head));
    }
    let response = match owner(&app, &head) {
        Ok(owner) => app.gateway.kept_response(&owner, &id).await,
        Err(problem) => Err(problem),
    };
    whole(&app, &head, response)
}

pub(crate) async fn cancel(State(app): State<App>, Path(id): Path<String>, head: HeaderMap) -> Response {
    let response = match owner(&app, &head) {
        Ok(owner) => app.gateway.stop_response(&owner, &id).await,
        Err(problem) => Err(problem),
    };
    whole(&app, &head, response)
}

pub(crate) async fn forget(State(app): State<App>, Path(id): Path<String>, head: HeaderMap) -> Response {
    let gone = match owner(&app, &head) {
        Ok(owner) => app.gateway.forget_response(&owner, &id).await,
        Err(problem) => Err(problem),
    };
    match gone {
        Ok(()) => Json(json!({"id": id, "object": "response", "deleted": true})).into_response(),
        Err(problem) => chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head)),
    }
}

#[derive(Deserialize)]
pub(crate) struct Page {
    after: Option<String>,
    limit: Option<usize>,
    order: Option<String>,
}

pub(crate) async fn input_items(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<Page>,
    head: HeaderMap,
) -> Response {
    // OpenAI's defaults: 20, the newest first.
    let newest_first = page.order.as_deref() != Some("asc");
    let limit = page.limit.unwrap_or(20);
    let items = match owner(&app, &head) {
        Ok(owner) => app.gateway.kept_input(&owner, &id, page.after.as_deref(), limit, newest_first).await,
        Err(problem) => Err(problem),
    };
    match items {
        Ok(list) => Json(list).into_response(),
        Err(problem) => chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head)),
    }
}

fn whole(app: &App, head: &HeaderMap, response: Result<Bytes, Problem>) -> Response {
    match response {
        Ok(body) => {
            let mut response = Response::new(Body::from(body));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(problem) => chat_problem(&problem, &notes_without_a_journey(&app.gateway, head)),
    }
}
