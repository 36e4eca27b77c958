//! Answers of the Responses dialect that a client asked us to keep: for retrieval, for the next
//! turn's `previous_response_id`, and for those that run in the background. Kept in memory, within
//! bounds: what has to survive a restart does not belong here.

use bytes::Bytes;
use haltline_types::{Name, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long an answer is kept.
const KEEP: Duration = Duration::from_secs(3600);

/// All that is kept, in bytes of JSON.
const BYTES_MAX: usize = 64 << 20;

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Shelved {
    /// Whose key asked for it. Another key's answers do not exist for it.
    pub(crate) owner: Name,
    /// The response object, as JSON.
    pub(crate) response: Bytes,
    /// The items of its input, older turns included, as a JSON array.
    pub(crate) input: Bytes,
    /// Ends it, while it is made in the background.
    pub(crate) running: Option<CancellationToken>,
}

/// All answers that are kept.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    answers: HashMap<String, (Timestamp, Shelved)>,
    /// In the order in which they came; an id that was put twice stands there twice.
    order: VecDeque<(Timestamp, String)>,
    bytes: usize,
}

impl Shelf {
    /// Keeps an answer, in place of an older one of its id.
    pub(crate) fn put(&mut self, now: Timestamp, id: String, shelved: Shelved) {
        self.remove(&id);
        self.bytes = self.bytes.saturating_add(size(&shelved));
        self.order.push_back((now, id.clone()));
        self.answers.insert(id, (now, shelved));
        self.sweep(now);
    }

    /// The answer of this id, if it is the owner's.
    pub(crate) fn get(&self, now: Timestamp, id: &str, owner: &Name) -> Option<&Shelved> {
        let (at, shelved) = self.answers.get(id)?;
        (shelved.owner == *owner && now.since(*at) < KEEP).then_some(shelved)
    }

    /// Takes the answer of this id away.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Shelved> {
        let (_, shelved) = self.answers.remove(id)?;
        self.bytes = self.bytes.saturating_sub(size(&shelved));
        Some(shelved)
    }

    /// Drops what is too old, then the oldest until the rest fits. What still runs stays.
    fn sweep(&mut self, now: Timestamp) {
        let mut rounds = self.order.len();
        while rounds > 0
            && let Some((at, id)) = self.order.front().cloned()
        {
            rounds -= 1;
            if self.bytes <= BYTES_MAX && now.since(at) < KEEP {
                return;
            }
            self.order.pop_front();
            match self.answers.get(&id) {
                // An older putting of the same id.
                Some((known, _)) if *known != at => {}
                Some((_, shelved)) if shelved.running.is_some() => self.order.push_back((at, id)),
                _ => {
                    self.remove(&id);
                }
            }
        }
    }
}

fn size(shelved: &Shelved) -> usize {
    shelved.response.len() + shelved.input.len() + 256
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelved(owner: &str, bytes: usize) -> Shelved {
        Shelved {
            owner: Name::new(owner),
            response: Bytes::from(vec![b' '; bytes]),
            input: Bytes::new(),
            running: None,
        }
    }

    #[test]
    fn only_its_owner_finds_an_answer_and_only_for_a_time() {
        let mut shelf = Shelf::default();
        let now = Timestamp::from_millis(1_000_000);
        shelf.put(now, "resp_1".to_owned(), shelved("a", 10));
        assert!(shelf.get(now, "resp_1", &Name::new("a")).is_some());
        assert!(shelf.get(now, "resp_1", &Name::new("b")).is_none());
        assert!(shelf.get(now.saturating_add(KEEP), "resp_1", &Name::new("a")).is_none());
    }

    #[test]
    fn the_oldest_make_room_and_what_runs_stays() {
        let mut shelf = Shelf::default();
        let owner = Name::new("a");
        let at = |second: i64| Timestamp::from_millis(second * 1000);
        let running = Shelved { running: Some(CancellationToken::new()), ..shelved("a", BYTES_MAX / 4) };
        shelf.put(at(1), "running".to_owned(), running);
        for number in 0..8 {
            shelf.put(at(2 + number), format!("resp_{number}"), shelved("a", BYTES_MAX / 4));
        }
        assert!(shelf.bytes <= BYTES_MAX);
        assert!(shelf.get(at(10), "running", &owner).is_some());
        assert!(shelf.get(at(10), "resp_0", &owner).is_none());
        assert!(shelf.get(at(10), "resp_7", &owner).is_some());
    }

    #[test]
    fn an_answer_put_twice_is_counted_once() {
        let mut shelf = Shelf::default();
        let now = Timestamp::from_millis(0);
        shelf.put(now, "r".to_owned(), shelved("a", 100));
        shelf.put(now.saturating_add(Duration::from_secs(1)), "r".to_owned(), shelved("a", 50));
        assert_eq!(shelf.bytes, 50 + 256);
        shelf.remove("r");
        assert_eq!(shelf.bytes, 0);
    }
}
