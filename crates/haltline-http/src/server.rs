//! The accept loop: bounded connections, slow clients shown the door, and a drain that lets
//! running answers finish. What stands between TCP and HTTP is an `Accept`.

mod accept;
mod hall;
mod peers;

pub use accept::{Accept, Accepted, Peer, Plain, Raw};

use crate::came::{From, client_behind};
use crate::paths::with_single_slashes;
use axum::Router;
use axum::body::Body;
use hall::Hall;
use haltline_ports::Network;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use peers::{Counted, Peers, TooMany};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

/// For a client to take the last bytes of its answer when the server stops.
const LAST_BYTES: Duration = Duration::from_secs(5);

/// Said in the clear to an address that has too many connections.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
    x-content-type-options: nosniff\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 52\r\n\r\n\
    Too many connections from this address; close some.\n";

/// What bounds connections.
#[derive(Clone, Debug)]
pub struct ServerBounds {
    /// Open at once.
    pub connections: usize,
    /// Of them from one address; 0 = any number.
    pub per_address: usize,
    /// Of them from this machine, which is where a proxy or the command line stands; 0 = any number.
    pub per_loopback: usize,
    /// For the head of a request to arrive, from the connection's start or the last answer.
    pub header_read: Duration,
    /// Headers of one request.
    pub headers: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// For a handshake, the wait for a place included.
    pub handshake: Duration,
    /// Handshakes under way at once; they hold no place among `connections`.
    pub handshakes: usize,
    /// Proxies whose word about a client's address is believed.
    pub trusted_proxies: Arc<[Network]>,
}

impl Default for ServerBounds {
    fn default() -> Self {
        Self {
            connections: 16_384,
            per_address: 2_048,
            per_loopback: 0,
            header_read: Duration::from_secs(10),
            headers: 100,
            head_bytes: 64 * 1024,
            handshake: Duration::from_secs(10),
            handshakes: 1_024,
            trusted_proxies: Arc::from([]),
        }
    }
}

/// Serves until `stop` is cancelled, then waits until every connection has finished its answer.
///
/// # Errors
/// When the listener breaks for good.
pub async fn serve<A: Accept>(
    listener: TcpListener,
    accept: A,
    router: Router,
    bounds: ServerBounds,
    stop: CancellationToken,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let hall = Hall::new(bounds.handshakes, bounds.handshake);
    let peers = Peers::new(bounds.per_address, bounds.per_loopback);
    let connections = TaskTracker::new();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_read)
        .max_headers(bounds.headers)
        .max_buf_size(bounds.head_bytes)
        .keep_alive(true)
        .pipeline_flush(true);
    let shared =
        Arc::new(Shared { accept, router, builder, stop, trusted_proxies: Arc::clone(&bounds.trusted_proxies) });
    loop {
        // Without a handshake the place comes first, and the system's queue holds who must wait.
        let place = if A::SHAKES_HANDS {
            None
        } else {
            tokio::select! {
                () = shared.stop.cancelled() => break,
                place = Arc::clone(&places).acquire_owned() => match place {
                    Ok(place) => Some(place),
                    Err(_) => break,
                },
            }
        };
        let (stream, address) = tokio::select! {
            () = shared.stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_per_connection(&error) => continue,
                Err(error) => {
                    // Out of descriptors: leave the connections that are open time to end.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let counted = match peers.enter(address.ip()) {
            Ok(counted) => counted,
            Err(too_many) => {
                refuse(&stream, address, too_many, bounds.per_address, A::SHAKES_HANDS);
                continue;
            }
        };
        // Without this, small writes wait for the other side's delayed acknowledgement: 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let shared = Arc::clone(&shared);
        let raw = Raw::new(stream, address);
        match place {
            Some(place) => drop(connections.spawn(async move {
                if let Ok(accepted) = shared.accept.accept(raw).await {
                    shared.speak(accepted, address, place, counted).await;
                }
            })),
            None => {
                let (ticket, places) = (hall.enter(), Arc::clone(&places));
                drop(connections.spawn(async move {
                    let came_through = ticket.during(async {
                        let accepted = shared.accept.accept(raw).await?;
                        let place = places.acquire_owned().await.map_err(io::Error::other)?;
                        Ok((accepted, place))
                    });
                    tokio::select! {
                        () = shared.stop.cancelled() => {}
                        came_through = came_through => match came_through {
                            Ok((accepted, place)) => shared.speak(accepted, address, place, counted).await,
                            Err(error) => tracing::debug!(%address, %error, "no handshake"),
                        },
                    }
                }));
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

/// What every connection needs.
struct Shared<A> {
    accept: A,
    router: Router,
    builder: http1::Builder,
    stop: CancellationToken,
    trusted_proxies: Arc<[Network]>,
}

impl<A: Accept> Shared<A> {
    /// HTTP until one side has had enough.
    async fn speak(
        &self,
        accepted: Accepted<A::Stream>,
        address: SocketAddr,
        place: OwnedSemaphorePermit,
        counted: Counted,
    ) {
        let peer = Peer { address, is_tls: accepted.is_tls, is_certified: accepted.is_certified };
        let service = hyper::service::service_fn(|mut request: http::Request<hyper::body::Incoming>| {
            let mut router = self.router.clone();
            if let Some(uri) = with_single_slashes(request.uri()) {
                *request.uri_mut() = uri;
            }
            request.extensions_mut().insert(peer);
            let client = client_behind(address.ip(), request.headers(), &self.trusted_proxies);
            request.extensions_mut().insert(From(client));
            async move {
                Ok::<_, Infallible>(router.call(request.map(Body::new)).await.unwrap_or_else(|never| match never {}))
            }
        });
        let connection = self.builder.serve_connection(TokioIo::new(accepted.stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                // The line has ended by then; a client that does not take its last bytes loses them.
                tokio::time::timeout(LAST_BYTES, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
        drop((place, counted));
    }
}

/// One connection too many of its address. In the clear it is told why; what does not fit into the
/// socket's empty buffer at once is not worth a wait.
fn refuse(stream: &TcpStream, address: SocketAddr, too_many: TooMany, most: usize, is_tls: bool) {
    if too_many.is_news {
        tracing::warn!(
            address = %address.ip(),
            most,
            "too many connections from one address; raise [server] connections_per_address if it is a proxy of yours"
        );
    }
    if !is_tls && let Err(error) = stream.try_write(TOO_MANY) {
        tracing::debug!(%error, "an address with too many connections was not told so");
    }
}

fn is_per_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_too_many_is_whole() {
        let text = std::str::from_utf8(TOO_MANY).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head} {}", body.len());
    }
}
