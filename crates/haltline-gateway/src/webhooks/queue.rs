//! Whose turn it is: deliveries wait for their time, hosts take turns, and no host has more than
//! its share under way. What belongs to clients has a share for each key and leaves room for the
//! operator's own, also where both go to one host. Pure: no clock, no tasks, nothing is sent here.

use haltline_types::{Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

/// What bounds a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Under way at once.
    pub(super) running: usize,
    /// Under way at once of those that belong to clients.
    pub(super) running_owned: usize,
    /// Under way to one host: of clients, and again of the operator.
    pub(super) running_per_host: usize,
    /// In the queue, those under way included: of clients, and again of the operator.
    pub(super) waiting: usize,
    /// Of one host, so that one that is dead leaves room for the others.
    pub(super) waiting_per_host: usize,
    /// Of one key.
    pub(super) waiting_per_key: usize,
}

impl Bounds {
    pub(super) const USUAL: Self = Self {
        running: 8,
        running_owned: 6,
        running_per_host: 2,
        waiting: 5_000,
        waiting_per_host: 1_000,
        waiting_per_key: 200,
    };
}

/// The deliveries of one host.
#[derive(Debug, Default)]
struct Host {
    waiting: BTreeSet<(Timestamp, String)>,
    running: usize,
}

/// A host as clients or the operator have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Lane {
    is_owned: bool,
    host: String,
}

impl Lane {
    fn of(host: &str, key: Option<&Name>) -> Self {
        Self { is_owned: key.is_some(), host: host.to_owned() }
    }
}

/// A delivery that is not done.
#[derive(Clone, Debug)]
struct Known {
    lane: Lane,
    key: Option<Name>,
    /// None while it is under way.
    due: Option<Timestamp>,
}

/// All deliveries that are not done, by id.
#[derive(Debug)]
pub(super) struct Queue {
    bounds: Bounds,
    lanes: BTreeMap<Lane, Host>,
    known: HashMap<String, Known>,
    /// How many each key has.
    of_key: HashMap<Name, usize>,
    owned: usize,
    running: usize,
    running_owned: usize,
    /// The lane whose turn was last.
    last: Lane,
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            lanes: BTreeMap::new(),
            known: HashMap::new(),
            of_key: HashMap::new(),
            owned: 0,
            running: 0,
            running_owned: 0,
            last: Lane::default(),
        }
    }

    /// Deliveries that are not done.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Is there room for one more to this host? `key`: whose it is; none for the operator's own.
    pub(super) fn has_room(&self, host: &str, key: Option<&Name>) -> bool {
        let there = self.lanes.get(&Lane::of(host, key)).map_or(0, |host| host.waiting.len() + host.running);
        let all = if key.is_some() { self.owned } else { self.known.len() - self.owned };
        let theirs = key.and_then(|key| self.of_key.get(key)).copied().unwrap_or(0);
        all < self.bounds.waiting && there < self.bounds.waiting_per_host && theirs < self.bounds.waiting_per_key
    }

    /// Puts a delivery in. One that is known already stays as it is.
    pub(super) fn put(&mut self, id: &str, host: &str, key: Option<&Name>, due: Timestamp) {
        if self.known.contains_key(id) {
            return;
        }
        let lane = Lane::of(host, key);
        if let Some(key) = key {
            *self.of_key.entry(key.clone()).or_default() += 1;
            self.owned += 1;
        }
        self.known.insert(id.to_owned(), Known { lane: lane.clone(), key: key.cloned(), due: Some(due) });
        self.lanes.entry(lane).or_default().waiting.insert((due, id.to_owned()));
    }

    /// The next delivery that may go now; it is under way from here on.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<String> {
        let may = |lane: &Lane, host: &Host| {
            self.has_place(lane, host) && host.waiting.first().is_some_and(|(due, _)| *due <= now)
        };
        let after = (Bound::Excluded(self.last.clone()), Bound::Unbounded);
        let next = self.lanes.range::<Lane, _>(after).find(|(lane, host)| may(lane, host));
        let next = next.or_else(|| self.lanes.iter().find(|(lane, host)| may(lane, host)));
        let lane = next.map(|(lane, _)| lane.clone())?;
        let host = self.lanes.get_mut(&lane)?;
        let (_, id) = host.waiting.pop_first()?;
        host.running += 1;
        self.running += 1;
        self.running_owned += usize::from(lane.is_owned);
        if let Some(known) = self.known.get_mut(&id) {
            known.due = None;
        }
        self.last = lane;
        Some(id)
    }

    /// A delivery that was under way is done for good, or waits for `again`.
    pub(super) fn ended(&mut self, id: &str, again: Option<Timestamp>) {
        let Some(known) = self.known.get(id).filter(|known| known.due.is_none()).cloned() else { return };
        let Known { lane, key, .. } = known;
        self.running = self.running.saturating_sub(1);
        self.running_owned = self.running_owned.saturating_sub(usize::from(lane.is_owned));
        let host = self.lanes.entry(lane.clone()).or_default();
        host.running = host.running.saturating_sub(1);
        if let Some(due) = again {
            host.waiting.insert((due, id.to_owned()));
            self.known.insert(id.to_owned(), Known { lane, key, due: Some(due) });
            return;
        }
        if host.running == 0 && host.waiting.is_empty() {
            self.lanes.remove(&lane);
        }
        self.known.remove(id);
        if let Some(key) = key {
            self.owned = self.owned.saturating_sub(1);
            if let Some(count) = self.of_key.get_mut(&key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.of_key.remove(&key);
                }
            }
        }
    }

    /// When the next one may go, of lanes that have not their share under way.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let free = self.lanes.iter().filter(|(lane, host)| self.has_place(lane, host));
        free.filter_map(|(_, host)| host.waiting.first().map(|(due, _)| *due)).min()
    }

    /// May one more of this lane be under way?
    fn has_place(&self, lane: &Lane, host: &Host) -> bool {
        self.running < self.bounds.running
            && host.running < self.bounds.running_per_host
            && !(lane.is_owned && self.running_owned >= self.bounds.running_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const SMALL: Bounds = Bounds {
        running: 3,
        running_owned: 2,
        running_per_host: 2,
        waiting: 6,
        waiting_per_host: 4,
        waiting_per_key: 3,
    };

    fn taken(queue: &mut Queue, now: Timestamp) -> Vec<String> {
        std::iter::from_fn(|| queue.take(now)).collect()
    }

    #[test]
    fn hosts_take_turns_and_none_has_more_than_its_share() {
        let mut queue = Queue::new(SMALL);
        for id in ["a1", "a2", "a3", "a4"] {
            queue.put(id, "a", None, NOW);
        }
        queue.put("b1", "b", None, NOW);
        assert_eq!(taken(&mut queue, NOW), ["a1", "b1", "a2"]);
        queue.ended("b1", None);
        assert_eq!(taken(&mut queue, NOW), [] as [&str; 0], "two are under way to `a`, which is its share");
        queue.put("c1", "c", None, NOW);
        assert_eq!(taken(&mut queue, NOW), ["c1"]);
        queue.ended("a1", None);
        assert_eq!(taken(&mut queue, NOW), ["a3"]);
        assert_eq!(queue.len(), 4);
    }

    #[test]
    fn what_is_not_due_waits_and_what_failed_comes_again() {
        let mut queue = Queue::new(SMALL);
        let later = NOW.saturating_add(Duration::from_secs(5));
        queue.put("a1", "a", None, later);
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
        for id in ["a1", "a2", "a3", "a4"] {
            assert!(queue.has_room("a", None), "{id}");
            queue.put(id, "a", None, NOW);
        }
        queue.put("a4", "elsewhere", None, NOW);
        assert_eq!(queue.len(), 4, "an id is in it once");
        assert!(!queue.has_room("a", None));
        for id in ["b1", "b2"] {
            assert!(queue.has_room("b", None), "{id}");
            queue.put(id, "b", None, NOW);
        }
        assert!(!queue.has_room("b", None), "six in all");
    }

    #[test]
    fn no_key_has_more_than_its_share_and_clients_leave_the_operator_room() {
        let mut queue = Queue::new(SMALL);
        let [one, two, three] = ["k1", "k2", "k3"].map(Name::new);
        for (key, host) in [(&one, "a"), (&one, "b"), (&one, "a"), (&two, "a"), (&two, "a"), (&two, "b")] {
            assert!(queue.has_room(host, Some(key)), "{key} {host}");
            queue.put(&format!("{key}{host}{}", queue.len()), host, Some(key), NOW);
            assert!(queue.len() != 3 || !queue.has_room("c", Some(&one)), "its share");
        }
        assert!(!queue.has_room("c", Some(&three)), "the share of all clients");
        for id in ["o1", "o2", "o3", "o4"] {
            assert!(queue.has_room("a", None), "{id}: the host that clients have filled");
            queue.put(id, "a", None, NOW);
        }
        let under_way = taken(&mut queue, NOW);
        assert_eq!(under_way.iter().filter(|id| id.starts_with('o')).count(), 1, "{under_way:?}");
        assert_eq!((under_way.len(), queue.next_due()), (3, None));
        for id in &under_way {
            queue.ended(id, None);
        }
        assert!(queue.has_room("c", Some(&three)));
        while let Some(id) = queue.take(NOW) {
            queue.ended(&id, None);
        }
        assert_eq!((queue.len(), queue.owned, queue.running, queue.running_owned), (0, 0, 0, 0));
        assert!(queue.lanes.is_empty() && queue.of_key.is_empty());
    }
}
