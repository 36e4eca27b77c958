//! `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`: the verb is a part
//! of the last path segment, which no router splits.

use super::ask::ask;
use super::errors;
use crate::router::App;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use haltline_gateway::Surface;
use haltline_wire::client::Address;
use http::Request;

/// `{model}:{verb}`. A model's name may hold slashes, and colons: the last one counts.
pub(crate) async fn generate(State(app): State<App>, Path(rest): Path<String>, request: Request<Body>) -> Response {
    let Some((model, verb)) = rest.rsplit_once(':') else {
        return errors::not_found(State(app), request.uri().clone(), request.headers().clone()).await;
    };
    let stream = match verb {
        "generateContent" => false,
        "streamGenerateContent" => true,
        _ => return errors::not_found(State(app), request.uri().clone(), request.headers().clone()).await,
    };
    let query = request.uri().query().unwrap_or_default();
    let array = stream && !query.split('&').any(|pair| pair == "alt=sse");
    let address = Address { model: Some(model.to_owned()), stream, ..Address::default() };
    ask(&app, Surface::GenerateContent { array }, address, request).await
}
