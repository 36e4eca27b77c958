//! The address of a webhook, taken apart so that nobody reads it in two ways. What is not written
//! the plain way is refused, not interpreted: resolvers take `2130706433`, `0x7f.1` and `127.1` for
//! 127.0.0.1.

use super::address::{Place, place};
use haltline_ports::{Reach, WebhookFault};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longer addresses are not taken.
const URL_BYTES_MAX: usize = 2_048;

/// Names that are never public (RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`), without the
/// dot before them.
const PRIVATE_NAMES: [&str; 6] = ["localhost", "local", "internal", "home.arpa", "localdomain", "lan"];

/// A webhook's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) path: PathAndQuery,
}

/// A webhook's host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// To be looked up.
    Name(String),
    /// As it stands.
    Address(IpAddr),
}

impl Target {
    /// Reads it, and refuses what can be refused without looking a name up.
    ///
    /// # Errors
    /// Why it may not be called.
    pub(crate) fn parse(url: &str, reach: Reach) -> Result<Self, WebhookFault> {
        let target = Self::read(url).map_err(|why| {
            WebhookFault::Forbidden(format!("it is no address of a webhook: {why}; write https://host/path"))
        })?;
        match &target.host {
            Host::Address(address) => allowed(*address, reach)?,
            Host::Name(name) => {
                let is_private = PRIVATE_NAMES.iter().any(|private| {
                    name.strip_suffix(private).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                });
                if is_private && reach == Reach::Public {
                    return Err(WebhookFault::Forbidden(format!("`{name}` is not a public name")));
                }
            }
        }
        Ok(target)
    }

    fn read(url: &str) -> Result<Self, String> {
        if url.len() > URL_BYTES_MAX {
            return Err(format!("it is longer than {URL_BYTES_MAX} bytes"));
        }
        if !url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err("it has spaces, backslashes or letters that no URL has".to_owned());
        }
        let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.filter(|scheme| *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP);
        let scheme = scheme.ok_or("it must begin with https:// or http://")?;
        let authority = parts.authority.ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("it must not hold a user name or password".to_owned());
        }
        let host = host(authority.host())?;
        let usual = if scheme == Scheme::HTTPS { 443 } else { 80 };
        // `host:` and `host:99999` have no port that can be read.
        let port = match authority.as_str().get(authority.host().len()..).unwrap_or_default() {
            "" => Some(usual),
            _ => authority.port_u16().filter(|port| *port != 0),
        };
        Ok(Self {
            scheme,
            host,
            port: port.ok_or("its port is none from 1 to 65535")?,
            authority,
            path: parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }
}

/// May a webhook be at this address?
///
/// # Errors
/// Why not.
pub(crate) fn allowed(address: IpAddr, reach: Reach) -> Result<(), WebhookFault> {
    match (place(address), reach) {
        (Place::Public, _) | (Place::Private(_), Reach::Private) => Ok(()),
        (Place::Private(why), Reach::Public) => {
            Err(WebhookFault::Forbidden(format!("{address} is no public address ({why})")))
        }
        (Place::Never(why), _) => Err(WebhookFault::Forbidden(format!("{address} is never called ({why})"))),
    }
}

fn host(text: &str) -> Result<Host, String> {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        // A zone (`%eth0`) has no meaning outside this machine, and is no part of `Ipv6Addr`.
        let address: Ipv6Addr = inner.parse().map_err(|_| format!("`{text}` is no address"))?;
        return Ok(Host::Address(IpAddr::V6(address)));
    }
    // A dot at the end makes a name absolute and is else the same name.
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty()
        || name.len() > 253
        || !name.split('.').all(|label| !label.is_empty() && label.bytes().all(is_plain))
    {
        return Err(format!("`{text}` is no host name"));
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !is_number {
        return Ok(Host::Name(name));
    }
    // No public name ends in a number, so this is an address, or a way to hide one.
    let address: Option<Ipv4Addr> = text.parse().ok();
    address
        .map(|address| Host::Address(IpAddr::V4(address)))
        .ok_or_else(|| format!("`{text}` is an address in disguise; write four decimal numbers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_are_read() {
        for (url, host, port, path) in [
            ("https://example.com", Host::Name("example.com".to_owned()), 443, "/"),
            ("https://Example.COM./a?b=c#d", Host::Name("example.com".to_owned()), 443, "/a?b=c"),
            ("http://example.com:8080/x", Host::Name("example.com".to_owned()), 8080, "/x"),
            ("https://1.1.1.1/x", Host::Address([1, 1, 1, 1].into()), 443, "/x"),
            ("https://[2606:4700::1111]:444/x", Host::Address("2606:4700::1111".parse().expect("v6")), 444, "/x"),
            ("https://1.example.com/", Host::Name("1.example.com".to_owned()), 443, "/"),
            ("https://xn--bcher-kva.example/", Host::Name("xn--bcher-kva.example".to_owned()), 443, "/"),
        ] {
            let target = Target::parse(url, Reach::Public).expect(url);
            assert_eq!((&target.host, target.port, target.path.as_str()), (&host, port, path), "{url}");
        }
    }

    /// Refused whatever is allowed: not a URL, or one that can be read in two ways.
    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for url in [
            "",
            "example.com",
            "/x",
            "//example.com/x",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "https:/example.com",
            "https://",
            "https:///x",
            "https://user@example.com/",
            "https://user:word@example.com/",
            "https://example.com@127.0.0.1/",
            "https://example.com\\@127.0.0.1/",
            "https://example.com/\\x",
            "https://exa mple.com/",
            "https://example.com/ x",
            "https://ex\u{e4}mple.com/",
            "https://\u{ff11}27.0.0.1/",
            "https://127\u{3002}0.0.1/",
            "https://example.com:0/",
            "https://example.com:/",
            "https://example.com:65536/",
            "https://example.com:99999999999/",
            "https://example.com:8a/",
            "https://example..com/",
            "https://.example.com/",
            "https://ex%61mple.com/",
            "https://%31%32%37.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.0.0.1/",
            "http://0x7F.1/",
            "http://0177.0.0.1/",
            "http://017700000001/",
            "http://127.1/",
            "http://127.0.1/",
            "http://127.0.0.01/",
            "http://127.0.0.1./",
            "http://127.0.0.0x1/",
            "http://1.2.3.4.5/",
            "http://256.0.0.1/",
            "http://0/",
            "http://0x/",
            "http://foo.0x1/",
            "http://example.123/",
            "http://[::1",
            "http://::1/",
            "http://[fe80::1%25eth0]/",
            "http://[fe80::1%eth0]/",
            "http://[127.0.0.1]/",
            "http://[::g]/",
            "http://[]/",
            "http://[v1.a]/",
        ] {
            let read = Target::parse(url, Reach::Private);
            assert!(matches!(read, Err(WebhookFault::Forbidden(_))), "{url}: {read:?}");
        }
        let long = format!("https://example.com/{}", "a".repeat(URL_BYTES_MAX));
        assert!(Target::parse(&long, Reach::Private).is_err());
    }

    #[test]
    fn private_places_need_leave() {
        for url in [
            "http://127.0.0.1:9/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost:80/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::127.0.0.1]/",
            "http://[0:0:0:0:0:ffff:7f00:1]/",
            "http://10.1.2.3/",
            "http://192.168.1.1/",
            "http://172.20.0.1/",
            "http://169.254.1.1/",
            "http://100.64.0.1/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://printer.local/",
            "http://vault.internal/",
            "http://router.lan/",
            "http://x.home.arpa/",
            "http://localhost.localdomain/",
        ] {
            let refused = Target::parse(url, Reach::Public);
            assert!(matches!(refused, Err(WebhookFault::Forbidden(_))), "{url}: {refused:?}");
            assert!(Target::parse(url, Reach::Private).is_ok(), "{url}");
        }
    }

    #[test]
    fn metadata_services_and_crowds_are_never_called() {
        for url in [
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fd00:ec2::254]/",
            "http://168.63.129.16/",
            "http://100.100.100.200/",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[ff02::1]/",
        ] {
            assert!(Target::parse(url, Reach::Private).is_err(), "{url}");
        }
        assert!(Target::parse("https://notlocalhost/", Reach::Public).is_ok(), "a name is judged by its labels");
    }
}
