//! The one way by which guard services are called. Where a service is, is judged before every
//! fresh connection: a private address only where the operator allows it, or wrote a loopback
//! address himself. No redirects, no repetition, an answer of at most 1 MB, and a deadline for all
//! of it together.

use super::GuardConfig;
use super::shape::Written;
use crate::ConfigError;
use crate::body::BodyStream;
use crate::connect::Origin;
use crate::connection::{Exchange, WireRequest};
use crate::pool::{Pool, PoolSettings};
use crate::webhooks::target::{Host, Target, allowed};
use bytes::Bytes;
use futures_util::StreamExt;
use haltline_ports::{GuardFault, GuardFaultKind, Reach};
use haltline_types::{Fault, FaultKind};
use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use parking_lot::Mutex;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};

/// A longer answer is not read to its end.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Addresses of one name that are looked at; a name with more is refused.
const ADDRESSES_MAX: usize = 32;
/// After so long a name is looked up and judged again.
const ADDRESSES_FOR: Duration = Duration::from_secs(60);
/// Connections to one service at once.
const CONNECTIONS_MAX: usize = 128;

/// What carries requests to one service.
pub(super) struct Carrier {
    base_url: String,
    target: Target,
    reach: Reach,
    /// Only loopback addresses are called.
    only_loopback: bool,
    extra_ca: Option<String>,
    host: String,
    prefix: String,
    pool: PoolSettings,
    current: Mutex<Option<(Instant, Pool)>>,
}

/// May a service be there, as far as can be told without the network?
pub(super) fn check(base_url: &str, allow_private: bool) -> Result<(), ConfigError> {
    judge(base_url, allow_private).map(|_| ())
}

fn judge(base_url: &str, allow_private: bool) -> Result<(Target, Reach, bool), ConfigError> {
    let read = |reach| Target::parse(base_url, reach).map_err(|fault| ConfigError(fault.to_string()));
    let target = read(Reach::Private)?;
    let is_loopback = match &target.host {
        Host::Name(name) => name == "localhost",
        Host::Address(address) => address.is_loopback(),
    };
    let reach = Reach::private_if(allow_private || is_loopback);
    read(reach)?;
    Ok((target, reach, is_loopback && !allow_private))
}

impl Carrier {
    pub(super) fn new(config: &GuardConfig) -> Result<Self, ConfigError> {
        let (target, reach, only_loopback) = judge(&config.base_url, config.allow_private)?;
        let origin = Origin::parse(&config.base_url, config.extra_ca.as_deref(), None)?;
        let pool = PoolSettings {
            http2: None,
            connections_max: CONNECTIONS_MAX,
            // A connection that is not there by then leaves no time for an answer; and what was
            // never connected has cost nothing, which a deadline in the middle could not tell.
            connect_timeout: config.deadline.mul_f64(0.75).min(Duration::from_secs(10)),
            ..PoolSettings::default()
        };
        Ok(Self {
            base_url: config.base_url.clone(),
            target,
            reach,
            only_loopback,
            extra_ca: config.extra_ca.clone(),
            host: origin.authority().as_str().to_owned(),
            prefix: origin.prefix().to_owned(),
            pool,
            current: Mutex::new(None),
        })
    }

    /// The value of `host`.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The base URL's path, without a trailing slash.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Posts a request and reads the whole answer.
    pub(super) async fn send(&self, written: Written, within: Duration) -> Result<(StatusCode, Vec<u8>), GuardFault> {
        let deadline = Instant::now() + within;
        let late = || format!("no answer within {} ms", within.as_millis());
        let pool = timeout_at(deadline, self.pool())
            .await
            .map_err(|_| GuardFault::not_sent(GuardFaultKind::Timeout, late()))??;
        let request = self.request(&pool, written)?;
        let sent = timeout_at(deadline, pool.send(request))
            .await
            .map_err(|_| GuardFault::unknown(GuardFaultKind::Timeout, late()))?;
        let Exchange { response, carrier } = match sent {
            Ok(exchange) => exchange,
            Err(fault) => {
                // The next call looks the name up again.
                *self.current.lock() = None;
                return Err(of_transport(&fault));
            }
        };
        let (head, incoming) = response.into_parts();
        let mut rest = BodyStream::new(incoming, carrier, None);
        let mut body = Vec::new();
        loop {
            let piece = timeout_at(deadline, rest.next())
                .await
                .map_err(|_| GuardFault::unknown(GuardFaultKind::Timeout, late()))?;
            match piece {
                None => return Ok((head.status, body)),
                Some(Err(fault)) => return Err(of_transport(&fault)),
                Some(Ok(piece)) if piece.len() > ANSWER_BYTES_MAX.saturating_sub(body.len()) => {
                    let detail = format!("its answer is longer than {ANSWER_BYTES_MAX} bytes");
                    return Err(GuardFault::unknown(GuardFaultKind::Malformed, detail));
                }
                Some(Ok(piece)) => body.extend_from_slice(&piece),
            }
        }
    }

    fn request(&self, pool: &Pool, written: Written) -> Result<WireRequest, GuardFault> {
        let mut request: WireRequest = Request::new(Full::new(Bytes::from(written.body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = written.path.parse().map_err(|_| {
            GuardFault::not_sent(GuardFaultKind::Refused, format!("`{}` is no path of {}", written.path, self.host))
        })?;
        *request.headers_mut() = written.headers;
        let headers = request.headers_mut();
        headers.insert(header::HOST, pool.origin().host_header().clone());
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("haltline/", env!("CARGO_PKG_VERSION"))));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(request)
    }

    /// The connections that there are, or new ones to addresses that are judged now.
    async fn pool(&self) -> Result<Pool, GuardFault> {
        if let Some((since, pool)) = &*self.current.lock()
            && since.elapsed() < ADDRESSES_FOR
        {
            return Ok(pool.clone());
        }
        let addresses = self.addresses().await?;
        let origin = Origin::parse(&self.base_url, self.extra_ca.as_deref(), None)
            .map_err(|error| GuardFault::not_sent(GuardFaultKind::Unreachable, error.0))?;
        let pool = Pool::new(origin.at(addresses), self.pool);
        *self.current.lock() = Some((Instant::now(), pool.clone()));
        Ok(pool)
    }

    /// All addresses of the host. One that may not be called speaks against the name.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, GuardFault> {
        let unreachable = |why: String| GuardFault::not_sent(GuardFaultKind::Unreachable, why);
        let name = match &self.target.host {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, self.target.port)]),
            Host::Name(name) => name,
        };
        let found = lookup_host((name.as_str(), self.target.port)).await;
        let found: Vec<SocketAddr> =
            found.map_err(|error| unreachable(format!("`{name}` cannot be looked up: {error}")))?.collect();
        if found.is_empty() || found.len() > ADDRESSES_MAX {
            return Err(unreachable(format!("`{name}` has no address, or more than {ADDRESSES_MAX}")));
        }
        for address in &found {
            self.judge(address.ip()).map_err(|why| unreachable(format!("`{name}`: {why}")))?;
        }
        Ok(found)
    }

    fn judge(&self, address: IpAddr) -> Result<(), String> {
        if self.only_loopback && !address.is_loopback() {
            return Err(format!("{address} is not this machine"));
        }
        allowed(address, self.reach).map_err(|fault| format!("{fault}; if it is yours, write allow_private = true"))
    }
}

fn of_transport(fault: &Fault) -> GuardFault {
    let kind = match fault.kind {
        FaultKind::Malformed => GuardFaultKind::Malformed,
        _ => GuardFaultKind::Unreachable,
    };
    GuardFault { kind, billing: fault.billing, detail: fault.detail.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_places_need_leave_and_loopback_must_be_written() {
        for (url, allow_private, is_allowed) in [
            ("https://api.example.com", false, true),
            ("http://127.0.0.1:8000", false, true),
            ("http://[::1]:8000", false, true),
            ("http://localhost:8000/x", false, true),
            ("http://10.0.0.3:8000", false, false),
            ("http://10.0.0.3:8000", true, true),
            ("http://guards.internal", false, false),
            ("http://guards.internal", true, true),
            ("http://169.254.169.254", true, false),
            ("http://2130706433", false, false),
            ("http://user@host.example", true, false),
            ("ftp://host.example", true, false),
        ] {
            assert_eq!(check(url, allow_private).is_ok(), is_allowed, "{url} {allow_private}");
        }
    }

    #[test]
    fn a_name_of_this_machine_leads_nowhere_else() {
        let config =
            GuardConfig { base_url: "http://localhost:9".to_owned(), ..crate::guards::shape::tests::config(None) };
        let carrier = Carrier::new(&config).expect("a carrier");
        assert!(carrier.judge([127, 0, 0, 1].into()).is_ok());
        assert!(carrier.judge([10, 0, 0, 1].into()).is_err());
        assert!(carrier.judge([93, 184, 215, 14].into()).is_err());
    }
}
