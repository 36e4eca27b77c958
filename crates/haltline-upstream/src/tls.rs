//! Whom we trust when a provider shows its certificate: what the system trusts, certificates that
//! the operator adds, and the web's usual roots where the system has none.

use crate::ConfigError;
use rustls::client::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use std::fmt::Write;
use std::io;
use std::sync::{Arc, OnceLock};

/// HTTP/2's name in ALPN (RFC 9113, 3.1).
pub(crate) const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// The settings of TLS. `http2`: is it offered, before HTTP/1.1? Reading the system's certificates is dear (some hundred kilobytes), so
/// those without `extra_ca` are made once for the process. `extra_ca` is PEM.
///
/// # Errors
/// A sentence for the operator, when `extra_ca` holds no certificate or a broken one.
pub(crate) fn client_config(extra_ca: Option<&str>, http2: bool) -> Result<Arc<ClientConfig>, ConfigError> {
    static PLAIN: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = match (extra_ca, PLAIN.get()) {
        (Some(pem), _) => build(read_certificates(pem)?)?,
        (None, Some(config)) => Arc::clone(config),
        (None, None) => {
            let config = build(Vec::new())?;
            Arc::clone(PLAIN.get_or_init(|| config))
        }
    };
    if !http2 {
        return Ok(config);
    }
    // Verifier and sessions are shared by the copy.
    let mut both = ClientConfig::clone(&config);
    both.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
    Ok(Arc::new(both))
}

fn read_certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| ConfigError(format!("extra_ca cannot be read: {error}; it must be certificates in PEM")))?;
    if certificates.is_empty() {
        return Err(ConfigError("extra_ca holds no certificate; it must be certificates in PEM".to_owned()));
    }
    Ok(certificates)
}

fn build(extra: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, ConfigError> {
    let unusable = |error: rustls::Error| ConfigError(format!("TLS cannot be set up: {error}"));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match system_verifier(&extra, provider).map_err(unusable)? {
        Some(verifier) => builder.dangerous().with_custom_certificate_verifier(verifier),
        None => {
            tracing::warn!("the system has no certificate store; the web's usual roots are trusted instead");
            let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            for certificate in extra {
                roots.add(certificate).map_err(unusable)?;
            }
            builder.with_root_certificates(roots)
        }
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

/// The system's trust with `extra` added; `None` where the system has none. That is found out
/// without `extra`, which would hide it.
fn system_verifier(
    extra: &[CertificateDer<'static>],
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ServerCertVerifier>>, rustls::Error> {
    let Ok(verifier) = Verifier::new(Arc::clone(&provider)) else {
        return Ok(None);
    };
    if extra.is_empty() {
        return Ok(Some(Arc::new(verifier)));
    }
    Ok(Some(Arc::new(Verifier::new_with_extra_roots(extra.iter().cloned(), provider)?)))
}

/// What a failed handshake means to an operator.
pub(crate) fn explain(error: &io::Error) -> String {
    let mut text = format!("TLS failed: {error}");
    let hint = match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::UnknownIssuer => {
                "its issuer is not trusted here; name that issuer's certificate in extra_ca"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another host; does base_url name the right one?"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate has expired; is this machine's clock right?"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet; is this machine's clock right?"
            }
            _ => return text,
        },
        Some(rustls::Error::InvalidMessage(_)) => {
            "the other side does not speak TLS; should base_url begin with http://?"
        }
        _ => return text,
    };
    // Writing to a string cannot fail.
    let _ = write!(text, "; {hint}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_trust_is_read_once() {
        let first = client_config(None, false).expect("config");
        let second = client_config(None, false).expect("config");
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(first.alpn_protocols, [HTTP_1_1.to_vec()]);
        assert_eq!(client_config(None, true).expect("config").alpn_protocols, [HTTP_2.to_vec(), HTTP_1_1.to_vec()]);
    }

    #[test]
    fn extra_certificates_must_be_some() {
        for pem in ["", "not pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            assert!(client_config(Some(pem), true).is_err(), "{pem:?}");
        }
    }
}
