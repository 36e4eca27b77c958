//! `[server.tls]`: certificate and key of the listener, and who vouches for clients.

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::outside::Secrets;
use super::reader::{Keys, Section};
use crate::tls::{ClientAuth, TlsSettings, prepare};
use std::path::PathBuf;

const KEYS: Keys = Keys::of(&["cert", "key", "client_ca", "client_auth"]);
/// What names a file.
const FILES: [&str; 3] = ["cert", "key", "client_ca"];

/// TLS as `[server]` has it; `None` without it, after an error, and where secrets are ignored.
pub(super) fn tls(server: &Section<'_>) -> Option<TlsSettings> {
    server.value("tls")?;
    let section = Section { title: "[server.tls]".to_owned(), ..server.section("tls", &KEYS) };
    let walk = section.walk;
    for key in ["cert", "key"].into_iter().filter(|key| section.value(key).is_none()) {
        section.missing(key, &format!("{key} = \"file:/path/to/{key}.pem\""));
    }
    let auth = section.choice("client_auth", &["required", "optional"], &[]);
    if let (Some(value), true) = (section.value("client_auth"), section.value("client_ca").is_none()) {
        let message = "[server.tls]: `client_auth` needs `client_ca`: without it no certificate could be judged";
        walk.report(Diagnostic::new(ConfigCode::Contradiction, message).at(value.span));
    }
    // Each is read, so that everything that is wrong is said at once.
    let (cert, key) = (section.secret("cert"), section.secret("key"));
    let client_ca = section.secret("client_ca");
    if walk.secrets == Secrets::Ignored || (section.value("client_ca").is_some() && client_ca.is_none()) {
        return None;
    }
    let settings = TlsSettings {
        cert: cert?.reveal().to_owned(),
        key: key?,
        client_ca: client_ca.map(|pem| pem.reveal().to_owned()),
        client_auth: if auth == Some("optional") { ClientAuth::Optional } else { ClientAuth::Required },
        files: files(&section),
    };
    match prepare(&settings) {
        Ok(ready) => {
            if let Some(complaint) = ready.validity.and_then(|validity| validity.complaint(walk.outside.now)) {
                let message = format!("the certificate of [server.tls] {complaint}");
                walk.report(Diagnostic::new(ConfigCode::Certificate, message).at(span(&section, "cert")));
            }
            Some(settings)
        }
        Err(fault) => {
            let message = format!("[server.tls]: `{}` cannot be used: {}", fault.key, fault.why);
            let wrong = Diagnostic::new(ConfigCode::Tls, message).at(span(&section, fault.key));
            walk.report(wrong.help(fault.help));
            None
        }
    }
}

fn span(section: &Section<'_>, key: &str) -> std::ops::Range<usize> {
    section.value(key).map_or(section.span.clone(), |value| value.span)
}

/// The files that are named, to be watched.
fn files(section: &Section<'_>) -> Vec<PathBuf> {
    let named = FILES.into_iter().filter_map(|key| section.text(key));
    named.filter_map(|text| Some(section.walk.outside.base.join(text.text.strip_prefix("file:")?))).collect()
}
