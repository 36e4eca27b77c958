//! One HTTP/1.1 connection: sends one request at a time and says whether a failed one was ever
//! written. Not here: making connections (`connect.rs`) and keeping them (`pool.rs`).
//!
//! There is no task per connection. Whoever waits for an answer, or reads its body, drives the
//! connection; so bytes that have arrived are handed on without a switch of tasks, nothing is
//! read that nobody asked for, and dropping a body closes its socket at once. An idle connection
//! is driven by nobody: before it is used again, the kernel is asked whether it still stands.

use crate::http2::Lease;
use crate::pool::Slot;
use crate::socket::{Transport, Wire};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::time::Instant;

/// Of the head of an answer this much is taken, and of its trailers: more is not an answer but an
/// attempt to fill our memory.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEAD_LINES_MAX: usize = 200;

/// A request as the pool takes it: origin form, `host` set.
pub(crate) type WireRequest = Request<Full<Bytes>>;

/// An open connection with no request under way.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: http1::Connection<TokioIo<Transport>, Full<Bytes>>,
    wire: Arc<Wire>,
    opened: Instant,
    served: bool,
    slot: Slot,
}

/// The head of an answer, and what carries the rest.
pub(crate) struct Exchange {
    pub(crate) response: Response<Incoming>,
    pub(crate) carrier: Carrier,
}

/// What carries the body of an answer.
pub(crate) enum Carrier {
    /// A connection that has ended already: what is left of the body has arrived.
    Ended,
    /// HTTP/1.1: driven by the reader of the body, and free again at its end.
    Own(Box<Connection>),
    /// HTTP/2: a place among others, given back when it is dropped.
    Shared(#[expect(dead_code, reason = "it is held, and counts by that")] Lease),
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    /// Not one byte of the request was written. It comes back where HTTP had not yet taken it.
    Unwritten(Option<Box<WireRequest>>, Option<hyper::Error>),
    /// HTTP/2: it was written, and the server says that it did not look at it (RFC 9113, 8.7).
    Unprocessed(hyper::Error),
    /// It was written, wholly or in part.
    Lost(hyper::Error),
}

impl Connection {
    /// Starts HTTP on a transport.
    ///
    /// # Errors
    /// When HTTP does not start; nothing is written by that.
    pub(crate) async fn start(transport: Transport, wire: Arc<Wire>, slot: Slot) -> Result<Box<Self>, hyper::Error> {
        let (sender, driver) = http1::Builder::new()
            .max_headers(HEAD_LINES_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(transport))
            .await?;
        Ok(Box::new(Self { sender, driver, wire, opened: Instant::now(), served: false, slot }))
    }

    /// Where it came from, to go back there.
    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    /// Has it carried a request before?
    pub(crate) fn has_served(&self) -> bool {
        self.served
    }

    /// When it was made.
    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// `Unwritten` is exact: the kernel took no byte of the request, and never will.
    pub(crate) async fn exchange(mut self: Box<Self>, request: WireRequest) -> Result<Exchange, ExchangeError> {
        self.served = true;
        let wire = Arc::clone(&self.wire);
        let written = wire.written();
        wire.probe();
        let mut answer = pin!(self.sender.try_send_request(request));
        let mut connection = Some(self);
        let outcome = poll_fn(|cx| {
            // A connection that has ended is dropped, and with that hands out a request that it
            // had not taken. Its error comes with the answer.
            if connection.as_mut().is_some_and(|open| open.drive(cx).is_ready()) {
                connection = None;
            }
            answer.as_mut().poll(cx)
        })
        .await;
        match outcome {
            Ok(response) => Ok(Exchange { response, carrier: connection.map_or(Carrier::Ended, Carrier::Own) }),
            Err(mut error) => {
                drop(connection);
                match error.take_message() {
                    Some(request) => Err(ExchangeError::Unwritten(Some(Box::new(request)), Some(error.into_error()))),
                    None if wire.written() == written => Err(ExchangeError::Unwritten(None, Some(error.into_error()))),
                    None => Err(ExchangeError::Lost(error.into_error())),
                }
            }
        }
    }

    /// Moves bytes. Ready when the connection has ended; it must not be driven after that.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        Pin::new(&mut self.driver).poll(cx)
    }

    /// After the end of an answer: can it take another request?
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx).is_pending() && self.sender.is_ready()
    }

    /// Has the other side hung up, or spoken out of turn, while it was idle? If so it must be
    /// dropped.
    pub(crate) fn is_stale(&mut self) -> bool {
        self.wire.probe();
        self.drive(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::Socket;
    use socket2::SockRef;
    use std::net::Shutdown;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    /// Both ends of a connection.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let client = TcpStream::connect(address).await.expect("a connection");
        let (server, _) = listener.accept().await.expect("a connection");
        (client, server)
    }

    async fn start(client: TcpStream) -> Box<Connection> {
        let socket = Socket::new(client);
        let wire = socket.wire();
        Connection::start(Transport::Plain(socket), wire, Slot::default()).await.expect("a connection")
    }

    fn request() -> WireRequest {
        Request::post("/").header("host", "x").body(Full::new(Bytes::from_static(b"body"))).expect("a request")
    }

    #[tokio::test]
    async fn a_fresh_connection_that_was_closed_gives_the_request_back() {
        for reset in [false, true] {
            let (client, server) = pair().await;
            let connection = start(client).await;
            if reset {
                SockRef::from(&server).set_linger(Some(std::time::Duration::ZERO)).expect("linger");
            }
            drop(server);
            match connection.exchange(request()).await {
                Err(ExchangeError::Unwritten(Some(request), _)) => assert_eq!(request.uri(), "/"),
                Err(error) => panic!("{error:?}"),
                Ok(exchange) => panic!("{:?}", exchange.response),
            }
        }
    }

    #[tokio::test]
    async fn a_request_that_was_taken_and_never_written_is_known_as_that() {
        let (client, mut server) = pair().await;
        // The socket looks alive and takes no byte.
        SockRef::from(&client).shutdown(Shutdown::Write).expect("a shutdown");
        match start(client).await.exchange(request()).await {
            Err(ExchangeError::Unwritten(None, _)) => {}
            Err(error) => panic!("{error:?}"),
            Ok(exchange) => panic!("{:?}", exchange.response),
        }
        let mut seen = Vec::new();
        server.read_to_end(&mut seen).await.expect("an end");
        assert!(seen.is_empty());
    }

    #[tokio::test]
    async fn one_byte_written_is_written() {
        let (client, mut server) = pair().await;
        let connection = start(client).await;
        let serving = tokio::spawn(async move {
            let mut one = [0];
            server.read_exact(&mut one).await.expect("a byte");
            // Unread bytes make this a reset.
            drop(server);
            one
        });
        assert!(matches!(connection.exchange(request()).await, Err(ExchangeError::Lost(_))));
        assert_eq!(&serving.await.expect("no panic"), b"P");
    }

    #[tokio::test]
    async fn an_idle_connection_knows_when_it_is_stale() {
        let (client, mut server) = pair().await;
        let mut connection = start(client).await;
        assert!(!connection.is_stale());
        server.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.expect("a client that listens");
        assert!(connection.is_stale());
    }
}
