//! Other sites' pages: what browsers let them do, and what the gateway lets browsers do for them.

use super::browser::{Browser, OTHER_PAGE, PAGE, call, grant};
use super::start;
use crate::setup::code;
use http::Method;
use serde_json::json;

const EVIL: &str = "https://evil.example";

#[tokio::test]
async fn who_may_ask_from_where() {
    let setup = start("").await;
    // (method, path, is it a preflight, origin, may the page read it, with cookies)
    let rows = [
        (Method::GET, "/v1/models", false, PAGE, true, false),
        (Method::GET, "/v1/models", false, OTHER_PAGE, true, false),
        (Method::GET, "/v1/models", false, EVIL, false, false),
        (Method::GET, "/v1/models", false, "null", false, false),
        (Method::GET, "/v1/models", false, "https://app.example.com.evil.example", false, false),
        (Method::GET, "/v1/models", false, "http://app.example.com", false, false),
        (Method::GET, "/v1/models", false, "https://app.example.com:8443", false, false),
        (Method::GET, "/v1/models", false, "https://APP.example.com", false, false),
        (Method::OPTIONS, "/v1/chat/completions", true, PAGE, true, false),
        (Method::OPTIONS, "/api/chat", true, PAGE, true, false),
        (Method::OPTIONS, "/v1/auth/refresh", true, PAGE, true, true),
        (Method::POST, "/v1/auth/refresh", false, PAGE, true, true),
        (Method::OPTIONS, "/v1/auth/refresh", true, EVIL, false, false),
        (Method::POST, "/v1/auth/refresh", false, EVIL, false, false),
        (Method::OPTIONS, "/admin/v1/keys", true, PAGE, false, false),
        (Method::GET, "/admin/v1/keys", false, PAGE, false, false),
        (Method::GET, "/nowhere", false, PAGE, true, false),
    ];
    for (method, path, is_preflight, origin, may_read, with_cookies) in rows {
        let what = format!("{method} {path} from {origin}");
        let asked = call(&setup, method, path).header("origin", origin);
        let asked = if is_preflight {
            let asked = asked.header("access-control-request-method", "POST");
            asked.header("access-control-request-headers", "authorization,content-type,x-haltline-csrf,cookie")
        } else {
            asked
        };
        let answer = asked.send().await.expect("answer");
        let head = |name: &str| answer.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
        let allowed = head("access-control-allow-origin");
        assert_eq!(allowed.as_deref(), may_read.then_some(origin), "{what}");
        assert_eq!(head("access-control-allow-credentials").as_deref(), with_cookies.then_some("true"), "{what}");
        let is_admin = path.starts_with("/admin");
        let varies = answer.headers.get_all("vary").iter().any(|vary| vary == "Origin");
        assert_eq!(varies, !is_admin, "{what}");
        if is_preflight && may_read {
            assert_eq!(answer.status, 204, "{what}");
            let names = head("access-control-allow-headers").expect("some");
            assert_eq!(names, "authorization, content-type, x-haltline-csrf", "{what}");
            assert!(head("access-control-max-age").is_some(), "{what}");
        }
        if !is_preflight && may_read {
            assert!(head("access-control-expose-headers").expect("some").contains("x-haltline-stream-id"), "{what}");
        }
    }
}

/// What a request has besides the cookie: its name here, origin, csrf, Fetch Metadata.
type Row<'a> = (&'a str, Option<&'a str>, Option<&'a str>, &'a [(&'a str, &'a str)]);

#[tokio::test]
async fn a_cookie_alone_does_nothing() {
    let setup = start("").await;
    let page = Browser::signed_in(&setup, "alice").await;
    let cookie = page.cookie.clone().expect("cookie");
    let csrf = page.csrf.as_str();
    let rows: [Row<'_>; 12] = [
        ("nothing", None, None, &[]),
        ("no origin", None, Some(csrf), &[]),
        ("no csrf", Some(PAGE), None, &[]),
        ("a wrong csrf", Some(PAGE), Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), &[]),
        ("an empty csrf", Some(PAGE), Some(""), &[]),
        ("another origin", Some(EVIL), Some(csrf), &[]),
        ("no site", Some("null"), Some(csrf), &[]),
        ("another listed page", Some(OTHER_PAGE), Some(csrf), &[]),
        ("a form", Some(PAGE), Some(csrf), &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-site")]),
        ("an image", Some(PAGE), Some(csrf), &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")]),
        ("the address bar", Some(PAGE), Some(csrf), &[("sec-fetch-site", "none")]),
        ("another site without an origin", None, Some(csrf), &[("sec-fetch-site", "cross-site")]),
    ];
    for (what, origin, csrf, more) in rows {
        for path in ["/v1/auth/refresh", "/v1/auth/logout"] {
            let mut asked = call(&setup, Method::POST, path).header("cookie", &cookie);
            for (name, value) in [("origin", origin), ("x-haltline-csrf", csrf)] {
                asked = value.map_or(asked.clone(), |value| asked.header(name, value));
            }
            for (name, value) in more {
                asked = asked.header(name, value);
            }
            let answer = asked.send().await.expect("answer");
            // Another page has another cookie, so there it is nobody's.
            let is_nobodys = what == "another listed page";
            let usual = match (is_nobodys, path) {
                (false, _) => (403, "csrf"),
                (true, "/v1/auth/logout") => (204, ""),
                (true, _) => (401, "key_invalid"),
            };
            assert_eq!((answer.status.as_u16(), code(&answer).as_str()), usual, "{what} {path}");
            let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
            assert!(is_nobodys || cookies.is_empty(), "{what} {path}");
        }
    }
    // None of that has changed anything.
    assert_eq!(page.chat(&setup).await.status, 200);
    assert_eq!(page.clone().refresh(&setup).await.status, 200);
}

#[tokio::test]
async fn nobody_is_signed_in_by_another_site() {
    let setup = start("").await;
    let granted = grant(&setup, &json!({"user": "mallory"})).await;
    let body = json!({"code": granted["code"]});
    let enter = |origin: Option<&'static str>, kind: &'static str| {
        let asked = call(&setup, Method::POST, "/v1/auth/session").header("content-type", kind).body(body.to_string());
        let asked = origin.map_or(asked.clone(), |origin| asked.header("origin", origin));
        async move { asked.send().await.expect("answer") }
    };
    for (origin, kind) in [
        (None, "application/json"),
        (Some(EVIL), "application/json"),
        (Some(PAGE), "text/plain"),
        (Some(PAGE), "application/x-www-form-urlencoded"),
    ] {
        let answer = enter(origin, kind).await;
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (403, "csrf"), "{origin:?} {kind}");
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    assert_eq!(enter(Some(PAGE), "application/json; charset=utf-8").await.status, 200, "the code was not used up");
}

#[tokio::test]
async fn a_cookie_that_another_host_of_the_domain_sets_is_not_believed() {
    let setup = start("").await;
    let (alice, mallory) = (Browser::signed_in(&setup, "alice").await, Browser::signed_in(&setup, "mallory").await);
    let both = format!("{}; {}", mallory.cookie.clone().expect("cookie"), alice.cookie.clone().expect("cookie"));
    let mut tossed = Browser { cookie: Some(both), ..alice.clone() };
    let answer = tossed.refresh(&setup).await;
    assert_eq!(answer.json().expect("json")["user"], "alice");
    let mut replaced = Browser { cookie: mallory.cookie.clone(), ..alice };
    assert_eq!(code(&replaced.refresh(&setup).await), "csrf");
}

#[tokio::test]
async fn a_sign_in_for_one_page_is_refused_to_another() {
    let setup = start("").await;
    let granted = grant(&setup, &json!({"user": "alice", "origin": OTHER_PAGE})).await;
    let refused = Browser::default().enter(&setup, &granted["code"]).await;
    assert_eq!(code(&refused), "csrf");
    let token = granted["token"].as_str().expect("token");
    let models = |origin: Option<&'static str>| {
        let asked = call(&setup, Method::GET, "/v1/models").bearer(token);
        let asked = origin.map_or(asked.clone(), |origin| asked.header("origin", origin));
        async move { asked.send().await.expect("answer") }
    };
    assert_eq!(models(Some(OTHER_PAGE)).await.status, 200);
    assert_eq!(code(&models(Some(PAGE)).await), "csrf");
    assert_eq!(models(None).await.status, 200);
}

#[tokio::test]
async fn on_a_development_machine_the_cookie_may_do_without_https() {
    let setup = start("insecure_cookies_on_loopback = true\nsame_site = \"lax\"").await;
    let granted = grant(&setup, &json!({"user": "alice"})).await;
    let local = Browser::default().enter(&setup, &granted["code"]).await;
    let set = local.headers["set-cookie"].to_str().expect("text").to_owned();
    assert!(set.starts_with("haltline-refresh-") && !set.contains("Secure") && set.contains("SameSite=Lax"), "{set}");
}
