//! Files: what is fetched, and what is refused.

use crate::support::{Server, read_request, write};
use haltline_upstream::{Download, download};
use std::time::Duration;

const MOST: Download = Download { within: Duration::from_secs(10), bytes_max: 16 };

/// A server that answers everything with this.
async fn saying(answer: &'static str) -> Server {
    Server::start(move |mut stream, _| async move {
        if let Some(received) = read_request(&mut stream).await {
            assert!(received.head.starts_with("GET /lists/groq.toml?day=1 HTTP/1.1\r\n"), "{}", received.head);
            assert!(!received.head.contains("authorization"));
            write(&mut stream, answer).await;
        }
    })
    .await
}

async fn fetched(answer: &'static str) -> Result<Vec<u8>, String> {
    let server = saying(answer).await;
    download(&format!("http://127.0.0.1:{}/lists/groq.toml?day=1", server.port), MOST).await
}

#[tokio::test]
async fn a_file_is_fetched_whole_or_not_at_all() {
    let whole = fetched("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n0123456789abcdef").await;
    assert_eq!(whole, Ok(b"0123456789abcdef".to_vec()));
    for (answer, said) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n0123456789abcdefg", "larger than 16 bytes"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n0123456789", ""),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "404"),
        ("HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example/\r\ncontent-length: 0\r\n\r\n", "elsewhere"),
        ("nonsense\r\n\r\n", ""),
    ] {
        let error = fetched(answer).await.expect_err(answer);
        assert!(error.contains(said) && !error.is_empty(), "{error}");
    }
}

#[tokio::test]
async fn what_is_silent_or_not_to_be_trusted_is_given_up() {
    let server = Server::start(|mut stream, _| async move {
        let _ = read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let short = Download { within: Duration::from_millis(50), ..MOST };
    let silent = download(&format!("http://localhost:{}/x", server.port), short).await;
    assert!(silent.as_ref().is_err_and(|error| error.contains("not there within")), "{silent:?}");
    for (url, said) in [("http://prices.example/x", "https://"), ("ftp://127.0.0.1/x", "https://"), ("/x", "no host")] {
        let error = download(url, MOST).await.expect_err(url);
        assert!(error.contains(said), "{error}");
    }
}
