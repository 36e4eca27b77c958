//! The accept loop: bounded connections, slow clients shown the door, and a drain that lets
//! running answers finish.

use crate::came::{From, client_behind};
use crate::paths::with_single_slashes;
use crate::patient::Patient;
use axum::Router;
use axum::body::Body;
use haltline_ports::Network;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

/// For a client to take the last bytes of its answer when the server stops.
const LAST_BYTES: Duration = Duration::from_secs(5);

/// What bounds connections.
#[derive(Clone, Debug)]
pub struct ServerBounds {
    /// Open at once.
    pub connections: usize,
    /// For the head of a request to arrive, from the connection's start or the last answer.
    pub header_read: Duration,
    /// Headers of one request.
    pub headers: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Proxies whose word about a client's address is believed.
    pub trusted_proxies: Arc<[Network]>,
}

impl Default for ServerBounds {
    fn default() -> Self {
        Self {
            connections: 16_384,
            header_read: Duration::from_secs(10),
            headers: 100,
            head_bytes: 64 * 1024,
            trusted_proxies: Arc::from([]),
        }
    }
}

/// Serves until `stop` is cancelled, then waits until every connection has finished its answer.
///
/// # Errors
/// When the listener breaks for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: ServerBounds,
    stop: CancellationToken,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let connections = TaskTracker::new();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_read)
        .max_headers(bounds.headers)
        .max_buf_size(bounds.head_bytes)
        .keep_alive(true)
        .pipeline_flush(true);
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => match place {
                Ok(place) => place,
                Err(_) => break,
            },
        };
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => (stream, peer.ip()),
                Err(error) if is_per_connection(&error) => continue,
                Err(error) => {
                    // Out of descriptors: leave the connections that are open time to end.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        // Without this, small writes wait for the other side's delayed acknowledgement: 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let router = router.clone();
        let trusted = Arc::clone(&bounds.trusted_proxies);
        let service = hyper::service::service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
            let mut router = router.clone();
            if let Some(uri) = with_single_slashes(request.uri()) {
                *request.uri_mut() = uri;
            }
            let client = client_behind(peer, request.headers(), &trusted);
            request.extensions_mut().insert(From(client));
            async move {
                Ok::<_, Infallible>(router.call(request.map(Body::new)).await.unwrap_or_else(|never| match never {}))
            }
        });
        let connection = builder.serve_connection(TokioIo::new(Patient::new(stream)), service);
        let stop = stop.clone();
        connections.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    // The line has ended by then; a client that does not take its last bytes loses them.
                    tokio::time::timeout(LAST_BYTES, connection).await.unwrap_or(Ok(()))
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

fn is_per_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
