//! `[server]` and `[store]`: where the gateway listens and where it keeps things.

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::reader::{Keys, Section};
use haltline_ports::Network;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Where the gateway listens; the admin API is on the same port.
    pub listen: SocketAddr,
    /// For running answers to finish after SIGTERM.
    pub drain: Duration,
    /// Proxies whose word about a client's address is believed.
    pub trusted_proxies: Vec<Network>,
}

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSettings {
    /// The embedded store in this folder.
    File(PathBuf),
    /// In memory: gone with the process.
    Memory,
}

const SERVER: Keys = Keys { known: &["listen", "drain", "trusted_proxies"], later: &["admin", "tls"] };
const STORE: Keys = Keys::of(&["url"]);
/// Below the 30 s that most supervisors give.
const DRAIN: Duration = Duration::from_secs(25);
/// The data folder when none is named.
const DATA: &str = "haltline-data";

pub(super) fn server(root: &Section<'_>) -> ServerSettings {
    let section = root.section("server", &SERVER);
    let listen = section.parsed("listen", |text| {
        let whole = text.strip_prefix("localhost:").map_or(text.to_owned(), |port| format!("127.0.0.1:{port}"));
        whole.parse().map_err(|_| {
            format!("`{text}` is not an address to listen at; write one like \"127.0.0.1:4100\" or \"[::1]:4100\"")
        })
    });
    let listen = listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 4100)));
    if listen.ip().is_unspecified() {
        let message = format!("{listen} is every interface of this machine, without TLS");
        let span = section.value("listen").map_or(section.span.clone(), |value| value.span);
        section.walk.report(Diagnostic::new(ConfigCode::OpenBind, message).at(span));
    }
    let drain = section.duration("drain", Duration::ZERO..=Duration::from_secs(3600));
    let mut trusted_proxies = Vec::new();
    for text in section.texts("trusted_proxies").unwrap_or_default() {
        match text.text.parse::<Network>() {
            Ok(network) => trusted_proxies.push(network),
            Err(why) => section.walk.report(Diagnostic::new(ConfigCode::NotUnderstood, why).at(text.span)),
        }
    }
    ServerSettings { listen, drain: drain.unwrap_or(DRAIN), trusted_proxies }
}

pub(super) fn store(root: &Section<'_>, base: &Path) -> StoreSettings {
    let section = root.section("store", &STORE);
    let Some(url) = section.text("url") else { return StoreSettings::File(base.join(DATA)) };
    match url.text.split_once(':') {
        Some(("memory", "")) => return StoreSettings::Memory,
        Some(("file", path)) if !path.trim_start_matches('/').is_empty() => {
            return StoreSettings::File(base.join(path.strip_prefix("//").unwrap_or(path)));
        }
        Some((scheme, _)) if scheme.starts_with("redis") => {
            let message = "a store on Redis or Valkey comes in a later version".to_owned();
            let later = Diagnostic::new(ConfigCode::NotInThisVersion, message).at(url.span);
            section.walk.report(later.help("use \"file:haltline-data\""));
        }
        _ => {
            let message = format!("`{}` is not a store", url.text);
            let wrong = Diagnostic::new(ConfigCode::NotUnderstood, message).at(url.span);
            section.walk.report(wrong.allowed(["\"file:haltline-data\"", "\"memory:\""]));
        }
    }
    StoreSettings::Memory
}
