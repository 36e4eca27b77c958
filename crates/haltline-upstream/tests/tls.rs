//! TLS: whom we trust, and what an operator is told when we do not.

use crate::support::{Frozen, Server, call, config, heard, ok, read, read_request, send};
use crate::tls_server::Authority;
use haltline_types::{Billing, Fault, FaultKind};
use haltline_upstream::{HttpConfig, HttpUpstream, PoolSettings};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

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

fn upstream(server: &Server, extra_ca: Option<String>) -> HttpUpstream {
    let config = HttpConfig { extra_ca, ..config(&format!("https://127.0.0.1:{}/v1", server.port)) };
    HttpUpstream::new(config, Arc::new(Frozen)).expect("a usable configuration")
}

fn refused(fault: &Fault, words: &str) {
    assert_eq!((fault.kind, fault.billing), (FaultKind::ConnectFailed, Billing::NotSent), "{fault}");
    assert!(fault.detail.contains(words), "{fault}");
}

#[tokio::test]
async fn a_trusted_certificate_is_accepted_and_its_connection_reused() {
    let authority = Authority::new("ours");
    let (server, _word) = serving(authority.acceptor("127.0.0.1", &["http/1.1"]), usize::MAX).await;
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
    let (server, mut closed) = serving(authority.acceptor("127.0.0.1", &["http/1.1"]), 1).await;
    let upstream = upstream(&server, Some(authority.pem()));
    for _ in 0..20 {
        let answer = send(&upstream, call()).await.expect("an answer");
        assert_eq!(read(answer).await.expect("its body"), "secret");
        assert_eq!(heard(&mut closed).await, b"http/1.1");
    }
    let stats = upstream.pool_stats();
    assert_eq!((stats.opened, stats.reused), (20, 0), "{stats:?}");
}

#[tokio::test]
async fn an_unknown_issuer_is_refused_and_named() {
    let (server, _word) = serving(Authority::new("theirs").acceptor("127.0.0.1", &["http/1.1"]), 1).await;
    for extra_ca in [None, Some(Authority::new("ours").pem())] {
        let fault = send(&upstream(&server, extra_ca), call()).await.expect_err("a stranger");
        refused(&fault, "extra_ca");
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new("ours");
    let (server, _word) = serving(authority.acceptor("api.example.test", &["http/1.1"]), 1).await;
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

#[tokio::test]
async fn http_2_is_not_offered_where_it_is_not_wanted() {
    let authority = Authority::new("ours");
    let acceptor = authority.acceptor("127.0.0.1", &["h2", "http/1.1"]);
    let (server, mut closed) = serving(acceptor, 1).await;
    let pool = PoolSettings { http2: None, ..PoolSettings::default() };
    let config = config(&format!("https://127.0.0.1:{}/v1", server.port));
    let config = HttpConfig { extra_ca: Some(authority.pem()), pool, ..config };
    let upstream = HttpUpstream::new(config, Arc::new(Frozen)).expect("a usable configuration");
    let answer = send(&upstream, call()).await.expect("an answer");
    assert_eq!(read(answer).await.expect("its body"), "secret");
    assert_eq!(heard(&mut closed).await, b"http/1.1");
}

#[tokio::test]
async fn many_first_requests_to_a_server_of_http_1_find_out_together() {
    let authority = Authority::new("ours");
    let (server, _word) = serving(authority.acceptor("127.0.0.1", &["http/1.1"]), usize::MAX).await;
    let upstream = upstream(&server, Some(authority.pem()));
    let answers = (0..8).map(|_| async {
        let answer = send(&upstream, call()).await.expect("an answer");
        read(answer).await.expect("its body")
    });
    for body in futures_util::future::join_all(answers).await {
        assert_eq!(body, "secret");
    }
    let stats = upstream.pool_stats();
    assert!(stats.opened <= 8 && stats.shared == 0 && stats.idle >= 1, "{stats:?}");
}
