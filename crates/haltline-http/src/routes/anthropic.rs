//! `POST /v1/messages` and `/v1/messages/count_tokens`.

use super::ask::ask;
use crate::router::App;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use haltline_gateway::Surface;
use haltline_wire::client::Address;
use http::Request;

pub(crate) async fn messages(State(app): State<App>, request: Request<Body>) -> Response {
    ask(&app, Surface::Messages, Address::default(), request).await
}

pub(crate) async fn count_tokens(State(app): State<App>, request: Request<Body>) -> Response {
    ask(&app, Surface::CountTokens, Address::default(), request).await
}
