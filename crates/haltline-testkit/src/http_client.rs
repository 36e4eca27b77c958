//! A small HTTP client for tests: one connection for each request, every wait bounded, nothing
//! repeated, nothing hidden. It is no client for production.

use crate::socket::{ResetSwitch, Socket};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Call {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
    limit: Duration,
    receive_buffer: Option<u32>,
}

/// An answer with its whole body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// An answer whose body is read piece by piece. Dropping it closes the connection.
#[derive(Debug)]
pub struct Stream {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    pending: BytesMut,
    limit: Duration,
    reset: ResetSwitch,
    _connection: Connection,
}

/// How a stream ended when it was read to its end.
#[derive(Clone, Debug)]
pub struct Read {
    /// All bytes that came.
    pub bytes: Bytes,
    /// `None` for a clean end of the HTTP body, else what broke.
    pub error: Option<io::ErrorKind>,
}

impl Call {
    /// A `GET` of an `http://` URL.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// A `POST` to an `http://` URL.
    #[must_use]
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::POST, url)
    }

    /// Any method.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            limit: Duration::from_secs(30),
            receive_buffer: None,
        }
    }

    /// A chat request with one user message and a cap, to a server's `/v1/chat/completions`.
    #[must_use]
    pub fn chat(origin: &str, model: &str, text: &str, max_tokens: u64) -> Self {
        let body = serde_json::json!({"model": model, "max_tokens": max_tokens,
            "messages": [{"role": "user", "content": text}]});
        Self::post(format!("{origin}/v1/chat/completions")).json(&body)
    }

    /// The same with a stream that ends with a usage report.
    #[must_use]
    pub fn chat_stream(origin: &str, model: &str, text: &str, max_tokens: u64) -> Self {
        let body = serde_json::json!({"model": model, "max_tokens": max_tokens, "stream": true,
            "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": text}]});
        Self::post(format!("{origin}/v1/chat/completions")).json(&body)
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, value: &Value) -> Self {
        self.header("content-type", "application/json").body(value.to_string())
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// With one more header.
    ///
    /// # Panics
    /// When it is not a header: the test is wrong.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let parsed = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(value).ok());
        match parsed {
            Some((name, value)) => {
                self.headers.append(name, value);
                self
            }
            None => panic!("`{name}: {value}` is not a header"),
        }
    }

    /// With one more parameter of the query, which must not need escaping.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        self.url.push_str(&format!("{name}={value}"));
        self
    }

    /// With a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// The longest wait for the connection, for the head and for each piece; 30 s unless set.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// What the system takes in of the answer before it is read, in bytes, roughly: with little, a
    /// slow reader is felt by the other side.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// When the connection fails, the answer is not whole, or a wait is too long.
    pub async fn send(self) -> io::Result<Answer> {
        let mut stream = self.open().await?;
        let mut body = BytesMut::new();
        while let Some(piece) = stream.piece().await? {
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status: stream.status, headers: stream.headers, body: body.freeze() })
    }

    /// Sends it and reads the head.
    ///
    /// # Errors
    /// When the connection fails before the head is there, or a wait is too long.
    pub async fn open(self) -> io::Result<Stream> {
        let rest = self.url.strip_prefix("http://").ok_or_else(|| io::Error::other("only http:// is spoken here"))?;
        let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
        let stream = bounded(self.limit, connect(host, self.receive_buffer)).await?;
        stream.set_nodelay(true)?;
        let (stream, reset) = Socket::new(stream);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let connection = Connection(
            tokio::spawn(async move {
                // What breaks here is seen by whoever reads the answer.
                let _ = connection.await;
            })
            .abort_handle(),
        );
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = format!("/{path}").parse().map_err(io::Error::other)?;
        *request.headers_mut() = self.headers;
        request.headers_mut().insert(header::HOST, HeaderValue::from_str(host).map_err(io::Error::other)?);
        let sent = async { sender.send_request(request).await.map_err(broken) };
        let (head, body) = bounded(self.limit, sent).await?.into_parts();
        Ok(Stream {
            status: head.status,
            headers: head.headers,
            body,
            pending: BytesMut::new(),
            limit: self.limit,
            reset,
            _connection: connection,
        })
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON; the error names the body.
    pub fn json(&self) -> io::Result<Value> {
        serde_json::from_slice(&self.body)
            .map_err(|error| io::Error::other(format!("{error} in {}", String::from_utf8_lossy(&self.body))))
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Stream {
    /// The next piece as it came from the connection, `None` at a clean end.
    ///
    /// # Errors
    /// When the connection breaks, or nothing comes for too long.
    pub async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let frame = match timeout(self.limit, self.body.frame()).await {
                Ok(Some(frame)) => frame.map_err(broken)?,
                Ok(None) => return Ok(None),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            };
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
    }

    /// The next event of an SSE stream, without the empty line after it; comments are events as
    /// well. `None` at a clean end, when what is left over is dropped.
    ///
    /// # Errors
    /// As for `piece`.
    pub async fn event(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.pending.windows(2).position(|pair| pair == b"\n\n") {
                let event = self.pending.split_to(end + 2);
                return Ok(Some(String::from_utf8_lossy(&event[..end]).into_owned()));
            }
            match self.piece().await? {
                Some(piece) => self.pending.extend_from_slice(&piece),
                None => return Ok(None),
            }
        }
    }

    /// Ends the connection with a reset (RST), as a client does whose machine is gone.
    pub fn reset(self) {
        self.reset.set();
    }

    /// Reads on to the end, however it ends.
    pub async fn read(mut self) -> Read {
        let mut bytes = std::mem::take(&mut self.pending);
        loop {
            match self.piece().await {
                Ok(Some(piece)) => bytes.extend_from_slice(&piece),
                Ok(None) => return Read { bytes: bytes.freeze(), error: None },
                Err(error) => return Read { bytes: bytes.freeze(), error: Some(error.kind()) },
            }
        }
    }
}

impl Read {
    /// The bytes as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The values of all `data:` lines.
    #[must_use]
    pub fn data(&self) -> Vec<String> {
        self.text().lines().filter_map(|line| line.strip_prefix("data:")).map(|data| data.trim().to_owned()).collect()
    }
}

#[derive(Debug)]
struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn connect(host: &str, receive_buffer: Option<u32>) -> io::Result<TcpStream> {
    let Some(bytes) = receive_buffer else { return TcpStream::connect(host).await };
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(bytes)?;
    socket.connect(host.parse().map_err(io::Error::other)?).await
}

async fn bounded<T>(limit: Duration, wait: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, wait).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The kind of the error below, so that a test can tell a reset from an early end.
fn broken(error: hyper::Error) -> io::Error {
    let mut below: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = below {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return io::Error::new(cause.kind(), error);
        }
        below = cause.source();
    }
    let kind = if error.is_incomplete_message() { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::Other };
    io::Error::new(kind, error)
}
