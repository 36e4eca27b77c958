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
use http::{Method, Request};

/// `{model}:{verb}`. A model's name may hold slashes, and colons: the last one counts.
pub(crate) async fn generate(State(app): State<App>, Path(rest): Path<String>, request: Request<Body>) -> Response {
    let Some((model, stream)) = asked(&rest) else {
        return errors::nothing_there(&app, request.uri(), request.headers());
    };
    let query = request.uri().query().unwrap_or_default();
    let array = stream && !query.split('&').any(|pair| pair == "alt=sse");
    let address = Address { model: Some(model.to_owned()), stream, ..Address::default() };
    ask(&app, Surface::GenerateContent { array }, address, request).await
}

/// The model, and whether a stream is asked for. `None` for other verbs.
fn asked(rest: &str) -> Option<(&str, bool)> {
    let (model, verb) = rest.rsplit_once(':')?;
    let stream = match verb {
        "generateContent" => false,
        "streamGenerateContent" => true,
        _ => return None,
    };
    Some((model.strip_prefix("models/").unwrap_or(model), stream))
}

/// What no route is for: the AI SDK leaves `models/` out before a model whose name has a slash, as
/// `provider/model` has.
pub(crate) async fn or_nothing(State(app): State<App>, request: Request<Body>) -> Response {
    let path = request.uri().path();
    let below = ["/google", ""].iter().find_map(|prefix| path.strip_prefix(prefix));
    let rest = below.and_then(|path| path.strip_prefix("/v1beta/").or_else(|| path.strip_prefix("/v1/")));
    match rest.filter(|rest| request.method() == Method::POST && asked(rest).is_some()) {
        Some(rest) => generate(State(app), Path(rest.to_owned()), request).await,
        None => errors::nothing_there(&app, request.uri(), request.headers()),
    }
}
