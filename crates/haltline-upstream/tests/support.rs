//! Servers that do exactly what a test says, and the calls made to them.

use bytes::Bytes;
use futures_util::StreamExt;
use haltline_ledger::{Applied, Budgets, Hold, Ledger};
use haltline_ports::{Answer, Call, Clock, Permit, Upstream};
use haltline_types::{AttemptId, Demand, Fault, ModelName, RequestId, Timestamp};
use haltline_upstream::{ApiKey, HttpConfig, HttpUpstream, PoolSettings, Provider};
use http::HeaderMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const BODY: &str = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;

/// A server on a free port of the loopback, gone when its test ends.
pub(crate) struct Server {
    pub(crate) port: u16,
    accepted: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Calls `serve` with each connection and its number from 0.
    pub(crate) async fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(TcpStream, usize) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("nodelay");
                tokio::spawn(serve(stream, counter.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self { port, accepted, task }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub(crate) fn upstream(&self) -> HttpUpstream {
        upstream_at(&self.url(), PoolSettings::default())
    }

    /// Stops listening; connections that are open stay.
    pub(crate) async fn stop_listening(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request as it came over the wire.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Reads one request; `None` at the end of the connection.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut received = Received::default();
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    received.head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
    let length = received.head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |text| text.parse().expect("a length"));
    received.body = bytes[end..].to_vec();
    while received.body.len() < length {
        if stream.read_buf(&mut received.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(received)
}

pub(crate) async fn write(stream: &mut TcpStream, text: &str) {
    // A client that left is for the test to notice, not for its server.
    let _ = stream.write_all(text.as_bytes()).await;
}

pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(crate) const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
pub(crate) const STREAM_END: &str = "0\r\n\r\n";

pub(crate) fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// Answers every request on every connection with 200 and `body`.
pub(crate) async fn answering(body: &'static str) -> Server {
    Server::start(move |mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            write(&mut stream, &ok(body)).await;
        }
    })
    .await
}

pub(crate) struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_795_478_400)
    }
}

pub(crate) fn config(base_url: &str) -> HttpConfig {
    HttpConfig {
        provider: Provider::OpenAi,
        base_url: base_url.to_owned(),
        keys: vec![ApiKey::new("sk-test")],
        headers: Vec::new(),
        extra_ca: None,
        pool: PoolSettings::default(),
    }
}

pub(crate) fn upstream_at(base_url: &str, pool: PoolSettings) -> HttpUpstream {
    HttpUpstream::new(HttpConfig { pool, ..config(base_url) }, Arc::new(Frozen)).expect("a usable configuration")
}

pub(crate) fn attempt(number: u64) -> AttemptId {
    AttemptId { request: RequestId::from_parts(1_795_478_400_000, u128::from(number)), number: 1 }
}

pub(crate) fn call_with(body: impl Into<Bytes>, stream: bool) -> Call {
    Call {
        endpoint: ModelName::parse("test/m").expect("a name"),
        target: "/chat/completions".to_owned(),
        headers: HeaderMap::new(),
        body: body.into(),
        stream,
        affinity: None,
    }
}

pub(crate) fn call() -> Call {
    call_with(BODY, false)
}

/// One call with a permit of its own, and with patience.
pub(crate) async fn send(upstream: &dyn Upstream, call: Call) -> Result<Answer, Fault> {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    let sending = upstream.call(permit(attempt(number as u64)), call);
    tokio::time::timeout(PATIENCE, sending).await.expect("an answer in time")
}

/// One call, and its whole body as text.
pub(crate) async fn ask(upstream: &dyn Upstream, call: Call) -> Result<String, Fault> {
    read(send(upstream, call).await?).await
}

pub(crate) async fn read(mut answer: Answer) -> Result<String, Fault> {
    let mut text = Vec::new();
    while let Some(bytes) = next(&mut answer).await {
        text.extend_from_slice(&bytes?);
    }
    Ok(String::from_utf8(text).expect("text"))
}

pub(crate) async fn next(answer: &mut Answer) -> Option<Result<Bytes, Fault>> {
    tokio::time::timeout(PATIENCE, answer.body.next()).await.expect("a piece in time")
}

/// What is there without waiting.
pub(crate) fn poll_now(answer: &mut Answer) -> Poll<Option<Result<Bytes, Fault>>> {
    answer.body.as_mut().poll_next(&mut Context::from_waker(Waker::noop()))
}

/// The next thing that a server of the test has to say.
pub(crate) async fn heard<T>(channel: &mut mpsc::UnboundedReceiver<T>) -> T {
    tokio::time::timeout(PATIENCE, channel.recv()).await.expect("word in time").expect("a server that lives")
}

/// A permit as every permit is made: a ledger holds the ceiling first.
pub(crate) fn permit(id: AttemptId) -> Permit {
    let at = Timestamp::from_secs(1_795_478_400);
    let mut ledger = Ledger::new(Budgets::none());
    let hold = Hold {
        id,
        at,
        subjects: Arc::default(),
        ceiling: Demand { requests: 1, ..Demand::ZERO },
        expires: at.saturating_add(PATIENCE),
    };
    let entry = ledger.hold(&hold).expect("a budget that refuses nothing");
    match ledger.apply(&entry).expect("an entry that fits") {
        Applied::Held(held) => Permit::durable(held),
        other => panic!("a hold is held: {other:?}"),
    }
}
