//! HTTP/2: what the ends of streams and connections mean for the bill. Against `h2`'s server where a
//! frame of our choice is sent, and against frames written out.

use crate::http2::{LOST, NOT_TAKEN, judged, serve, until, upstream, whole};
use crate::support::{BODY, ask, call, call_with, heard, next, send};
use crate::tls_server::{Http2Server, answer_first_and_go_away};
use bytes::Bytes;
use haltline_types::FaultClass;
use haltline_upstream::Http2Settings;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How the first connection of a server ends.
#[derive(Clone, Copy)]
enum Ending {
    /// After an answer, announced, with all requests answered.
    InGoodOrder,
    /// With a request at hand that it took and did not answer.
    Abrupt,
}

/// Ends its first connection, and serves later ones.
async fn going_away(ending: Ending) -> Http2Server {
    Http2Server::start(move |stream, number| async move {
        if number > 0 {
            return serve(stream, 100, |_| async { whole("later") }).await;
        }
        match ending {
            Ending::InGoodOrder => {
                let service = service_fn(|_: Request<Incoming>| async { Ok::<_, Infallible>(whole("first")) });
                let builder = http2::Builder::new(TokioExecutor::new());
                let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
                let _ = tokio::time::timeout(Duration::from_millis(300), serving.as_mut()).await;
                serving.as_mut().graceful_shutdown();
                let _ = serving.await;
            }
            Ending::Abrupt => {
                let mut connection = h2::server::handshake(stream).await.expect("a handshake");
                let (_request, _respond) = connection.accept().await.expect("a request").expect("a request");
                connection.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
                let _ = std::future::poll_fn(|cx| connection.poll_closed(cx)).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_that_ends_in_good_order_is_replaced_unseen() {
    let server = going_away(Ending::InGoodOrder).await;
    let upstream = upstream(&server, Http2Settings::default());
    assert_eq!(ask(&upstream, call()).await.expect("an answer"), "first");
    until(|| upstream.pool_stats().shared == 0).await;
    assert_eq!(ask(&upstream, call()).await.expect("an answer"), "later");
    let stats = upstream.pool_stats();
    assert_eq!((stats.opened, stats.shared), (2, 1), "{stats:?}");
}

#[tokio::test]
async fn a_request_that_the_server_took_may_have_cost_money_when_the_connection_ends() {
    let server = going_away(Ending::Abrupt).await;
    let upstream = upstream(&server, Http2Settings::default());
    let fault = send(&upstream, call()).await.expect_err("no answer");
    assert_eq!(judged(&fault), LOST, "{fault}");
    assert_eq!(ask(&upstream, call()).await.expect("an answer"), "later");
}

#[tokio::test]
async fn a_refused_stream_was_not_looked_at() {
    for (reason, expected) in [
        (h2::Reason::REFUSED_STREAM, NOT_TAKEN),
        (h2::Reason::INTERNAL_ERROR, LOST),
        (h2::Reason::CANCEL, LOST),
        (h2::Reason::ENHANCE_YOUR_CALM, LOST),
    ] {
        let server = Http2Server::start(move |stream, _| async move {
            let mut connection = h2::server::handshake(stream).await.expect("a handshake");
            while let Some(Ok((_request, mut respond))) = connection.accept().await {
                respond.send_reset(reason);
            }
        })
        .await;
        let upstream = upstream(&server, Http2Settings::default());
        for _ in 0..2 {
            let fault = send(&upstream, call()).await.expect_err("a reset");
            assert_eq!(judged(&fault), expected, "{reason:?}: {fault}");
            assert_eq!(fault.class, FaultClass::Retryable);
        }
        assert_eq!(server.server.accepted(), 1, "a reset ends a stream, not the connection");
    }
}

#[tokio::test]
async fn requests_beyond_the_last_that_is_looked_at_were_not() {
    let (told, mut came) = mpsc::unbounded_channel();
    let server = Http2Server::start(move |stream, number| {
        let told = told.clone();
        async move {
            if number > 0 {
                return serve(stream, 100, |_| async { whole("later") }).await;
            }
            answer_first_and_go_away(stream, &told).await;
        }
    })
    .await;
    let upstream = Arc::new(upstream(&server, Http2Settings::default()));
    let first = Arc::clone(&upstream);
    let first = tokio::spawn(async move { ask(&*first, call()).await });
    assert_eq!(heard(&mut came).await, 1);
    let second = Arc::clone(&upstream);
    let second = tokio::spawn(async move { ask(&*second, call()).await });
    assert_eq!(heard(&mut came).await, 3);
    let fault = second.await.expect("no panic").expect_err("beyond the last");
    assert_eq!((judged(&fault), fault.breaker), (NOT_TAKEN, false), "{fault}");
    let fault = first.await.expect("no panic").expect_err("the connection ended without its answer");
    assert_eq!(judged(&fault), LOST, "{fault}");
    assert_eq!(ask(&*upstream, call()).await.expect("an answer"), "later");
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_a_fault() {
    for how in ["reset", "close"] {
        let server = Http2Server::start(move |stream, _| async move {
            let mut connection = h2::server::handshake(stream).await.expect("a handshake");
            let (_request, mut respond) = connection.accept().await.expect("a request").expect("a request");
            let head = Response::builder().status(StatusCode::OK).body(()).expect("a head");
            let mut body = respond.send_response(head, false).expect("a stream");
            body.send_data(Bytes::from_static(b"one"), false).expect("a stream");
            let mut word = pin!(tokio::time::sleep(Duration::from_millis(100)));
            tokio::select! {
                () = &mut word => {}
                _ = std::future::poll_fn(|cx| connection.poll_closed(cx)) => return,
            }
            if how == "reset" {
                body.send_reset(h2::Reason::REFUSED_STREAM);
                let _ = std::future::poll_fn(|cx| connection.poll_closed(cx)).await;
            }
        })
        .await;
        let upstream = upstream(&server, Http2Settings::default());
        let mut answer = send(&upstream, call_with(BODY, true)).await.expect("a head");
        assert_eq!(next(&mut answer).await.expect("a piece").expect("no fault yet"), "one");
        let fault = next(&mut answer).await.expect("no clean end").expect_err("a break");
        assert_eq!(judged(&fault), LOST, "{how}: an answer has begun, whatever the server says: {fault}");
        assert!(next(&mut answer).await.is_none(), "an error is the last item");
        assert_eq!(upstream.pool_stats().streams, 0);
    }
}

#[tokio::test]
async fn a_connection_that_gives_no_sign_of_life_is_given_up() {
    let server = Http2Server::start(|mut stream, _| async move {
        // Takes all that comes, and says nothing but its settings.
        tokio::io::AsyncWriteExt::write_all(&mut stream, &[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("a client");
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let settings = Http2Settings {
        ping_interval: Duration::from_millis(50),
        ping_timeout: Duration::from_millis(50),
        ..Http2Settings::default()
    };
    let upstream = upstream(&server, settings);
    let fault = send(&upstream, call()).await.expect_err("silence");
    assert_eq!(judged(&fault), LOST, "{fault}");
    until(|| upstream.pool_stats().open == 0).await;
}
