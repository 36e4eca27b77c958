//! Fetches one file, such as a price list: a GET over the same TLS as calls to providers, with a
//! bound on time and size. No redirects, no cookies, no credentials.

use crate::body::BodyStream;
use crate::connect::Origin;
use crate::connection::{Exchange, WireRequest};
use crate::pool::{Pool, PoolSettings};
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{self, HeaderValue};
use http::uri::{Scheme, Uri};
use http::{Method, Request};
use http_body_util::Full;
use std::time::Duration;
use tokio::time::timeout;

/// What a download may take.
#[derive(Clone, Copy, Debug)]
pub struct Download {
    /// From the name's look-up to the last byte.
    pub within: Duration,
    /// The largest file.
    pub bytes_max: usize,
}

/// Fetches `url`. Without TLS only from this machine: whoever is on the way could change the file.
///
/// # Errors
/// A sentence without a full stop: what hindered it.
pub async fn download(url: &str, most: Download) -> Result<Vec<u8>, String> {
    match timeout(most.within, fetch(url, most.bytes_max)).await {
        Ok(fetched) => fetched,
        Err(_) => Err(format!("it was not there within {} s", most.within.as_secs())),
    }
}

async fn fetch(url: &str, bytes_max: usize) -> Result<Vec<u8>, String> {
    let uri: Uri = url.parse().map_err(|error| format!("it is no URL: {error}"))?;
    let authority = uri.authority().ok_or("it names no host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let scheme = uri.scheme().filter(|scheme| **scheme == Scheme::HTTPS || (**scheme == Scheme::HTTP && is_here));
    let scheme = scheme.ok_or("it must begin with https://")?;
    let settings = PoolSettings { http2: None, ..PoolSettings::default() };
    let origin = Origin::parse(&format!("{scheme}://{authority}"), None, None).map_err(|error| error.to_string())?;
    let mut request: WireRequest = Request::new(Full::new(Bytes::new()));
    *request.method_mut() = Method::GET;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|error| format!("it is no URL: {error}"))?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, origin.host_header().clone());
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/toml, text/plain, */*"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("haltline/", env!("CARGO_PKG_VERSION"))));
    let pool = Pool::new(origin, settings);
    let Exchange { response, carrier } = pool.send(request).await.map_err(|fault| fault.detail)?;
    let (head, incoming) = response.into_parts();
    let mut body = BodyStream::new(incoming, carrier, None);
    if head.status.is_redirection() {
        let to = head.headers.get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("another place");
        return Err(format!("it has moved to {to}, and redirects are not followed"));
    }
    if !head.status.is_success() {
        return Err(format!("the server answered with status {}", head.status));
    }
    let mut file = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|fault| fault.detail)?;
        if piece.len() > bytes_max.saturating_sub(file.len()) {
            return Err(format!("it is larger than {bytes_max} bytes"));
        }
        file.extend_from_slice(&piece);
    }
    Ok(file)
}
