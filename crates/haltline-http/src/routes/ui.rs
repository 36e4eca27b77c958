//! `POST /api/chat`: the AI SDK's UI message stream, for `useChat`.

use super::ask::ask;
use crate::router::App;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use haltline_gateway::Surface;
use haltline_wire::client::Address;
use http::Request;

pub(crate) async fn chat(State(app): State<App>, request: Request<Body>) -> Response {
    ask(&app, Surface::UiStream, Address { stream: true, ..Address::default() }, request).await
}
