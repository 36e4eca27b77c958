//! Who runs next: every key has a lane of its own, lanes take turns, and no key has more than half
//! of the places. Plain bookkeeping under somebody else's lock; reads and writes nothing.

use haltline_types::{Name, Timestamp};
use std::collections::{BTreeMap, HashMap, VecDeque};
use tokio_util::sync::CancellationToken;

/// Jobs of one key that may wait.
pub(super) const QUEUED_OF_KEY_MAX: usize = 1_000;
/// Bytes of the requests of one key that may wait; a single one may be larger.
pub(super) const QUEUED_BYTES_OF_KEY_MAX: usize = 128 << 20;
/// Jobs that may wait in all.
pub(super) const QUEUED_MAX: usize = 100_000;
/// Bytes of the requests that may wait in all.
pub(super) const QUEUED_BYTES_MAX: usize = 1 << 30;

/// A job in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) id: String,
    pub(super) key: Name,
    pub(super) user: Option<Name>,
    /// The size of its request.
    pub(super) bytes: usize,
}

/// Why no more jobs fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The key has as many as it may.
    Key,
    /// The requests of the key are as large as they may be.
    KeyBytes,
    /// All keys together have.
    All,
}

#[derive(Debug)]
struct Running {
    key: Name,
    user: Option<Name>,
    stop: CancellationToken,
}

/// What one key has waiting, in its lane or for later.
#[derive(Debug, Default)]
struct Share {
    jobs: usize,
    bytes: usize,
}

/// What waits and what runs.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: HashMap<Name, VecDeque<Ticket>>,
    /// Keys with a lane, in the order of their turns.
    turns: VecDeque<Name>,
    later: BTreeMap<(Timestamp, String), Ticket>,
    running: HashMap<String, Running>,
    shares: HashMap<Name, Share>,
    waiting: usize,
    bytes: usize,
}

impl Queue {
    /// Takes room for one more, which is then lined up or given back.
    pub(super) fn reserve(&mut self, ticket: &Ticket) -> Result<(), Full> {
        if let Some(share) = self.shares.get(&ticket.key) {
            if share.jobs >= QUEUED_OF_KEY_MAX {
                return Err(Full::Key);
            }
            if share.bytes.saturating_add(ticket.bytes) > QUEUED_BYTES_OF_KEY_MAX {
                return Err(Full::KeyBytes);
            }
        }
        if self.waiting >= QUEUED_MAX || self.bytes.saturating_add(ticket.bytes) > QUEUED_BYTES_MAX {
            return Err(Full::All);
        }
        self.count(ticket);
        Ok(())
    }

    /// The room that was taken is not needed.
    pub(super) fn give_back(&mut self, ticket: &Ticket) {
        self.uncount(ticket);
    }

    /// At the end of its key's lane, in the room that was taken for it.
    pub(super) fn push_reserved(&mut self, ticket: Ticket) {
        self.line_up(ticket);
    }

    /// At the end of its key's lane.
    pub(super) fn push(&mut self, ticket: Ticket) {
        self.count(&ticket);
        self.line_up(ticket);
    }

    /// Not before `at`.
    pub(super) fn push_later(&mut self, ticket: Ticket, at: Timestamp) {
        self.count(&ticket);
        self.later.insert((at, ticket.id.clone()), ticket);
    }

    /// When the next of those that wait for their time is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the job whose turn it is, if a place is free. `places`: how many may run at once.
    pub(super) fn take(&mut self, now: Timestamp, places: usize, stop: CancellationToken) -> Option<Ticket> {
        while let Some(((at, id), ticket)) = self.later.pop_first() {
            if at > now {
                self.later.insert((at, id), ticket);
                break;
            }
            self.line_up(ticket);
        }
        if self.running.len() >= places {
            return None;
        }
        let of_key = (places / 2).max(1);
        for _ in 0..self.turns.len() {
            let key = self.turns.pop_front()?;
            let busy = self.running.values().filter(|running| running.key == key).count();
            let lane = self.lanes.get_mut(&key);
            let ticket = lane.filter(|_| busy < of_key).and_then(VecDeque::pop_front);
            if self.lanes.get(&key).is_some_and(|lane| !lane.is_empty()) {
                self.turns.push_back(key.clone());
            } else {
                self.lanes.remove(&key);
            }
            if let Some(ticket) = ticket {
                self.uncount(&ticket);
                self.running.insert(ticket.id.clone(), Running { key, user: ticket.user.clone(), stop });
                return Some(ticket);
            }
        }
        None
    }

    /// It runs no more.
    pub(super) fn ended(&mut self, id: &str) {
        self.running.remove(id);
    }

    /// Ends it early: out of the queue, or by its token. Returns whether it was here.
    pub(super) fn stop(&mut self, id: &str, key: &Name) -> bool {
        if let Some(running) = self.running.get(id) {
            running.stop.cancel();
            return true;
        }
        let place = self.later.keys().find(|(_, known)| known == id).cloned();
        if let Some(ticket) = place.and_then(|place| self.later.remove(&place)) {
            self.uncount(&ticket);
            return true;
        }
        let Some(lane) = self.lanes.get_mut(key) else { return false };
        let Some(index) = lane.iter().position(|ticket| ticket.id == id) else { return false };
        let ticket = lane.remove(index);
        if lane.is_empty() {
            self.lanes.remove(key);
            self.turns.retain(|known| known != key);
        }
        if let Some(ticket) = ticket {
            self.uncount(&ticket);
        }
        true
    }

    /// Ends all jobs of a user early. Returns which there were; those that run are there until they
    /// have ended.
    pub(super) fn stop_user(&mut self, user: &Name) -> Vec<String> {
        let of_user = |known: Option<&Name>| known == Some(user);
        let mut stopped = Vec::new();
        for (id, running) in self.running.iter().filter(|(_, running)| of_user(running.user.as_ref())) {
            running.stop.cancel();
            stopped.push(id.clone());
        }
        let waiting = self.later.values().chain(self.lanes.values().flatten());
        let theirs: Vec<Ticket> = waiting.filter(|ticket| of_user(ticket.user.as_ref())).cloned().collect();
        for ticket in theirs {
            self.stop(&ticket.id, &ticket.key);
            stopped.push(ticket.id);
        }
        stopped
    }

    /// Takes the jobs of a key, or of one user of it, that wait out of the queue. Returns them, and those that run and
    /// go on to.
    pub(super) fn take_key(&mut self, key: &Name, user: Option<&Name>) -> Vec<String> {
        let is_of = |of: &Name, by: Option<&Name>| of == key && user.is_none_or(|user| by == Some(user));
        let waiting = self.later.values().chain(self.lanes.values().flatten());
        let mut taken: Vec<String> =
            waiting.filter(|ticket| is_of(&ticket.key, ticket.user.as_ref())).map(|ticket| ticket.id.clone()).collect();
        for id in &taken {
            self.stop(id, key);
        }
        let running = self.running.iter().filter(|(_, running)| is_of(&running.key, running.user.as_ref()));
        taken.extend(running.map(|(id, _)| id.clone()));
        taken
    }

    /// How many wait, and how many run.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.waiting, self.running.len())
    }

    fn line_up(&mut self, ticket: Ticket) {
        let key = ticket.key.clone();
        let lane = self.lanes.entry(key.clone()).or_default();
        if lane.is_empty() {
            self.turns.push_back(key);
        }
        lane.push_back(ticket);
    }

    fn count(&mut self, ticket: &Ticket) {
        let share = self.shares.entry(ticket.key.clone()).or_default();
        share.jobs += 1;
        share.bytes = share.bytes.saturating_add(ticket.bytes);
        self.waiting += 1;
        self.bytes = self.bytes.saturating_add(ticket.bytes);
    }

    fn uncount(&mut self, ticket: &Ticket) {
        self.waiting = self.waiting.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(ticket.bytes);
        if let Some(share) = self.shares.get_mut(&ticket.key) {
            share.jobs = share.jobs.saturating_sub(1);
            share.bytes = share.bytes.saturating_sub(ticket.bytes);
            if share.jobs == 0 {
                self.shares.remove(&ticket.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(key: &str, id: &str) -> Ticket {
        Ticket { id: id.to_owned(), key: Name::new(key), user: Some(Name::new("u")), bytes: 10 }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn take(queue: &mut Queue, places: usize) -> Option<String> {
        queue.take(at(0), places, CancellationToken::new()).map(|ticket| ticket.id)
    }

    #[test]
    fn keys_take_turns_and_none_has_more_than_half_of_the_places() {
        let mut queue = Queue::default();
        for id in ["a1", "a2", "a3"] {
            queue.push(ticket("a", id));
        }
        queue.push(ticket("b", "b1"));
        let taken: Vec<_> = std::iter::from_fn(|| take(&mut queue, 4)).collect();
        assert_eq!(taken, ["a1", "b1", "a2"]);
        assert_eq!(queue.len(), (1, 3));
        queue.ended("a1");
        assert_eq!(take(&mut queue, 4).as_deref(), Some("a3"));
    }

    #[test]
    fn with_one_place_one_runs() {
        let mut queue = Queue::default();
        queue.push(ticket("a", "a1"));
        queue.push(ticket("b", "b1"));
        assert_eq!(take(&mut queue, 1).as_deref(), Some("a1"));
        assert_eq!(take(&mut queue, 1), None);
        queue.ended("a1");
        assert_eq!(take(&mut queue, 1).as_deref(), Some("b1"));
    }

    #[test]
    fn nobody_runs_before_its_time() {
        let mut queue = Queue::default();
        queue.push_later(ticket("a", "late"), at(10));
        assert_eq!((take(&mut queue, 4), queue.next_due()), (None, Some(at(10))));
        let taken = queue.take(at(10), 4, CancellationToken::new());
        assert_eq!(taken.map(|ticket| ticket.id).as_deref(), Some("late"));
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn what_is_stopped_leaves_nothing_behind() {
        let mut queue = Queue::default();
        queue.push(ticket("a", "lane"));
        queue.push_later(ticket("a", "later"), at(10));
        assert!(queue.stop("lane", &Name::new("a")) && queue.stop("later", &Name::new("a")));
        assert!(!queue.stop("lane", &Name::new("a")));
        assert_eq!(queue.len(), (0, 0));
        assert!(queue.lanes.is_empty() && queue.turns.is_empty() && queue.shares.is_empty() && queue.bytes == 0);
        let stop = CancellationToken::new();
        queue.push(ticket("a", "runs"));
        queue.take(at(0), 4, stop.clone());
        assert!(queue.stop("runs", &Name::new("a")) && stop.is_cancelled());
    }

    #[test]
    fn all_jobs_of_a_user_end_with_it() {
        let mut queue = Queue::default();
        let other = Ticket { user: None, ..ticket("b", "other") };
        let stop = CancellationToken::new();
        queue.push(ticket("a", "runs"));
        queue.take(at(0), 4, stop.clone());
        queue.push(ticket("b", "lane"));
        queue.push(other);
        queue.push_later(ticket("a", "later"), at(10));
        let mut stopped = queue.stop_user(&Name::new("u"));
        stopped.sort();
        assert_eq!(stopped, ["lane", "later", "runs"]);
        assert!(stop.is_cancelled());
        assert_eq!(queue.len(), (1, 1));
        assert_eq!(take(&mut queue, 4).as_deref(), Some("other"));
    }

    #[test]
    fn the_jobs_of_a_removed_key_wait_no_more() {
        let mut queue = Queue::default();
        let stop = CancellationToken::new();
        queue.push(ticket("a", "runs"));
        queue.take(at(0), 4, stop.clone());
        queue.push(ticket("a", "lane"));
        queue.push(ticket("b", "other"));
        queue.push_later(ticket("a", "later"), at(10));
        let mut taken = queue.take_key(&Name::new("a"), None);
        taken.sort();
        assert_eq!(taken, ["lane", "later", "runs"]);
        assert!(!stop.is_cancelled(), "it is written first that it is cancelled");
        assert_eq!(queue.len(), (1, 1));
        assert_eq!(take(&mut queue, 4).as_deref(), Some("other"));
    }

    #[test]
    fn the_jobs_of_one_user_of_a_key_wait_no_more() {
        let mut queue = Queue::default();
        let of = |key: &str, user: &str, id: &str| Ticket { user: Some(Name::new(user)), ..ticket(key, id) };
        queue.push(of("a", "alice", "alice's"));
        queue.push(of("a", "bob", "bob's"));
        queue.push(of("b", "alice", "another key's"));
        queue.push(ticket("a", "nobody's"));
        assert_eq!(queue.take_key(&Name::new("a"), Some(&Name::new("alice"))), ["alice's"]);
        assert_eq!(queue.len(), (3, 0));
    }

    #[test]
    fn the_queue_is_bounded_for_each_key_and_for_all() {
        let mut queue = Queue::default();
        let large = |key: &str, bytes| Ticket { bytes, ..ticket(key, "large") };
        for number in 0..QUEUED_OF_KEY_MAX {
            let small = ticket("a", &number.to_string());
            assert_eq!(queue.reserve(&small), Ok(()));
            queue.push_reserved(small);
        }
        assert_eq!(queue.reserve(&ticket("a", "more")), Err(Full::Key));
        assert_eq!(queue.reserve(&large("b", QUEUED_BYTES_MAX)), Err(Full::All));
        // A key that has nothing waiting may have a request of any size.
        assert_eq!(queue.reserve(&large("b", QUEUED_BYTES_OF_KEY_MAX + 1)), Ok(()));
        assert_eq!(queue.reserve(&large("b", 1)), Err(Full::KeyBytes));
        queue.give_back(&large("b", QUEUED_BYTES_OF_KEY_MAX + 1));
        assert_eq!(queue.reserve(&large("b", QUEUED_BYTES_OF_KEY_MAX)), Ok(()));
        for key in ["c", "d", "e", "f", "g", "h"] {
            assert_eq!(queue.reserve(&large(key, QUEUED_BYTES_OF_KEY_MAX)), Ok(()), "{key}");
        }
        assert_eq!(queue.reserve(&large("i", QUEUED_BYTES_OF_KEY_MAX)), Err(Full::All));
    }
}
