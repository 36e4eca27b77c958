//! Room for what is kept of somebody: bounded in number and bytes, of which the oldest give way.
//! Plain bookkeeping; what goes is removed by whoever asks.

use haltline_types::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// How much there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoomBounds {
    pub(crate) number: usize,
    pub(crate) bytes: usize,
}

/// What there is, by id.
#[derive(Debug, Default)]
pub(crate) struct Room {
    sizes: HashMap<String, (Timestamp, usize)>,
    order: BTreeSet<(Timestamp, String)>,
    bytes: usize,
}

impl Room {
    pub(crate) fn len(&self) -> usize {
        self.sizes.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts one in; one that is put again counts once.
    pub(crate) fn put(&mut self, id: &str, at: Timestamp, size: usize) {
        self.remove(id);
        self.sizes.insert(id.to_owned(), (at, size));
        self.order.insert((at, id.to_owned()));
        self.bytes = self.bytes.saturating_add(size);
    }

    /// More bytes of one that is in it; nothing for one that is not.
    pub(crate) fn add(&mut self, id: &str, more: usize) {
        if let Some((_, size)) = self.sizes.get_mut(id) {
            *size = size.saturating_add(more);
            self.bytes = self.bytes.saturating_add(more);
        }
    }

    pub(crate) fn remove(&mut self, id: &str) {
        if let Some((at, size)) = self.sizes.remove(id) {
            self.order.remove(&(at, id.to_owned()));
            self.bytes = self.bytes.saturating_sub(size);
        }
    }

    /// Takes the oldest away.
    pub(crate) fn pop(&mut self) -> Option<String> {
        let (_, id) = self.order.first().cloned()?;
        self.remove(&id);
        Some(id)
    }

    /// Takes the oldest away until it fits, and whatever is older than `gone_before`.
    pub(crate) fn give_way(&mut self, bounds: RoomBounds, gone_before: Timestamp) -> Vec<String> {
        let mut goes = Vec::new();
        while let Some((at, _)) = self.order.first() {
            let fits = self.bytes <= bounds.bytes && self.sizes.len() <= bounds.number;
            if fits && *at >= gone_before {
                break;
            }
            goes.extend(self.pop());
        }
        goes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_give_way_and_what_is_put_again_counts_once() {
        let mut room = Room::default();
        let at = Timestamp::from_secs;
        let bounds = |number, bytes| RoomBounds { number, bytes };
        for (number, id) in ["a", "b", "c"].into_iter().enumerate() {
            room.put(id, at(i64::try_from(number).expect("small")), 100);
        }
        room.put("a", at(3), 60);
        room.add("a", 40);
        room.add("unknown", 40);
        assert_eq!(room.bytes, 300);
        assert_eq!(room.give_way(bounds(9, 250), at(0)), ["b"]);
        assert_eq!(room.give_way(bounds(9, 250), at(3)), ["c"]);
        assert_eq!((room.bytes, room.order.len(), room.sizes.len()), (100, 1, 1));
        room.put("d", at(4), 1);
        assert_eq!(room.give_way(bounds(1, 250), at(0)), ["a"]);
        assert_eq!((room.len(), room.bytes()), (1, 1));
    }
}
