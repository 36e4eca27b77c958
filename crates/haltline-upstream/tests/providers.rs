//! What is particular about each provider, as it goes over the wire; keys and their rests; what an
//! answer says about the allowance that is left.

use crate::support::{BODY, Frozen, Received, Server, ask, call, config, heard, ok, read, read_request, send, write};
use haltline_ports::{Call, Clock, Upstream};
use haltline_types::{Billing, FaultClass, FaultKind};
use haltline_upstream::{ApiKey, HttpConfig, HttpUpstream, Provider};
use http::HeaderValue;
use http::header::HeaderName;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Answers every request with what `answer` makes of its head, and tells what came.
async fn telling(answer: fn(&str) -> String) -> (Server, mpsc::UnboundedReceiver<Received>) {
    let (told, requests) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let told = told.clone();
        async move {
            while let Some(request) = read_request(&mut stream).await {
                let text = answer(&request.head);
                told.send(request).expect("a test that listens");
                write(&mut stream, &text).await;
            }
        }
    })
    .await;
    (server, requests)
}

fn made(config: HttpConfig) -> HttpUpstream {
    HttpUpstream::new(config, Arc::new(Frozen)).expect("a usable configuration")
}

fn header<'a>(request: &'a Received, name: &str) -> Option<&'a str> {
    request.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// All that a client may try.
const FROM_CLIENT: [(&str, &str); 14] = [
    ("authorization", "Bearer theirs"),
    ("x-api-key", "theirs"),
    ("api-key", "theirs"),
    ("x-goog-api-key", "theirs"),
    ("x-goog-api-client", "genai-py"),
    ("x-goog-user-project", "theirs"),
    ("openai-beta", "assistants=v2"),
    ("openai-organization", "theirs"),
    ("anthropic-beta", "a,b"),
    ("anthropic-version", "2026-10-21"),
    ("http-referer", "https://theirs.test"),
    ("x-title", "theirs"),
    ("cookie", "a=b"),
    ("x-stainless-os", "theirs"),
];

#[tokio::test]
async fn each_provider_gets_its_own_credentials_and_only_its_own_headers() {
    let (server, mut requests) = telling(|_| ok("{}")).await;
    let bearer = Some(("authorization", "Bearer k1"));
    let gemini = "/models/gemini-2.5-flash:streamGenerateContent?alt=sse";
    for (provider, target, on_the_wire, credential, passed) in [
        (Provider::OpenAi, "/chat/completions", "/v1/chat/completions", bearer, &["openai-beta"][..]),
        (Provider::Compatible, "/chat/completions", "/v1/chat/completions", bearer, &["openai-beta"]),
        (Provider::OpenRouter, "/chat/completions", "/v1/chat/completions", bearer, &[]),
        (Provider::Mistral, "/chat/completions", "/v1/chat/completions", bearer, &[]),
        (
            Provider::Anthropic,
            "/messages?beta=true",
            "/v1/messages?beta=true",
            Some(("x-api-key", "k1")),
            &["anthropic-beta", "anthropic-version"],
        ),
        (
            Provider::Google,
            gemini,
            "/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
            Some(("x-goog-api-key", "k1")),
            &["x-goog-api-client"],
        ),
        (
            Provider::Azure { api_version: Some("2024-10-21".to_owned()) },
            "/openai/deployments/d/chat/completions",
            "/v1/openai/deployments/d/chat/completions?api-version=2024-10-21",
            Some(("api-key", "k1")),
            &[],
        ),
        (Provider::Local, "/chat/completions", "/v1/chat/completions", None, &[]),
    ] {
        let keys = if provider == Provider::Local { Vec::new() } else { vec![ApiKey::new("k1")] };
        let upstream = made(HttpConfig { provider: provider.clone(), keys, ..config(&server.url()) });
        let mut asked = call();
        asked.target = target.to_owned();
        for (name, value) in FROM_CLIENT {
            asked.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        ask(&upstream, asked).await.expect("an answer");
        let request = heard(&mut requests).await;
        assert_eq!(request.head.lines().next(), Some(&*format!("POST {on_the_wire} HTTP/1.1")), "{provider:?}");
        for (name, value) in FROM_CLIENT {
            let expected = match credential {
                Some((own, key)) if own == name => Some(key),
                _ if passed.contains(&name) => Some(value),
                _ => None,
            };
            assert_eq!(header(&request, name), expected, "{provider:?} {name}");
        }
        assert_eq!(request.body, BODY.as_bytes());
    }
}

#[tokio::test]
async fn anthropic_is_told_a_version_when_the_client_names_none() {
    let (server, mut requests) = telling(|_| ok("{}")).await;
    let upstream = made(HttpConfig { provider: Provider::Anthropic, ..config(&server.url()) });
    ask(&upstream, call()).await.expect("an answer");
    assert_eq!(header(&heard(&mut requests).await, "anthropic-version"), Some("2023-06-01"));
}

#[tokio::test]
async fn fixed_headers_are_the_operators() {
    let (server, mut requests) = telling(|_| ok("{}")).await;
    let headers = vec![("HTTP-Referer".to_owned(), "https://ours.test".to_owned())];
    let provider = Provider::OpenRouter;
    let upstream = made(HttpConfig { provider, headers, ..config(&server.url()) });
    let mut asked = call();
    asked.headers.insert("http-referer", HeaderValue::from_static("https://theirs.test"));
    ask(&upstream, asked).await.expect("an answer");
    assert_eq!(header(&heard(&mut requests).await, "http-referer"), Some("https://ours.test"));
}

#[test]
fn what_cannot_be_configured_is_refused() {
    let usual = || config("http://127.0.0.1:1");
    for wrong in [
        HttpConfig { keys: vec![ApiKey { weight: 0, ..ApiKey::new("k") }], ..usual() },
        HttpConfig { keys: vec![ApiKey::new("k\n")], ..usual() },
        HttpConfig { provider: Provider::Local, ..usual() },
        HttpConfig { headers: vec![("Authorization".to_owned(), "Bearer x".to_owned())], ..usual() },
        HttpConfig { headers: vec![("x y".to_owned(), "z".to_owned())], ..usual() },
        HttpConfig { headers: vec![("x".to_owned(), "a\r\nb".to_owned())], ..usual() },
        HttpConfig { provider: Provider::Azure { api_version: Some("1&key=2".to_owned()) }, ..usual() },
    ] {
        let shown = format!("{wrong:?}");
        assert!(HttpUpstream::new(wrong, Arc::new(Frozen)).is_err(), "{shown}");
    }
}

#[tokio::test]
async fn a_target_that_leads_elsewhere_is_not_sent() {
    let (server, _requests) = telling(|_| ok("{}")).await;
    let upstream = made(config(&server.url()));
    for target in
        ["", "chat", "//../admin", "/models/../../admin", "/a/%2E%2e/b", "/a b", "/a#b", "/a\r\nx: y", "/a\\..\\b"]
    {
        let mut asked = call();
        asked.target = target.to_owned();
        let fault = send(&upstream, asked).await.expect_err(target);
        assert_eq!((fault.kind, fault.billing), (FaultKind::InvalidRequest, Billing::NotSent), "{target}: {fault}");
    }
    assert_eq!(server.accepted(), 0);
}

fn two_keys(server: &Server) -> HttpUpstream {
    made(HttpConfig { keys: vec![ApiKey::new("k1"), ApiKey::new("k2")], ..config(&server.url()) })
}

#[tokio::test]
async fn keys_take_turns_and_a_session_stays_with_one() {
    let (server, mut requests) = telling(|_| ok("{}")).await;
    let upstream = two_keys(&server);
    let mut used = Vec::new();
    for _ in 0..4 {
        ask(&upstream, call()).await.expect("an answer");
        used.push(header(&heard(&mut requests).await, "authorization").expect("a key").to_owned());
    }
    assert_eq!(used, ["Bearer k1", "Bearer k2", "Bearer k1", "Bearer k2"]);
    let mut sessions = Vec::new();
    for session in 0..16 {
        let mut of_session = Vec::new();
        for _ in 0..3 {
            ask(&upstream, haltline_ports::Call { affinity: Some(session), ..call() }).await.expect("an answer");
            of_session.push(header(&heard(&mut requests).await, "authorization").expect("a key").to_owned());
        }
        of_session.dedup();
        assert_eq!(of_session.len(), 1, "session {session}");
        sessions.extend(of_session);
    }
    assert!(sessions.contains(&"Bearer k1".to_owned()) && sessions.contains(&"Bearer k2".to_owned()));
}

fn refusing_k1(head: &str) -> String {
    if head.contains("Bearer k1") {
        let body = r#"{"error":{"message":"m","type":"x","code":"invalid_api_key"}}"#;
        format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    } else {
        ok("{}")
    }
}

#[tokio::test]
async fn a_key_that_is_not_accepted_rests_while_another_works() {
    let (server, _requests) = telling(refusing_k1).await;
    let upstream = two_keys(&server);
    let fault = send(&upstream, call()).await.expect_err("the first key");
    assert_eq!((fault.kind, fault.class), (FaultKind::Auth, FaultClass::Retryable));
    assert_eq!(fault.billing, Billing::Rejected);
    for _ in 0..5 {
        ask(&upstream, call()).await.expect("the second key");
    }
    let lonely = made(HttpConfig { keys: vec![ApiKey::new("k1")], ..config(&server.url()) });
    for _ in 0..2 {
        let fault = send(&lonely, call()).await.expect_err("the only key");
        assert_eq!((fault.kind, fault.class), (FaultKind::Auth, FaultClass::OperatorActionable));
    }
}

fn nothing_left(head: &str) -> String {
    let reset = if head.contains("Bearer k2") { "2s" } else { "6s" };
    format!(
        "HTTP/1.1 200 OK\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: {reset}\r\n\
         content-length: 2\r\n\r\n{{}}"
    )
}

#[tokio::test]
async fn an_answer_that_leaves_nothing_says_until_when() {
    let (server, _requests) = telling(nothing_left).await;
    let after = |seconds| Some(Frozen.now().saturating_add(Duration::from_secs(seconds)));
    let single = made(config(&server.url()));
    assert_eq!(send(&single, call()).await.expect("an answer").exhausted_until, after(6));
    let keyless = made(HttpConfig { keys: Vec::new(), ..config(&server.url()) });
    assert_eq!(send(&keyless, call()).await.expect("an answer").exhausted_until, after(6));
    let double = two_keys(&server);
    assert_eq!(send(&double, call()).await.expect("an answer").exhausted_until, None, "the other key is free");
    assert_eq!(send(&double, call()).await.expect("an answer").exhausted_until, after(2), "the first to be free");
}

#[tokio::test]
async fn a_limited_answer_without_advice_is_read_by_its_allowance() {
    let (server, _requests) = telling(|_| {
        let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#;
        format!(
            "HTTP/1.1 429 Too Many Requests\r\nanthropic-ratelimit-tokens-remaining: 0\r\n\
             anthropic-ratelimit-tokens-reset: 2026-11-24T00:00:12Z\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    })
    .await;
    let upstream = made(HttpConfig { provider: Provider::Anthropic, ..config(&server.url()) });
    let fault = send(&upstream, call()).await.expect_err("a limit");
    assert_eq!((fault.kind, fault.billing), (FaultKind::RateLimited, Billing::Rejected));
    assert_eq!(fault.retry.after, Some(Duration::from_secs(12)));
}

#[tokio::test]
async fn a_head_without_end_is_no_answer() {
    for line in ["x-a: ".to_owned() + &"b".repeat(100_000), "x-a: b\r\n".repeat(300)] {
        let server = Server::start(move |mut stream, _| {
            let line = line.clone();
            async move {
                read_request(&mut stream).await.expect("a whole request");
                write(&mut stream, &format!("HTTP/1.1 200 OK\r\n{line}\r\ncontent-length: 2\r\n\r\n{{}}")).await;
            }
        })
        .await;
        let fault = send(&server.upstream(), call()).await.expect_err("too much");
        assert_eq!((fault.kind, fault.billing), (FaultKind::Malformed, Billing::Unknown), "{fault}");
    }
}

#[tokio::test]
async fn a_compressed_error_is_judged_by_its_status_alone() {
    let (server, _requests) = telling(|_| {
        "HTTP/1.1 429 Too Many Requests\r\ncontent-encoding: gzip\r\nretry-after: 3\r\ncontent-length: 4\r\n\r\nzzzz"
            .to_owned()
    })
    .await;
    let fault = send(&server.upstream(), call()).await.expect_err("a limit");
    assert_eq!((fault.kind, fault.billing), (FaultKind::RateLimited, Billing::Unknown));
    assert_eq!(fault.retry.after, Some(Duration::from_secs(3)));
    assert!(!fault.detail.contains("zzzz"), "{fault}");
}

#[tokio::test]
async fn a_count_goes_to_the_address_that_is_free_and_to_no_other() {
    let (server, mut requests) = telling(|_| ok(r#"{"input_tokens":9}"#)).await;
    let anthropic =
        HttpConfig { provider: Provider::Anthropic, keys: vec![ApiKey::new("k1")], ..config(&server.url()) };
    let upstream = made(anthropic);
    for target in ["/messages", "/messages?x=/messages/count_tokens", "/chat/completions"] {
        let fault = upstream.count(Call { target: target.to_owned(), ..call() }).await.expect_err(target);
        assert_eq!((fault.kind, fault.billing), (FaultKind::InvalidRequest, Billing::NotSent), "{target}");
    }
    assert_eq!(server.accepted(), 0);
    let target = "/messages/count_tokens".to_owned();
    let answer = upstream.count(Call { target, ..call() }).await.expect("an answer");
    assert_eq!(read(answer).await.expect("a body"), r#"{"input_tokens":9}"#);
    let request = heard(&mut requests).await;
    assert!(request.head.starts_with("POST /v1/messages/count_tokens HTTP/1.1"), "{}", request.head);
    assert_eq!(header(&request, "x-api-key"), Some("k1"));
    assert_eq!(header(&request, "x-client-request-id"), None, "no attempt is made");
}

#[tokio::test]
async fn a_limit_on_counts_teaches_the_keys_nothing() {
    let (server, _requests) = telling(|head| {
        let limited = "HTTP/1.1 429 -\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n";
        if head.contains("count_tokens") { limited.to_owned() } else { ok("{}") }
    })
    .await;
    let keys = vec![ApiKey::new("k1")];
    let upstream = made(HttpConfig { provider: Provider::Anthropic, keys, ..config(&server.url()) });
    let count = upstream.count(Call { target: "/messages/count_tokens".to_owned(), ..call() }).await;
    assert_eq!(count.expect_err("limited").kind, FaultKind::RateLimited);
    let answer = send(&upstream, Call { target: "/messages".to_owned(), ..call() }).await.expect("an answer");
    assert_eq!(answer.exhausted_until, None);
}
