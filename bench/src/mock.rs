//! The mock upstream: a fixed small answer, or a stream of equal chunks, each its own HTTP chunk as
//! real providers send them. `POST /__shape` sets how long and how fast streams are; every `GET`
//! is answered with 200. It keeps no bill: that is the testkit's fake provider.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{Instant, Sleep, sleep_until};

/// Serves until the process ends; prints `ready ADDRESS` first.
pub(crate) async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    println!("ready {}", listener.local_addr()?);
    let mock = Arc::new(Mock::new());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mock = Arc::clone(&mock);
        let service = service_fn(move |request| {
            let mock = Arc::clone(&mock);
            async move { mock.answer(request).await }
        });
        tokio::spawn(async move {
            // A client that leaves ends its connection; there is nobody to tell.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

struct Mock {
    reply: Bytes,
    opening: Bytes,
    chunk: Bytes,
    closing: Bytes,
    chunks: AtomicU64,
    interval_us: AtomicU64,
    streams: AtomicU64,
}

impl Mock {
    fn new() -> Self {
        let message = json!({"role": "assistant", "content": "Hello there, how can I help?", "refusal": null});
        let reply = json!({"id": "chatcmpl-mock", "object": "chat.completion", "created": 1_700_000_000, "model": "m",
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 8, "completion_tokens": 7, "total_tokens": 15}});
        let stop = event(&json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop"}]));
        Self {
            reply: Bytes::from(reply.to_string()),
            opening: Bytes::from(event(&choice(&json!({"role": "assistant", "content": ""})))),
            chunk: Bytes::from(event(&choice(&json!({"content": " token"})))),
            closing: Bytes::from(stop),
            chunks: AtomicU64::new(50),
            interval_us: AtomicU64::new(0),
            streams: AtomicU64::new(0),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<MockBody>, hyper::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        if head.method == Method::GET {
            return Ok(document(Bytes::from_static(b"{}")));
        }
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        if head.uri.path() == "/__shape" {
            self.chunks.store(asked["chunks"].as_u64().unwrap_or(50), Ordering::Relaxed);
            self.interval_us.store(asked["interval_us"].as_u64().unwrap_or(0), Ordering::Relaxed);
            return Ok(document(Bytes::from_static(b"{}")));
        }
        if asked["stream"] == true { Ok(self.stream(&asked)) } else { Ok(document(self.reply.clone())) }
    }

    fn stream(&self, asked: &Value) -> Response<MockBody> {
        let cap = asked["max_tokens"].as_u64().or(asked["max_completion_tokens"].as_u64()).unwrap_or(u64::MAX);
        let chunks = self.chunks.load(Ordering::Relaxed).min(cap);
        let mut closing = self.closing.to_vec();
        if asked["stream_options"]["include_usage"] == true {
            let usage = json!({"prompt_tokens": 8, "completion_tokens": chunks, "total_tokens": chunks + 8});
            let last = json!({"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1_700_000_000,
                "model": "m", "choices": [], "usage": usage});
            closing.extend_from_slice(format!("data: {last}\n\n").as_bytes());
        }
        closing.extend_from_slice(b"data: [DONE]\n\n");
        let interval = Duration::from_micros(self.interval_us.load(Ordering::Relaxed));
        // Streams that begin together do not all speak in the same millisecond.
        let number = u32::try_from(self.streams.fetch_add(1, Ordering::Relaxed) % 32).unwrap_or(0);
        let began = Instant::now() + interval * number / 32;
        let stream = Stream {
            opening: Some(self.opening.clone()),
            chunk: self.chunk.clone(),
            closing: Some(Bytes::from(closing)),
            sent: 0,
            chunks,
            pace: (!interval.is_zero()).then(|| Pace { began, interval, sleep: Box::pin(sleep_until(began)) }),
        };
        let mut response = Response::new(MockBody::Stream(stream));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        response
    }
}

fn choice(delta: &Value) -> Value {
    json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}])
}

fn event(choices: &Value) -> String {
    let chunk = json!({"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1_700_000_000,
        "model": "m", "choices": choices});
    format!("data: {chunk}\n\n")
}

fn document(bytes: Bytes) -> Response<MockBody> {
    let mut response = Response::new(MockBody::Whole(Some(bytes)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

enum MockBody {
    Whole(Option<Bytes>),
    Stream(Stream),
}

struct Stream {
    opening: Option<Bytes>,
    chunk: Bytes,
    closing: Option<Bytes>,
    sent: u64,
    chunks: u64,
    pace: Option<Pace>,
}

struct Pace {
    began: Instant,
    interval: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Stream {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(opening) = self.opening.take() {
            return Poll::Ready(Some(opening));
        }
        if self.sent == self.chunks {
            return Poll::Ready(self.closing.take());
        }
        if let Some(pace) = &mut self.pace {
            ready!(pace.sleep.as_mut().poll(cx));
            let next = pace.began + pace.interval * u32::try_from(self.sent + 1).unwrap_or(u32::MAX);
            pace.sleep.as_mut().reset(next);
        }
        self.sent += 1;
        Poll::Ready(Some(self.chunk.clone()))
    }
}

impl Body for MockBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let bytes = match &mut *self {
            Self::Whole(bytes) => bytes.take(),
            Self::Stream(stream) => ready!(stream.poll_next(cx)),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Stream(_) => SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Stream(stream) => stream.closing.is_none() && stream.sent == stream.chunks,
        }
    }
}
