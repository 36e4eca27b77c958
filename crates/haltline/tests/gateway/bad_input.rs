//! Bad input: a clear 4xx each, and a gateway that goes on.

use crate::setup::{Setup, ask, code};
use haltline_testkit::FakeConfig;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\n";

#[tokio::test(flavor = "multi_thread")]
async fn bad_bodies_get_a_clear_400() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let nested = format!("{{\"model\":\"chat\",\"messages\":{}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let many: Vec<_> = (0..10_000).map(|_| json!({"role": "user", "content": "x"})).collect();
    let many = json!({"model": "chat", "messages": many}).to_string();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", Vec::new(), "invalid_request"),
        ("no JSON", b"{".to_vec(), "invalid_request"),
        ("no object", b"[1]".to_vec(), "invalid_request"),
        ("NUL bytes", b"{\"model\":\"chat\0\",\"messages\":[]}".to_vec(), "invalid_request"),
        ("not UTF-8", b"{\"model\":\"ch\xff\",\"messages\":[]}".to_vec(), "invalid_request"),
        ("deep", nested.into_bytes(), "invalid_request"),
        (
            "two models",
            br#"{"model":"chat","messages":[{"role":"user","content":"x"}],"model":"dear"}"#.to_vec(),
            "invalid_request",
        ),
        (
            "two models, one in disguise",
            br#"{"model":"chat","messages":[{"role":"user","content":"x"}],"mod\u0065l":"dear"}"#.to_vec(),
            "invalid_request",
        ),
        (
            "negative cap",
            br#"{"model":"chat","max_tokens":-1,"messages":[{"role":"user","content":"x"}]}"#.to_vec(),
            "invalid_request",
        ),
        (
            "zero cap",
            br#"{"model":"chat","max_tokens":0,"messages":[{"role":"user","content":"x"}]}"#.to_vec(),
            "invalid_request",
        ),
        (
            "fractional cap",
            br#"{"model":"chat","max_tokens":1.5,"messages":[{"role":"user","content":"x"}]}"#.to_vec(),
            "invalid_request",
        ),
        (
            "unknown field",
            br#"{"model":"chat","x_new":1,"messages":[{"role":"user","content":"x"}]}"#.to_vec(),
            "unknown_field",
        ),
        (
            "hidden cost",
            br#"{"model":"chat","web_search_options":{},"messages":[{"role":"user","content":"x"}]}"#.to_vec(),
            "invalid_request",
        ),
        ("no messages", br#"{"model":"chat","messages":[]}"#.to_vec(), "invalid_request"),
        ("ten thousand messages", many.into_bytes(), "invalid_request"),
    ];
    for (what, body, expected) in cases {
        let answer = setup.post_bytes(body).send().await.expect(what);
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (400, expected), "{what}: {:?}", answer.body);
        let message = answer.json().expect("json")["error"]["message"].as_str().map(str::len);
        assert!(message.is_some_and(|length| length > 10), "{what}");
        assert_eq!(answer.header("x-should-retry"), Some("false"), "{what}");
    }
    assert_eq!(setup.provider.calls().chat, 0);
    assert_eq!(setup.post(&ask("still there?")).send().await.expect("answer").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_models_are_named_and_the_nearest_is_offered() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let mut body = ask("hello");
    body["model"] = json!("chta");
    let answer = setup.post(&body).send().await.expect("answer");
    assert_eq!((answer.status.as_u16(), code(&answer)), (404, "unknown_model".to_owned()));
    assert!(String::from_utf8_lossy(&answer.body).contains("Did you mean `chat`"), "{:?}", answer.body);
    body["model"] = json!("fake/unpriced");
    let answer = setup.post(&body).send().await.expect("answer");
    assert_eq!((answer.status.as_u16(), code(&answer)), (400, "unpriced_model".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_a_hundred_megabytes_is_refused_without_being_read() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let origin = setup.gateway.origin();
    let secret = setup.secret.clone();
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(origin.trim_start_matches("http://")).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\ncontent-length: 104857600\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("head");
        let mut first = [0_u8; 512];
        let length = stream.read(&mut first).expect("answer");
        String::from_utf8_lossy(&first[..length]).into_owned()
    })
    .await
    .expect("client");
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(setup.post(&ask("still there?")).send().await.expect("answer").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn header_floods_and_slow_clients_are_shown_the_door() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let address = setup.gateway.origin().trim_start_matches("http://").to_owned();
    let flood_address = address.clone();
    let flood = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(flood_address).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
        let mut head = "GET /v1/models HTTP/1.1\r\nhost: x\r\n".to_owned();
        for number in 0..5000 {
            head.push_str(&format!("x-flood-{number}: {number}\r\n"));
        }
        head.push_str("\r\n");
        // The other side may hang up while we still write.
        let written = stream.write_all(head.as_bytes());
        let mut first = [0_u8; 64];
        let length = stream.read(&mut first).unwrap_or(0);
        (written.is_ok(), String::from_utf8_lossy(&first[..length]).into_owned())
    });
    let slow = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("timeout");
        stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow: ").expect("half a head");
        let began = Instant::now();
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        (began.elapsed(), ended.is_ok())
    });
    let (_, answer) = flood.await.expect("flood");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let (waited, closed) = slow.await.expect("slow");
    assert!(closed && waited < Duration::from_secs(20), "a slow-loris client was kept for {waited:?}");
    assert_eq!(setup.post(&ask("still there?")).send().await.expect("answer").status, 200);
}
