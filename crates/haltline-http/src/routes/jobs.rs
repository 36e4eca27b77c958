//! Jobs: `POST` and `GET /v1/jobs`, `GET` and `DELETE /v1/jobs/{id}`, `GET …/result`,
//! `POST …/cancel`, `GET /v1/jobs/webhook-secret`.

use super::{notes_without_a_journey, owner};
use crate::problem::{Audience, chat_problem};
use crate::router::App;
use crate::{headers, request_body};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use haltline_gateway::{Incoming, JobEndpoint, JobPage, NewJob, Problem};
use haltline_types::Code;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What a client sends: `{"endpoint": "/v1/chat/completions", "body": {…}}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted<'a> {
    endpoint: String,
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(default)]
    metadata: Option<Value>,
    #[serde(default)]
    webhook: Option<Webhook>,
    #[serde(default)]
    max_attempts: Option<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhook {
    url: String,
}

pub(crate) async fn submit(State(app): State<App>, request: Request<Body>) -> Response {
    let notes = notes_without_a_journey(&app.gateway, request.headers());
    match make(&app, request).await {
        Ok(job) => {
            let place = format!("/v1/jobs/{}", job["id"].as_str().unwrap_or_default());
            let mut response = (StatusCode::ACCEPTED, Json(job)).into_response();
            headers::put(response.headers_mut(), LOCATION, &place);
            response
        }
        Err(problem) => chat_problem(&problem, &notes),
    }
}

async fn make(app: &App, request: Request<Body>) -> Result<Value, Problem> {
    let (head, body) = request.into_parts();
    let presented = headers::presented(&head.headers);
    app.gateway.key_of(&presented)?;
    let body = request_body::read(&head.headers, body, app.gateway.body_bytes_max()).await?;
    let wanted: Wanted<'_> = serde_json::from_slice(&body).map_err(|error| {
        let message = format!(
            "This is no job: {error}. A job is {{\"endpoint\": \"/v1/chat/completions\", \"body\": {{…}}}}, with `webhook`, `metadata` and `max_attempts` if wanted."
        );
        Problem::new(Code::InvalidRequest, message)
    })?;
    let JobEndpoint { surface, mut address } = JobEndpoint::parse(&wanted.endpoint)?;
    address.leave_hosted_tools_out = Audience::of(&head.headers) == Audience::Codex;
    let refuse = |code| move |message: String| Problem::new(code, message);
    let claims = headers::claims(&head.headers).map_err(refuse(Code::InvalidRequest))?;
    let passing = headers::passing(surface, &head.headers).map_err(refuse(Code::UnknownField))?;
    let once = match head.headers.get("idempotency-key") {
        None => None,
        Some(value) => {
            let text =
                value.to_str().map_err(|_| refuse(Code::InvalidRequest)("Idempotency-Key is not text.".to_owned()));
            Some(text?.to_owned())
        }
    };
    let incoming = Incoming {
        surface,
        address,
        presented,
        on_behalf: None,
        claims,
        trace_id: headers::trace_id(&head.headers),
        pass_headers: passing.headers,
        dropped: passing.dropped,
        stop: None,
        body: Bytes::copy_from_slice(wanted.body.get().as_bytes()),
        arrived: Instant::now(),
    };
    let job = NewJob {
        endpoint: wanted.endpoint,
        incoming,
        metadata: wanted.metadata,
        webhook: wanted.webhook.map(|webhook| webhook.url),
        max_attempts: wanted.max_attempts,
        once,
    };
    app.gateway.submit_job(job).await
}

#[derive(Deserialize)]
pub(crate) struct Page {
    after: Option<String>,
    limit: Option<usize>,
    status: Option<String>,
}

pub(crate) async fn list(State(app): State<App>, Query(page): Query<Page>, head: HeaderMap) -> Response {
    let page = JobPage { after: page.after, limit: page.limit, status: page.status };
    let jobs = match owner(&app, &head) {
        Ok(owner) => app.gateway.jobs(&owner, &page).await,
        Err(problem) => Err(problem),
    };
    shown(&app, &head, jobs)
}

pub(crate) async fn show(State(app): State<App>, Path(id): Path<String>, head: HeaderMap) -> Response {
    let job = match owner(&app, &head) {
        Ok(owner) => app.gateway.job(&owner, &id).await,
        Err(problem) => Err(problem),
    };
    shown(&app, &head, job)
}

pub(crate) async fn cancel(State(app): State<App>, Path(id): Path<String>, head: HeaderMap) -> Response {
    let job = match owner(&app, &head) {
        Ok(owner) => app.gateway.cancel_job(&owner, &id).await,
        Err(problem) => Err(problem),
    };
    shown(&app, &head, job)
}

pub(crate) async fn forget(State(app): State<App>, Path(id): Path<String>, head: HeaderMap) -> Response {
    let gone = match owner(&app, &head) {
        Ok(owner) => app.gateway.forget_job(&owner, &id).await,
        Err(problem) => Err(problem),
    };
    shown(&app, &head, gone.map(|()| json!({"id": id, "object": "job", "deleted": true})))
}

pub(crate) async fn result(State(app): State<App>, Path(id): Path<String>, head: HeaderMap) -> Response {
    let result = match owner(&app, &head) {
        Ok(owner) => app.gateway.job_result(&owner, &id).await,
        Err(problem) => Err(problem),
    };
    match result {
        Ok(body) => {
            let mut response = Response::new(Body::from(body));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(problem) => chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head)),
    }
}

pub(crate) async fn webhook_secret(State(app): State<App>, head: HeaderMap) -> Response {
    let secret = app.gateway.job_webhook_secret(&headers::presented(&head));
    shown(&app, &head, secret.map(|secret| json!({"object": "webhook_secret", "secret": secret.reveal()})))
}

fn shown(app: &App, head: &HeaderMap, shown: Result<Value, Problem>) -> Response {
    match shown {
        Ok(value) => Json(value).into_response(),
        Err(problem) => chat_problem(&problem, &notes_without_a_journey(&app.gateway, head)),
    }
}
