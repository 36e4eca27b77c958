//! What every answer tells a browser, in one table, and what no address may be. Whatever a browser
//! may show as a page gets all of it; answers to programs get what keeps them from being taken for
//! pages. A route that has its own value for a header keeps it.

use crate::problem::chat_problem;
use crate::router::App;
use crate::routes::notes_without_a_journey;
use crate::server::Peer;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use haltline_gateway::Problem;
use haltline_types::Code;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The longest address of a request, in bytes. Google's clients put a key there, others an id.
const ADDRESS_BYTES: usize = 8 * 1024;

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// On every answer. Answers may hold conversations, secrets and amounts, so none is stored
/// unless its route says otherwise.
static EVERY: [(HeaderName, &str); 3] =
    [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (RESOURCE_POLICY, "same-origin"), (CACHE_CONTROL, "no-store")];

/// On what a browser may show as a page, too.
static PAGE: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (OPENER_POLICY, "same-origin"),
    (
        PERMISSIONS_POLICY,
        "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
         magnetometer=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), screen-wake-lock=(), usb=()",
    ),
];

/// On every answer over TLS: a year in which a browser asks this host by https only.
static TLS: [(HeaderName, &str); 1] = [(STRICT_TRANSPORT_SECURITY, "max-age=31536000")];

/// Refuses an address that is too long, and adds to the answer what browsers must know.
pub(crate) async fn protect(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_tls = request.extensions().get::<Peer>().is_some_and(|peer| peer.is_tls);
    let mut response = if address_bytes(&request) > ADDRESS_BYTES {
        let message =
            format!("The address of the request is longer than {ADDRESS_BYTES} bytes; send long things in the body.");
        let problem = Problem::new(Code::InvalidRequest, message);
        chat_problem(&problem, &notes_without_a_journey(&app.gateway, request.headers()))
    } else {
        next.run(request).await
    };
    tell(response.headers_mut(), is_tls);
    response
}

fn address_bytes(request: &Request) -> usize {
    request.uri().path_and_query().map_or(0, |address| address.as_str().len())
}

fn tell(head: &mut HeaderMap, is_tls: bool) {
    let page = if is_page(head) { PAGE.as_slice() } else { &[] };
    let tls = if is_tls { TLS.as_slice() } else { &[] };
    for (name, value) in EVERY.iter().chain(page).chain(tls) {
        head.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Text of any kind but a stream of events. What has no type is none: `nosniff` stands beside it.
fn is_page(head: &HeaderMap) -> bool {
    let kind = head.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (kind.starts_with("text/") && kind != "text/event-stream") || kind.ends_with("html+xml") || kind == "image/svg+xml"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: &'static str, is_tls: bool) -> HeaderMap {
        let mut head = HeaderMap::new();
        head.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        tell(&mut head, is_tls);
        head
    }

    #[test]
    fn pages_get_everything_and_programs_what_concerns_them() {
        for kind in
            ["text/html; charset=utf-8", "Text/Markdown", "text/plain", "image/svg+xml", "application/xhtml+xml"]
        {
            let head = told(kind, false);
            assert!(EVERY.iter().chain(&PAGE).all(|(name, value)| head[name] == *value), "{kind}");
        }
        for kind in ["application/json", "text/event-stream; charset=utf-8", "application/problem+json"] {
            let head = told(kind, false);
            assert!(EVERY.iter().all(|(name, value)| head[name] == *value), "{kind}");
            assert!(PAGE.iter().all(|(name, _)| !head.contains_key(name)), "{kind}");
        }
    }

    #[test]
    fn https_is_asked_for_only_where_it_is_spoken_and_a_route_keeps_its_own() {
        assert!(!told("application/json", false).contains_key(STRICT_TRANSPORT_SECURITY));
        assert!(told("application/json", true).contains_key(STRICT_TRANSPORT_SECURITY));
        let mut head = HeaderMap::new();
        head.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        tell(&mut head, false);
        assert_eq!(head[CACHE_CONTROL], "no-cache");
    }
}
