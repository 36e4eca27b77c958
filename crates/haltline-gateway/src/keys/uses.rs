//! When keys were last used and from where: noted in memory on each request, masked and kept later.

use haltline_ports::{KeyUse, masked};
use haltline_types::{Name, Timestamp};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;

/// What was noted since it was kept last. There are never more than keys.
#[derive(Default)]
pub(crate) struct KeyUses(Mutex<HashMap<Name, (Timestamp, Option<IpAddr>)>>);

impl KeyUses {
    pub(crate) fn note(&self, key: &Name, at: Timestamp, from: Option<IpAddr>) {
        let mut uses = self.0.lock();
        match uses.get_mut(key) {
            Some(used) => *used = (at, from.or(used.1)),
            None => drop(uses.insert(key.clone(), (at, from))),
        }
    }

    /// What was noted, and nothing is from here on.
    pub(crate) fn take(&self) -> Vec<(Name, KeyUse)> {
        let uses = std::mem::take(&mut *self.0.lock());
        uses.into_iter().map(|(name, (at, from))| (name, KeyUse { at, from: from.map(masked) })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_use_counts_and_no_machine_is_kept() {
        let uses = KeyUses::default();
        let from = "203.0.113.77".parse().ok();
        uses.note(&"web".into(), Timestamp::from_secs(1), from);
        uses.note(&"web".into(), Timestamp::from_secs(2), None);
        let expected = KeyUse { at: Timestamp::from_secs(2), from: Some("203.0.113.0/24".to_owned()) };
        assert_eq!(uses.take(), [("web".into(), expected)]);
        assert!(uses.take().is_empty());
    }
}
