//! Whose turn it is: deliveries wait for their time, hosts take turns, and no host has more than
//! its share under way. Pure: no clock, no tasks, nothing is sent here.

use haltline_types::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

/// What bounds a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Under way at once.
    pub(super) running: usize,
    /// Under way to one host.
    pub(super) running_per_host: usize,
    /// In the queue, those under way included.
    pub(super) waiting: usize,
    /// Of one host, so that one that is dead leaves room for the others.
    pub(super) waiting_per_host: usize,
}

impl Bounds {
    pub(super) const USUAL: Self = Self { running: 8, running_per_host: 2, waiting: 10_000, waiting_per_host: 1_000 };
}

/// The deliveries of one host.
#[derive(Debug, Default)]
struct Host {
    waiting: BTreeSet<(Timestamp, String)>,
    running: usize,
}

/// All deliveries that are not done, by id.
#[derive(Debug)]
pub(super) struct Queue {
    bounds: Bounds,
    hosts: BTreeMap<String, Host>,
    /// The host of each delivery, and its time; none while it is under way.
    known: HashMap<String, (String, Option<Timestamp>)>,
    running: usize,
    /// The host whose turn was last.
    last: String,
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, hosts: BTreeMap::new(), known: HashMap::new(), running: 0, last: String::new() }
    }

    /// Deliveries that are not done.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Is there room for so many more, to this host?
    pub(super) fn has_room(&self, host: &str, more: usize) -> bool {
        let theirs = self.hosts.get(host).map_or(0, |host| host.waiting.len() + host.running);
        self.known.len().saturating_add(more) <= self.bounds.waiting
            && theirs.saturating_add(more) <= self.bounds.waiting_per_host
    }

    /// Puts a delivery in. One that is known already stays as it is.
    pub(super) fn put(&mut self, id: &str, host: &str, due: Timestamp) {
        if self.known.contains_key(id) {
            return;
        }
        self.known.insert(id.to_owned(), (host.to_owned(), Some(due)));
        self.hosts.entry(host.to_owned()).or_default().waiting.insert((due, id.to_owned()));
    }

    /// The next delivery that may go now; it is under way from here on.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<String> {
        if self.running >= self.bounds.running {
            return None;
        }
        let most = self.bounds.running_per_host;
        let may = |host: &Host| host.running < most && host.waiting.first().is_some_and(|(due, _)| *due <= now);
        let after = (Bound::Excluded(self.last.clone()), Bound::Unbounded);
        let next = self.hosts.range::<String, _>(after).find(|(_, host)| may(host));
        let next = next.or_else(|| self.hosts.iter().find(|(_, host)| may(host)));
        let name = next.map(|(name, _)| name.clone())?;
        let host = self.hosts.get_mut(&name)?;
        let (_, id) = host.waiting.pop_first()?;
        host.running += 1;
        self.running += 1;
        if let Some((_, due)) = self.known.get_mut(&id) {
            *due = None;
        }
        self.last = name;
        Some(id)
    }

    /// A delivery that was under way is done for good, or waits for `again`.
    pub(super) fn ended(&mut self, id: &str, again: Option<Timestamp>) {
        let Some((name, None)) = self.known.get(id).cloned() else { return };
        self.running = self.running.saturating_sub(1);
        let host = self.hosts.entry(name.clone()).or_default();
        host.running = host.running.saturating_sub(1);
        match again {
            Some(due) => {
                host.waiting.insert((due, id.to_owned()));
                self.known.insert(id.to_owned(), (name, Some(due)));
            }
            None => {
                if host.running == 0 && host.waiting.is_empty() {
                    self.hosts.remove(&name);
                }
                self.known.remove(id);
            }
        }
    }

    /// When the next one may go, of hosts that have not their share under way.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if self.running >= self.bounds.running {
            return None;
        }
        let free = self.hosts.values().filter(|host| host.running < self.bounds.running_per_host);
        free.filter_map(|host| host.waiting.first().map(|(due, _)| *due)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const SMALL: Bounds = Bounds { running: 3, running_per_host: 2, waiting: 6, waiting_per_host: 4 };

    fn taken(queue: &mut Queue, now: Timestamp) -> Vec<String> {
        std::iter::from_fn(|| queue.take(now)).collect()
    }

    #[test]
    fn hosts_take_turns_and_none_has_more_than_its_share() {
        let mut queue = Queue::new(SMALL);
        for id in ["a1", "a2", "a3", "a4"] {
            queue.put(id, "a", NOW);
        }
        queue.put("b1", "b", NOW);
        assert_eq!(taken(&mut queue, NOW), ["a1", "b1", "a2"]);
        queue.ended("b1", None);
        assert_eq!(taken(&mut queue, NOW), [] as [&str; 0], "two are under way to `a`, which is its share");
        queue.put("c1", "c", NOW);
        assert_eq!(taken(&mut queue, NOW), ["c1"]);
        queue.ended("a1", None);
        assert_eq!(taken(&mut queue, NOW), ["a3"]);
        assert_eq!(queue.len(), 4);
    }

    #[test]
    fn what_is_not_due_waits_and_what_failed_comes_again() {
        let mut queue = Queue::new(SMALL);
        let later = NOW.saturating_add(Duration::from_secs(5));
        queue.put("a1", "a", later);
        assert_eq!((queue.take(NOW), queue.next_due()), (None, Some(later)));
        assert_eq!(queue.take(later).as_deref(), Some("a1"));
        assert_eq!(queue.next_due(), None);
        let again = later.saturating_add(Duration::from_secs(60));
        queue.ended("a1", Some(again));
        assert_eq!((queue.take(later), queue.next_due(), queue.len()), (None, Some(again), 1));
        assert_eq!(queue.take(again).as_deref(), Some("a1"));
        queue.ended("a1", None);
        queue.ended("a1", None);
        assert_eq!((queue.len(), queue.take(again)), (0, None));
    }

    #[test]
    fn it_is_bounded_and_a_dead_host_leaves_room() {
        let mut queue = Queue::new(SMALL);
        assert!(queue.has_room("a", 4) && !queue.has_room("a", 5));
        for id in ["a1", "a2", "a3", "a4"] {
            queue.put(id, "a", NOW);
        }
        queue.put("a4", "elsewhere", NOW);
        assert_eq!(queue.len(), 4, "an id is in it once");
        assert!(!queue.has_room("a", 1) && queue.has_room("b", 2) && !queue.has_room("b", 3));
    }
}
