//! What breaks between us and a provider, and whether that can have cost money.

use crate::support::{
    STREAM_HEAD, Server, ask, attempt, call, call_with, chunk, heard, next, ok, permit, read_request, send,
    upstream_at, write,
};
use haltline_ports::Upstream;
use haltline_types::{Billing, Fault, FaultKind, Origin};
use haltline_upstream::PoolSettings;
use socket2::SockRef;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

fn judged(fault: &Fault) -> (FaultKind, Origin, Billing) {
    (fault.kind, fault.origin, fault.billing)
}

const NOT_SENT: (FaultKind, Origin, Billing) = (FaultKind::ConnectFailed, Origin::Network, Billing::NotSent);
const LOST: (FaultKind, Origin, Billing) = (FaultKind::ConnectionLost, Origin::Network, Billing::Unknown);

#[tokio::test]
async fn a_refused_connection_costs_nothing_and_says_where() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("an address").port()
    };
    let upstream = upstream_at(&format!("http://127.0.0.1:{port}"), PoolSettings::default());
    let fault = send(&upstream, call()).await.expect_err("nobody listens");
    assert_eq!(judged(&fault), NOT_SENT);
    assert!(fault.detail.contains(&format!("127.0.0.1:{port}")), "{fault}");
    assert_eq!(upstream.pool_stats().open, 0);
}

#[tokio::test]
async fn an_unknown_host_costs_nothing() {
    let upstream = upstream_at("http://no-such-host.invalid", PoolSettings::default());
    assert_eq!(judged(&send(&upstream, call()).await.expect_err("no such host")), NOT_SENT);
}

#[tokio::test]
async fn a_handshake_that_hangs_is_given_up() {
    let server = Server::start(|stream, _| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let pool = PoolSettings { connect_timeout: Duration::from_millis(50), ..PoolSettings::default() };
    let upstream = upstream_at(&format!("https://127.0.0.1:{}", server.port), pool);
    let fault = send(&upstream, call()).await.expect_err("no handshake");
    assert_eq!(judged(&fault), NOT_SENT);
    assert_eq!(upstream.pool_stats().open, 0);
}

#[tokio::test]
async fn a_server_that_closes_after_accepting_is_never_taken_for_an_answer() {
    let server = Server::start(|stream, _| async move { drop(stream) }).await;
    let upstream = server.upstream();
    for _ in 0..100 {
        let fault = send(&upstream, call()).await.expect_err("no answer");
        // Which of the two it is depends on who was faster; both are true when they are said.
        assert!([NOT_SENT, LOST].contains(&judged(&fault)), "{fault:?}");
    }
    assert_eq!(upstream.pool_stats().open, 0);
}

#[tokio::test]
async fn a_reset_after_the_request_was_written_may_have_cost_money() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await.expect("a whole request");
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("linger");
    })
    .await;
    let upstream = server.upstream();
    assert_eq!(judged(&send(&upstream, call()).await.expect_err("a reset")), LOST);
    assert_eq!(server.accepted(), 1, "a request that was written is not repeated");
}

#[tokio::test]
async fn a_close_after_the_request_was_written_may_have_cost_money() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await.expect("a whole request");
    })
    .await;
    assert_eq!(judged(&send(&server.upstream(), call()).await.expect_err("a close")), LOST);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_request_that_was_half_written_may_have_cost_money() {
    let server = Server::start(|mut stream, _| async move {
        let mut some = vec![0; 100_000];
        stream.read_exact(&mut some).await.expect("a part of the request");
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("linger");
    })
    .await;
    let upstream = server.upstream();
    assert_eq!(judged(&send(&upstream, call_with(vec![b' '; 64 << 20], false)).await.expect_err("a reset")), LOST);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_reused_connection_that_breaks_after_writing_is_not_repeated_either() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await.expect("the first request");
        write(&mut stream, &ok("fine")).await;
        read_request(&mut stream).await.expect("the second request");
    })
    .await;
    let upstream = server.upstream();
    ask(&upstream, call()).await.expect("an answer");
    assert_eq!(judged(&send(&upstream, call()).await.expect_err("a close")), LOST);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_ends_with_a_fault() {
    for text in [
        format!("{STREAM_HEAD}{}", chunk("one")),
        format!("{STREAM_HEAD}{}ff\r\ntoo little", chunk("one")),
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\none".to_owned(),
    ] {
        let sent = text.clone();
        let server = Server::start(move |mut stream, _| {
            let text = sent.clone();
            async move {
                read_request(&mut stream).await.expect("a whole request");
                write(&mut stream, &text).await;
            }
        })
        .await;
        let upstream = server.upstream();
        let mut answer = send(&upstream, call_with(crate::support::BODY, true)).await.expect("a head");
        assert_eq!(next(&mut answer).await.expect("a piece").expect("no fault yet"), "one");
        let fault = loop {
            match next(&mut answer).await.expect("no clean end") {
                Ok(_) => {}
                Err(fault) => break fault,
            }
        };
        assert_eq!(judged(&fault), LOST, "{text}");
        assert!(next(&mut answer).await.is_none(), "an error is the last item");
        assert_eq!(upstream.pool_stats().open, 0);
    }
}

#[tokio::test]
async fn what_is_not_http_is_malformed() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await.expect("a whole request");
        write(&mut stream, "SSH-2.0-OpenSSH_9.9\r\n\r\n").await;
    })
    .await;
    let fault = send(&server.upstream(), call()).await.expect_err("not HTTP");
    assert_eq!((fault.kind, fault.billing), (FaultKind::Malformed, Billing::Unknown), "{fault}");
}

#[tokio::test]
async fn leaving_before_the_head_closes_the_connection() {
    let (told, mut word) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let told = told.clone();
        async move {
            read_request(&mut stream).await.expect("a whole request");
            told.send("asked").expect("a test that listens");
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
            told.send("left").expect("a test that listens");
        }
    })
    .await;
    let upstream = server.upstream();
    {
        let mut waiting = std::pin::pin!(upstream.call(permit(attempt(1)), call()));
        tokio::select! {
            answer = &mut waiting => panic!("no answer was sent: {answer:?}"),
            asked = heard(&mut word) => assert_eq!(asked, "asked"),
        }
    }
    assert_eq!(heard(&mut word).await, "left");
    assert_eq!(upstream.pool_stats().open, 0);
}
