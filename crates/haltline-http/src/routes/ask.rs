//! Asking a model, in whatever dialect: the one handler behind all surfaces.

use super::notes_without_a_journey;
use crate::problem::{self, Audience};
use crate::router::App;
use crate::stream_body::{Numbers, StreamBody};
use crate::{headers, request_body};
use axum::body::Body;
use axum::response::Response;
use haltline_gateway::{Delivery, Incoming, Problem, Surface};
use haltline_types::Code;
use haltline_wire::client::Address;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio::time::Instant;

/// Reads the request, sends it down the line, and answers in the surface's dialect.
pub(crate) async fn ask(app: &App, surface: Surface, address: Address, request: Request<Body>) -> Response {
    let numbers = Numbers::wanted(request.headers());
    match read(app, surface, address, request).await {
        Ok((incoming, audience)) => answer(surface, audience, app.gateway.submit(incoming).await, numbers),
        Err(refused) => *refused,
    }
}

/// Reads the request, or says why it is refused.
pub(crate) async fn read(
    app: &App,
    surface: Surface,
    mut address: Address,
    request: Request<Body>,
) -> Result<(Incoming, Audience), Box<Response>> {
    let (head, body) = request.into_parts();
    let audience = Audience::of(&head.headers);
    address.leave_hosted_tools_out = audience == Audience::Codex;
    let refuse = |problem: &Problem| {
        let notes = notes_without_a_journey(&app.gateway, &head.headers);
        Box::new(problem::answer(surface, audience, problem, &notes))
    };
    // Google's clients may put the key into the address.
    let mut presented = headers::presented(&head.headers);
    if presented.credential.is_none() {
        presented.credential = headers::key_in_query(surface, head.uri.query());
    }
    app.gateway.may_read_body(surface, &presented).map_err(|problem| refuse(&problem))?;
    let claims =
        headers::claims(&head.headers).map_err(|message| refuse(&Problem::new(Code::InvalidRequest, message)))?;
    let passing = headers::passing(surface, &head.headers)
        .map_err(|message| refuse(&Problem::new(Code::UnknownField, message)))?;
    let body = request_body::read(&head.headers, body, app.gateway.body_bytes_max()).await;
    let body = body.map_err(|problem| refuse(&problem))?;
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
        body,
        arrived: Instant::now(),
    };
    Ok((incoming, audience))
}

/// The answer as HTTP.
pub(crate) fn answer(surface: Surface, audience: Audience, delivery: Delivery, numbers: Numbers) -> Response {
    match delivery {
        Delivery::Problem { notes, problem } => problem::answer(surface, audience, &problem, &notes),
        Delivery::Whole { notes, body } => {
            let mut response = Response::new(Body::from(body));
            let head = response.headers_mut();
            head.reserve(12);
            head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers::write_notes(head, &notes);
            name_request(surface, head);
            response
        }
        Delivery::Stream { notes, watcher } => {
            let mut head = HeaderMap::with_capacity(14);
            let array = surface == (Surface::GenerateContent { array: true }) && numbers == Numbers::OfDialect;
            let kind = if array { "application/json; charset=utf-8" } else { "text/event-stream; charset=utf-8" };
            head.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            head.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            head.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
            if surface == Surface::UiStream {
                let name = HeaderName::from_static("x-vercel-ai-ui-message-stream");
                head.insert(name, HeaderValue::from_static("v1"));
            }
            headers::write_notes(&mut head, &notes);
            name_request(surface, &mut head);
            headers::put(&mut head, HeaderName::from_static("x-haltline-stream-id"), &notes.request_id.to_string());
            let mut response = Response::new(Body::new(StreamBody::new(surface, watcher, notes, numbers)));
            *response.headers_mut() = head;
            response
        }
    }
}

/// Anthropic's SDKs look for the request's id under another name.
pub(crate) fn name_request(surface: Surface, head: &mut HeaderMap) {
    if matches!(surface, Surface::Messages | Surface::CountTokens)
        && let Some(id) = head.get("x-request-id").cloned()
    {
        head.insert(HeaderName::from_static("request-id"), id);
    }
}
