//! `POST /v1/chat/completions`, `/v1/responses`, `/v1/embeddings`.

use super::ask::ask;
use crate::router::App;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use haltline_gateway::Surface;
use haltline_wire::client::Address;
use http::Request;

pub(crate) async fn chat(State(app): State<App>, request: Request<Body>) -> Response {
    ask(&app, Surface::ChatCompletions, Address::default(), request).await
}

pub(crate) async fn responses(State(app): State<App>, request: Request<Body>) -> Response {
    ask(&app, Surface::Responses, Address::default(), request).await
}

pub(crate) async fn embeddings(State(app): State<App>, request: Request<Body>) -> Response {
    ask(&app, Surface::Embeddings, Address::default(), request).await
}
