//! How many connections each address has open. Loopback has a bound of its own: that is the proxy,
//! or the command line, of this machine. Of IPv6 the first 64 bits are counted, which are one network.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Between two lines of the log about addresses that are refused.
const SAID_AGAIN: Duration = Duration::from_secs(60);

/// The count.
#[derive(Clone)]
pub(super) struct Peers {
    counts: Arc<Mutex<Counts>>,
    most: usize,
    most_of_loopback: usize,
}

#[derive(Default)]
struct Counts {
    open: HashMap<IpAddr, usize>,
    said: Option<Instant>,
}

/// One connection; is counted until it is dropped.
pub(super) struct Counted {
    counts: Arc<Mutex<Counts>>,
    address: Option<IpAddr>,
}

/// Too many; is it time to say so in the log?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany {
    pub(super) is_news: bool,
}

impl Peers {
    /// So many for each address, and for one of loopback; 0 = any number.
    pub(super) fn new(most: usize, most_of_loopback: usize) -> Self {
        Self { counts: Arc::default(), most, most_of_loopback }
    }

    /// Counts one more.
    pub(super) fn enter(&self, address: IpAddr) -> Result<Counted, TooMany> {
        let address = address.to_canonical();
        let most = if address.is_loopback() { self.most_of_loopback } else { self.most };
        if most == 0 {
            return Ok(Counted { counts: Arc::clone(&self.counts), address: None });
        }
        let address = network(address);
        let mut counts = self.counts.lock();
        let open = counts.open.entry(address).or_default();
        if *open >= most {
            let now = Instant::now();
            let is_news = counts.said.is_none_or(|said| now.duration_since(said) >= SAID_AGAIN);
            if is_news {
                counts.said = Some(now);
            }
            return Err(TooMany { is_news });
        }
        *open += 1;
        Ok(Counted { counts: Arc::clone(&self.counts), address: Some(address) })
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from(u128::from(six) & !u128::from(u64::MAX))),
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut counts = self.counts.lock();
        if let Some(open) = counts.open.get_mut(&address) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                counts.open.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[tokio::test(start_paused = true)]
    async fn each_address_has_its_own_places_and_gives_them_back() {
        let peers = Peers::new(2, 0);
        let first = peers.enter(ip("192.0.2.1")).ok();
        let _second = peers.enter(ip("::ffff:192.0.2.1")).expect("the same address in other clothes");
        assert_eq!(peers.enter(ip("192.0.2.1")).err(), Some(TooMany { is_news: true }));
        assert_eq!(peers.enter(ip("192.0.2.1")).err(), Some(TooMany { is_news: false }));
        assert!(peers.enter(ip("192.0.2.2")).is_ok());
        drop(first);
        assert!(peers.enter(ip("192.0.2.1")).is_ok());
        let _six = (peers.enter(ip("2001:db8::1")).ok(), peers.enter(ip("2001:db8::2")).ok());
        assert!(peers.enter(ip("2001:db8::3")).is_err(), "one network");
        assert!(peers.enter(ip("2001:db8:0:1::3")).is_ok());
    }

    #[test]
    fn loopback_has_its_own_bound_and_nothing_stays_behind() {
        let peers = Peers::new(1, 0);
        let _many = (peers.enter(ip("127.0.0.1")).ok(), peers.enter(ip("127.0.0.1")).ok());
        assert!(peers.enter(ip("::1")).is_ok());
        drop(peers.enter(ip("192.0.2.9")).ok());
        assert!(peers.counts.lock().open.is_empty());
        let unbounded = Peers::new(0, 1);
        assert!((0..10).map(|_| unbounded.enter(ip("192.0.2.1"))).collect::<Vec<_>>().iter().all(Result::is_ok));
    }
}
