//! Cross-origin requests: which pages may call, as the Fetch standard has it. The list is exact: no
//! wildcard, and nothing at all where no browser can sign in. The operator's API has none.

use crate::router::App;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// What browsers may ask with.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
/// For a browser to remember a preflight, in seconds. Chromium remembers none for more than two hours.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
/// What scripts may read of an answer.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, request-id, traceparent, retry-after, x-should-retry, age, location, \
     x-haltline-attempts, x-haltline-provider, x-haltline-model, x-haltline-cost, x-haltline-max-tokens-lowered, \
     x-haltline-degraded, x-haltline-overhead-ms, x-haltline-dropped, x-haltline-cache, x-haltline-replayed, \
     x-haltline-stream-id, x-haltline-guard, x-vercel-ai-ui-message-stream, ratelimit, ratelimit-policy, \
     x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, \
     x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens",
);
/// What scripts may send, besides what begins like `ALLOWED_BEGINNINGS`.
const ALLOWED: [&str; 16] = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "last-event-id",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "anthropic-version",
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    "openai-beta",
    "x-goog-api-client",
];
const ALLOWED_BEGINNINGS: [&str; 2] = ["x-haltline-", "x-stainless-"];
/// Names of one preflight that are looked at.
const NAMES_MAX: usize = 64;

/// What the lists say of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Page {
    Listed,
    Other,
}

/// Answers preflights, and says of other answers which page may read them.
pub(crate) async fn cors(State(app): State<App>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let listed = app.gateway.with_browser_rules(|rules| {
        rules.map(|rules| {
            let text = origin.as_ref().and_then(|origin| origin.to_str().ok());
            if text.is_some_and(|text| rules.origins.iter().any(|known| known == text)) {
                Page::Listed
            } else {
                Page::Other
            }
        })
    });
    let path = request.uri().path();
    let Some(page) = listed.filter(|_| !path.starts_with("/admin/")) else { return next.run(request).await };
    let takes_cookies = path.starts_with("/v1/auth/");
    let is_preflight = request.method() == Method::OPTIONS
        && origin.is_some()
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight { preflight(request.headers(), page) } else { next.run(request).await };
    let head = response.headers_mut();
    head.append(VARY, HeaderValue::from_static("Origin"));
    if let (Page::Listed, Some(origin)) = (page, origin) {
        head.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if takes_cookies {
            head.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if !is_preflight {
            head.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
    response
}

fn preflight(asked: &HeaderMap, page: Page) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = if page == Page::Listed { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN };
    let head = response.headers_mut();
    head.append(VARY, HeaderValue::from_static("Access-Control-Request-Method, Access-Control-Request-Headers"));
    if page == Page::Other {
        return response;
    }
    head.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    head.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    let wanted = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let allowed: Vec<&str> = wanted.split(',').map(str::trim).take(NAMES_MAX).filter(|name| is_allowed(name)).collect();
    if let Ok(allowed) = HeaderValue::from_str(&allowed.join(", "))
        && !allowed.is_empty()
    {
        head.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    response
}

fn is_allowed(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ALLOWED.contains(&name.as_str()) || ALLOWED_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preflight_is_told_only_what_it_asked_for_and_may_send() {
        let mut asked = HeaderMap::new();
        let names = "Authorization, content-type, x-haltline-session, cookie, x-forwarded-for";
        asked.insert(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static(names));
        let told = preflight(&asked, Page::Listed);
        assert_eq!(told.status(), StatusCode::NO_CONTENT);
        assert_eq!(
            told.headers().get(ACCESS_CONTROL_ALLOW_HEADERS).expect("some"),
            "Authorization, content-type, x-haltline-session"
        );
        let refused = preflight(&asked, Page::Other);
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        assert!(refused.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
    }
}
