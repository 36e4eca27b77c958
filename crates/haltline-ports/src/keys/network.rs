//! Networks of addresses, as `203.0.113.0/24` or `2001:db8::/32`; a single address is a network of its
//! own. An IPv4 address that came in as IPv6 (`::ffff:203.0.113.7`) is the IPv4 address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network: an address and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Is the address in it?
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => cut_v4(own, self.bits) == cut_v4(other, self.bits),
            (IpAddr::V6(own), IpAddr::V6(other)) => cut_v6(own, self.bits) == cut_v6(other, self.bits),
            _ => false,
        }
    }
}

/// What may be kept and shown of an address: the network that it is in, not the machine.
#[must_use]
pub fn masked(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("{}/24", Ipv4Addr::from(cut_v4(address, 24))),
        IpAddr::V6(address) => format!("{}/48", Ipv6Addr::from(cut_v6(address, 48))),
    }
}

fn cut_v4(address: Ipv4Addr, bits: u8) -> u32 {
    u32::from(address) & u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0)
}

fn cut_v6(address: Ipv6Addr, bits: u8) -> u128 {
    u128::from(address) & u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0)
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a network; write it like 203.0.113.0/24, 2001:db8::/32 or 203.0.113.7");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address.parse::<IpAddr>().map_err(|_| wrong())?.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) if !bits.is_empty() && bits.bytes().all(|digit| digit.is_ascii_digit()) => {
                bits.parse::<u8>().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        let cut: IpAddr = match address {
            IpAddr::V4(v4) => Ipv4Addr::from(cut_v4(v4, bits)).into(),
            IpAddr::V6(v6) => Ipv6Addr::from(cut_v6(v6, bits)).into(),
        };
        if cut != address {
            return Err(format!("`{text}` names a machine and not a network; did you mean {cut}/{bits}?"));
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = if self.address.is_ipv4() { 32 } else { 128 };
        if self.bits == most { write!(f, "{}", self.address) } else { write!(f, "{}/{}", self.address, self.bits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().expect(network).contains(address.parse().expect(address))
    }

    #[test]
    fn addresses_are_in_their_networks_and_in_no_others() {
        for (network, address, is_in) in [
            ("203.0.113.0/24", "203.0.113.255", true),
            ("203.0.113.0/24", "203.0.114.0", false),
            ("203.0.113.7", "203.0.113.7", true),
            ("203.0.113.7", "203.0.113.8", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "8.8.8.8", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("203.0.113.0/24", "::ffff:203.0.113.9", true),
            ("10.0.0.0/31", "10.0.0.1", true),
            ("10.0.0.0/31", "10.0.0.2", false),
        ] {
            assert_eq!(contains(network, address), is_in, "{address} in {network}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_and_what_is_one_is_shown_as_it_is_read() {
        for wrong in
            ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "host", "10.0.0.1/8", "::1/64"]
        {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        assert!("10.0.0.1/8".parse::<Network>().is_err_and(|why| why.contains("10.0.0.0/8")));
        for right in ["10.0.0.0/8", "10.0.0.1", "2001:db8::/32", "::1", "0.0.0.0/0"] {
            assert_eq!(right.parse::<Network>().map(|network| network.to_string()), Ok(right.to_owned()));
        }
    }

    #[test]
    fn a_machine_is_not_kept() {
        assert_eq!(masked("203.0.113.77".parse().expect("an address")), "203.0.113.0/24");
        assert_eq!(masked("2001:db8:1:2::3".parse().expect("an address")), "2001:db8:1::/48");
    }
}
