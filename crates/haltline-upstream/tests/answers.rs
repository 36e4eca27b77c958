//! What goes out with a request, and which answers are passed on.

use crate::support::{
    BODY, Frozen, Server, ask, attempt, call, call_with, config, heard, next, ok, permit, read, read_request, send,
    write,
};
use haltline_ports::Upstream;
use haltline_types::{Billing, FaultKind};
use haltline_upstream::{ApiKey, HttpConfig, HttpUpstream};
use http::HeaderValue;
use http::header::{HeaderName, TRANSFER_ENCODING};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Answers everything with `text`.
async fn saying(text: &'static str) -> Server {
    Server::start(move |mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            write(&mut stream, text).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_request_goes_out_as_the_dialect_wants_it() {
    let (told, mut requests) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let told = told.clone();
        async move {
            while let Some(request) = read_request(&mut stream).await {
                told.send(request).expect("a test that listens");
                write(&mut stream, &ok("{}")).await;
            }
        }
    })
    .await;
    let upstream = server.upstream();
    let mut asked = call();
    for (name, value) in [
        ("openai-beta", "x=1"),
        ("authorization", "Bearer of the client"),
        ("content-length", "1"),
        ("connection", "upgrade"),
        ("host", "elsewhere"),
        ("cookie", "a=b"),
    ] {
        asked.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    asked.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    read(upstream.call(permit(attempt(7)), asked).await.expect("an answer")).await.expect("its body");
    let request = heard(&mut requests).await;
    let mut lines: Vec<&str> = request.head.trim_end().lines().collect();
    assert_eq!(lines.remove(0), "POST /v1/chat/completions HTTP/1.1");
    lines.sort_unstable();
    let mut expected = [
        "accept: application/json".to_owned(),
        "accept-encoding: identity".to_owned(),
        "authorization: Bearer sk-test".to_owned(),
        format!("content-length: {}", BODY.len()),
        "content-type: application/json".to_owned(),
        format!("host: 127.0.0.1:{}", server.port),
        "openai-beta: x=1".to_owned(),
        "user-agent: haltline/0.1.0".to_owned(),
        format!("x-client-request-id: {}", attempt(7)),
    ];
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert_eq!(request.body, BODY.as_bytes());

    ask(&upstream, call_with(BODY, true)).await.expect("an answer");
    assert!(heard(&mut requests).await.head.contains("\r\naccept: text/event-stream\r\n"));

    let keyless = HttpConfig { keys: Vec::new(), ..config(&server.url()) };
    let upstream = HttpUpstream::new(keyless, Arc::new(Frozen)).expect("a usable configuration");
    ask(&upstream, call()).await.expect("an answer");
    assert!(!heard(&mut requests).await.head.contains("authorization"));
}

#[tokio::test]
async fn a_success_passes_whatever_its_content_type() {
    let server =
        saying("HTTP/1.1 201 Created\r\ncontent-type: text/html\r\nx-request-id: abc\r\ncontent-length: 2\r\n\r\nhi")
            .await;
    let answer = send(&server.upstream(), call()).await.expect("an answer");
    assert_eq!(answer.status, 201);
    assert_eq!(answer.headers["x-request-id"], "abc");
    assert_eq!(read(answer).await.expect("its body"), "hi");
}

#[tokio::test]
async fn informational_heads_are_skipped() {
    let server =
        saying("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    assert_eq!(ask(&server.upstream(), call()).await.expect("an answer"), "hi");
}

#[tokio::test]
async fn an_error_is_judged_and_its_connection_kept() {
    let server = saying(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\ncontent-length: 68\r\n\r\n\
         {\"error\":{\"message\":\"slow\",\"type\":\"x\",\"code\":\"rate_limit_exceeded\"}}",
    )
    .await;
    let upstream = server.upstream();
    for _ in 0..3 {
        let fault = send(&upstream, call()).await.expect_err("a rejection");
        assert_eq!((fault.kind, fault.billing, fault.status), (FaultKind::RateLimited, Billing::Rejected, Some(429)));
        assert_eq!(fault.retry.after, Some(Duration::from_secs(3)));
        assert_eq!(fault.provider_code.as_deref(), Some("rate_limit_exceeded"));
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_key_that_a_provider_repeats_is_not_handed_on() {
    let server =
        saying("HTTP/1.1 400 Bad Request\r\ncontent-length: 50\r\n\r\n{\"error\":{\"message\":\"no such key: 0123456789ab\"}} ")
            .await;
    let keys = vec![ApiKey::new("another-key"), ApiKey::new("0123456789ab")];
    let upstream = HttpUpstream::new(HttpConfig { keys, ..config(&server.url()) }, Arc::new(Frozen)).expect("keys");
    let fault = send(&upstream, call()).await.expect_err("a rejection");
    assert_eq!(fault.detail, "no such key: …");
}

#[tokio::test]
async fn a_server_error_may_have_cost_money() {
    let server = saying("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n").await;
    let fault = send(&server.upstream(), call()).await.expect_err("an error");
    assert_eq!((fault.kind, fault.billing, fault.status), (FaultKind::ServerError, Billing::Unknown, Some(500)));
}

#[tokio::test]
async fn redirects_upgrades_and_compressed_answers_are_not_passed_on() {
    for text in [
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx",
    ] {
        let server = saying(text).await;
        let fault = send(&server.upstream(), call()).await.expect_err(text);
        assert_eq!((fault.kind, fault.billing), (FaultKind::Malformed, Billing::Unknown), "{text}: {fault}");
        assert!(fault.status.is_some(), "{text}");
    }
    let plain = saying("HTTP/1.1 200 OK\r\ncontent-encoding: Identity\r\ncontent-length: 2\r\n\r\nhi").await;
    assert_eq!(ask(&plain.upstream(), call()).await.expect("an answer"), "hi");
}

#[tokio::test]
async fn an_endless_error_is_cut_off() {
    let (told, mut word) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let told = told.clone();
        async move {
            read_request(&mut stream).await.expect("a whole request");
            write(&mut stream, "HTTP/1.1 429 Too Many Requests\r\ncontent-type: text/plain\r\n\r\n").await;
            let piece = vec![b'x'; 8192];
            while tokio::io::AsyncWriteExt::write_all(&mut stream, &piece).await.is_ok() {}
            told.send(()).expect("a test that listens");
        }
    })
    .await;
    let begun = Instant::now();
    let fault = send(&server.upstream(), call()).await.expect_err("an error");
    assert!(begun.elapsed() < Duration::from_secs(4), "it is its size that ends it, not time");
    assert_eq!(
        (fault.kind, fault.billing),
        (FaultKind::RateLimited, Billing::Unknown),
        "not well-formed, so not released"
    );
    assert!(fault.detail.len() < 2000, "{}", fault.detail.len());
    heard(&mut word).await;
}

#[tokio::test]
async fn a_stalled_error_is_judged_by_what_came() {
    let (told, mut word) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let told = told.clone();
        async move {
            read_request(&mut stream).await.expect("a whole request");
            write(&mut stream, "HTTP/1.1 401 Unauthorized\r\ncontent-length: 100\r\n\r\n{\"error\":").await;
            told.send(()).expect("a test that listens");
            std::future::pending::<()>().await;
        }
    })
    .await;
    let upstream = server.upstream();
    let mut failing = std::pin::pin!(send(&upstream, call()));
    tokio::select! {
        answer = &mut failing => panic!("too early: {answer:?}"),
        () = heard(&mut word) => {}
    }
    tokio::time::pause();
    let fault = failing.await.expect_err("an error");
    assert_eq!((fault.kind, fault.status, fault.billing), (FaultKind::Auth, Some(401), Billing::Unknown));
    assert_eq!(upstream.pool_stats().open, 0);
}

#[tokio::test]
async fn a_slow_head_is_waited_for() {
    let (go, mut gone) = mpsc::unbounded_channel::<()>();
    let gone_once = std::sync::Mutex::new(Some(async move { gone.recv().await }));
    let server = Server::start(move |mut stream, _| {
        let go = gone_once.lock().expect("no panic").take().expect("one connection");
        async move {
            read_request(&mut stream).await.expect("a whole request");
            write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-").await;
            go.await;
            write(&mut stream, "length: 4\r\n\r\nlate").await;
        }
    })
    .await;
    let upstream = server.upstream();
    let mut slow = std::pin::pin!(send(&upstream, call()));
    for _ in 0..100 {
        tokio::select! {
            biased;
            answer = &mut slow => panic!("too early: {answer:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    go.send(()).expect("a server that waits");
    let mut answer = slow.await.expect("an answer");
    assert_eq!(next(&mut answer).await.expect("a body").expect("no fault"), "late");
}
