//! `GET /v1/generation?id=`: what one request was, and what it cost: for its own user, and for a key
//! that may speak for several users and names none.

use super::notes_without_a_journey;
use crate::headers;
use crate::problem::chat_problem;
use crate::router::App;
use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use haltline_gateway::Problem;
use haltline_ports::{AttemptRecord, RequestRecord};
use haltline_types::{Code, RequestId};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
pub(crate) struct Which {
    id: Option<String>,
}

pub(crate) async fn show(State(app): State<App>, Query(which): Query<Which>, head: HeaderMap) -> Response {
    match find(&app, which, &head).await {
        Ok(record) => Json(json!({"data": generation(&record)})).into_response(),
        Err(problem) => chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head)),
    }
}

async fn find(app: &App, which: Which, head: &HeaderMap) -> Result<RequestRecord, Problem> {
    let claims = headers::claims(head).map_err(|why| Problem::new(Code::InvalidRequest, why))?;
    let viewer = app.gateway.viewer(&headers::presented(head), &claims)?;
    let missing = || {
        Problem::new(
            Code::InvalidRequest,
            "Name the request: /v1/generation?id=req_…, the `x-request-id` of its answer.",
        )
        .about("id")
    };
    let id: RequestId =
        which.id.ok_or_else(missing)?.parse().map_err(|error: haltline_types::IdError| {
            Problem::new(Code::InvalidRequest, error.to_string()).about("id")
        })?;
    let found = app.gateway.records().generation(id).await.map_err(|error| {
        tracing::error!(%error, "a record could not be read");
        Problem::new(Code::StoreUnavailable, "The gateway's store cannot be read at present.")
    })?;
    // Another key's request does not exist for this one, and neither does another user's.
    found
        .filter(|record| viewer.sees(&record.subjects))
        .ok_or_else(|| Problem::new(Code::NotFound, format!("There is no request {id} of this key and user.")))
}

pub(crate) fn generation(record: &RequestRecord) -> Value {
    let attempts: Vec<Value> = record.attempts.iter().map(attempt).collect();
    let last = record.attempts.last();
    let usage = record.attempts.iter().rev().find_map(|attempt| attempt.usage);
    json!({
        "id": record.id.to_string(),
        "trace_id": record.trace_id,
        "created_at": record.started.to_string(),
        "ended_at": record.ended.to_string(),
        "surface": &*record.surface,
        "model": &*record.model,
        "provider": last.map(|attempt| attempt.endpoint.provider.to_string()),
        "provider_model": last.map(|attempt| attempt.endpoint.model.to_string()),
        "streamed": record.streamed,
        "outcome": record.outcome.word(),
        "code": record.outcome.code().map(Code::word),
        "status": record.status,
        "key": record.subjects.key.as_deref(),
        "team": record.subjects.team.as_deref(),
        "user": record.subjects.user.as_deref(),
        "session": record.subjects.session.as_deref(),
        "total_cost": record.cost().to_decimal(),
        "tokens_prompt": usage.map(|usage| usage.input.get()),
        "tokens_completion": usage.map(|usage| usage.output.get()),
        "first_token_ms": record.first_token.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        "max_tokens_lowered_to": record.cap_lowered_to.map(haltline_types::Tokens::get),
        "degraded_to": record.degraded_to.as_deref(),
        "blocked": record.blocked.as_ref().map(|blocked| json!({
            "fingerprint": blocked.fingerprint,
            "prompt_kept": blocked.prompt.is_some(),
        })),
        "attempts": attempts,
    })
}

fn attempt(attempt: &AttemptRecord) -> Value {
    json!({
        "number": attempt.number,
        "endpoint": attempt.endpoint.to_string(),
        "started_at": attempt.started.to_string(),
        "ended_at": attempt.ended.to_string(),
        "ceiling": attempt.ceiling.usd.to_decimal(),
        "cost": attempt.cost.to_decimal(),
        "basis": attempt.basis.word(),
        "input_tokens": attempt.usage.map(|usage| usage.input.get()),
        "cached_input_tokens": attempt.usage.map(|usage| usage.cached_input.get()),
        "output_tokens": attempt.usage.map(|usage| usage.output.get()),
        "reasoning_tokens": attempt.usage.map(|usage| usage.reasoning.get()),
        "status": attempt.status,
        "fault": attempt.fault.map(haltline_types::FaultKind::word),
    })
}
