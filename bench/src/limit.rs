//! The bare pass-through: a hyper server and a hyper client with a keep-alive pool, bodies handed
//! on frame by frame, and nothing else. It is the least that a proxy on this stack can cost, and
//! the yardstick for the gateway.

use crate::pool::Pool;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::net::TcpListener;

/// Serves until the process ends; prints `ready ADDRESS` first.
pub(crate) async fn serve(upstream: SocketAddr, listen: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    println!("ready {}", listener.local_addr()?);
    let host = HeaderValue::from_str(&upstream.to_string())?;
    let pool = Arc::new(Pool::new(upstream));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (pool, host) = (Arc::clone(&pool), host.clone());
        let service = service_fn(move |request| {
            let (pool, host) = (Arc::clone(&pool), host.clone());
            async move { Ok::<_, Infallible>(forward(pool, host, request).await) }
        });
        tokio::spawn(async move {
            // A client that leaves ends its connection; there is nobody to tell.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn forward(pool: Arc<Pool<Incoming>>, host: HeaderValue, mut request: Request<Incoming>) -> Response<Passing> {
    request.headers_mut().remove(header::CONNECTION);
    request.headers_mut().insert(header::HOST, host);
    if let Some(path) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = Uri::from(path);
    }
    let Ok(mut sender) = pool.take().await else { return unreachable_upstream() };
    match sender.send_request(request).await {
        Ok(response) => response.map(|body| Passing { body: Some(body), back: Some((sender, pool)) }),
        Err(_) => unreachable_upstream(),
    }
}

fn unreachable_upstream() -> Response<Passing> {
    let mut response = Response::new(Passing { body: None, back: None });
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// A body on its way through, and the connection that goes back to the pool after it.
struct Passing {
    body: Option<Incoming>,
    back: Option<(SendRequest<Incoming>, Arc<Pool<Incoming>>)>,
}

impl Passing {
    fn ended(&mut self) {
        if let Some((sender, pool)) = self.back.take() {
            pool.give(sender);
        }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        if frame.is_none() || body.is_end_stream() {
            self.ended();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if self.is_end_stream() {
            self.ended();
        }
    }
}
