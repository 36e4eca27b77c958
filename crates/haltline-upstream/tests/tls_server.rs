//! Certificates that a test makes for itself, and HTTP/2 servers behind them.

use crate::support::{Server, config};
use haltline_upstream::{Http2Settings, HttpConfig, PoolSettings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::PrivateKeyDer;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate") }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// An acceptor that shows a certificate for `name` and agrees to these protocols.
    pub(crate) fn acceptor(&self, name: &str, protocols: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate that fits");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A server that speaks HTTP/2 over TLS, and what is needed to call it.
pub(crate) struct Http2Server {
    pub(crate) server: Server,
    pub(crate) pem: String,
}

impl Http2Server {
    /// Calls `serve` with each encrypted connection and its number from 0.
    pub(crate) async fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(TlsStream<TcpStream>, usize) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let authority = Authority::new("ours");
        let acceptor = authority.acceptor("127.0.0.1", &["h2"]);
        let server = Server::start(move |stream, number| {
            let (acceptor, serve) = (acceptor.clone(), serve.clone());
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, number).await;
                }
            }
        })
        .await;
        Self { server, pem: authority.pem() }
    }

    pub(crate) fn config(&self, http2: Http2Settings) -> HttpConfig {
        HttpConfig {
            extra_ca: Some(self.pem.clone()),
            pool: PoolSettings { http2: Some(http2), ..PoolSettings::default() },
            ..config(&format!("https://127.0.0.1:{}/v1", self.server.port))
        }
    }
}

/// Frames of HTTP/2 written out: tells the number of each request that comes, and after the second
/// says GOAWAY with the first as the last that is looked at, and closes.
pub(crate) async fn answer_first_and_go_away(
    mut stream: TlsStream<TcpStream>,
    told: &tokio::sync::mpsc::UnboundedSender<u32>,
) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.expect("a preface");
    // An empty SETTINGS.
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("a client that listens");
    let mut seen = 0;
    while seen < 2 {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("a frame");
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        stream.read_exact(&mut vec![0; length]).await.expect("a frame");
        let [.., a, b, c, d] = head;
        if head[3] == 1 {
            seen += 1;
            told.send(u32::from_be_bytes([a, b, c, d])).expect("a test that listens");
        }
    }
    let go_away = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    stream.write_all(&go_away).await.expect("a client that listens");
    stream.flush().await.expect("a client that listens");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let _ = stream.shutdown().await;
}
