//! TLS: whom we trust, and what an operator is told when we do not.

use crate::support::{Frozen, Server, call, config, heard, ok, read, read_request, send};
use haltline_types::{Billing, Fault, FaultKind};
use haltline_upstream::{OpenAiConfig, OpenAiUpstream};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::PrivateKeyDer;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate") }
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// An acceptor that shows a certificate for `name`.
    fn acceptor(&self, name: &str) -> TlsAcceptor {
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
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Answers over TLS; after `per_connection` answers it closes properly and says so.
async fn serving(acceptor: TlsAcceptor, per_connection: usize) -> (Server, mpsc::UnboundedReceiver<Vec<u8>>) {
    let (told, word) = mpsc::unbounded_channel();
    let server = Server::start(move |stream, _| {
        let (acceptor, told) = (acceptor.clone(), told.clone());
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let spoken = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
            for _ in 0..per_connection {
                if read_request(&mut stream).await.is_none() {
                    return;
                }
                stream.write_all(ok("secret").as_bytes()).await.expect("a client that listens");
                stream.flush().await.expect("a client that listens");
            }
            stream.shutdown().await.expect("a client that listens");
            drop(stream);
            told.send(spoken).expect("a test that listens");
        }
    })
    .await;
    (server, word)
}

fn upstream(server: &Server, extra_ca: Option<String>) -> OpenAiUpstream {
    let config = OpenAiConfig { extra_ca, ..config(&format!("https://127.0.0.1:{}/v1", server.port)) };
    OpenAiUpstream::new(config, Arc::new(Frozen)).expect("a usable configuration")
}

fn refused(fault: &Fault, words: &str) {
    assert_eq!((fault.kind, fault.billing), (FaultKind::ConnectFailed, Billing::NotSent), "{fault}");
    assert!(fault.detail.contains(words), "{fault}");
}

#[tokio::test]
async fn a_trusted_certificate_is_accepted_and_its_connection_reused() {
    let authority = Authority::new("ours");
    let (server, _word) = serving(authority.acceptor("127.0.0.1"), usize::MAX).await;
    let upstream = upstream(&server, Some(authority.pem()));
    for _ in 0..10 {
        let answer = send(&upstream, call()).await.expect("an answer");
        assert_eq!(read(answer).await.expect("its body"), "secret");
    }
    let stats = upstream.pool_stats();
    assert_eq!((stats.opened, stats.reused, stats.stale), (1, 9, 0), "{stats:?}");
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced_unseen() {
    let authority = Authority::new("ours");
    let (server, mut closed) = serving(authority.acceptor("127.0.0.1"), 1).await;
    let upstream = upstream(&server, Some(authority.pem()));
    for _ in 0..20 {
        let answer = send(&upstream, call()).await.expect("an answer");
        assert_eq!(read(answer).await.expect("its body"), "secret");
        assert_eq!(heard(&mut closed).await, b"http/1.1", "HTTP/1.1 is all that we offer");
    }
    let stats = upstream.pool_stats();
    assert_eq!((stats.opened, stats.reused), (20, 0), "{stats:?}");
}

#[tokio::test]
async fn an_unknown_issuer_is_refused_and_named() {
    let (server, _word) = serving(Authority::new("theirs").acceptor("127.0.0.1"), 1).await;
    for extra_ca in [None, Some(Authority::new("ours").pem())] {
        let fault = send(&upstream(&server, extra_ca), call()).await.expect_err("a stranger");
        refused(&fault, "extra_ca");
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new("ours");
    let (server, _word) = serving(authority.acceptor("api.example.test"), 1).await;
    let fault = send(&upstream(&server, Some(authority.pem())), call()).await.expect_err("another host");
    refused(&fault, "for another host");
}

#[tokio::test]
async fn a_server_without_tls_is_named_as_that() {
    let server = Server::start(|mut stream, _| async move {
        crate::support::write(&mut stream, "HTTP/1.1 400 Bad Request\r\n\r\n").await;
        while read_request(&mut stream).await.is_some() {}
    })
    .await;
    let fault = send(&upstream(&server, None), call()).await.expect_err("no TLS");
    refused(&fault, "http://");
}
