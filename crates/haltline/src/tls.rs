//! TLS of the listener: from what the configuration names to what a handshake needs, and its
//! change while connections are open. TLS 1.2 and 1.3, HTTP/1.1 only. How certificates reach the
//! disk is not our matter; TLS to providers is `haltline-upstream`'s.

mod accept;
mod validity;

pub use accept::Tls;
pub use validity::{Validity, validity};

use haltline_ports::Secret;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroize;

/// The one protocol that is offered (RFC 7301, 6).
const HTTP_1_1: &[u8] = b"http/1.1";

/// `[server.tls]`, its files read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate and those that vouch for it, PEM, the server's own first.
    pub cert: String,
    /// Its private key, PEM.
    pub key: Secret,
    /// Who vouches for clients, PEM; none = clients show no certificate.
    pub client_ca: Option<String>,
    /// What becomes of clients without a certificate, where `client_ca` is given.
    pub client_auth: ClientAuth,
    /// Where all that was read from, to be watched.
    pub files: Vec<PathBuf>,
}

/// What becomes of a client without a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// It is turned away.
    Required,
    /// It is let in; one with a certificate that nobody vouches for is not.
    Optional,
}

/// Why something in `[server.tls]` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// The key of the configuration.
    pub key: &'static str,
    /// One sentence; never holds key material.
    pub why: String,
    /// What to do.
    pub help: &'static str,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[server.tls] {}: {}; {}", self.key, self.why, self.help)
    }
}

impl std::error::Error for TlsFault {}

/// What a handshake needs, and until when it is good.
#[derive(Clone)]
pub struct Ready {
    pub(crate) config: Arc<ServerConfig>,
    /// Of the server's own certificate; `None` when its dates cannot be read.
    pub validity: Option<Validity>,
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("validity", &self.validity).finish_non_exhaustive()
    }
}

/// Checks and joins it all.
///
/// # Errors
/// What is wrong, and where.
pub fn prepare(settings: &TlsSettings) -> Result<Ready, TlsFault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = certificates("cert", &settings.cert)?;
    let validity = chain.first().and_then(|own| validity(own));
    let certified = certified(chain, &settings.key, &provider)?;
    let unusable = |error: rustls::Error| fault("cert", format!("TLS cannot be set up: {error}"), "report this");
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match &settings.client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => builder.with_client_cert_verifier(verifier(pem, settings.client_auth, provider)?),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    if settings.client_ca.is_some() {
        // A resumed session is not verified again: a certificate that has expired meanwhile would
        // still be let in.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Ready { config: Arc::new(config), validity })
}

fn fault(key: &'static str, why: impl Into<String>, help: &'static str) -> TlsFault {
    TlsFault { key, why: why.into(), help }
}

fn certificates(key: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let help = "name a file of certificates in PEM: \"file:/path\"";
    let found: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| fault(key, format!("this is no PEM: {error}"), help))?;
    if found.is_empty() {
        return Err(fault(key, "there is no certificate in it", help));
    }
    Ok(found)
}

/// The chain with its key, which must belong together.
fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &Secret,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsFault> {
    // What the parser says may show parts of what it has read, so none of it is repeated.
    let mut der = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).map_err(|_| {
        fault("key", "there is no private key in it", "name a file with one in PEM, without a password: \"file:/path\"")
    })?;
    let signing = provider.key_provider.load_private_key(der.clone_key());
    der.zeroize();
    let signing = signing.map_err(|_| {
        fault("key", "it is of a kind that is not supported", "use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits")
    })?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(fault(
            "key",
            "it is not the key of the first certificate in `cert`",
            "put the two that belong together in place; in `cert` the server's own stands first",
        )),
        Err(error) => Err(fault("cert", format!("the certificate cannot be read: {error}"), "have it issued anew")),
    }
}

fn verifier(
    pem: &str,
    auth: ClientAuth,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsFault> {
    let help = "name a file with the certificates of those who issue the clients' own";
    let mut roots = RootCertStore::empty();
    for certificate in certificates("client_ca", pem)? {
        roots
            .add(certificate)
            .map_err(|error| fault("client_ca", format!("a certificate is broken: {error}"), help))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match auth {
        ClientAuth::Required => builder,
        ClientAuth::Optional => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| fault("client_ca", error.to_string(), help))
}
