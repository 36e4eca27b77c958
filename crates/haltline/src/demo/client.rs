//! A naive client: what the post-mortem's loop was. It repeats whatever fails, at once, for ever,
//! gives no cap, and reads no hint.

use anyhow::Context;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// One client with one connection.
pub(super) struct NaiveClient {
    address: SocketAddr,
    secret: String,
    user: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl NaiveClient {
    pub(super) fn new(address: SocketAddr, secret: &str, user: usize) -> Self {
        Self { address, secret: secret.to_owned(), user: format!("user-{user}"), sender: None }
    }

    /// Asks, and says with which status it was answered.
    pub(super) async fn ask(&mut self, body: Bytes) -> anyhow::Result<StatusCode> {
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let request = Request::post("/v1/chat/completions")
            .header(HOST, self.address.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.secret))
            .header(CONTENT_TYPE, "application/json")
            .header("x-haltline-user", &self.user)
            .body(Full::new(body))?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        answer.into_body().collect().await?;
        self.sender = Some(sender);
        Ok(status)
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address).await.context("the gateway does not answer")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a client's connection ended");
            }
        });
        Ok(sender)
    }
}

/// What it asks: a small prompt, no cap.
pub(super) fn body(turn: u64) -> Bytes {
    Bytes::from(format!(
        r#"{{"model":"chat","messages":[{{"role":"user","content":"Summarise the meeting of day {turn} for me, please, in a few friendly sentences."}}]}}"#
    ))
}
