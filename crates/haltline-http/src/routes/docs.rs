//! `/openapi.json` and `/docs`: the API document, and a page that shows it without any other host.

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use std::sync::LazyLock;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| crate::openapi::document().to_string());

pub(crate) async fn openapi() -> Response {
    let mut response = Response::new(Body::from(DOCUMENT.as_str()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(crate) async fn page() -> Response {
    let mut response = Response::new(Body::from(include_str!("docs.html")));
    let head = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // The page is all there is: nothing is loaded from elsewhere.
    let policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'";
    head.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}
