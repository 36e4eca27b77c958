//! What bounds a connection and a request before anybody looks at it.

use crate::setup::{Setup, ask};
use axum::Router;
use axum::routing::get;
use haltline_http::{Plain, ServerBounds, serve};
use haltline_testkit::FakeConfig;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\n";

/// Sends bytes, reads until the other side closes or an answer is whole, and says how long it took.
async fn talk(address: SocketAddr, bytes: String) -> (String, Duration) {
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("timeout");
        stream.write_all(bytes.as_bytes()).expect("sent");
        let began = Instant::now();
        let mut first = [0_u8; 4096];
        let length = stream.read(&mut first).expect("an answer");
        (String::from_utf8_lossy(&first[..length]).into_owned(), began.elapsed())
    })
    .await
    .expect("client")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_too_long_is_refused_whoever_asks() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    for path in ["/v1/models", "/docs", "/admin/v1/keys", "/nothing/here"] {
        let head = format!("GET {path}?x={} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(9_000));
        let (answer, _) = talk(setup.gateway.address(), head).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("8192 bytes"), "{path}: {answer}");
    }
    let head = format!("GET /v1/models?x={} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000));
    let (answer, _) = talk(setup.gateway.address(), head).await;
    // Bytes that nobody reads any more may take the answer with them.
    assert!(["", "HTTP/1.1 414", "HTTP/1.1 431"].contains(&answer.get(..12).unwrap_or("")), "{answer}");
    assert_eq!(setup.post(&ask("still there?")).send().await.expect("answer").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_dawdles_is_not_waited_for_and_a_strangers_not_at_all() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let head = |key: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: 100\r\n\r\n{{"
        )
    };
    let (stranger, waited) = talk(setup.gateway.address(), head("hl-live-nobody")).await;
    assert!(stranger.starts_with("HTTP/1.1 401") && waited < Duration::from_secs(3), "{waited:?} {stranger}");
    let (known, waited) = talk(setup.gateway.address(), head(&setup.secret)).await;
    assert!(known.starts_with("HTTP/1.1 400") && known.contains("did not arrive in time"), "{known}");
    assert!((Duration::from_secs(5)..Duration::from_secs(20)).contains(&waited), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_so_many_connections_and_no_more() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let bounds = ServerBounds { per_loopback: 2, ..ServerBounds::default() };
    let router = Router::new().route("/", get(|| async { "here" }));
    tokio::spawn(serve(listener, Plain, router, bounds, CancellationToken::new()));
    let open = || async move {
        tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).expect("connect");
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
            stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
            let mut first = [0_u8; 1024];
            let length = stream.read(&mut first).unwrap_or(0);
            (stream, String::from_utf8_lossy(&first[..length]).into_owned())
        })
        .await
        .expect("client")
    };
    let (first, answer) = open().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_second, answer) = open().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Unread bytes of a refused request may cut its answer short; what never comes is a 200.
    let (_third, answer) = open().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 503"), "{answer}");
    drop(first);
    for _ in 0..100 {
        if open().await.1.starts_with("HTTP/1.1 200") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place was not given back");
}
