//! OpenAI and servers that speak its dialect: what goes out with a request, which answers are
//! passed on, and which become faults. Not here: bodies (`haltline-wire`), deadlines and retries
//! (the line).

use crate::body::BodyStream;
use crate::connect::Origin;
use crate::connection::{Exchange, WireRequest};
use crate::pool::{Pool, PoolSettings, PoolStats};
use crate::{ConfigError, fault};
use bytes::Bytes;
use futures_util::Stream;
use haltline_ports::{Answer, BoxFuture, Call, Clock, Permit, Upstream};
use haltline_types::{AttemptId, Fault};
use haltline_wire::fault::{BillingRules, classify};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use parking_lot::RwLock;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Of an error's body this much is read, and only for so long: it explains, and must not hold up.
const ERROR_BYTES_MAX: usize = 64 * 1024;
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// A stated idle time is shortened by this, for the way of the last request.
const SERVER_IDLE_MARGIN: Duration = Duration::from_secs(1);

/// Names the attempt to the provider, so that its log can be compared with the journal.
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");

/// Headers about a connection or a body, which are not the client's to set for us.
const NEVER_PASSED: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
];

/// A provider of OpenAI's dialect.
#[derive(Clone)]
pub struct OpenAiConfig {
    /// `https://api.openai.com/v1`.
    pub base_url: String,
    /// Sent as a bearer token.
    pub api_key: Option<String>,
    /// Certificates to trust besides the system's, PEM.
    pub extra_ca: Option<String>,
    /// Which rejections never cost money.
    pub billing: BillingRules,
    /// What bounds its connections.
    pub pool: PoolSettings,
}

/// Without the key.
impl fmt::Debug for OpenAiConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiConfig")
            .field("base_url", &self.base_url)
            .field("api_key", &self.api_key.as_ref().map(|_| "(secret)"))
            .field("extra_ca", &self.extra_ca.is_some())
            .field("billing", &self.billing)
            .field("pool", &self.pool)
            .finish()
    }
}

/// OpenAI or a server of its dialect, with its connections.
pub struct OpenAiUpstream {
    pool: Pool,
    authorization: Option<HeaderValue>,
    billing: BillingRules,
    clock: Arc<dyn Clock>,
    /// The few paths that are called, each read once.
    targets: RwLock<Vec<(&'static str, Uri)>>,
}

impl OpenAiUpstream {
    /// `clock` serves to read a `retry-after` that is a date. Makes no connection yet.
    ///
    /// # Errors
    /// A sentence for the operator: a base URL, key or certificate that cannot be used.
    pub fn new(config: OpenAiConfig, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let authorization = match config.api_key {
            None => None,
            Some(key) => {
                let mut value = HeaderValue::try_from(format!("Bearer {key}"))
                    .map_err(|_| ConfigError("api_key holds a character that cannot be sent in a header".to_owned()))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let origin = Origin::parse(&config.base_url, config.extra_ca.as_deref())?;
        Ok(Self {
            pool: Pool::new(origin, config.pool),
            authorization,
            billing: config.billing,
            clock,
            targets: RwLock::default(),
        })
    }

    /// What its connections have done so far.
    #[must_use]
    pub fn pool_stats(&self) -> PoolStats {
        self.pool.stats()
    }

    async fn send(&self, attempt: AttemptId, call: Call) -> Result<Answer, Fault> {
        let request = self.request(attempt, call)?;
        let Exchange { response, connection } = self.pool.send(request).await?;
        let (head, incoming) = response.into_parts();
        let body = BodyStream::new(incoming, connection, server_idle(&head.headers));
        if head.status.is_client_error() || head.status.is_server_error() {
            return Err(self.judge(head.status, &head.headers, body).await);
        }
        if !head.status.is_success() {
            let detail =
                format!("{} answered with status {}; redirects are not followed", self.pool.origin(), head.status);
            return Err(fault::malformed(Some(head.status), detail));
        }
        if let Some(encoding) = head.headers.get(header::CONTENT_ENCODING)
            && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
        {
            let detail = format!("{} compressed its answer although it was asked not to", self.pool.origin());
            return Err(fault::malformed(Some(head.status), detail));
        }
        Ok(Answer { status: head.status, headers: head.headers, body: Box::pin(body) })
    }

    fn request(&self, attempt: AttemptId, call: Call) -> Result<WireRequest, Fault> {
        let mut headers = call.headers;
        for name in &NEVER_PASSED {
            headers.remove(name);
        }
        headers.insert(header::HOST, self.pool.origin().authority().clone());
        match &self.authorization {
            Some(value) => headers.insert(header::AUTHORIZATION, value.clone()),
            None => headers.remove(header::AUTHORIZATION),
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = if call.stream { "text/event-stream" } else { "application/json" };
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("haltline/", env!("CARGO_PKG_VERSION"))));
        if let Ok(value) = HeaderValue::try_from(attempt.to_string()) {
            headers.insert(CLIENT_REQUEST_ID, value);
        }
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target(call.path)?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn target(&self, path: &'static str) -> Result<Uri, Fault> {
        if let Some((_, target)) = self.targets.read().iter().find(|(known, _)| *known == path) {
            return Ok(target.clone());
        }
        let target: Uri = format!("{}{path}", self.pool.origin().prefix())
            .parse()
            .map_err(|error| fault::connect_failed(self.pool.origin(), format_args!("`{path}` is no path: {error}")))?;
        self.targets.write().push((path, target.clone()));
        Ok(target)
    }

    /// Reads what can be read of an error, and lets the dialect say what it means.
    async fn judge(&self, status: StatusCode, headers: &HeaderMap, mut body: BodyStream) -> Fault {
        let mut text = Vec::new();
        let read = async {
            while text.len() < ERROR_BYTES_MAX {
                match poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await {
                    Some(Ok(bytes)) => append(&mut text, &bytes),
                    Some(Err(_)) | None => return,
                }
            }
        };
        // An error that is cut off, by its end, by us or by time, is judged by what there is.
        let _ = timeout(ERROR_BODY_TIME, read).await;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        classify(status.as_u16(), &header, &text, self.billing, self.clock.now())
    }
}

impl Upstream for OpenAiUpstream {
    fn call(&self, permit: Permit, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.send(permit.id(), call))
    }
}

impl fmt::Debug for OpenAiUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiUpstream").field("pool", &self.pool.stats()).finish_non_exhaustive()
    }
}

fn append(text: &mut Vec<u8>, bytes: &Bytes) {
    let room = ERROR_BYTES_MAX.saturating_sub(text.len());
    text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
}

/// How long the server keeps an idle connection, where it says so: `keep-alive: timeout=5`.
fn server_idle(headers: &HeaderMap) -> Option<Duration> {
    let stated = headers.get("keep-alive")?.to_str().ok()?;
    let seconds = stated.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    Some(Duration::from_secs(seconds.trim().parse().ok()?).saturating_sub(SERVER_IDLE_MARGIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stated_idle_time_is_read() {
        for (stated, expected) in [
            ("timeout=5, max=100", Some(4)),
            ("max=100, timeout=1", Some(0)),
            ("timeout=0", Some(0)),
            ("max=100", None),
            ("timeout=soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("keep-alive", HeaderValue::from_static(stated));
            assert_eq!(server_idle(&headers), expected.map(Duration::from_secs), "{stated}");
        }
        assert_eq!(server_idle(&HeaderMap::new()), None);
    }

    #[test]
    fn the_key_is_not_printed() {
        let config = OpenAiConfig {
            base_url: "http://127.0.0.1:1".to_owned(),
            api_key: Some("sk-very-secret".to_owned()),
            extra_ca: None,
            billing: BillingRules::OpenAi,
            pool: PoolSettings::default(),
        };
        assert!(!format!("{config:?}").contains("sk-very"));
    }
}
