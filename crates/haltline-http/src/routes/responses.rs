//! Responses that were kept: `GET` and `DELETE /v1/responses/{id}`, `POST …/cancel`,
//! `GET …/input_items`.

use super::ask::answer;
use super::streams::claims;
use super::{notes_without_a_journey, owner};
use crate::headers::presented;
use crate::problem::{Audience, chat_problem};
use crate::router::App;
use crate::stream_body::Numbers;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use haltline_gateway::{From, Problem, Watched};
use haltline_types::Code;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    stream: Option<String>,
    #[serde(default)]
    starting_after: Option<String>,
}

pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
    head: HeaderMap,
) -> Response {
    if wanted.stream.as_deref() == Some("true") {
        return match streamed(&app, &id, &wanted, &head).await {
            Ok(Watched { surface, delivery }) => answer(surface, Audience::of(&head), delivery, Numbers::OfDialect),
            Err(problem) => chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head)),
        };
    }
    let response = match owner(&app, &head) {
        Ok(owner) => app.gateway.kept_response(&owner, &id).await,
        Err(problem) => Err(problem),
    };
    whole(&app, &head, response)
}

/// A response's events count from 0 in their `sequence_number`, and from 1 in their stream.
async fn streamed(app: &App, id: &str, wanted: &Wanted, head: &HeaderMap) -> Result<Watched, Problem> {
    let after = match wanted.starting_after.as_deref() {
        None | Some("") => 0,
        Some(text) => text.parse::<u64>().ok().and_then(|number| number.checked_add(1)).ok_or_else(|| {
            let message = "starting_after is the sequence_number of the last event that was received, from 0.";
            Problem::new(Code::InvalidRequest, message).about("starting_after")
        })?,
    };
    let from = From { after, original_timing: false };
    app.gateway.watch_response(&presented(head), &claims(head)?, id, from).await
}

pub(crate) async fn cancel(State(app): State<App>, Path(id): Path<String>, head: HeaderMap) -> Response {
    let stopped = claims(&head).and_then(|claims| app.gateway.stop_streamed_response(&presented(&head), &claims, &id));
    match stopped {
        Ok(true) => return Json(json!({"id": id, "object": "response", "status": "cancelled"})).into_response(),
        Ok(false) => {}
        Err(problem) => return chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head)),
    }
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
