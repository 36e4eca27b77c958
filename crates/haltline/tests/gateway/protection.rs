//! What every answer tells a browser: all routes of the API document, below every base, with and
//! without a key, and what is answered where there is no route.

use crate::setup::Setup;
use haltline_testkit::FakeConfig;
use haltline_testkit::http_client::{Answer, Call};
use http::Method;
use serde_json::Value;

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\n";
/// On what a browser may show.
const PAGE: [&str; 6] = [
    "content-security-policy",
    "x-frame-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "permissions-policy",
    "x-content-type-options",
];

fn check(what: &str, answer: &Answer) -> bool {
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
    assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{what}");
    let cache = answer.header("cache-control").unwrap_or_default();
    assert!(["no-store", "no-cache"].contains(&cache), "{what}: cache-control is `{cache}`");
    assert_eq!(answer.header("strict-transport-security"), None, "{what}: HSTS in the clear means nothing");
    let kind = answer.header("content-type").unwrap_or_default().to_owned();
    let is_page = kind.starts_with("text/") && !kind.starts_with("text/event-stream");
    if is_page {
        for name in PAGE {
            assert!(answer.header(name).is_some(), "{what} ({kind}) has no {name}");
        }
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{what}: {policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{what}: {policy}");
    } else {
        assert!(
            kind.is_empty()
                || kind.contains("json")
                || kind.starts_with("text/event-stream")
                || kind.contains("openmetrics"),
            "{what}: is `{kind}` a page?"
        );
    }
    is_page
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_tells_browsers_what_they_may_do() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let document = setup.get("/openapi.json").send().await.expect("the document").json().expect("JSON");
    let mut routes: Vec<(Method, String)> = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let path = path.replace("{code}", "internal");
        let path =
            path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
        for method in item.as_object().expect("methods").keys() {
            let method: Method = method.to_uppercase().parse().expect("a method");
            // The same routes stand below the other bases.
            if let Some(rest) = path.strip_prefix("/v1/") {
                for base in ["", "/v1beta", "/openai/v1", "/openai", "/anthropic/v1", "/anthropic", "/google/v1"] {
                    routes.push((method.clone(), format!("{base}/{rest}")));
                }
            }
            routes.push((method, path.clone()));
        }
    }
    assert!(routes.len() > 200, "only {} routes", routes.len());
    for path in ["/", "/nothing", "/admin/v1/nothing", "/errors/no_such_code", "/v1/chat/completions", "/docs/x"] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT] {
            routes.push((method, path.to_owned()));
        }
    }
    let (mut pages, mut seen) = (0_usize, 0_usize);
    for (method, path) in &routes {
        for key in ["", setup.secret.as_str()] {
            let mut call = Call::new(method.clone(), format!("{}{path}", setup.gateway.origin()));
            if !key.is_empty() {
                call = call.bearer(key);
            }
            let answer = call.body("{}").send().await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
            pages += usize::from(check(&format!("{method} {path} {}", answer.status), &answer));
            seen += 1;
        }
    }
    assert!(pages > 5 && seen > 400, "{pages} pages of {seen} answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_hold_secrets_or_conversations_are_not_stored() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let answer = setup.post(&crate::setup::ask("hello")).send().await.expect("answer");
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")));
    for path in ["/v1/jobs/webhook-secret", "/v1/sessions", "/v1/jobs", "/v1/models", "/metrics"] {
        let answer = setup.get(path).send().await.expect(path);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    let docs = setup.get("/docs").send().await.expect("docs");
    let policy = docs.header("content-security-policy").expect("a policy").to_owned();
    assert!(policy.contains("script-src 'sha256-") && policy.contains("style-src 'sha256-"), "{policy}");
    let _: Value = setup.get("/openapi.json").send().await.expect("document").json().expect("JSON");
}
