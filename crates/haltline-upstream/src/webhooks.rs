//! Webhooks over HTTP: one message to an address that somebody gave, and that may be a trap. The
//! name is looked up once, every address that it has is judged, and the connection goes to exactly
//! those: a name that changes its mind is not asked again. No redirects, no proxies, no cookies, no
//! keys. Not here: signatures, repetition (the gateway's matter).

mod address;
pub(crate) mod target;

use crate::ConfigError;
use crate::body::BodyStream;
use crate::connect::Origin;
use crate::connection::{Exchange, WireRequest};
use crate::pool::{Pool, PoolSettings};
use bytes::Bytes;
use futures_util::StreamExt;
use haltline_ports::{BoxFuture, Reach, WebhookFault, Webhooks};
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request};
use http_body_util::Full;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use target::{Host, Target, allowed};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};

/// From the name's look-up to the end of what is read of the answer.
const WITHIN: Duration = Duration::from_secs(10);
/// Of an answer this much is read, so that the receiver can end it in peace. Nobody looks at it.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Addresses of one name that are looked at; a name with more is refused.
const ADDRESSES_MAX: usize = 32;

/// From a name and a port to addresses.
type Resolve = Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// May this address be called, as far as can be told without the network?
///
/// # Errors
/// Why not.
pub fn check_webhook(url: &str, reach: Reach) -> Result<(), WebhookFault> {
    Target::parse(url, reach).map(|_| ())
}

/// Carries messages to webhooks.
pub struct HttpWebhooks {
    extra_ca: Option<String>,
    resolve: Resolve,
    within: Duration,
}

impl HttpWebhooks {
    /// `extra_ca`: certificates to trust besides the system's, PEM.
    ///
    /// # Errors
    /// A sentence for the operator, when `extra_ca` holds no certificate.
    pub fn new(extra_ca: Option<String>) -> Result<Self, ConfigError> {
        if extra_ca.is_some() {
            Origin::parse("https://localhost", extra_ca.as_deref(), None)?;
        }
        let resolve: Resolve =
            Arc::new(|host, port| Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) }));
        Ok(Self { extra_ca, resolve, within: WITHIN })
    }

    async fn deliver(&self, url: &str, reach: Reach, headers: HeaderMap, body: Bytes) -> Result<u16, WebhookFault> {
        let deadline = Instant::now() + self.within;
        let late = |_| WebhookFault::Unreachable(format!("no answer within {} s", self.within.as_secs()));
        let exchange = timeout_at(deadline, self.exchange(Method::POST, url, reach, headers, body));
        let Exchange { response, carrier } = exchange.await.map_err(late)??;
        let (head, incoming) = response.into_parts();
        let mut rest = BodyStream::new(incoming, carrier, None);
        let mut left = ANSWER_BYTES_MAX;
        while let Ok(Some(Ok(piece))) = timeout_at(deadline, rest.next()).await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                break;
            }
        }
        Ok(head.status.as_u16())
    }

    /// Sends a request to an address that is judged first, and gives the head of the answer. Whoever
    /// calls bounds the time.
    pub(crate) async fn exchange(
        &self,
        method: Method,
        url: &str,
        reach: Reach,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Exchange, WebhookFault> {
        let target = Target::parse(url, reach)?;
        let addresses = self.addresses(&target, reach).await?;
        self.send(method, &target, addresses, headers, body).await
    }

    /// All addresses of the host. One that may not be called speaks against the name.
    async fn addresses(&self, target: &Target, reach: Reach) -> Result<Vec<SocketAddr>, WebhookFault> {
        let name = match &target.host {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, target.port)]),
            Host::Name(name) => name,
        };
        let found = (self.resolve)(name.clone(), target.port).await;
        let found =
            found.map_err(|error| WebhookFault::Unreachable(format!("`{name}` cannot be looked up: {error}")))?;
        if found.is_empty() {
            return Err(WebhookFault::Unreachable(format!("`{name}` has no address")));
        }
        if found.len() > ADDRESSES_MAX {
            return Err(WebhookFault::Forbidden(format!("`{name}` has more than {ADDRESSES_MAX} addresses")));
        }
        for address in &found {
            allowed(address.ip(), reach).map_err(|fault| WebhookFault::Forbidden(format!("`{name}`: {fault}")))?;
        }
        Ok(found)
    }

    async fn send(
        &self,
        method: Method,
        target: &Target,
        addresses: Vec<SocketAddr>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Exchange, WebhookFault> {
        let forbidden = |error: ConfigError| WebhookFault::Forbidden(error.0);
        let base = format!("{}://{}", target.scheme, target.authority);
        let origin = Origin::parse(&base, self.extra_ca.as_deref(), None).map_err(forbidden)?.at(addresses);
        let mut request: WireRequest = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = target.path.clone().into();
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        headers.insert(header::HOST, origin.host_header().clone());
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("haltline/", env!("CARGO_PKG_VERSION"))));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // One message, one connection: a pool of its own that goes with it.
        let pool = Pool::new(origin, PoolSettings { http2: None, ..PoolSettings::default() });
        pool.send(request).await.map_err(|fault| WebhookFault::Unreachable(fault.detail))
    }
}

impl Webhooks for HttpWebhooks {
    fn check(&self, url: &str, reach: Reach) -> Result<(), WebhookFault> {
        check_webhook(url, reach)
    }

    fn post(
        &self,
        url: &str,
        reach: Reach,
        headers: HeaderMap,
        body: Bytes,
    ) -> BoxFuture<'_, Result<u16, WebhookFault>> {
        let url = url.to_owned();
        Box::pin(async move { self.deliver(&url, reach, headers, body).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A name that has other addresses each time it is looked up.
    fn fickle(answers: Vec<Vec<&'static str>>) -> (HttpWebhooks, Arc<Mutex<usize>>) {
        let asked = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asked);
        let resolve: Resolve = Arc::new(move |_, port| {
            let mut asked = count.lock();
            let answer = answers.get(*asked).cloned().unwrap_or_default();
            *asked += 1;
            let found = answer.iter().map(|text| SocketAddr::new(text.parse().expect("an address"), port)).collect();
            Box::pin(std::future::ready(Ok(found)))
        });
        (HttpWebhooks { extra_ca: None, resolve, within: WITHIN }, asked)
    }

    #[tokio::test]
    async fn one_private_address_speaks_against_a_name() {
        for answers in [
            vec!["127.0.0.1"],
            vec!["93.184.215.14", "10.0.0.1"],
            vec!["::ffff:127.0.0.1"],
            vec!["169.254.169.254"],
            vec!["fd00::1"],
            vec!["0.0.0.0"],
        ] {
            let (webhooks, asked) = fickle(vec![answers.clone()]);
            let sent = webhooks.post("http://name.example/x", Reach::Public, HeaderMap::new(), Bytes::new()).await;
            assert!(matches!(sent, Err(WebhookFault::Forbidden(_))), "{answers:?}: {sent:?}");
            assert_eq!(*asked.lock(), 1);
        }
        let (webhooks, _) = fickle(vec![vec!["169.254.169.254"]]);
        let sent = webhooks.post("http://name.example/x", Reach::Private, HeaderMap::new(), Bytes::new()).await;
        assert!(matches!(sent, Err(WebhookFault::Forbidden(_))), "{sent:?}");
        let (webhooks, _) = fickle(vec![]);
        let sent = webhooks.post("http://name.example/x", Reach::Public, HeaderMap::new(), Bytes::new()).await;
        assert!(matches!(sent, Err(WebhookFault::Unreachable(_))), "{sent:?}");
    }

    #[tokio::test]
    async fn the_connection_goes_to_the_address_that_was_judged() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.expect("a request");
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("a client that listens");
            String::from_utf8_lossy(&head[..read]).into_owned()
        });
        // Asked again, the name would lead elsewhere.
        let (webhooks, asked) = fickle(vec![vec!["127.0.0.1"], vec!["192.0.2.1"]]);
        let url = format!("http://name.example:{port}/hook?a=b");
        let sent = webhooks.post(&url, Reach::Private, HeaderMap::new(), Bytes::from_static(b"{}")).await;
        assert_eq!(sent, Ok(204));
        assert_eq!(*asked.lock(), 1);
        let head = serving.await.expect("no panic");
        assert!(head.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("host: name.example:{port}\r\n")), "{head}");
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
    }

    #[tokio::test]
    async fn an_answer_that_never_ends_is_not_read_to_its_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = vec![0; 4096];
            let _ = stream.read(&mut head).await.expect("a request");
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("a client that listens");
            let mut written = 0_usize;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {
                written += 4096;
            }
            written
        });
        let webhooks = HttpWebhooks::new(None).expect("webhooks");
        let url = format!("http://127.0.0.1:{port}/");
        let sent = webhooks.post(&url, Reach::Private, HeaderMap::new(), Bytes::new()).await;
        assert_eq!(sent, Ok(200));
        // The rest is what the buffers of two sockets take.
        assert!(serving.await.expect("no panic") < 32 << 20);
    }

    #[tokio::test]
    async fn a_receiver_that_is_silent_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let webhooks = HttpWebhooks { within: Duration::from_millis(50), ..HttpWebhooks::new(None).expect("webhooks") };
        let url = format!("http://127.0.0.1:{port}/");
        let sent = webhooks.post(&url, Reach::Private, HeaderMap::new(), Bytes::new()).await;
        assert!(matches!(sent, Err(WebhookFault::Unreachable(_))), "{sent:?}");
        drop(listener);
        let sent = webhooks.post(&url, Reach::Private, HeaderMap::new(), Bytes::new()).await;
        assert!(matches!(sent, Err(WebhookFault::Unreachable(_))), "nobody listens: {sent:?}");
    }
}
