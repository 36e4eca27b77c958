//! Clients that open a connection and do not finish the handshake: they hold no place of those that
//! speak, and cannot keep others out.

use super::authority::Authority;
use super::client::Client;
use axum::Router;
use axum::routing::get;
use haltline::tls::{ClientAuth, Tls, TlsSettings, prepare};
use haltline_http::{ServerBounds, serve};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// A server with these bounds; it ends when the token is dropped with the test's runtime.
async fn server(authority: &Authority, bounds: ServerBounds) -> (SocketAddr, CancellationToken) {
    let pair = authority.server();
    let settings = TlsSettings {
        cert: pair.cert.clone(),
        key: pair.key.as_str().into(),
        client_ca: None,
        client_auth: ClientAuth::Required,
        files: Vec::new(),
    };
    let tls = Tls::new(prepare(&settings).expect("TLS"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let router = Router::new().route("/", get(|| async { "here" }));
    tokio::spawn(serve(listener, tls, router, bounds, stop.clone()));
    (address, stop)
}

/// Connections that begin a handshake and say no more.
async fn silent(address: SocketAddr, many: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..many {
        let mut stream = TcpStream::connect(address).await.expect("connect");
        stream.write_all(&[0x16, 3, 1]).await.expect("three bytes");
        streams.push(stream);
    }
    streams
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_handshakes_keep_nobody_out() {
    let authority = Authority::new();
    // One place to speak, four to shake hands.
    let bounds = ServerBounds { connections: 1, handshakes: 4, ..ServerBounds::default() };
    let (address, _stop) = server(&authority, bounds).await;
    let client = Client::new(&authority, None);
    let mut silent = silent(address, 40).await;
    let began = Instant::now();
    let (status, _) = client.get(address, "/").await.expect("an answer beside forty silent clients");
    assert!(status == 200 && began.elapsed() < Duration::from_secs(5), "{status} {:?}", began.elapsed());
    // The first of them were shown the door.
    let mut rest = Vec::new();
    let first = silent.first_mut().expect("forty").read_to_end(&mut rest);
    let closed = tokio::time::timeout(Duration::from_secs(5), first).await;
    assert!(closed.is_ok(), "the oldest handshake was left open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_takes_too_long_is_ended() {
    let authority = Authority::new();
    let bounds = ServerBounds { handshake: Duration::from_millis(300), ..ServerBounds::default() };
    let (address, _stop) = server(&authority, bounds).await;
    let mut silent = silent(address, 1).await;
    let mut nothing_at_all = TcpStream::connect(address).await.expect("connect");
    for stream in [silent.first_mut().expect("one"), &mut nothing_at_all] {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "left open");
    }
    let status = Client::new(&authority, None).get(address, "/").await.expect("answer").0;
    assert_eq!(status, 200);
}
