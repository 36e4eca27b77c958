//! What a request costs in processor time, measured beside hyper's own client. Run with
//! `cargo test --release -- --ignored --nocapture cost`.

use crate::support::{BODY, answering, attempt, call, permit};
use bytes::Bytes;
use futures_util::StreamExt;
use haltline_ports::Upstream;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::sync::mpsc;
use std::thread;

const REQUESTS: u32 = 20_000;

/// Nanoseconds that this thread has run.
fn thread_nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().expect("a number").parse().expect("a number")
}

#[test]
#[ignore = "a measurement, not a check"]
fn cost_per_request() {
    let (told, port) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let server = answering("0123456789").await;
            told.send(server.port).expect("a test that listens");
            std::future::pending::<()>().await;
        });
    });
    let port = port.recv().expect("a server");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let upstream = crate::support::upstream_at(
            &format!("http://127.0.0.1:{port}/v1"),
            haltline_upstream::PoolSettings::default(),
        );
        for round in 0..3 {
            let permits: Vec<_> = (0..REQUESTS).map(|number| permit(attempt(number.into()))).collect();
            let begun = thread_nanos();
            for permit in permits {
                let mut answer = upstream.call(permit, call()).await.expect("an answer");
                while let Some(bytes) = answer.body.next().await {
                    bytes.expect("its body");
                }
            }
            let ours = (thread_nanos() - begun) / u64::from(REQUESTS);

            let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
            stream.set_nodelay(true).expect("nodelay");
            let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
            tokio::spawn(driver);
            let begun = thread_nanos();
            for _ in 0..REQUESTS {
                let request = Request::post("/v1/chat/completions")
                    .header(header::HOST, "127.0.0.1")
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(header::AUTHORIZATION, "Bearer sk-test")
                    .header(header::ACCEPT, "application/json")
                    .header(header::ACCEPT_ENCODING, "identity")
                    .header(header::USER_AGENT, "haltline/0.1.0")
                    .header("x-client-request-id", "req_00000000000000000000000000000000/1")
                    .body(Full::new(Bytes::from_static(BODY.as_bytes())))
                    .expect("a request");
                sender.ready().await.expect("a connection");
                let response = sender.send_request(request).await.expect("an answer");
                response.into_body().collect().await.expect("its body");
            }
            let hyper = (thread_nanos() - begun) / u64::from(REQUESTS);
            println!("round {round}: this pool {ours} ns, hyper alone {hyper} ns of processor time per request");
        }
    });
}
