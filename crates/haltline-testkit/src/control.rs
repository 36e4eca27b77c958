//! The paths of the fake provider: what providers have, and the control API for other processes:
//! `POST /__control`, `GET /__bill`, `GET /__calls`, `POST /__reset`;
//! and `GET /readyz` for whoever waits.

use crate::bill::CutBilling;
use crate::body::AnswerBody;
use crate::provider::{Seen, Shared};
use crate::script::Script;
use crate::serve;
use crate::socket::ResetSwitch;
use haltline_types::Tokens;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io;

/// What `POST /__control` changes; what is left out stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Control {
    script: Option<Script>,
    tokens: Option<u64>,
    cut_billing: Option<CutBilling>,
}

/// Answers one request. An error closes the connection.
pub(crate) async fn route(
    shared: &Shared,
    request: Request<Incoming>,
    reset: &ResetSwitch,
) -> io::Result<Response<AnswerBody>> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let chat = head.method == Method::POST && without_version(&path) == "/chat/completions";
    // In flight from its head on: a body that never ends keeps a provider busy as well.
    let visit = chat.then(|| shared.book.arrive());
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    if !path.starts_with("/__") {
        shared.note(Seen { path: path.clone(), headers: head.headers.clone(), body: body.clone() });
    }
    if let Some(visit) = visit {
        return serve::chat(shared, visit, &head.headers, &body, reset).await;
    }
    Ok(match (&head.method, path.as_str()) {
        (&Method::GET, path) if without_version(path) == "/models" => {
            shared.book.count_models();
            let list: Vec<_> = shared.config.models.iter().map(|id| json!({"id": id, "object": "model"})).collect();
            document(&json!({"object": "list", "data": list}))
        }
        (&Method::POST, "/__control") => match serde_json::from_slice::<Control>(&body) {
            Ok(control) => {
                shared.change(control.script, |rules| {
                    rules.tokens = control.tokens.map_or(rules.tokens, Tokens::new);
                    rules.cut_billing = control.cut_billing.unwrap_or(rules.cut_billing);
                });
                document(&json!({"ok": true}))
            }
            Err(error) => serve::error(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        (&Method::GET, "/readyz") => document(&json!({"ready": true})),
        (&Method::GET, "/__bill") => document(&shared.book.bill()),
        (&Method::GET, "/__calls") => document(&shared.book.calls()),
        (&Method::POST, "/__reset") => {
            shared.reset();
            document(&json!({"ok": true}))
        }
        _ => {
            shared.book.count_unknown();
            serve::error(StatusCode::NOT_FOUND, "There is no such path.")
        }
    })
}

fn without_version(path: &str) -> &str {
    path.strip_prefix("/v1").unwrap_or(path)
}

fn document(value: &impl Serialize) -> Response<AnswerBody> {
    match serde_json::to_vec(value) {
        Ok(bytes) => {
            let mut response = Response::new(AnswerBody::whole(bytes));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => serve::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
