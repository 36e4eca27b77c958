//! Which addresses a webhook may have. Pure: no names, no connections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The public network.
    Public,
    /// This machine, a private network, or a range that is set apart: only where the operator
    /// allows it.
    Private(&'static str),
    /// No webhook is ever there, and harm may be: never.
    Never(&'static str),
}

/// The services that tell a machine in a cloud its credentials. They are at fixed addresses, one of
/// them (Azure's) a public one.
const METADATA_V4: [Ipv4Addr; 5] = [
    Ipv4Addr::new(169, 254, 169, 254),
    // AWS: credentials of a container.
    Ipv4Addr::new(169, 254, 170, 2),
    // Azure.
    Ipv4Addr::new(168, 63, 129, 16),
    // Alibaba.
    Ipv4Addr::new(100, 100, 100, 200),
    // Oracle.
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    // AWS.
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    // Google.
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Networks in IPv4 that are not the public one (IANA's registry of special-purpose addresses).
const PRIVATE_V4: [([u8; 4], u8, &str); 14] = [
    ([0, 0, 0, 0], 8, "this network"),
    ([10, 0, 0, 0], 8, "a private network"),
    ([100, 64, 0, 0], 10, "a carrier's private network"),
    ([127, 0, 0, 0], 8, "this machine"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "a private network"),
    ([192, 0, 0, 0], 24, "set apart for protocols"),
    ([192, 0, 2, 0], 24, "set apart for documents"),
    ([192, 88, 99, 0], 24, "a relay of 6to4"),
    ([192, 168, 0, 0], 16, "a private network"),
    ([198, 18, 0, 0], 15, "set apart for measurements"),
    ([198, 51, 100, 0], 24, "set apart for documents"),
    ([203, 0, 113, 0], 24, "set apart for documents"),
    ([240, 0, 0, 0], 4, "not in use"),
];

/// What `address` leads to. An address of IPv6 that stands for one of IPv4 is judged as that one.
pub(super) fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(address) => place_v4(address),
        IpAddr::V6(address) => place_v6(address),
    }
}

fn place_v4(address: Ipv4Addr) -> Place {
    if METADATA_V4.contains(&address) {
        return Place::Never("a cloud's metadata service");
    }
    if address.is_unspecified() || address.is_broadcast() || address.is_multicast() {
        return Place::Never("no single machine");
    }
    let bits = address.to_bits();
    let within = |(network, length, _): &&([u8; 4], u8, &str)| {
        let mask = u32::MAX.checked_shl(32 - u32::from(*length)).unwrap_or(0);
        bits & mask == u32::from_be_bytes(*network)
    };
    PRIVATE_V4.iter().find(within).map_or(Place::Public, |(_, _, why)| Place::Private(why))
}

fn place_v6(address: Ipv6Addr) -> Place {
    if METADATA_V6.contains(&address) {
        return Place::Never("a cloud's metadata service");
    }
    if address.is_unspecified() || address.is_multicast() {
        return Place::Never("no single machine");
    }
    if address.is_loopback() {
        return Place::Private("this machine");
    }
    if let Some(inner) = address.to_ipv4_mapped() {
        return place_v4(inner);
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| place_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match [a, b, c, d, e, f] {
        // NAT64 (RFC 6052): a router takes the last four bytes for an address of IPv4.
        [0x64, 0xff9b, 0, 0, 0, 0] => return embedded(g, h),
        // IPv4-compatible, and IPv4-translated (RFC 2765): not in use, and some systems still obey.
        [0, 0, 0, 0, 0, 0] | [0, 0, 0, 0, 0xffff, 0] => {
            return embedded(g, h).max(Place::Private("an address of IPv4 in disguise"));
        }
        _ => {}
    }
    match a {
        // 6to4 (RFC 3056): the address of IPv4 is in the second and third group.
        0x2002 => embedded(b, c),
        0x2001 if b < 0x200 => Place::Private("set apart for protocols"),
        0x2001 if b == 0xdb8 => Place::Private("set apart for documents"),
        0x3fff if b < 0x1000 => Place::Private("set apart for documents"),
        // The public part of IPv6 is 2000::/3, so far.
        0x2000..=0x3fff => Place::Public,
        0xfe80..=0xfebf => Place::Private("link-local"),
        0xfc00..=0xfdff => Place::Private("a private network"),
        _ => Place::Private("not in the public network"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Place {
        place(text.parse().expect(text))
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.0.1",
            "192.169.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
            "2001:4860:4860::8888",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
            "2002:808:808::1",
        ] {
            assert_eq!(judged(text), Place::Public, "{text}");
        }
    }

    #[test]
    fn what_is_not_public_needs_leave() {
        for text in [
            "0.0.0.1",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.0.1",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "240.0.0.1",
            "::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "fc00::1",
            "fdff::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "5f00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:c0a8:101::1",
        ] {
            assert!(matches!(judged(text), Place::Private(_)), "{text}: {:?}", judged(text));
        }
    }

    #[test]
    fn some_places_are_never_called() {
        for text in [
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "::",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "::ffff:0.0.0.0",
        ] {
            assert!(matches!(judged(text), Place::Never(_)), "{text}: {:?}", judged(text));
        }
    }
}
