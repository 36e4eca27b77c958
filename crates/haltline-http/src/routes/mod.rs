//! One file a route.

pub(crate) mod anthropic;
pub(crate) mod ask;
pub(crate) mod auth;
pub(crate) mod cache;
pub(crate) mod docs;
pub(crate) mod errors;
pub(crate) mod generation;
pub(crate) mod google;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod metrics;
pub(crate) mod models;
pub(crate) mod openai;
pub(crate) mod responses;
pub(crate) mod sessions;
pub(crate) mod streams;
pub(crate) mod timeline;
pub(crate) mod ui;

use crate::headers;
use crate::router::App;
use haltline_gateway::{Gateway, Notes, Problem};
use haltline_ports::Owner;
use haltline_types::{Code, RequestId};
use http::HeaderMap;

/// Notes for an answer that never went down the line.
pub(crate) fn notes_without_a_journey(gateway: &Gateway, head: &HeaderMap) -> Notes {
    let mut random = [0_u8; 16];
    if getrandom::fill(&mut random).is_err() {
        tracing::warn!("the system has no randomness; request ids of refused requests may repeat");
    }
    let random = u128::from_le_bytes(random);
    let millis = u64::try_from(gateway.clock().now().as_millis()).unwrap_or(0);
    let trace_id = headers::trace_id(head).unwrap_or_else(|| format!("{random:032x}"));
    Notes::new(RequestId::from_parts(millis, random), trace_id)
}

/// Whose things a request without a body is about.
pub(crate) fn owner(app: &App, head: &HeaderMap) -> Result<Owner, Problem> {
    let claims = headers::claims(head).map_err(|message| Problem::new(Code::InvalidRequest, message))?;
    app.gateway.owner(&headers::presented(head), &claims)
}
