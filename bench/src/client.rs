//! The client side of a measurement: one request with its latency, or one stream with its time to
//! the first chunk. Anything but a whole, good answer is an error: a benchmark of refusals would
//! flatter whoever refuses.

use crate::pool::Pool;
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Who is measured.
pub(crate) struct Target {
    pool: Pool<Full<Bytes>>,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
}

/// Counts streams and chunks while they run.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Streams whose first chunk has come.
    pub(crate) opened: AtomicU64,
    /// `data:` lines of all streams.
    pub(crate) chunks: AtomicU64,
}

impl Target {
    pub(crate) fn new(address: SocketAddr, key: Option<&str>) -> anyhow::Result<Self> {
        let authorization = key.map(|key| HeaderValue::from_str(&format!("Bearer {key}"))).transpose()?;
        Ok(Self { pool: Pool::new(address), host: HeaderValue::from_str(&address.to_string())?, authorization })
    }

    /// `GET path`; anything but success is an error.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<()> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = path.parse()?;
        request.headers_mut().insert(header::HOST, self.host.clone());
        self.send(request).await?;
        Ok(())
    }

    /// `POST path` with a JSON body, read to its end.
    pub(crate) async fn post(&self, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        self.send(self.request(path, body)?).await
    }

    /// One chat request; the time from its sending to the end of its answer.
    pub(crate) async fn chat(&self, body: Bytes) -> anyhow::Result<Duration> {
        let request = self.request("/v1/chat/completions", body)?;
        let mut sender = self.pool.take().await?;
        let began = Instant::now();
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        let took = began.elapsed();
        ensure!(status.is_success(), "status {status}: {}", String::from_utf8_lossy(&answer));
        ensure!(answer.ends_with(b"}"), "an answer is not whole");
        self.pool.give(sender);
        Ok(took)
    }

    /// One stream to its end; the time from its sending to its first chunk.
    pub(crate) async fn stream(&self, body: Bytes, meter: &Meter) -> anyhow::Result<Duration> {
        let request = self.request("/v1/chat/completions", body)?;
        let mut sender = self.pool.take().await?;
        let began = Instant::now();
        let response = sender.send_request(request).await?;
        let status = response.status();
        if !status.is_success() {
            let answer = response.into_body().collect().await?.to_bytes();
            bail!("status {status}: {}", String::from_utf8_lossy(&answer));
        }
        let first = read_stream(response.into_body(), began, meter).await?;
        self.pool.give(sender);
        Ok(first)
    }

    /// Closes the connections that are kept alive.
    pub(crate) fn close_idle(&self) {
        self.pool.close_idle();
    }

    fn request(&self, path: &str, body: Bytes) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse()?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Bytes> {
        let mut sender = self.pool.take().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "status {status}: {}", String::from_utf8_lossy(&answer));
        self.pool.give(sender);
        Ok(answer)
    }
}

async fn read_stream(mut body: Incoming, began: Instant, meter: &Meter) -> anyhow::Result<Duration> {
    let mut lines = DataLines::default();
    let mut first = None;
    let mut tail = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame?.into_data() else { continue };
        let count = lines.count(&bytes);
        if count > 0 {
            meter.chunks.fetch_add(count, Ordering::Relaxed);
            if first.is_none() {
                first = Some(began.elapsed());
                meter.opened.fetch_add(1, Ordering::Relaxed);
            }
        }
        keep_tail(&mut tail, &bytes);
    }
    ensure!(tail.windows(6).any(|window| window == b"[DONE]"), "a stream ended without [DONE]");
    first.context("a stream without a chunk")
}

/// Comments may follow the last event: enough is kept to find it before them.
const TAIL: usize = 1024;

fn keep_tail(tail: &mut Vec<u8>, bytes: &[u8]) {
    tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
    if tail.len() > 2 * TAIL {
        tail.drain(..tail.len() - TAIL);
    }
}

/// Counts lines that begin with `d`, as only `data:` does among the lines of an event stream,
/// across the borders of pieces.
#[derive(Debug)]
struct DataLines {
    at_start: bool,
}

impl Default for DataLines {
    fn default() -> Self {
        Self { at_start: true }
    }
}

impl DataLines {
    fn count(&mut self, bytes: &[u8]) -> u64 {
        let mut count = 0;
        for byte in bytes {
            count += u64::from(self.at_start && *byte == b'd');
            self.at_start = *byte == b'\n';
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_lines_are_counted_across_pieces_and_nothing_else_is() {
        let text = b": hello\n\nid: 1\ndata: {\"delta\":1}\n\nid: 2\ndata: x data: y\n\nevent: d\ndata: [DONE]\n\n";
        for size in 1..text.len() {
            let mut lines = DataLines::default();
            let count: u64 = text.chunks(size).map(|piece| lines.count(piece)).sum();
            assert_eq!(count, 3, "in pieces of {size}");
        }
    }

    #[test]
    fn the_tail_stays_short_and_keeps_the_end() {
        let mut tail = Vec::new();
        for number in 0..10_000_u32 {
            keep_tail(&mut tail, format!("{number} ").as_bytes());
        }
        assert!(tail.len() <= 2 * TAIL && tail.ends_with(b"9998 9999 "));
    }
}
