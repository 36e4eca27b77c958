//! A simple pool of keep-alive connections to one address: last in, first out, no limit. Used by
//! the pass-through towards its upstream and by the load generator.

use anyhow::Context;
use hyper::body::Body;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// Connections to one address, for requests with bodies of type `B`.
pub(crate) struct Pool<B> {
    address: SocketAddr,
    idle: Mutex<Vec<SendRequest<B>>>,
}

impl<B> Pool<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::default() }
    }

    /// An idle connection that is still open, else a new one.
    pub(crate) async fn take(&self) -> anyhow::Result<SendRequest<B>> {
        loop {
            let idle = self.idle.lock().pop();
            let Some(mut sender) = idle else { return self.connect().await };
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
    }

    /// Gives a connection back whose last answer has been read to its end.
    pub(crate) fn give(&self, sender: SendRequest<B>) {
        self.idle.lock().push(sender);
    }

    /// Closes the idle connections.
    pub(crate) fn close_idle(&self) {
        self.idle.lock().clear();
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<B>> {
        let stream = TcpStream::connect(self.address).await.with_context(|| format!("connecting {}", self.address))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // What breaks here is seen by whoever waits for the answer.
            let _ = connection.await;
        });
        Ok(sender)
    }
}
