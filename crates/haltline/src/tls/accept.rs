//! Handshakes with what is in force at the moment, and putting something else in force: connections
//! that are open keep what they have agreed on.

use super::Ready;
use arc_swap::ArcSwap;
use haltline_http::{Accept, Accepted, Patient, Raw};
use haltline_types::Timestamp;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rustls::server::ServerConfig;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of a TLS connection: a record of the handshake (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;
/// Between two lines of the log about the same kind of failure; strangers cause most of them.
const SAID_AGAIN: Duration = Duration::from_secs(60);
/// Said in the clear to whoever asks a TLS port in the clear.
const USE_HTTPS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    x-content-type-options: nosniff\r\nconnection: close\r\ncontent-length: 53\r\n\r\n\
    This port speaks TLS: begin the address with https://\n";

/// TLS as it is in force; its copies share it.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    ready: ArcSwap<Ready>,
    plain: Sometimes,
    failed: Sometimes,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&*self.0.ready.load()).finish()
    }
}

impl Tls {
    /// With this in force.
    #[must_use]
    pub fn new(ready: Ready) -> Self {
        let ready = ArcSwap::from_pointee(ready);
        Self(Arc::new(Inner { ready, plain: Sometimes::default(), failed: Sometimes::default() }))
    }

    /// Puts something else in force for handshakes from now on.
    pub fn replace(&self, ready: Ready) {
        self.0.ready.store(Arc::new(ready));
    }

    /// The last second of the server's certificate.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        Some(self.0.ready.load().validity?.until)
    }

    /// What is to be said of the server's certificate at `now`.
    #[must_use]
    pub fn complaint(&self, now: Timestamp) -> Option<String> {
        self.0.ready.load().validity?.complaint(now)
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.ready.load().config)
    }
}

impl Accept for Tls {
    type Stream = TlsStream<Patient>;

    const SHAKES_HANDS: bool = true;

    async fn accept(&self, raw: Raw) -> io::Result<Accepted<TlsStream<Patient>>> {
        let peer = raw.peer;
        match raw.first_byte().await? {
            Some(HANDSHAKE) => {}
            // A look at whether the port is open; balancers do that.
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(_) => {
                self.0.plain.say(|others| {
                    tracing::warn!(%peer, others, "a client spoke to the TLS port without TLS; its address must begin with https://");
                });
                let mut stream = raw.into_stream();
                // What is not read would have the answer thrown away with the connection.
                let _ = stream.read(&mut [0; 2048]).await?;
                stream.write_all(USE_HTTPS).await?;
                stream.shutdown().await?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, "no TLS"));
            }
        }
        match TlsAcceptor::from(self.config()).accept(raw.into_stream()).await {
            Ok(stream) => {
                let is_certified = stream.get_ref().1.peer_certificates().is_some();
                Ok(Accepted { stream, is_tls: true, is_certified })
            }
            Err(error) => {
                let what = explain(&error);
                self.0.failed.say(|others| tracing::warn!(%peer, others, %error, "a TLS handshake failed: {what}"));
                Err(error)
            }
        }
    }
}

/// When the certificate ends, for whoever watches metrics.
impl Collector for Tls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(until) = self.expires() else { return Ok(()) };
        let about = "When the certificate of the listener ends, in seconds since the epoch";
        let gauge = ConstGauge::new(until.as_millis().div_euclid(1000));
        let metric = encoder.encode_descriptor(
            "tls_certificate_expiry_timestamp",
            about,
            Some(&Unit::Seconds),
            gauge.metric_type(),
        )?;
        gauge.encode(metric)
    }
}

/// What a failed handshake means to an operator.
fn explain(error: &io::Error) -> &'static str {
    use rustls::{AlertDescription, CertificateError, Error};
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::NoCertificatesPresented) => "the client showed no certificate, and client_auth requires one",
        Some(Error::InvalidCertificate(why)) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the client's certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the client's certificate is not valid yet; is this machine's clock right?"
            }
            CertificateError::UnknownIssuer => "nobody in client_ca vouches for the client's certificate",
            _ => "the client's certificate is not acceptable",
        },
        Some(Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown,
        )) => "the client does not trust our certificate",
        Some(Error::AlertReceived(AlertDescription::CertificateExpired)) => {
            "the client says that our certificate has expired"
        }
        Some(Error::PeerIncompatible(_)) => "the client offers nothing that is safe: it needs TLS 1.2 or newer",
        Some(Error::NoApplicationProtocol) => "the client does not speak HTTP/1.1",
        _ => "the client went away or did not follow the protocol",
    }
}

/// Says a thing once a minute, and how often it happened besides.
#[derive(Default)]
struct Sometimes {
    said: Mutex<Option<Instant>>,
    unsaid: AtomicU64,
}

impl Sometimes {
    fn say(&self, say: impl FnOnce(u64)) {
        let mut said = self.said.lock();
        let now = Instant::now();
        if said.is_some_and(|said| now.duration_since(said) < SAID_AGAIN) {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return;
        }
        *said = Some(now);
        drop(said);
        say(self.unsaid.swap(0, Ordering::Relaxed));
    }
}
