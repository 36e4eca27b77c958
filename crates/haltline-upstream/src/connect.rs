//! Where a provider is, and the way there: name, TCP, TLS. Nothing of a request is written here,
//! so every fault from here costs nothing.

use crate::ConfigError;
use crate::connection::Connection;
use crate::fault;
use crate::http2::Multiplexed;
use crate::pool::Slot;
use crate::socket::{Socket, Transport};
use crate::spread::Http2Settings;
use crate::tls;
use haltline_types::Fault;
use http::HeaderValue;
use http::uri::{Authority, Scheme, Uri};
use rustls_pki_types::ServerName;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

/// Scheme, host, port and path prefix of a provider, taken apart once.
pub(crate) struct Origin {
    host: String,
    port: u16,
    authority: Authority,
    host_header: HeaderValue,
    prefix: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    http2: Option<Http2Settings>,
    /// Where it is, instead of what its name says.
    addresses: Option<Vec<SocketAddr>>,
}

/// A connection, as both sides agreed that it is.
pub(crate) enum Opened {
    /// HTTP/1.1.
    Own(Box<Connection>),
    /// HTTP/2.
    Shared(Arc<Multiplexed>),
}

/// Shown as `host:port`, for faults and logs.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Origin {
    /// Reads `https://api.openai.com/v1`. `extra_ca`: certificates to trust besides the system's.
    /// `http2`: offered over TLS, where there are settings for it.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(crate) fn parse(
        base_url: &str,
        extra_ca: Option<&str>,
        http2: Option<Http2Settings>,
    ) -> Result<Self, ConfigError> {
        let wrong = |why: &str| {
            ConfigError(format!("`{base_url}` is not a base URL: {why}; write it like https://api.openai.com/v1"))
        };
        let uri: Uri = base_url.trim_end_matches('/').parse().map_err(|error| wrong(&format!("{error}")))?;
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(ConfigError("a base URL must not hold a user name or password; use api_key".to_owned()));
        }
        if uri.query().is_some() || base_url.contains('#') {
            return Err(wrong("it must end with its path"));
        }
        let encrypted = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(wrong("it must begin with https:// or http://")),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        let tls = if encrypted {
            let name = ServerName::try_from(host.clone()).map_err(|_| wrong("TLS needs a name or an address"))?;
            Some((TlsConnector::from(tls::client_config(extra_ca, http2.is_some())?), name))
        } else {
            None
        };
        Ok(Self {
            port: authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 }),
            host_header: HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("its host cannot be sent"))?,
            authority: authority.clone(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            host,
            http2: http2.filter(|_| tls.is_some()),
            tls,
            addresses: None,
        })
    }

    /// Connects to these addresses and to no other, whatever the name says by then.
    pub(crate) fn at(self, addresses: Vec<SocketAddr>) -> Self {
        Self { addresses: Some(addresses), ..self }
    }

    /// Host, and the port where it is not the usual one.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The value of `host`.
    pub(crate) fn host_header(&self) -> &HeaderValue {
        &self.host_header
    }

    /// May connections to it speak HTTP/2?
    pub(crate) fn http2(&self) -> Option<&Http2Settings> {
        self.http2.as_ref()
    }

    /// The base URL's path, without a trailing slash; empty for none.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Makes a connection within `limit`. `streams`: what an HTTP/2 server is taken to allow until
    /// it has said so.
    ///
    /// # Errors
    /// `ConnectFailed`, with what an operator can do.
    pub(crate) async fn connect(&self, limit: Duration, streams: usize, slot: Slot) -> Result<Opened, Fault> {
        match timeout(limit, self.connect_in_time(Instant::now() + limit, streams, slot)).await {
            Ok(connection) => connection,
            Err(_) => Err(fault::connect_failed(self, format_args!("no connection within {} s", limit.as_secs()))),
        }
    }

    async fn connect_in_time(&self, deadline: Instant, streams: usize, slot: Slot) -> Result<Opened, Fault> {
        let tcp = self
            .connect_tcp(deadline)
            .await
            .map_err(|error| fault::connect_failed(self, format_args!("{error}; does the provider run there?")))?;
        let socket = Socket::new(tcp);
        let wire = socket.wire();
        let transport = match &self.tls {
            None => Transport::Plain(socket),
            Some((connector, name)) => match connector.connect(name.clone(), socket).await {
                Ok(stream) => Transport::Tls(Box::new(stream)),
                Err(error) => return Err(fault::connect_failed(self, tls::explain(&error))),
            },
        };
        let opened = match &self.http2 {
            Some(settings) if transport.agreed_on_http2() => {
                Multiplexed::start(transport, settings, streams, slot).await.map(Opened::Shared)
            }
            _ => Connection::start(transport, wire, slot).await.map(Opened::Own),
        };
        opened.map_err(|error| fault::connect_failed(self, error))
    }

    /// Tries the addresses of the host one after the other. Each gets an equal share of the time
    /// left, so that an address that swallows packets does not use it up for the next.
    async fn connect_tcp(&self, deadline: Instant) -> io::Result<TcpStream> {
        let addresses: Vec<SocketAddr> = match (&self.addresses, self.host.parse::<IpAddr>()) {
            (Some(addresses), _) => addresses.clone(),
            (None, Ok(address)) => vec![SocketAddr::new(address, self.port)],
            (None, Err(_)) => lookup_host((self.host.as_str(), self.port)).await?.collect(),
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for (index, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let shares = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            match timeout_at(Instant::now() + left / shares, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    tcp.set_nodelay(true)?;
                    return Ok(tcp);
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "no answer to the attempt to connect"),
            }
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_taken_apart() {
        for (url, host, port, authority, prefix) in [
            ("http://127.0.0.1:8080/v1/", "127.0.0.1", 8080, "127.0.0.1:8080", "/v1"),
            ("http://example.test", "example.test", 80, "example.test", ""),
            ("https://[::1]:8443/a/b", "::1", 8443, "[::1]:8443", "/a/b"),
            ("https://api.openai.com/v1", "api.openai.com", 443, "api.openai.com", "/v1"),
        ] {
            let origin = Origin::parse(url, None, None).expect(url);
            assert_eq!((origin.host.as_str(), origin.port, origin.prefix()), (host, port, prefix), "{url}");
            assert_eq!(origin.authority(), authority);
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for url in
            ["", "api.openai.com/v1", "/v1", "ftp://x/", "http://", "http://u:p@x/", "http://x/?a=b", "http://x/#a"]
        {
            assert!(Origin::parse(url, None, None).is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn small_writes_are_sent_at_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let origin = Origin::parse(&format!("http://localhost:{port}"), None, None).expect("a base URL");
        let tcp = origin.connect_tcp(Instant::now() + Duration::from_secs(10)).await.expect("a connection");
        assert!(tcp.nodelay().expect("an option"));
    }
}
