//! HTTP/2 over TLS: many requests on few connections. Against hyper's server.

use crate::support::{BODY, Frozen, PATIENCE, ask, call, call_with, heard, next, read, send};
use crate::tls_server::Http2Server;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use haltline_ports::Answer;
use haltline_types::{Billing, Fault, FaultKind};
use haltline_upstream::{Http2Settings, HttpConfig, HttpUpstream, PoolSettings};
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::server::TlsStream;

pub(crate) type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

pub(crate) fn whole(text: &'static str) -> Response<Body> {
    Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed())
}

/// Serves a connection with hyper, at most `streams` requests at once.
pub(crate) async fn serve<F, Fut>(stream: TlsStream<TcpStream>, streams: u32, answer: F)
where
    F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let answer = Arc::new(answer);
    let service = service_fn(move |request| {
        let answer = Arc::clone(&answer);
        async move { Ok::<_, Infallible>(answer(request).await) }
    });
    // How a connection ends is looked at from the other side.
    let _ = http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(streams)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

pub(crate) fn upstream(server: &Http2Server, settings: Http2Settings) -> HttpUpstream {
    made(server.config(settings))
}

fn made(config: HttpConfig) -> HttpUpstream {
    HttpUpstream::new(config, Arc::new(Frozen)).expect("a usable configuration")
}

pub(crate) fn judged(fault: &Fault) -> (FaultKind, Billing) {
    (fault.kind, fault.billing)
}

pub(crate) const LOST: (FaultKind, Billing) = (FaultKind::ConnectionLost, Billing::Unknown);
pub(crate) const NOT_TAKEN: (FaultKind, Billing) = (FaultKind::ConnectFailed, Billing::NotSent);

/// A server that answers only when it is told to, by so many permits.
async fn gated(streams: u32) -> (Http2Server, Arc<Semaphore>, Arc<AtomicUsize>) {
    let (gate, waiting) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (to_open, counted) = (Arc::clone(&gate), Arc::clone(&waiting));
    let server = Http2Server::start(move |stream, _| {
        let (gate, waiting) = (Arc::clone(&to_open), Arc::clone(&counted));
        serve(stream, streams, move |_| {
            let (gate, waiting) = (Arc::clone(&gate), Arc::clone(&waiting));
            async move {
                waiting.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.expect("an open gate").forget();
                whole("fine")
            }
        })
    })
    .await;
    (server, gate, waiting)
}

/// Lets others run until `seen` holds.
pub(crate) async fn until(seen: impl Fn() -> bool) {
    let waiting = async {
        while !seen() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes to pass");
}

fn ask_many(upstream: &Arc<HttpUpstream>, count: usize) -> Vec<tokio::task::JoinHandle<Result<String, Fault>>> {
    (0..count)
        .map(|_| {
            let upstream = Arc::clone(upstream);
            tokio::spawn(async move { ask(&*upstream, call()).await })
        })
        .collect()
}

#[tokio::test]
async fn a_request_goes_out_as_http_2_has_it() {
    let (told, mut requests) = mpsc::unbounded_channel();
    let server = Http2Server::start(move |stream, _| {
        let told = told.clone();
        serve(stream, 100, move |request| {
            let told = told.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.expect("a body").to_bytes();
                told.send((head, body)).expect("a test that listens");
                whole("fine")
            }
        })
    })
    .await;
    let upstream = upstream(&server, Http2Settings::default());
    let large = vec![b'x'; 3 << 20];
    for body in [BODY.as_bytes().to_vec(), large] {
        assert_eq!(ask(&upstream, call_with(body.clone(), false)).await.expect("an answer"), "fine");
        let (head, came) = heard(&mut requests).await;
        assert_eq!((head.method.as_str(), head.version), ("POST", Version::HTTP_2));
        let url = format!("https://127.0.0.1:{}/v1/chat/completions", server.server.port);
        assert_eq!(head.uri.to_string(), url);
        assert!(!head.headers.contains_key("host"), "the authority says it");
        assert_eq!(head.headers["authorization"], "Bearer sk-test");
        assert_eq!(head.headers["content-length"], body.len().to_string());
        assert!(came == body, "{} bytes came", came.len());
    }
    let stats = upstream.pool_stats();
    assert_eq!((stats.opened, stats.reused, stats.shared, stats.streams), (1, 1, 1, 0), "{stats:?}");
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let (server, gate, waiting) = gated(100).await;
    let upstream = Arc::new(upstream(&server, Http2Settings { spread_at: 100, ..Http2Settings::default() }));
    let asked = ask_many(&upstream, 40);
    until(|| waiting.load(Ordering::SeqCst) == 40).await;
    let stats = upstream.pool_stats();
    assert_eq!((stats.open, stats.shared, stats.streams), (1, 1, 40), "{stats:?}");
    gate.add_permits(40);
    for answer in join_all(asked).await {
        assert_eq!(answer.expect("no panic").expect("an answer"), "fine");
    }
    assert_eq!(upstream.pool_stats().streams, 0);
    assert_eq!(server.server.accepted(), 1);
}

#[tokio::test]
async fn load_is_spread_and_bounded() {
    let (server, gate, waiting) = gated(100).await;
    let settings = Http2Settings { connections_max: 3, streams_max: 8, spread_at: 4, ..Http2Settings::default() };
    let upstream = Arc::new(upstream(&server, settings));
    let asked = ask_many(&upstream, 24);
    until(|| waiting.load(Ordering::SeqCst) == 24).await;
    let stats = upstream.pool_stats();
    assert_eq!((stats.open, stats.shared, stats.streams), (3, 3, 24), "{stats:?}");
    let fault = send(&*upstream, call()).await.expect_err("no room");
    assert_eq!((judged(&fault), fault.breaker), ((FaultKind::Overloaded, Billing::NotSent), false), "{fault}");
    gate.add_permits(1000);
    for answer in join_all(asked).await {
        answer.expect("no panic").expect("an answer");
    }
    ask(&*upstream, call()).await.expect("room again");
    assert_eq!(server.server.accepted(), 3);
}

#[tokio::test]
async fn the_servers_own_limit_makes_more_connections() {
    let (server, gate, waiting) = gated(5).await;
    let upstream = Arc::new(upstream(&server, Http2Settings::default()));
    // The first one learns what the server allows.
    gate.add_permits(1);
    ask(&*upstream, call()).await.expect("an answer");
    let asked = ask_many(&upstream, 20);
    until(|| waiting.load(Ordering::SeqCst) == 21).await;
    let stats = upstream.pool_stats();
    assert!(stats.shared >= 4 && stats.streams == 20, "no request waits for another's answer: {stats:?}");
    gate.add_permits(20);
    for answer in join_all(asked).await {
        answer.expect("no panic").expect("an answer");
    }
}

#[tokio::test]
async fn a_reader_that_stops_stalls_nobody_else() {
    let server = Http2Server::start(|stream, _| {
        serve(stream, 100, |request| async move {
            let wanted = request.into_body().collect().await.expect("a body").to_bytes();
            if wanted != "endless" {
                return whole("fine");
            }
            let piece = || Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; 16 * 1024])));
            Response::new(BodyExt::boxed(StreamBody::new(stream::iter(std::iter::repeat_with(piece)))))
        })
    })
    .await;
    let upstream = upstream(&server, Http2Settings { connections_max: 1, ..Http2Settings::default() });
    let mut stalled: Vec<Answer> = Vec::new();
    for _ in 0..60 {
        let mut answer = send(&upstream, call_with("endless", true)).await.expect("a head");
        next(&mut answer).await.expect("a piece").expect("no fault");
        stalled.push(answer);
    }
    for _ in 0..5 {
        assert_eq!(ask(&upstream, call()).await.expect("an answer"), "fine");
    }
    drop(stalled);
    until(|| upstream.pool_stats().streams == 0).await;
    assert_eq!(ask(&upstream, call()).await.expect("an answer"), "fine");
    assert_eq!(server.server.accepted(), 1, "leaving an answer does not cost the connection");
}

#[tokio::test]
async fn an_idle_connection_and_an_old_one_are_closed() {
    let (server, gate, _waiting) = gated(100).await;
    gate.add_permits(1000);
    let idle = upstream(&server, Http2Settings { idle_timeout: Duration::from_millis(50), ..Http2Settings::default() });
    ask(&idle, call()).await.expect("an answer");
    until(|| idle.pool_stats().open == 0).await;
    ask(&idle, call()).await.expect("an answer on a new one");

    let mut config = server.config(Http2Settings::default());
    config.pool.age_max = Duration::ZERO;
    let old = made(config);
    for _ in 0..2 {
        assert_eq!(ask(&old, call()).await.expect("an answer"), "fine");
    }
    assert_eq!(old.pool_stats().opened, 2, "each too old for a second request");
}

#[tokio::test]
async fn leaving_before_the_head_resets_one_stream() {
    let (server, gate, waiting) = gated(100).await;
    let upstream = Arc::new(upstream(&server, Http2Settings::default()));
    let asked = ask_many(&upstream, 2);
    until(|| waiting.load(Ordering::SeqCst) == 2).await;
    let mut asked = asked.into_iter();
    asked.next().expect("a task").abort();
    until(|| upstream.pool_stats().streams == 1).await;
    // The server's handler of the reset stream is gone, and takes no permit.
    gate.add_permits(1);
    let other = asked.next().expect("a task").await.expect("no panic");
    assert_eq!(other.expect("an answer"), "fine");
    assert_eq!(upstream.pool_stats().shared, 1);
}

#[tokio::test]
async fn a_head_without_end_is_no_answer() {
    let server = Http2Server::start(|stream, _| {
        serve(stream, 100, |_| async {
            let mut response = whole("fine");
            for number in 0..40 {
                let name = http::HeaderName::try_from(format!("x-{number}")).expect("a name");
                response.headers_mut().insert(name, "y".repeat(4000).parse().expect("a value"));
            }
            response
        })
    })
    .await;
    let upstream = upstream(&server, Http2Settings::default());
    let fault = send(&upstream, call()).await.expect_err("too much");
    assert_eq!((fault.kind, fault.billing), (FaultKind::Malformed, Billing::Unknown), "{fault}");
}

#[tokio::test]
async fn errors_are_judged_and_the_connection_kept() {
    let server = Http2Server::start(|stream, _| {
        serve(stream, 100, |_| async {
            let mut response = whole(r#"{"error":{"message":"slow","type":"x","code":"rate_limit_exceeded"}}"#);
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response.headers_mut().insert("retry-after", "3".parse().expect("a value"));
            response
        })
    })
    .await;
    let upstream = upstream(&server, Http2Settings::default());
    for _ in 0..3 {
        let fault = send(&upstream, call()).await.expect_err("a limit");
        assert_eq!(judged(&fault), (FaultKind::RateLimited, Billing::Rejected));
        assert_eq!(fault.retry.after, Some(Duration::from_secs(3)));
    }
    assert_eq!(server.server.accepted(), 1);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_fails_all_who_wait() {
    let (mut server, _gate, _waiting) = gated(100).await;
    server.server.stop_listening().await;
    let upstream = Arc::new(upstream(&server, Http2Settings::default()));
    for answer in join_all(ask_many(&upstream, 10)).await {
        assert_eq!(judged(&answer.expect("no panic").expect_err("nobody listens")), NOT_TAKEN);
    }
    assert_eq!(upstream.pool_stats().open, 0);
    let pool = PoolSettings { connections_max: 0, ..PoolSettings::default() };
    let none = made(HttpConfig { pool, ..server.config(Http2Settings::default()) });
    let fault = send(&none, call()).await.expect_err("no connection is allowed");
    assert_eq!(judged(&fault), (FaultKind::Overloaded, Billing::NotSent));
}

#[tokio::test]
async fn a_stream_is_read_as_it_comes() {
    let (go, gone) = mpsc::unbounded_channel::<Bytes>();
    let gone = Arc::new(tokio::sync::Mutex::new(Some(gone)));
    let server = Http2Server::start(move |stream, _| {
        let gone = Arc::clone(&gone);
        serve(stream, 100, move |_| {
            let gone = Arc::clone(&gone);
            async move {
                let pieces = gone.lock().await.take().expect("one request");
                let pieces = stream::unfold(pieces, |mut pieces| async move {
                    let piece = pieces.recv().await?;
                    Some((Ok::<_, Infallible>(Frame::data(piece)), pieces))
                });
                Response::new(BodyExt::boxed(StreamBody::new(SyncStream(Box::pin(pieces)))))
            }
        })
    })
    .await;
    let upstream = upstream(&server, Http2Settings::default());
    let mut answer = send(&upstream, call_with(BODY, true)).await.expect("a head");
    for piece in ["data: 1\n\n", "data: 2\n\n"] {
        go.send(Bytes::from_static(piece.as_bytes())).expect("a server that waits");
        assert_eq!(next(&mut answer).await.expect("a piece").expect("no fault"), piece);
    }
    drop(go);
    assert_eq!(read(answer).await.expect("an end"), "");
    assert_eq!(upstream.pool_stats().streams, 0);
}

/// A boxed body must be `Sync`; it is only ever polled by its one owner.
struct SyncStream(std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + Sync>>);

impl futures_util::Stream for SyncStream {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}
