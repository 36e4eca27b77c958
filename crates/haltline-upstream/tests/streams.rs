//! Streams: pieces come on as they arrive, at once, and all that have arrived together.

use crate::support::{
    BODY, STREAM_END, STREAM_HEAD, Server, call_with, chunk, heard, next, poll_now, read, read_request, send, write,
};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

#[tokio::test]
async fn pieces_that_arrived_together_are_ready_together() {
    let (go, gone) = mpsc::unbounded_channel::<()>();
    let gone = std::sync::Arc::new(tokio::sync::Mutex::new(gone));
    let server = Server::start(move |mut stream, _| {
        let gone = std::sync::Arc::clone(&gone);
        async move {
            read_request(&mut stream).await.expect("a whole request");
            let pieces: String = (0..40).map(|index| chunk(&format!("data: {index}\n\n"))).collect();
            write(&mut stream, &format!("{STREAM_HEAD}{pieces}")).await;
            gone.lock().await.recv().await;
            write(&mut stream, &format!("{}{STREAM_END}", chunk("data: [DONE]\n\n"))).await;
            assert!(read_request(&mut stream).await.is_none());
        }
    })
    .await;
    let upstream = server.upstream();
    let mut answer = send(&upstream, call_with(BODY, true)).await.expect("a head");
    assert_eq!(next(&mut answer).await.expect("a piece").expect("no fault"), "data: 0\n\n");
    for index in 1..40 {
        match poll_now(&mut answer) {
            Poll::Ready(Some(Ok(bytes))) => assert_eq!(bytes, format!("data: {index}\n\n")),
            other => panic!("piece {index} is there and must be ready: {other:?}"),
        }
    }
    assert!(poll_now(&mut answer).is_pending());
    go.send(()).expect("a server that waits");
    assert_eq!(read(answer).await.expect("the rest"), "data: [DONE]\n\n");
    let stats = upstream.pool_stats();
    assert_eq!((stats.open, stats.idle), (1, 1), "a stream that was read to its end leaves its connection: {stats:?}");
}

#[tokio::test]
async fn dropping_a_body_closes_its_connection() {
    let (told, mut word) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let told = told.clone();
        async move {
            read_request(&mut stream).await.expect("a whole request");
            write(&mut stream, &format!("{STREAM_HEAD}{}", chunk("one"))).await;
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
            told.send(()).expect("a test that listens");
        }
    })
    .await;
    let upstream = server.upstream();
    let mut answer = send(&upstream, call_with(BODY, true)).await.expect("a head");
    next(&mut answer).await.expect("a piece").expect("no fault");
    drop(answer);
    heard(&mut word).await;
    let stats = upstream.pool_stats();
    assert_eq!((stats.open, stats.idle), (0, 0), "{stats:?}");
}

/// With Nagle's algorithm on, the second small write of a side waits for the other's delayed
/// acknowledgement, 40 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_piece_does_not_wait_for_an_acknowledgement() {
    let server = Server::start(|mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            write(&mut stream, STREAM_HEAD).await;
            write(&mut stream, &chunk("data: 1\n\n")).await;
            write(&mut stream, STREAM_END).await;
        }
    })
    .await;
    let upstream = server.upstream();
    let mut waits = Vec::new();
    for _ in 0..21 {
        let begun = Instant::now();
        let mut answer = send(&upstream, call_with(vec![b' '; 200_000], true)).await.expect("a head");
        next(&mut answer).await.expect("a piece").expect("no fault");
        waits.push(begun.elapsed());
        read(answer).await.expect("the rest");
    }
    waits.sort_unstable();
    assert!(waits[10] < Duration::from_millis(20), "median {:?} of {waits:?}", waits[10]);
    assert_eq!(upstream.pool_stats().opened, 1);
}

#[tokio::test]
async fn bytes_pass_unchanged_however_they_are_cut() {
    let text: String = (0..2000).map(|index| format!("data: {{\"i\":{index},\"t\":\"ä€𝄞\"}}\n\n")).collect();
    let sent = text.clone();
    let server = Server::start(move |mut stream, _| {
        let text = sent.clone();
        async move {
            while read_request(&mut stream).await.is_some() {
                write(&mut stream, STREAM_HEAD).await;
                for piece in text.as_bytes().chunks(701) {
                    let mut framed = format!("{:x};ext=1\r\n", piece.len()).into_bytes();
                    framed.extend_from_slice(piece);
                    framed.extend_from_slice(b"\r\n");
                    let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &framed).await;
                }
                write(&mut stream, "0\r\nx-trailer: yes\r\n\r\n").await;
            }
        }
    })
    .await;
    let upstream = server.upstream();
    for _ in 0..3 {
        let answer = send(&upstream, call_with(BODY, true)).await.expect("a head");
        assert_eq!(read(answer).await.expect("the body"), text);
    }
    assert_eq!(upstream.pool_stats().opened, 1);
}
