//! A client that speaks TLS, on one connection that stays open.

use super::authority::{Authority, Issued};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How a client shows itself, and whom it trusts.
#[derive(Clone)]
pub(crate) struct Client(Arc<ClientConfig>);

/// An open connection.
pub(crate) struct Open {
    sender: SendRequest<Full<Bytes>>,
    /// What the server has shown.
    pub(crate) shown: CertificateDer<'static>,
    /// What was agreed on by ALPN.
    pub(crate) protocol: Option<Vec<u8>>,
    /// Was it a whole handshake, and no session resumed?
    pub(crate) is_whole: bool,
}

impl Client {
    pub(crate) fn new(trusts: &Authority, shows: Option<&Issued>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusts.pem().as_bytes()).expect("PEM")).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match shows {
            None => builder.with_no_client_auth(),
            Some(shows) => builder.with_client_auth_cert(shows.chain(), shows.key()).expect("a pair"),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self(Arc::new(config))
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<Open> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = tokio::time::timeout(
            Duration::from_secs(10),
            TlsConnector::from(Arc::clone(&self.0)).connect(name, stream),
        )
        .await??;
        let session = stream.get_ref().1;
        let shown = session.peer_certificates().and_then(<[_]>::first).expect("shown").clone().into_owned();
        let protocol = session.alpn_protocol().map(<[u8]>::to_vec);
        let is_whole = session.handshake_kind() == Some(rustls::HandshakeKind::Full);
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Open { sender, shown, protocol, is_whole })
    }

    /// Connects and asks once: with TLS 1.3 a client learns only then that its certificate was refused.
    pub(crate) async fn get(&self, address: SocketAddr, path: &str) -> io::Result<(StatusCode, HeaderMap)> {
        let mut open = self.connect(address).await?;
        let (status, head, _) = open.get(path, "").await?;
        Ok((status, head))
    }
}

impl Open {
    pub(crate) async fn get(&mut self, path: &str, key: &str) -> io::Result<(StatusCode, HeaderMap, Bytes)> {
        self.send(Request::get(path), key, "").await
    }

    pub(crate) async fn post(
        &mut self,
        path: &str,
        key: &str,
        body: &str,
    ) -> io::Result<(StatusCode, HeaderMap, Bytes)> {
        self.send(Request::post(path), key, body).await
    }

    async fn send(
        &mut self,
        request: http::request::Builder,
        key: &str,
        body: &str,
    ) -> io::Result<(StatusCode, HeaderMap, Bytes)> {
        let request = request
            .header("host", "localhost")
            .header("authorization", format!("Bearer {key}"))
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .expect("a request");
        let answer = self.sender.send_request(request).await.map_err(io::Error::other)?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok((head.status, head.headers, body))
    }
}
