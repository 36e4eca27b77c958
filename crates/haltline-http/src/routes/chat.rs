//! `POST /v1/chat/completions`.

use super::notes_without_a_journey;
use crate::problem::chat_problem;
use crate::router::App;
use crate::stream_body::StreamBody;
use crate::{headers, request_body};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use haltline_gateway::{Delivery, Incoming, Problem, Surface};
use haltline_types::Code;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request};
use tokio::time::Instant;

pub(crate) async fn completions(State(app): State<App>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let key = headers::presented_key(&head.headers);
    let refuse = |problem: &Problem| chat_problem(problem, &notes_without_a_journey(&app.gateway, &head.headers));
    if let Err(problem) = app.gateway.may_read_body(key.as_deref()) {
        return refuse(&problem);
    }
    let claims = match headers::claims(&head.headers) {
        Ok(claims) => claims,
        Err(message) => return refuse(&Problem::new(Code::InvalidRequest, message)),
    };
    let pass_headers = match headers::passing(&head.headers) {
        Ok(pass_headers) => pass_headers,
        Err(message) => return refuse(&Problem::new(Code::UnknownField, message)),
    };
    let body = match request_body::read(&head.headers, body, app.gateway.body_bytes_max()).await {
        Ok(body) => body,
        Err(problem) => return refuse(&problem),
    };
    let delivery = app
        .gateway
        .submit(Incoming {
            surface: Surface::ChatCompletions,
            address: haltline_wire::client::Address::default(),
            key,
            claims,
            trace_id: headers::trace_id(&head.headers),
            pass_headers,
            body,
            arrived: Instant::now(),
        })
        .await;
    answer(delivery)
}

fn answer(delivery: Delivery) -> Response {
    match delivery {
        Delivery::Problem { notes, problem } => chat_problem(&problem, &notes),
        Delivery::Whole { notes, body } => {
            let mut response = Response::new(Body::from(body));
            let head = response.headers_mut();
            head.reserve(12);
            head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers::write_notes(head, &notes);
            response
        }
        Delivery::Stream { notes, pieces } => {
            let mut head = http::HeaderMap::with_capacity(12);
            head.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
            head.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            head.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
            headers::write_notes(&mut head, &notes);
            headers::put(&mut head, HeaderName::from_static("x-haltline-stream-id"), &notes.request_id.to_string());
            let mut response = Response::new(Body::new(StreamBody::new(pieces, notes)));
            *response.headers_mut() = head;
            response
        }
    }
}
