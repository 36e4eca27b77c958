//! When a connection is used again, and when it must not be.

use crate::support::{
    BODY, PATIENCE, Server, answering, ask, call, call_with, heard, ok, read_request, send, upstream_at, write,
};
use haltline_types::{Billing, FaultKind};
use haltline_upstream::PoolSettings;
use socket2::SockRef;
use std::time::Duration;
use tokio::sync::mpsc;

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = answering("fine").await;
    let upstream = server.upstream();
    for _ in 0..20 {
        assert_eq!(ask(&upstream, call()).await.expect("an answer"), "fine");
    }
    let stats = upstream.pool_stats();
    assert_eq!((stats.opened, stats.reused, stats.open, stats.idle), (1, 19, 1, 1), "{stats:?}");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_connection_is_not_used_before_its_answer_was_read() {
    let server = answering("fine").await;
    let upstream = server.upstream();
    let unread = send(&upstream, call()).await.expect("an answer");
    ask(&upstream, call()).await.expect("an answer");
    assert_eq!(upstream.pool_stats().opened, 2);
    drop(unread);
    let stats = upstream.pool_stats();
    assert_eq!((stats.open, stats.idle), (1, 1), "the unread one is closed: {stats:?}");
}

#[tokio::test]
async fn the_last_used_connection_is_taken_first() {
    let (told, mut numbers) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, number| {
        let told = told.clone();
        async move {
            while read_request(&mut stream).await.is_some() {
                told.send(number).expect("a test that listens");
                write(&mut stream, &ok("")).await;
            }
        }
    })
    .await;
    let upstream = server.upstream();
    let first = send(&upstream, call()).await.expect("an answer");
    let second = send(&upstream, call()).await.expect("an answer");
    crate::support::read(second).await.expect("its body");
    crate::support::read(first).await.expect("its body");
    ask(&upstream, call()).await.expect("an answer");
    assert_eq!([heard(&mut numbers).await, heard(&mut numbers).await, heard(&mut numbers).await], [0, 1, 0]);
}

/// How a server ends a connection that is idle.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Close,
    Reset,
    TimeoutAnswer,
}

/// Answers one request a connection, ends the connection, and tells when that is done.
async fn one_request_each(ending: Ending) -> (Server, mpsc::UnboundedReceiver<usize>) {
    let (told, ended) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, number| {
        let told = told.clone();
        async move {
            read_request(&mut stream).await.expect("a whole request");
            write(&mut stream, &ok("fine")).await;
            match ending {
                Ending::Close => {}
                Ending::Reset => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("linger"),
                Ending::TimeoutAnswer => {
                    write(&mut stream, "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n").await;
                }
            }
            drop(stream);
            told.send(number).expect("a test that listens");
        }
    })
    .await;
    (server, ended)
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced_unseen() {
    for ending in [Ending::Close, Ending::Reset, Ending::TimeoutAnswer] {
        let (server, mut ended) = one_request_each(ending).await;
        let upstream = server.upstream();
        for round in 0..50 {
            match ask(&upstream, call()).await {
                Ok(text) => assert_eq!(text, "fine"),
                // A reset can overtake the answer that was sent before it.
                Err(fault) => {
                    assert!(matches!(ending, Ending::Reset) && fault.kind == FaultKind::ConnectionLost, "{fault}");
                }
            }
            assert_eq!(heard(&mut ended).await, round, "{ending:?}");
        }
        assert_eq!(server.accepted(), 50);
        assert_eq!(upstream.pool_stats().reused, 0);
    }
}

#[tokio::test]
async fn a_restarted_server_costs_no_request() {
    let (hang_up, _) = tokio::sync::broadcast::channel::<()>(1);
    let (told, mut closed) = mpsc::unbounded_channel();
    let source = hang_up.clone();
    let server = Server::start(move |mut stream, _| {
        let mut hang_up = source.subscribe();
        let told = told.clone();
        async move {
            loop {
                tokio::select! {
                    _ = hang_up.recv() => break,
                    request = read_request(&mut stream) => match request {
                        Some(_) => write(&mut stream, &ok("fine")).await,
                        None => return,
                    },
                }
            }
            drop(stream);
            told.send(()).expect("a test that listens");
        }
    })
    .await;
    let upstream = server.upstream();
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(send(&upstream, call()).await.expect("an answer"));
    }
    for answer in open {
        crate::support::read(answer).await.expect("its body");
    }
    assert_eq!(upstream.pool_stats().idle, 10);
    hang_up.send(()).expect("connections that listen");
    for _ in 0..10 {
        heard(&mut closed).await;
    }
    assert_eq!(ask(&upstream, call()).await.expect("an answer"), "fine");
    let stats = upstream.pool_stats();
    assert_eq!((stats.stale, stats.opened, stats.open), (10, 11, 1), "{stats:?}");
}

#[tokio::test]
async fn when_nobody_listens_any_more_nothing_was_sent() {
    let (mut server, mut ended) = one_request_each(Ending::Close).await;
    let upstream = server.upstream();
    ask(&upstream, call()).await.expect("an answer");
    heard(&mut ended).await;
    server.stop_listening().await;
    let fault = ask(&upstream, call()).await.expect_err("no server");
    assert_eq!((fault.kind, fault.billing), (FaultKind::ConnectFailed, Billing::NotSent), "{fault}");
    assert_eq!(upstream.pool_stats().open, 0);
}

#[tokio::test]
async fn an_answer_that_closes_its_connection_is_read_and_not_pooled() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await.expect("a whole request");
        write(&mut stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end").await;
    })
    .await;
    let upstream = server.upstream();
    for _ in 0..3 {
        assert_eq!(ask(&upstream, call()).await.expect("an answer"), "until the end");
    }
    let stats = upstream.pool_stats();
    assert_eq!((stats.opened, stats.stale, stats.open), (3, 0, 0), "{stats:?}");
}

#[tokio::test]
async fn idle_connections_are_closed_in_time_without_another_request() {
    let (told, mut closed) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let told = told.clone();
        async move {
            while read_request(&mut stream).await.is_some() {
                write(&mut stream, &ok("fine")).await;
            }
            told.send(()).expect("a test that listens");
        }
    })
    .await;
    let upstream = server.upstream();
    ask(&upstream, call()).await.expect("an answer");
    assert_eq!(upstream.pool_stats().idle, 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(19)).await;
    assert_eq!(upstream.pool_stats().idle, 1);
    tokio::time::advance(Duration::from_secs(6)).await;
    tokio::time::resume();
    heard(&mut closed).await;
    let stats = upstream.pool_stats();
    assert_eq!((stats.open, stats.idle), (0, 0), "{stats:?}");
}

#[tokio::test]
async fn a_connection_that_its_server_closed_is_not_kept_until_its_time() {
    let (hang_up, mut hung_up) = mpsc::unbounded_channel::<()>();
    let (told, mut closed) = mpsc::unbounded_channel();
    let once = std::sync::Mutex::new(Some(async move { hung_up.recv().await }));
    let server = Server::start(move |mut stream, _| {
        let hung_up = once.lock().expect("no panic").take().expect("one connection");
        let told = told.clone();
        async move {
            read_request(&mut stream).await.expect("a whole request");
            write(&mut stream, &ok("fine")).await;
            hung_up.await;
            drop(stream);
            told.send(()).expect("a test that listens");
        }
    })
    .await;
    let upstream = server.upstream();
    ask(&upstream, call()).await.expect("an answer");
    assert_eq!(upstream.pool_stats().idle, 1);
    hang_up.send(()).expect("a server that waits");
    heard(&mut closed).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(6)).await;
    tokio::task::yield_now().await;
    let stats = upstream.pool_stats();
    assert_eq!((stats.open, stats.idle), (0, 0), "{stats:?}");
}

#[tokio::test]
async fn the_last_piece_of_a_body_of_stated_length_is_its_end() {
    let server = answering("fine").await;
    let upstream = server.upstream();
    let mut answer = send(&upstream, call()).await.expect("an answer");
    assert_eq!(crate::support::next(&mut answer).await.expect("a piece").expect("no fault"), "fine");
    assert_eq!(upstream.pool_stats().idle, 1);
    drop(answer);
    assert_eq!(upstream.pool_stats().idle, 1);
}

#[tokio::test]
async fn an_idle_time_that_the_server_states_is_obeyed() {
    let server = Server::start(|mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            write(&mut stream, "HTTP/1.1 200 OK\r\nkeep-alive: timeout=5\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let upstream = server.upstream();
    ask(&upstream, call()).await.expect("an answer");
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(4_100)).await;
    tokio::time::resume();
    ask(&upstream, call()).await.expect("an answer");
    assert_eq!(upstream.pool_stats().opened, 2);
}

#[tokio::test]
async fn an_old_connection_is_not_kept() {
    let server = answering("fine").await;
    let pool = PoolSettings { age_max: Duration::ZERO, ..PoolSettings::default() };
    let upstream = upstream_at(&server.url(), pool);
    ask(&upstream, call()).await.expect("an answer");
    let stats = upstream.pool_stats();
    assert_eq!((stats.open, stats.idle), (0, 0), "{stats:?}");
}

#[tokio::test]
async fn connections_are_bounded_and_nothing_is_sent_beyond() {
    let server = answering("fine").await;
    let upstream = upstream_at(&server.url(), PoolSettings { connections_max: 2, ..PoolSettings::default() });
    let one = send(&upstream, call()).await.expect("an answer");
    let two = send(&upstream, call()).await.expect("an answer");
    let fault = send(&upstream, call()).await.expect_err("no room");
    assert_eq!((fault.kind, fault.billing, fault.breaker), (FaultKind::Overloaded, Billing::NotSent, false));
    drop(one);
    ask(&upstream, call()).await.expect("room again");
    drop(two);
    assert_eq!(server.accepted(), 3);
}

#[tokio::test]
async fn a_request_that_is_still_being_written_bars_reuse() {
    // Larger than what the sockets' buffers take, and never read by this server.
    let large = vec![b' '; 64 << 20];
    let server = Server::start(|mut stream, _| async move {
        write(&mut stream, &ok("early")).await;
        let _ = tokio::time::timeout(PATIENCE, std::future::pending::<()>()).await;
    })
    .await;
    let upstream = server.upstream();
    assert_eq!(ask(&upstream, call_with(large, false)).await.expect("an early answer"), "early");
    let stats = upstream.pool_stats();
    assert_eq!((stats.open, stats.idle), (0, 0), "{stats:?}");
    assert_eq!(ask(&upstream, call_with(BODY, false)).await.expect("an answer"), "early");
}
