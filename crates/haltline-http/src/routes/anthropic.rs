//! `POST /v1/messages` and `/v1/messages/count_tokens`.

use super::ask::{ask, name_request, read};
use super::notes_without_a_journey;
use crate::router::App;
use crate::{headers, problem};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use haltline_gateway::Surface;
use haltline_wire::client::Address;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Request};

pub(crate) async fn messages(State(app): State<App>, request: Request<Body>) -> Response {
    ask(&app, Surface::Messages, Address::default(), request).await
}

/// Counts: no journey, and nothing is spent.
pub(crate) async fn count_tokens(State(app): State<App>, request: Request<Body>) -> Response {
    let surface = Surface::CountTokens;
    let notes = notes_without_a_journey(&app.gateway, request.headers());
    let (incoming, audience) = match read(&app, surface, Address::default(), request).await {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let count = match app.gateway.count_tokens(incoming).await {
        Ok(count) => count,
        Err(problem) => return problem::answer(surface, audience, &problem, &notes),
    };
    let mut response = Response::new(Body::from(count.body));
    let head = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers::write_notes(head, &notes);
    name_request(surface, head);
    if count.estimated {
        head.insert(HeaderName::from_static("x-haltline-estimated"), HeaderValue::from_static("true"));
    }
    response
}
