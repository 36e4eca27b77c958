//! One HTTP/2 connection: carries many requests at once, and says of a failed one whether the
//! server ever looked at it. Not here: which connection takes a request (`spread.rs`), making and
//! keeping them (`connect.rs`, `pool.rs`).
//!
//! It is driven by tasks of its own, for nobody who waits for one answer may hold up the others.
//! Every stream has a window of its own, and the connection's window is as large as all of them
//! together: a reader that stops stalls nobody but itself.

use crate::connection::{Carrier, Exchange, ExchangeError, HEAD_BYTES_MAX, WireRequest};
use crate::fault;
use crate::pool::Slot;
use crate::socket::Transport;
use crate::spread::{Http2Settings, Load};
use bytes::Bytes;
use http::HeaderValue;
use http::header;
use http::uri::{Authority, Scheme, Uri};
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// What one answer may have sent that nobody has read yet. At 100 ms of way this is 2.5 MB/s.
const STREAM_WINDOW: u32 = 256 * 1024;

type Sender = http2::SendRequest<Full<Bytes>>;
type Driver = http2::Connection<TokioIo<Transport>, Full<Bytes>, TokioExecutor>;

/// An open connection, shared by all its requests.
pub(crate) struct Multiplexed {
    /// Gone when it takes no more requests; those under way go on.
    sender: Mutex<Option<Sender>>,
    /// Gone when it takes no more requests. Locked to drive it, and to ask what it knows.
    driver: Mutex<Option<Driver>>,
    streams: AtomicUsize,
    served: AtomicU64,
    answered: AtomicBool,
    opened: Instant,
    last_used: Mutex<Instant>,
    _slot: Slot,
}

impl Multiplexed {
    /// Starts HTTP/2 on a transport whose other side agreed to it. `allowed`: what is taken for
    /// the server's limit until it has stated it.
    ///
    /// # Errors
    /// When HTTP/2 does not start; nothing of a request is written by that.
    pub(crate) async fn start(
        transport: Transport,
        settings: &Http2Settings,
        allowed: usize,
        slot: Slot,
    ) -> Result<Arc<Self>, hyper::Error> {
        let streams = u32::try_from(settings.streams_max).unwrap_or(u32::MAX).clamp(1, 1024);
        let (sender, driver) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(STREAM_WINDOW.saturating_mul(streams))
            .initial_max_send_streams(allowed)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .keep_alive_interval(settings.ping_interval)
            .keep_alive_timeout(settings.ping_timeout)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(transport))
            .await?;
        let now = Instant::now();
        let shared = Arc::new(Self {
            sender: Mutex::new(Some(sender)),
            driver: Mutex::new(Some(driver)),
            streams: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            answered: AtomicBool::new(false),
            opened: now,
            last_used: Mutex::new(now),
            _slot: slot,
        });
        tokio::spawn(Arc::clone(&shared).drive(settings.idle_timeout));
        Ok(shared)
    }

    /// Moves bytes until no request can come any more. Answers that are under way have a task of
    /// their own and outlive this one.
    async fn drive(self: Arc<Self>, idle_timeout: Duration) {
        let mut ticks = interval((idle_timeout / 4).max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.ended() => break,
                _ = ticks.tick() => {
                    if self.streams() == 0 && self.last_used.lock().elapsed() >= idle_timeout {
                        self.retire();
                    }
                }
            }
        }
        self.retire();
        *self.driver.lock() = None;
    }

    async fn ended(&self) {
        poll_fn(|cx| match &mut *self.driver.lock() {
            // What its end means is told to each request that it concerns.
            Some(driver) => Pin::new(driver).poll(cx).map(|_| ()),
            None => Poll::Ready(()),
        })
        .await;
    }

    /// Takes no more requests; it closes when the last one under way is answered.
    pub(crate) fn retire(&self) {
        let sender = self.sender.lock().take();
        drop(sender);
    }

    /// Can it take a request, as far as is known?
    pub(crate) fn is_open(&self) -> bool {
        self.sender.lock().as_ref().is_some_and(|sender| !sender.is_closed())
    }

    /// Has it carried a request?
    pub(crate) fn has_served(&self) -> bool {
        self.served.load(Ordering::Relaxed) > 0
    }

    /// When it was made.
    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    /// Requests under way.
    pub(crate) fn streams(&self) -> usize {
        self.streams.load(Ordering::Acquire)
    }

    /// How it stands.
    pub(crate) fn load(&self) -> Load {
        let allowed = self.driver.lock().as_ref().map_or(0, Driver::current_max_send_streams);
        Load { streams: self.streams(), allowed }
    }

    /// What its server said that it allows; it says so before its first answer.
    pub(crate) fn stated_limit(&self) -> Option<usize> {
        self.answered.load(Ordering::Relaxed).then(|| self.load().allowed)
    }

    /// A place on it.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        self.streams.fetch_add(1, Ordering::AcqRel);
        let reused = self.served.fetch_add(1, Ordering::Relaxed) > 0;
        Lease { connection: Arc::clone(self), reused }
    }
}

/// The place of one request on a shared connection, from before it is sent until its answer was
/// read or dropped.
pub(crate) struct Lease {
    connection: Arc<Multiplexed>,
    reused: bool,
}

impl Drop for Lease {
    fn drop(&mut self) {
        *self.connection.last_used.lock() = Instant::now();
        self.connection.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Lease {
    /// Had the connection carried a request before?
    pub(crate) fn reused(&self) -> bool {
        self.reused
    }

    /// Sends a request and waits for the head of its answer. Dropping the future resets the stream
    /// and nothing else.
    ///
    /// # Errors
    /// `Unwritten` and `Unprocessed` are proofs that it cannot have cost money; `Lost` is not.
    pub(crate) async fn exchange(self, request: WireRequest, authority: &Authority) -> Result<Exchange, ExchangeError> {
        let sender = self.connection.sender.lock().clone();
        let Some(mut sender) = sender else {
            return Err(ExchangeError::Unwritten(Some(Box::new(request)), None));
        };
        let answer = sender.try_send_request(into_absolute(request, authority));
        // A sender that is kept would keep the connection from ending.
        drop(sender);
        match answer.await {
            Ok(response) => {
                self.connection.answered.store(true, Ordering::Relaxed);
                Ok(Exchange { response, carrier: Carrier::Shared(self) })
            }
            Err(mut error) => {
                if let Some(request) = error.take_message() {
                    self.connection.retire();
                    let request = Box::new(into_origin_form(request, authority));
                    return Err(ExchangeError::Unwritten(Some(request), Some(error.into_error())));
                }
                let error = error.into_error();
                if fault::is_unprocessed(&error) {
                    Err(ExchangeError::Unprocessed(error))
                } else {
                    Err(ExchangeError::Lost(error))
                }
            }
        }
    }
}

/// As HTTP/2 has it: scheme and authority stand in the target, and there is no `host`.
fn into_absolute(mut request: WireRequest, authority: &Authority) -> WireRequest {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let path = parts.path_and_query.clone();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(authority.clone());
    match Uri::from_parts(parts) {
        Ok(uri) => {
            *request.uri_mut() = uri;
            request.headers_mut().remove(header::HOST);
        }
        // Cannot be: all three parts are there. Sent with its `host` then.
        Err(_) => *request.uri_mut() = path.map(Uri::from).unwrap_or_default(),
    }
    request
}

fn into_origin_form(mut request: WireRequest, authority: &Authority) -> WireRequest {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
    if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
        request.headers_mut().insert(header::HOST, host);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn a_request_survives_the_way_to_http_2_and_back() {
        let authority = Authority::from_static("api.example.test:8443");
        let request = Request::post("/v1/x?a=b")
            .header("host", "api.example.test:8443")
            .body(Full::new(Bytes::from_static(b"body")))
            .expect("a request");
        let absolute = into_absolute(request, &authority);
        assert_eq!(absolute.uri(), "https://api.example.test:8443/v1/x?a=b");
        assert!(!absolute.headers().contains_key("host"));
        let back = into_origin_form(absolute, &authority);
        assert_eq!(back.uri(), "/v1/x?a=b");
        assert_eq!(back.headers()["host"], "api.example.test:8443");
    }
}
