//! `/openapi.json` and `/docs`: the API document, and a page that shows it without any other host.

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const PAGE: &str = include_str!("docs.html");

static POLICY: LazyLock<String> = LazyLock::new(|| policy(PAGE));

static DOCUMENT: LazyLock<String> = LazyLock::new(|| crate::openapi::document().to_string());

pub(crate) async fn openapi() -> Response {
    let mut response = Response::new(Body::from(DOCUMENT.as_str()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(crate) async fn page() -> Response {
    let mut response = Response::new(Body::from(PAGE));
    let head = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        head.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The page is all there is: its one script and its one style run because their hashes are named,
/// and nothing is loaded from elsewhere.
fn policy(page: &str) -> String {
    let hash = |tag| {
        let inside = between(page, &format!("<{tag}>"), &format!("</{tag}>")).unwrap_or_default();
        format!("'sha256-{}'", STANDARD.encode(Sha256::digest(inside)))
    };
    format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        hash("script"),
        hash("style")
    )
}

fn between<'p>(page: &'p str, start: &str, end: &str) -> Option<&'p str> {
    page.split_once(start)?.1.split_once(end).map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_script_and_one_style_and_no_other_code() {
        for tag in ["script", "style"] {
            assert_eq!(PAGE.matches(&format!("<{tag}")).count(), 1, "{tag}");
            assert!(between(PAGE, &format!("<{tag}>"), &format!("</{tag}>")).is_some_and(|inside| !inside.is_empty()));
        }
        let body = PAGE.split_once("</style>").expect("a style").1.split_once("<script>").expect("a script").0;
        assert!(!body.contains("style=") && !body.contains(" on"), "inline code would not run: {body}");
        assert!(!POLICY.contains("unsafe"), "{}", *POLICY);
    }

    #[test]
    fn the_hash_is_that_of_the_standard() {
        // printf 'a' | openssl dgst -sha256 -binary | base64
        let policy = policy("<style>a</style><script>a</script>");
        assert!(policy.contains("script-src 'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=';"), "{policy}");
    }
}
