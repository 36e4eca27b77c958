//! Many calls at once.

use crate::support::{BODY, STREAM_END, STREAM_HEAD, Server, ask, call, call_with, chunk, read_request, write};
use std::sync::Arc;
use tokio::sync::Barrier;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_at_once() {
    const STREAMS: usize = 1000;
    let barrier = Arc::new(Barrier::new(STREAMS));
    let server = Server::start(move |mut stream, number| {
        let barrier = Arc::clone(&barrier);
        async move {
            while read_request(&mut stream).await.is_some() {
                write(&mut stream, &format!("{STREAM_HEAD}{}", chunk("begun "))).await;
                // Only when all are open does any go on.
                barrier.wait().await;
                write(&mut stream, &format!("{}{STREAM_END}", chunk(&format!("{}", number % 10)))).await;
            }
        }
    })
    .await;
    let upstream = Arc::new(server.upstream());
    for round in 0..2 {
        let calls: Vec<_> = (0..STREAMS)
            .map(|_| {
                let upstream = Arc::clone(&upstream);
                tokio::spawn(async move { ask(&*upstream, call_with(BODY, true)).await })
            })
            .collect();
        for call in calls {
            let text = call.await.expect("no panic").expect("an answer");
            assert!(text.starts_with("begun ") && text.len() == 7, "{text}");
        }
        let stats = upstream.pool_stats();
        assert_eq!(stats.idle, 256, "no more are kept: {stats:?}");
        assert_eq!(stats.reused, 256 * round, "{stats:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_callers_share_few_connections() {
    let server = crate::support::answering("fine").await;
    let upstream = Arc::new(server.upstream());
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let upstream = Arc::clone(&upstream);
            tokio::spawn(async move {
                for _ in 0..200 {
                    assert_eq!(ask(&*upstream, call()).await.expect("an answer"), "fine");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("no panic");
    }
    let stats = upstream.pool_stats();
    assert!(stats.opened <= 16, "{stats:?}");
    assert_eq!(stats.opened + stats.reused, 16 * 200, "{stats:?}");
}
