//! Key sets of identity providers over HTTP: addresses are judged as those of webhooks are, time
//! and size are bounded, redirects are not followed, and nothing is sent but the request. Without
//! TLS only where the operator allows private places: whoever is on the way could put a key of his
//! own into the set.

use crate::ConfigError;
use crate::body::BodyStream;
use crate::connection::Exchange;
use crate::webhooks::{HttpWebhooks, check_webhook};
use bytes::Bytes;
use futures_util::StreamExt;
use haltline_ports::{BoxFuture, Fetched, KeySets, Reach};
use http::header::{ACCEPT, CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, Method};
use std::time::Duration;
use tokio::time::timeout;

/// From the name's look-up to the last byte.
const WITHIN: Duration = Duration::from_secs(10);
/// The largest document.
const BYTES_MAX: usize = 1 << 20;

/// May key sets be fetched from there, as far as can be told without the network?
///
/// # Errors
/// Why not; a sentence without a full stop.
pub fn check_key_set_url(url: &str, reach: Reach) -> Result<(), String> {
    if !url.starts_with("https://") && reach != Reach::Private {
        return Err("it must begin with https://".to_owned());
    }
    check_webhook(url, reach).map_err(|fault| fault.to_string())
}

/// Fetches key sets.
pub struct HttpKeySets {
    http: HttpWebhooks,
    within: Duration,
}

impl HttpKeySets {
    /// `extra_ca`: certificates to trust besides the system's, PEM.
    ///
    /// # Errors
    /// A sentence for the operator, when `extra_ca` holds no certificate.
    pub fn new(extra_ca: Option<String>) -> Result<Self, ConfigError> {
        Ok(Self { http: HttpWebhooks::new(extra_ca)?, within: WITHIN })
    }

    async fn get(&self, url: &str, reach: Reach) -> Result<Fetched, String> {
        check_key_set_url(url, reach)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        let exchange = self.http.exchange(Method::GET, url, reach, headers, Bytes::new()).await;
        let Exchange { response, carrier } = exchange.map_err(|fault| fault.to_string())?;
        let (head, incoming) = response.into_parts();
        if head.status.is_redirection() {
            return Err("it has moved, and redirects are not followed".to_owned());
        }
        if !head.status.is_success() {
            return Err(format!("the server answered with status {}", head.status));
        }
        let mut rest = BodyStream::new(incoming, carrier, None);
        let mut bytes = Vec::new();
        while let Some(piece) = rest.next().await {
            let piece = piece.map_err(|fault| fault.detail)?;
            if piece.len() > BYTES_MAX.saturating_sub(bytes.len()) {
                return Err(format!("it is larger than {BYTES_MAX} bytes"));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Fetched { bytes, max_age: max_age(&head.headers) })
    }
}

impl KeySets for HttpKeySets {
    fn fetch<'a>(&'a self, url: &'a str, reach: Reach) -> BoxFuture<'a, Result<Fetched, String>> {
        Box::pin(async move {
            let late = |_| Err(format!("it was not there within {} s", self.within.as_secs()));
            timeout(self.within, self.get(url, reach)).await.unwrap_or_else(late)
        })
    }
}

/// `max-age` (RFC 9111 section 5.2.2.1); zero where the server forbids keeping.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut directives =
        values.flat_map(|value| value.split(',')).map(|directive| directive.trim().to_ascii_lowercase());
    directives.find_map(|directive| match directive.split_once('=') {
        Some(("max-age", seconds)) => seconds.trim_matches('"').parse().ok().map(Duration::from_secs),
        None if directive == "no-store" || directive == "no-cache" => Some(Duration::ZERO),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A server that answers once; gives its address and what it was asked.
    async fn answering(answer: Vec<u8>) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/jwks.json", listener.local_addr().expect("an address"));
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.expect("a request");
            let _ = stream.write_all(&answer).await;
            String::from_utf8_lossy(&head[..read]).into_owned()
        });
        (url, serving)
    }

    fn fetcher() -> HttpKeySets {
        HttpKeySets::new(None).expect("a fetcher")
    }

    #[tokio::test]
    async fn a_key_set_is_fetched_with_its_age() {
        let answer = b"HTTP/1.1 200 OK\r\ncache-control: public, Max-Age=900\r\ncontent-length: 2\r\n\r\n{}";
        let (url, serving) = answering(answer.to_vec()).await;
        let fetched = fetcher().fetch(&url, Reach::Private).await.expect("fetched");
        assert_eq!(fetched, Fetched { bytes: b"{}".to_vec(), max_age: Some(Duration::from_secs(900)) });
        let head = serving.await.expect("no panic").to_lowercase();
        assert!(head.starts_with("get /jwks.json http/1.1\r\n"), "{head}");
        assert!(!head.contains("authorization") && !head.contains("cookie"), "{head}");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        for (answer, said) in [
            ("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n", "redirects"),
            ("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", "status 500"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort", ""),
        ] {
            let (url, _serving) = answering(answer.as_bytes().to_vec()).await;
            let why = fetcher().fetch(&url, Reach::Private).await.expect_err(answer);
            assert!(why.contains(said), "{why}");
        }
        let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        endless.resize(BYTES_MAX + 4096, b' ');
        let (url, _serving) = answering(endless).await;
        let why = fetcher().fetch(&url, Reach::Private).await.expect_err("too large");
        assert!(why.contains("larger"), "{why}");
    }

    #[tokio::test]
    async fn only_places_that_are_allowed_are_asked() {
        for url in ["http://example.com/jwks", "https://127.0.0.1/jwks", "https://localhost/jwks", "file:///etc/passwd"]
        {
            assert!(fetcher().fetch(url, Reach::Public).await.is_err(), "{url}");
        }
        for url in ["http://169.254.169.254/latest", "https://168.63.129.16/x"] {
            assert!(fetcher().fetch(url, Reach::Private).await.is_err(), "{url}");
        }
        assert_eq!(check_key_set_url("https://example.com/jwks", Reach::Public), Ok(()));
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let fetcher = HttpKeySets { within: Duration::from_millis(50), ..fetcher() };
        assert!(fetcher.fetch(&url, Reach::Private).await.expect_err("silence").contains("within"));
    }
}
