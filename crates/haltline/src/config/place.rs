//! `[server]` and `[store]`: where the gateway listens and where it keeps things.

use super::codes::ConfigCode;
use super::diagnostic::Diagnostic;
use super::reader::{Keys, Section};
use super::tls;
use super::value::Value;
use crate::tls::TlsSettings;
use haltline_ports::Network;
use haltline_store_embedded::{Encryption, StoreKey};
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
    /// TLS; none = HTTP in the clear.
    pub tls: Option<TlsSettings>,
    /// Open connections of one address; 0 = any number.
    pub connections_per_address: usize,
    /// May a crash leave the process's memory in a file?
    pub core_dumps: bool,
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

const SERVER: Keys = Keys {
    known: &["listen", "drain", "tls", "connections_per_address", "core_dumps", "trusted_proxies"],
    later: &["admin"],
};
const STORE: Keys = Keys::of(&["url", "encryption_key", "old_encryption_keys"]);
/// Below the 30 s that most supervisors give.
const DRAIN: Duration = Duration::from_secs(25);
/// Room for a busy balancer, and not for a flood.
const PER_ADDRESS: usize = 2_048;
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
    let is_open = !listen.ip().to_canonical().is_loopback() && section.value("tls").is_none();
    if is_open {
        let what = if listen.ip().is_unspecified() { "every interface of this machine" } else { "beyond this machine" };
        let message = format!("{listen} is {what}, without TLS");
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
    let per_address = section.integer("connections_per_address", 0..=1_000_000);
    ServerSettings {
        listen,
        drain: drain.unwrap_or(DRAIN),
        tls: tls::tls(&section),
        connections_per_address: per_address.and_then(|most| usize::try_from(most).ok()).unwrap_or(PER_ADDRESS),
        core_dumps: section.boolean("core_dumps").unwrap_or(false),
        trusted_proxies,
    }
}

/// `[store] encryption_key`, and those of the past.
pub(super) fn encryption(root: &Section<'_>) -> Option<Encryption> {
    const KEY: &str = "encryption_key";
    const OLD: &str = "old_encryption_keys";
    // The keys of the section are checked where its address is read.
    let section = Section { title: "[store]".to_owned(), map: root.value("store")?.table(), ..root.clone() };
    let old: Vec<_> = match section.value(OLD) {
        None => Vec::new(),
        Some(_) => section.items(OLD)?.iter().filter_map(|value| store_key(&section, value)).collect(),
    };
    let Some(value) = section.value(KEY) else {
        if section.value(OLD).is_some() {
            let message = format!("[store]: `{OLD}` without `{KEY}`: what is encrypted cannot become plain again");
            section.walk.report(Diagnostic::new(ConfigCode::Contradiction, message).at(section.key_span(OLD)));
        }
        return None;
    };
    Some(Encryption { key: store_key(&section, &value)?, old })
}

fn store_key(section: &Section<'_>, value: &Value<'_>) -> Option<StoreKey> {
    let secret = value.secret_of_store(&section.title)?;
    match StoreKey::parse(&secret) {
        Ok(key) => Some(key),
        Err(why) => {
            let message = format!("[store]: a key to encrypt with is 32 random bytes: {why}");
            let wrong = Diagnostic::new(ConfigCode::NotUnderstood, message).at(value.span.clone());
            section.walk.report(wrong.help("make one with: openssl rand -base64 32"));
            None
        }
    }
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
