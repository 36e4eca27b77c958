//! The refresh cookie. Scripts cannot read it, and it goes to `/v1/auth` only: with that path its name
//! cannot begin with `__Host-`, so `__Secure-` it is, and what another host of the domain could set is
//! told apart by the csrf value. Each page has one of its own, because pages of one gateway share its
//! cookies.

use haltline_gateway::settings::SameSite;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use std::time::Duration;

/// Cookies of one name that are looked at.
const SAME_NAME_MAX: usize = 4;
/// The longest value that is looked at, in bytes.
const VALUE_MAX: usize = 256;

/// How a page's cookie is called and kept.
pub(super) struct Cookie {
    /// Tells pages apart.
    pub(super) mark: String,
    /// Over plain http, at a loopback address, where the operator allows it.
    pub(super) is_insecure: bool,
    pub(super) same_site: SameSite,
}

impl Cookie {
    fn name(&self) -> String {
        let prefix = if self.is_insecure { "" } else { "__Secure-" };
        format!("{prefix}haltline-refresh-{}", self.mark)
    }

    /// Sets it; for no time: removes it.
    pub(super) fn set(&self, value: &str, life: Duration) -> HeaderValue {
        let (same_site, secure) = match (self.is_insecure, self.same_site) {
            // Browsers want `Secure` with `None`.
            (true, SameSite::None) => (SameSite::Lax, ""),
            (true, same_site) => (same_site, ""),
            (false, same_site) => (same_site, "; Secure"),
        };
        let (name, seconds, same_site) = (self.name(), life.as_secs(), same_site.attribute());
        let text = format!("{name}={value}; Path=/v1/auth; Max-Age={seconds}; HttpOnly{secure}; SameSite={same_site}");
        let mut header = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }

    /// What a request has of it.
    pub(super) fn read(&self, head: &HeaderMap) -> Vec<String> {
        let name = self.name();
        let pairs = head.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|all| all.split(';'));
        let values = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(known, _)| *known == name);
        let values = values.map(|(_, value)| value).filter(|value| value.len() <= VALUE_MAX);
        values.take(SAME_NAME_MAX).map(str::to_owned).collect()
    }
}

/// Is it this machine that was asked for? A page cannot write `Host`.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(is_insecure: bool, same_site: SameSite) -> Cookie {
        Cookie { mark: "ab12".to_owned(), is_insecure, same_site }
    }

    #[test]
    fn it_is_kept_from_scripts_other_paths_and_plain_http() {
        let set = cookie(false, SameSite::Strict).set("v", Duration::from_secs(9));
        assert!(set.is_sensitive());
        assert_eq!(
            set,
            "__Secure-haltline-refresh-ab12=v; Path=/v1/auth; Max-Age=9; HttpOnly; Secure; SameSite=Strict"
        );
        let plain = cookie(true, SameSite::None).set("", Duration::ZERO);
        assert_eq!(plain, "haltline-refresh-ab12=; Path=/v1/auth; Max-Age=0; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn it_is_found_among_others_also_when_there_are_two() {
        let mut head = HeaderMap::new();
        head.append(
            COOKIE,
            HeaderValue::from_static("a=b; __Secure-haltline-refresh-ab12=one;haltline-refresh-ab12=no"),
        );
        head.append(
            COOKIE,
            HeaderValue::from_static("__Secure-haltline-refresh-ab12=two; __Secure-haltline-refresh-cd=no"),
        );
        assert_eq!(cookie(false, SameSite::Lax).read(&head), ["one", "two"]);
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for host in ["localhost", "localhost:4100", "127.0.0.1:4100", "[::1]:4100", "127.8.9.1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "localhost.example.com", "127.0.0.1.example.com:80", "10.0.0.1", "[::2]", "gateway"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
