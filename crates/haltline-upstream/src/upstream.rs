//! A provider behind HTTP: what goes out with a request, which answers are passed on, and which
//! become faults. Not here: what is particular about each provider (`provider.rs`), bodies
//! (`haltline-wire`), deadlines and retries (the line).

use crate::body::BodyStream;
use crate::connect::Origin;
use crate::connection::{Exchange, WireRequest};
use crate::keys::{ApiKey, KeyRing};
use crate::pool::{Pool, PoolSettings, PoolStats};
use crate::provider::{Provider, pass_on};
use crate::{ConfigError, fault};
use bytes::Bytes;
use futures_util::Stream;
use haltline_ports::{Answer, BoxFuture, Call, Clock, Permit, Upstream};
use haltline_types::{AttemptId, Billing, Fault, FaultKind, Name, Origin as Born, Timestamp};
use haltline_wire::fault::classify;
use haltline_wire::rate_limit_headers;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Of an error's body this much is read, and only for so long: it explains, and must not hold up.
const ERROR_BYTES_MAX: usize = 64 * 1024;
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// Shorter keys are words that stand in any text.
const KEY_MIN: usize = 8;

/// A stated idle time is shortened by this, for the way of the last request.
const SERVER_IDLE_MARGIN: Duration = Duration::from_secs(1);

/// Names the attempt to the provider, so that its log can be compared with the journal.
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");

/// Headers that are not the operator's to fix: credentials come from `keys`, the rest is ours.
const NEVER_FIXED: [&str; 16] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "proxy-authorization",
    "cookie",
    "host",
    "connection",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "accept",
    "accept-encoding",
    "te",
    "expect",
];

/// A provider behind HTTP, as the configuration describes it.
#[derive(Clone)]
pub struct HttpConfig {
    /// Whom it speaks to.
    pub provider: Provider,
    /// `https://api.openai.com/v1`; targets of calls go below it.
    pub base_url: String,
    /// The keys to call with; none for a server that asks for none.
    pub keys: Vec<ApiKey>,
    /// Sent with every request, name and value; none by default. Not for credentials.
    pub headers: Vec<(String, String)>,
    /// Certificates to trust besides the system's, PEM.
    pub extra_ca: Option<String>,
    /// What bounds its connections.
    pub pool: PoolSettings,
}

/// Without keys and without the values of headers.
impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("provider", &self.provider)
            .field("base_url", &self.base_url)
            .field("keys", &self.keys)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("extra_ca", &self.extra_ca.is_some())
            .field("pool", &self.pool)
            .finish()
    }
}

/// A provider behind HTTP, with its connections and keys.
pub struct HttpUpstream {
    provider: Provider,
    pool: Pool,
    /// By the places of the ring.
    credentials: Vec<(HeaderName, HeaderValue)>,
    ring: KeyRing,
    fixed: Vec<(HeaderName, HeaderValue)>,
    clock: Arc<dyn Clock>,
}

impl HttpUpstream {
    /// `clock` serves to read times in answers. Makes no connection yet.
    ///
    /// # Errors
    /// A sentence for the operator: a base URL, key, header or certificate that cannot be used.
    pub fn new(config: HttpConfig, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let credentials = credentials(&config.provider, &config.keys)?;
        if let Provider::Azure { api_version: Some(version) } = &config.provider
            && !version.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        {
            return Err(ConfigError(format!("`{version}` is no api_version; write it like 2024-10-21")));
        }
        let fixed = config.headers.iter().map(fixed_header).collect::<Result<_, _>>()?;
        let origin = Origin::parse(&config.base_url, config.extra_ca.as_deref(), config.pool.http2)?;
        Ok(Self {
            pool: Pool::new(origin, config.pool),
            provider: config.provider,
            credentials,
            ring: KeyRing::new(config.keys.iter().map(|key| key.weight)),
            fixed,
            clock,
        })
    }

    /// What its connections have done so far.
    #[must_use]
    pub fn pool_stats(&self) -> PoolStats {
        self.pool.stats()
    }

    async fn send(&self, attempt: AttemptId, call: Call) -> Result<Answer, Fault> {
        let model = call.endpoint.model.clone();
        let key = self.ring.pick(&model, call.affinity, self.clock.now());
        let request = self.request(Some(attempt), call, key)?;
        let (head, body) = self.exchange(request, key, &model).await?;
        let now = self.clock.now();
        let mut exhausted = exhausted_until(&head.headers, now);
        if let (Some(until), Some(place)) = (exhausted, key) {
            self.ring.exhausted(place, &model, until, now);
            exhausted = self.ring.all_rest_until(&model, now);
        }
        Ok(Answer { status: head.status, headers: head.headers, body: Box::pin(body), exhausted_until: exhausted })
    }

    /// Counts have limits of their own: what they say of them teaches the keys nothing.
    async fn send_count(&self, call: Call) -> Result<Answer, Fault> {
        if !(self.provider.particulars().counts)(&call.target) {
            let detail =
                format!("`{}` is no count of tokens that {} gives for nothing", call.target, self.pool.origin());
            let fault = Fault::new(FaultKind::InvalidRequest, Born::Gateway, detail);
            return Err(Fault { billing: Billing::NotSent, ..fault });
        }
        let model = call.endpoint.model.clone();
        let key = self.ring.pick(&model, call.affinity, self.clock.now());
        let request = self.request(None, call, key)?;
        let (head, body) = self.exchange(request, None, &model).await?;
        Ok(Answer { status: head.status, headers: head.headers, body: Box::pin(body), exhausted_until: None })
    }

    /// Sends, and passes on nothing but a success. `key` learns from what is none.
    async fn exchange(
        &self,
        request: WireRequest,
        key: Option<usize>,
        model: &Name,
    ) -> Result<(http::response::Parts, BodyStream), Fault> {
        let Exchange { response, carrier } = self.pool.send(request).await?;
        let (head, incoming) = response.into_parts();
        let body = BodyStream::new(incoming, carrier, server_idle(&head.headers));
        if head.status.is_client_error() || head.status.is_server_error() {
            return Err(self.judge(head.status, &head.headers, body, key, model).await);
        }
        if !head.status.is_success() {
            let detail =
                format!("{} answered with status {}; redirects are not followed", self.pool.origin(), head.status);
            return Err(fault::malformed(Some(head.status), detail));
        }
        if is_encoded(&head.headers) {
            let detail = format!("{} compressed its answer although it was asked not to", self.pool.origin());
            return Err(fault::malformed(Some(head.status), detail));
        }
        Ok((head, body))
    }

    /// Only what is meant for this provider goes out; credentials come last, so that nothing
    /// stands in their place.
    fn request(&self, attempt: Option<AttemptId>, call: Call, key: Option<usize>) -> Result<WireRequest, Fault> {
        let mut headers = pass_on(self.provider.particulars(), &call.headers);
        for (name, value) in &self.fixed {
            headers.insert(name, value.clone());
        }
        headers.insert(header::HOST, self.pool.origin().host_header().clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = if call.stream { "text/event-stream" } else { "application/json" };
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("haltline/", env!("CARGO_PKG_VERSION"))));
        if let Some(Ok(value)) = attempt.map(|attempt| HeaderValue::try_from(attempt.to_string())) {
            headers.insert(CLIENT_REQUEST_ID, value);
        }
        if let Some((name, value)) = key.and_then(|place| self.credentials.get(place)) {
            headers.insert(name, value.clone());
        }
        let target = self.target(&call.target)?;
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The whole path and query. A target that leads elsewhere than below the base URL is a
    /// mistake of ours, or a model's name that somebody chose well: it is not sent.
    fn target(&self, target: &str) -> Result<Uri, Fault> {
        let wrong = |why: &str| {
            let detail = format!("`{target}` cannot be asked for at {}: {why}", self.pool.origin());
            let fault = Fault::new(FaultKind::InvalidRequest, Born::Gateway, detail);
            Fault { billing: Billing::NotSent, ..fault }
        };
        let path = target.split('?').next().unwrap_or_default();
        if !target.starts_with('/') || target.contains('#') {
            return Err(wrong("a target begins with a slash and has no fragment"));
        }
        let leaves = |part: &str| matches!(part.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
        if path.split(['/', '\\']).any(leaves) {
            return Err(wrong("it leads out of the base URL"));
        }
        let whole = format!("{}{}", self.pool.origin().prefix(), self.provider.target(target));
        whole.parse().map_err(|error| wrong(&format!("{error}")))
    }

    /// What a provider says is logged, and shown to clients: never with a key of the operator's.
    fn hide_keys(&self, said: &mut String) {
        for (_, value) in &self.credentials {
            let shown = value.to_str().unwrap_or_default();
            let key = shown.strip_prefix("Bearer ").unwrap_or(shown);
            if key.len() >= KEY_MIN && said.contains(key) {
                *said = said.replace(key, "…");
            }
        }
    }

    /// Reads what can be read of an error, and lets the dialect say what it means.
    async fn judge(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        mut body: BodyStream,
        key: Option<usize>,
        model: &Name,
    ) -> Fault {
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
        // One that is compressed is judged by its status: nothing is ever inflated here.
        if is_encoded(headers) {
            drop(body);
        } else {
            let _ = timeout(ERROR_BODY_TIME, read).await;
        }
        let now = self.clock.now();
        let header = lookup(headers);
        let mut fault = classify(status.as_u16(), &header, &text, self.provider.billing(), now);
        if fault.kind == FaultKind::RateLimited && fault.retry.after.is_none() {
            fault.retry.after = exhausted_until(headers, now).map(|until| until.since(now));
        }
        if let Some(place) = key {
            self.ring.learn(place, model, &mut fault, now);
        }
        self.hide_keys(&mut fault.detail);
        if let Some(code) = &mut fault.provider_code {
            self.hide_keys(code);
        }
        fault
    }
}

impl Upstream for HttpUpstream {
    fn call(&self, permit: Permit, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.send(permit.id(), call))
    }

    fn count(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.send_count(call))
    }
}

impl fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUpstream")
            .field("provider", &self.provider)
            .field("pool", &self.pool.stats())
            .finish_non_exhaustive()
    }
}

/// The headers that carry the keys, in their order.
fn credentials(provider: &Provider, keys: &[ApiKey]) -> Result<Vec<(HeaderName, HeaderValue)>, ConfigError> {
    let credential = provider.particulars().credential;
    keys.iter()
        .map(|key| {
            if key.weight == 0 {
                return Err(ConfigError("a key has weight 0; leave it out, or give it at least 1".to_owned()));
            }
            if credential == crate::provider::Credential::None {
                return Err(ConfigError("this kind of provider takes no api_key; leave it out".to_owned()));
            }
            credential
                .header(key.secret.reveal())
                .ok_or_else(|| ConfigError("api_key holds a character that cannot be sent in a header".to_owned()))
        })
        .collect()
}

fn fixed_header((name, value): &(String, String)) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let known = HeaderName::try_from(name).map_err(|_| ConfigError(format!("`{name}` is no name of a header")))?;
    if NEVER_FIXED.contains(&known.as_str()) {
        return Err(ConfigError(format!("the header `{name}` cannot be fixed; credentials belong in api_key")));
    }
    let value = HeaderValue::try_from(value)
        .map_err(|_| ConfigError(format!("the value of the header `{name}` holds a character that cannot be sent")))?;
    Ok((known, value))
}

/// Is the body something else than what it says?
fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|encoding| !encoding.is_empty() && !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Until when nothing is left, by the provider's own word. Few answers say anything of it: only what
/// those say is looked through.
fn exhausted_until(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let said = headers.keys().filter(|name| rate_limit_headers::is_one(name.as_str()));
    let said: Vec<(&str, &HeaderValue)> = said.filter_map(|name| Some((name.as_str(), headers.get(name)?))).collect();
    if said.is_empty() {
        return None;
    }
    let header = |name: &str| {
        let (_, value) = said.iter().find(|(known, _)| *known == name)?;
        value.to_str().ok()
    };
    rate_limit_headers::exhausted_until(&header, now)
}

/// Looks a header up by its lower-case name.
fn lookup<'h>(headers: &'h HeaderMap) -> impl Fn(&str) -> Option<&'h str> {
    move |name| headers.get(name).and_then(|value| value.to_str().ok())
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
        let config = HttpConfig {
            provider: Provider::OpenAi,
            base_url: "http://127.0.0.1:1".to_owned(),
            keys: vec![ApiKey::new("sk-very-secret")],
            headers: vec![("x-team".to_owned(), "hidden".to_owned())],
            extra_ca: None,
            pool: PoolSettings::default(),
        };
        let shown = format!("{config:?}");
        assert!(!shown.contains("sk-very") && !shown.contains("hidden"), "{shown}");
    }
}
