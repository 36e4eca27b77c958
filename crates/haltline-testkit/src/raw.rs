//! A server that answers with the bytes that it was told, whatever they are: for providers of any
//! dialect, and for those that do not keep to one. It knows nothing of models, prices or bills; what
//! it was sent can be looked at.
//!
//! One request a connection. The script says how the answers follow each other.

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// The largest head of a request that is read.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// For a request to arrive whole.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// A piece of an answer's body.
#[derive(Clone, Debug)]
pub enum Step {
    /// These bytes, in one write and one chunk.
    Bytes(Bytes),
    /// Nothing for so long.
    Pause(Duration),
    /// The same bytes so many times, one chunk each.
    Repeat(Bytes, u64),
}

/// How an answer's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RawEnd {
    /// As HTTP wants it.
    #[default]
    Clean,
    /// The connection is closed before the body's end.
    Cut,
    /// The connection is reset before the body's end.
    Reset,
    /// Nothing comes any more; the connection stays open until the other side closes it.
    Silence,
}

/// An answer, byte by byte.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// The status.
    pub status: u16,
    /// Its headers, without those of the framing.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<Step>,
    /// How it ends.
    pub end: RawEnd,
}

impl RawAnswer {
    /// A whole JSON answer.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::of_kind(status, "application/json", body)
    }

    /// A whole answer of a kind.
    #[must_use]
    pub fn of_kind(status: u16, kind: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            body: vec![Step::Bytes(body.into())],
            end: RawEnd::Clean,
        }
    }

    /// An event stream with status 200, one chunk for each of `pieces`.
    #[must_use]
    pub fn events<T: Into<Bytes>>(pieces: impl IntoIterator<Item = T>) -> Self {
        Self::steps(pieces.into_iter().map(|piece| Step::Bytes(piece.into())).collect())
    }

    /// An event stream with status 200.
    #[must_use]
    pub fn steps(body: Vec<Step>) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".to_owned(), "text/event-stream".to_owned())],
            body,
            end: RawEnd::Clean,
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with another end.
    #[must_use]
    pub fn end(mut self, end: RawEnd) -> Self {
        self.end = end;
        self
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct RawSeen {
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl RawSeen {
    /// A header by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What a request is answered with.
type Usual = Box<dyn Fn(&RawSeen) -> RawAnswer + Send>;

#[derive(Default)]
struct Script {
    /// Given once each, in this order.
    queue: VecDeque<RawAnswer>,
    /// Given when the queue is empty.
    usual: Option<Usual>,
    seen: Vec<RawSeen>,
}

/// The server. Dropping it closes its port; connections end by themselves.
pub struct RawProvider {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    listening: AbortHandle,
}

impl RawProvider {
    /// Listens on a free port of the loopback interface. Until it is told what to answer, it closes
    /// every connection.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let script = Arc::<Mutex<Script>>::default();
        let shared = Arc::clone(&script);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = Arc::clone(&shared);
                tokio::spawn(async move {
                    // Whoever asked sees how the connection ended.
                    let _ = serve(stream, &script).await;
                });
            }
        });
        Ok(Self { address, script, listening: listening.abort_handle() })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on this is the answer to everything.
    pub fn always(&self, answer: RawAnswer) {
        self.answer_by(move |_| answer.clone());
    }

    /// From now on a request is looked at to find its answer.
    pub fn answer_by(&self, find: impl Fn(&RawSeen) -> RawAnswer + Send + 'static) {
        let mut script = self.script.lock();
        script.queue.clear();
        script.usual = Some(Box::new(find));
    }

    /// These come first, one for each request.
    pub fn next(&self, answers: impl IntoIterator<Item = RawAnswer>) {
        self.script.lock().queue.extend(answers);
    }

    /// All requests that came whole, in their order.
    #[must_use]
    pub fn seen(&self) -> Vec<RawSeen> {
        self.script.lock().seen.clone()
    }

    /// How many of them.
    #[must_use]
    pub fn count(&self) -> usize {
        self.script.lock().seen.len()
    }
}

impl fmt::Debug for RawProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawProvider").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for RawProvider {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(mut stream: TcpStream, script: &Mutex<Script>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let seen =
        timeout(REQUEST_TIME, read(&mut stream)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let answer = {
        let mut script = script.lock();
        let answer = script.queue.pop_front().or_else(|| script.usual.as_ref().map(|find| find(&seen)));
        script.seen.push(seen);
        answer
    };
    match answer {
        Some(answer) => write(stream, answer).await,
        None => Ok(()),
    }
}

async fn read(stream: &mut TcpStream) -> io::Result<RawSeen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(io::Error::other("the head of the request is too large"));
        }
        fill(stream, &mut bytes).await?;
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let body_at = head_end + 4;
    while bytes.len() < body_at + length {
        fill(stream, &mut bytes).await?;
    }
    let body = Bytes::copy_from_slice(&bytes[body_at..body_at + length]);
    Ok(RawSeen { path, headers, body })
}

async fn fill(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

async fn write(mut stream: TcpStream, answer: RawAnswer) -> io::Result<()> {
    let mut head =
        format!("HTTP/1.1 {} Scripted\r\ntransfer-encoding: chunked\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    for step in &answer.body {
        match step {
            Step::Bytes(bytes) => stream.write_all(&chunk(bytes)).await?,
            Step::Pause(pause) => sleep(*pause).await,
            Step::Repeat(bytes, times) => {
                let chunk = chunk(bytes);
                for _ in 0..*times {
                    stream.write_all(&chunk).await?;
                }
            }
        }
    }
    match answer.end {
        RawEnd::Clean => {
            stream.write_all(b"0\r\n\r\n").await?;
            stream.shutdown().await
        }
        RawEnd::Cut => stream.shutdown().await,
        RawEnd::Reset => stream.set_zero_linger(),
        RawEnd::Silence => {
            let mut rest = Vec::new();
            while stream.read_buf(&mut rest).await? > 0 {
                rest.clear();
            }
            Ok(())
        }
    }
}

fn chunk(bytes: &Bytes) -> Vec<u8> {
    // A chunk of no bytes would be the end.
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}
