//! `/admin/v1/dead-letters`: what failed for good, whoever's it was.

use super::Operator;
use super::dto::{DeadLetter, DeadLetterAttempt, OpenedDeadLetter, Retried, RetryDeadLetter};
use crate::problem::admin_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use haltline_gateway::{Letters, Problem};
use haltline_types::{Code, NanoUsd};
use http::StatusCode;
use serde::Deserialize;

/// Letters of one page unless said otherwise.
const PAGE: usize = 50;
/// As much of what was to be sent is shown.
const BODY_CHARS: usize = 64 * 1024;

#[derive(Deserialize)]
pub(super) struct Asked {
    /// Those that were sent again, too.
    #[serde(default)]
    all: bool,
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(_: Operator, State(app): State<App>, Query(asked): Query<Asked>) -> Response {
    let which = if asked.all { Letters::All } else { Letters::Open };
    match app.gateway.dead_letters(which, asked.after, asked.limit.unwrap_or(PAGE)).await {
        Ok(letters) => Json(letters.iter().map(letter_dto).collect::<Vec<_>>()).into_response(),
        Err(problem) => failed(&problem),
    }
}

pub(super) async fn show(_: Operator, State(app): State<App>, Path(id): Path<String>) -> Response {
    match app.gateway.dead_letter(&id).await {
        Ok(opened) => {
            let (retry_ceiling, not_retryable) = match &opened.ceiling {
                Ok(ceiling) => (Some(ceiling.to_decimal()), None),
                Err(problem) => (None, Some(problem.message.clone())),
            };
            let attempts = opened.letter.attempts();
            let body: String = String::from_utf8_lossy(&opened.body).chars().take(BODY_CHARS).collect();
            let shown = OpenedDeadLetter {
                letter: letter_dto(&opened.letter),
                attempts: attempts.iter().map(attempt_dto).collect(),
                retry_ceiling,
                not_retryable,
                body,
                body_bytes: opened.body.len(),
            };
            Json(shown).into_response()
        }
        Err(problem) => failed(&problem),
    }
}

pub(super) async fn retry(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    Json(wanted): Json<RetryDeadLetter>,
) -> Response {
    let most = match wanted.max_cost.as_deref().map(str::parse::<NanoUsd>).transpose() {
        Ok(most) => most,
        Err(error) => {
            return admin_problem(StatusCode::BAD_REQUEST, "Not an amount", &format!("max_cost: {error}"));
        }
    };
    match app.gateway.retry_dead_letter(&id, most).await {
        Ok(job) => (StatusCode::ACCEPTED, Json(Retried { job })).into_response(),
        Err(problem) => failed(&problem),
    }
}

pub(super) async fn discard(_: Operator, State(app): State<App>, Path(id): Path<String>) -> Response {
    match app.gateway.discard_dead_letter(&id).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => failed(&problem),
    }
}

fn letter_dto(letter: &haltline_gateway::DeadLetter) -> DeadLetter {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    DeadLetter {
        id: letter.id.clone(),
        kind: letter.kind.word().to_owned(),
        about: letter.about.clone(),
        at: letter.at().to_string(),
        key: letter.key().map(str::to_owned),
        user: letter.user().map(str::to_owned),
        endpoint: letter.endpoint().to_owned(),
        model: text(letter.model()),
        class: letter.class().word().to_owned(),
        code: letter.code().to_owned(),
        message: letter.message().to_owned(),
        attempts_made: letter.attempts().len(),
        cost: letter.cost().to_decimal(),
        ceiling: letter.ceiling().map(NanoUsd::to_decimal),
        retried_as: letter.retried_as.clone(),
    }
}

fn attempt_dto(attempt: &haltline_gateway::LetterAttempt) -> DeadLetterAttempt {
    DeadLetterAttempt {
        request_id: attempt.request.clone(),
        started_at: attempt.started.to_string(),
        endpoint: attempt.endpoint.clone(),
        fault: attempt.fault.clone(),
        cost: attempt.cost.map(NanoUsd::to_decimal),
    }
}

fn failed(problem: &Problem) -> Response {
    let (status, title) = match problem.code {
        Code::NotFound => (StatusCode::NOT_FOUND, "No such dead letter"),
        Code::StoreUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "The store failed"),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "It cannot be sent again"),
    };
    admin_problem(status, title, &problem.message)
}
