//! Answers every request with the problem that its path names, in the words of the dialect that
//! the rest of the path belongs to, and counts the requests: what vendors' clients make of our
//! errors is tested against it. Prints its address, and runs until it is ended.
//!
//! `POST /{client}/{code}/v1/messages` … · `GET /counts`

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use haltline_gateway::{Notes, Problem, Surface};
use haltline_http::{Plain, ServerBounds, problem_response, serve};
use haltline_types::{Code, RequestId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

type Counts = Arc<Mutex<BTreeMap<String, u32>>>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let counts = Counts::default();
    let router = Router::new().route("/counts", get(show)).fallback(refuse).with_state(counts);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("ready http://{}", listener.local_addr()?);
    serve(listener, Plain, router, ServerBounds::default(), CancellationToken::new()).await
}

async fn show(State(counts): State<Counts>) -> Response {
    axum::Json(counts.lock().unwrap_or_else(PoisonError::into_inner).clone()).into_response()
}

async fn refuse(State(counts): State<Counts>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    // Every client counts apart.
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    let (client, word, rest) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Some(code) = Code::from_word(word) else {
        return (http::StatusCode::NOT_FOUND, "no such code").into_response();
    };
    *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(format!("{client}/{word}")).or_default() += 1;
    let surface = match rest {
        rest if rest.ends_with("/responses") => Surface::Responses,
        rest if rest.ends_with("/messages") => Surface::Messages,
        rest if rest.contains("enerateContent") => Surface::GenerateContent { array: false },
        rest if rest.contains("api/chat") => Surface::UiStream,
        _ => Surface::ChatCompletions,
    };
    let problem = Problem::new(code, format!("Haltline says {word}."));
    let problem = if problem.should_retry() { problem.retry_after(Duration::from_secs(1)) } else { problem };
    let notes = Notes::new(RequestId::from_parts(1, 1), "4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
    problem_response(surface, request.headers(), &problem, &notes)
}
