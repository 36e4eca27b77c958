//! What is kept as long as there is room: a map bounded in bytes, from which the entry goes first
//! that nobody has asked for the longest time. How much an entry takes is said by whoever puts it.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// The map.
#[derive(Clone, Debug)]
pub struct Lru<K, V> {
    bytes_max: usize,
    bytes: usize,
    slots: HashMap<K, Slot<V>>,
    /// Keys by their last use.
    order: BTreeMap<u64, K>,
    next_use: u64,
}

#[derive(Clone, Debug)]
struct Slot<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<K: Clone + Eq + Hash, V> Lru<K, V> {
    /// With room for so many bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, slots: HashMap::new(), order: BTreeMap::new(), next_use: 0 }
    }

    /// The entry, which counts as used now.
    pub fn get(&mut self, key: &K) -> Option<&mut V> {
        let slot = self.slots.get_mut(key)?;
        if let Some(key) = self.order.remove(&slot.used) {
            slot.used = self.next_use;
            self.next_use += 1;
            self.order.insert(slot.used, key);
        }
        Some(&mut slot.value)
    }

    /// The entry, which does not count as used.
    #[must_use]
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.slots.get(key).map(|slot| &slot.value)
    }

    /// Puts an entry in place of an earlier one, and gives the keys of those that had to go for it.
    /// One that is larger than the whole room is the first to go.
    pub fn put(&mut self, key: K, value: V, bytes: usize) -> Vec<K> {
        self.remove(&key);
        let used = self.next_use;
        self.next_use += 1;
        self.order.insert(used, key.clone());
        self.slots.insert(key, Slot { value, bytes, used });
        self.bytes = self.bytes.saturating_add(bytes);
        self.shrink()
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let slot = self.slots.remove(key)?;
        self.order.remove(&slot.used);
        self.bytes = self.bytes.saturating_sub(slot.bytes);
        Some(slot.value)
    }

    /// Changes the room, and gives the keys of those that had to go.
    pub fn resize(&mut self, bytes_max: usize) -> Vec<K> {
        self.bytes_max = bytes_max;
        self.shrink()
    }

    /// Takes out the entries that are not to be kept, looking at no more than `most` of them, those
    /// first that were not used for the longest time. Gives the keys of those that went.
    pub fn sweep(&mut self, most: usize, keep: impl Fn(&K, &V) -> bool) -> Vec<K> {
        let mut gone = Vec::new();
        for key in self.order.values().take(most) {
            if self.slots.get(key).is_some_and(|slot| !keep(key, &slot.value)) {
                gone.push(key.clone());
            }
        }
        for key in &gone {
            self.remove(key);
        }
        gone
    }

    /// Bytes of all entries together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn shrink(&mut self) -> Vec<K> {
        let mut gone = Vec::new();
        while self.bytes > self.bytes_max {
            let Some((_, key)) = self.order.pop_first() else { break };
            if let Some(slot) = self.slots.remove(&key) {
                self.bytes = self.bytes.saturating_sub(slot.bytes);
            }
            gone.push(key);
        }
        gone
    }
}
