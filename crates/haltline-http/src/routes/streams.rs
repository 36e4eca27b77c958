//! Streams by their own address: `GET /v1/streams/{id}` from any event on, `POST …/stop`. And the
//! same for pages, by chat: `GET /api/chat/{id}/stream`, `POST /api/chat/{id}/stop`.

use super::ask::answer;
use super::notes_without_a_journey;
use crate::headers;
use crate::problem::{Audience, answer as problem_answer, chat_problem};
use crate::router::App;
use crate::stream_body::Numbers;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use haltline_gateway::{Claims, From, Presented, Problem, Stop, Surface, Watched};
use haltline_types::{Code, RequestId};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
pub(crate) struct Position {
    #[serde(default)]
    starting_after: Option<String>,
    #[serde(default)]
    timing: Option<String>,
}

/// `GET /v1/streams/{id}`.
pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(position): Query<Position>,
    head: HeaderMap,
) -> Response {
    let refuse = |problem: &Problem| chat_problem(problem, &notes_without_a_journey(&app.gateway, &head));
    let asked = claims(&head).and_then(|claims| Ok((claims, from(&position, &head)?)));
    let (claims, from) = match asked {
        Ok(asked) => asked,
        Err(problem) => return refuse(&problem),
    };
    let presented = headers::presented(&head);
    let watched = match stream_id(&app, &presented, &id) {
        Ok(id) => app.gateway.watch(&presented, &claims, id, from).await,
        Err(problem) => Err(problem),
    };
    match watched {
        Ok(Watched { surface, delivery }) => answer(surface, Audience::of(&head), delivery, Numbers::All),
        Err(problem) => refuse(&problem),
    }
}

/// `POST /v1/streams/{id}/stop`.
pub(crate) async fn stop(State(app): State<App>, Path(id): Path<String>, head: HeaderMap) -> Response {
    let presented = headers::presented(&head);
    let stopped = match (claims(&head), stream_id(&app, &presented, &id)) {
        (Ok(claims), Ok(id)) => app.gateway.stop_stream(&presented, &claims, id).await,
        (Err(problem), _) | (_, Err(problem)) => Err(problem),
    };
    match stopped {
        Ok(stop) => said(&id, stop),
        Err(problem) => chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head)),
    }
}

/// `GET /api/chat/{id}/stream`: 204 when the chat has no recent answer; anything else than 200 or
/// 204 is an error to the page.
pub(crate) async fn show_chat(
    State(app): State<App>,
    Path(chat): Path<String>,
    Query(position): Query<Position>,
    head: HeaderMap,
) -> Response {
    let surface = Surface::UiStream;
    let refuse = |problem: &Problem| {
        problem_answer(surface, Audience::of(&head), problem, &notes_without_a_journey(&app.gateway, &head))
    };
    let asked = claims(&head).and_then(|claims| Ok((claims, from(&position, &head)?)));
    let (claims, from) = match asked {
        Ok(asked) => asked,
        Err(problem) => return refuse(&problem),
    };
    let presented = headers::presented(&head);
    match app.gateway.watch_conversation(&presented, &claims, &chat, from).await {
        Ok(Some(Watched { surface: Surface::UiStream, delivery })) => {
            answer(surface, Audience::of(&head), delivery, Numbers::wanted(&head))
        }
        // The conversation's newest answer was asked for in another dialect.
        Ok(Some(_) | None) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => refuse(&problem),
    }
}

/// `POST /api/chat/{id}/stop`.
pub(crate) async fn stop_chat(State(app): State<App>, Path(chat): Path<String>, head: HeaderMap) -> Response {
    let refuse = |problem: &Problem| {
        let notes = notes_without_a_journey(&app.gateway, &head);
        problem_answer(Surface::UiStream, Audience::of(&head), problem, &notes)
    };
    let claims = match claims(&head) {
        Ok(claims) => claims,
        Err(problem) => return refuse(&problem),
    };
    let presented = headers::presented(&head);
    match app.gateway.stop_conversation(&presented, &claims, &chat).await {
        Ok(Some(stop)) => said(&chat, stop),
        Ok(None) => refuse(&Problem::new(Code::NotFound, "This chat has no recent answer.")),
        Err(problem) => refuse(&problem),
    }
}

fn said(id: &str, stop: Stop) -> Response {
    Json(json!({"id": id, "stopped": stop == Stop::Stopped})).into_response()
}

pub(crate) fn claims(head: &HeaderMap) -> Result<Claims, Problem> {
    headers::claims(head).map_err(|message| Problem::new(Code::InvalidRequest, message))
}

/// Whose id cannot be one, does not exist: but a key comes first.
fn stream_id(app: &App, presented: &Presented, id: &str) -> Result<RequestId, Problem> {
    app.gateway.key_of(presented)?;
    let missing = || {
        let shown: String = id.chars().take(64).collect();
        Problem::new(
            Code::NotFound,
            format!("There is no stream {shown} here. Streams are kept for a day, unless configured otherwise."),
        )
    };
    id.parse().map_err(|_| missing())
}

/// Where to go on: the query comes before the header that browsers repeat by themselves.
fn from(position: &Position, head: &HeaderMap) -> Result<From, Problem> {
    let header = head.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let (name, text) = match (position.starting_after.as_deref(), header) {
        (Some(text), _) => ("starting_after", text),
        (None, Some(text)) => ("Last-Event-ID", text),
        (None, None) => ("", ""),
    };
    let after = match text.trim() {
        "" => 0,
        text => text.parse().map_err(|_| {
            let shown: String = text.chars().take(32).collect();
            let message = format!("{name} is the number of the last event that was received, from 0; not `{shown}`.");
            Problem::new(Code::InvalidRequest, message).about(name)
        })?,
    };
    let original_timing = match position.timing.as_deref() {
        None | Some("none") => false,
        Some("original") => true,
        Some(_) => {
            return Err(Problem::new(Code::InvalidRequest, "timing is `original` or `none`.").about("timing"));
        }
    };
    Ok(From { after, original_timing })
}
