//! Finished answers of the Responses dialect that a client asked us to keep, as far as they are in
//! memory: what stands before the documents, so that the next turn finds the one before at once.

use bytes::Bytes;
use haltline_ports::Owner;
use haltline_types::{Name, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How long an answer is kept, from its end.
const KEEP: Duration = Duration::from_secs(3600);

/// All answers that are kept, in bytes of JSON.
const BYTES_MAX: usize = 64 << 20;

/// What an answer takes besides its JSON, in bytes: ids, pointers, places in tables.
const OVERHEAD: usize = 512;

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Shelved {
    /// Who asked for it. Another owner's answers do not exist for it.
    pub(crate) owner: Owner,
    /// The response object, as JSON.
    pub(crate) response: Bytes,
    /// The items of its input, older turns included, as a JSON array.
    pub(crate) input: Bytes,
}

/// All answers that are kept.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    owners: HashMap<Owner, Board>,
    bytes: usize,
    puts: u64,
}

/// When an answer came, and the how-manyth it was.
type Place = (Timestamp, u64);

/// One owner's answers.
#[derive(Debug, Default)]
struct Board {
    answers: HashMap<String, (Place, Shelved)>,
    /// Oldest first.
    order: BTreeMap<Place, String>,
    bytes: usize,
}

impl Board {
    fn remove(&mut self, id: &str) -> Option<Shelved> {
        let (place, shelved) = self.answers.remove(id)?;
        if self.order.remove(&place).is_some() {
            self.bytes = self.bytes.saturating_sub(size(&shelved));
        }
        Some(shelved)
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(id) = self.order.first_key_value().map(|(_, id)| id.clone()) else { return false };
        self.remove(&id).is_some()
    }

    fn drop_old(&mut self, now: Timestamp) {
        while self.order.first_key_value().is_some_and(|((at, _), _)| now.since(*at) >= KEEP) && self.drop_oldest() {}
    }
}

impl Shelf {
    /// Keeps an answer, in place of an older one of its id and owner. Where all of them take too
    /// much room, the owner who has the most gives up its oldest.
    pub(crate) fn put(&mut self, now: Timestamp, id: String, shelved: Shelved) {
        self.puts = self.puts.wrapping_add(1);
        let place = (now, self.puts);
        self.changing(&shelved.owner.clone(), |board| {
            board.remove(&id);
            board.bytes = board.bytes.saturating_add(size(&shelved));
            board.order.insert(place, id.clone());
            board.answers.insert(id, (place, shelved));
            board.drop_old(now);
        });
        while self.bytes > BYTES_MAX {
            let most = self.owners.iter().max_by_key(|(_, board)| board.bytes).map(|(owner, _)| owner.clone());
            if !most.is_some_and(|owner| self.changing(&owner, Board::drop_oldest)) {
                return;
            }
        }
    }

    /// The answer of this id, if it is the owner's.
    pub(crate) fn get(&self, now: Timestamp, id: &str, owner: &Owner) -> Option<&Shelved> {
        let ((at, _), shelved) = self.owners.get(owner)?.answers.get(id)?;
        (now.since(*at) < KEEP).then_some(shelved)
    }

    /// Takes the answer of this id away, if it is the owner's.
    pub(crate) fn remove(&mut self, id: &str, owner: &Owner) -> Option<Shelved> {
        self.changing(owner, |board| board.remove(id))
    }

    /// Drops all of a user, whatever the key.
    pub(crate) fn forget_user(&mut self, user: &Name) {
        self.owners.retain(|owner, _| owner.user.as_ref() != Some(user));
        self.bytes = self.owners.values().map(|board| board.bytes).sum();
    }

    /// Drops what is too old, everybody's.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        self.owners.retain(|_, board| {
            board.drop_old(now);
            !board.answers.is_empty()
        });
        self.bytes = self.owners.values().map(|board| board.bytes).sum();
    }

    fn changing<T>(&mut self, owner: &Owner, change: impl FnOnce(&mut Board) -> T) -> T {
        let board = self.owners.entry(owner.clone()).or_default();
        let before = board.bytes;
        let done = change(board);
        self.bytes = self.bytes.saturating_sub(before).saturating_add(board.bytes);
        if board.answers.is_empty() {
            self.owners.remove(owner);
        }
        done
    }
}

fn size(shelved: &Shelved) -> usize {
    shelved.response.len().saturating_add(shelved.input.len()).saturating_add(OVERHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(key: &str) -> Owner {
        Owner { key: Name::new(key), user: None }
    }

    fn shelved(key: &str, bytes: usize) -> Shelved {
        Shelved { owner: owner(key), response: Bytes::from(vec![b' '; bytes]), input: Bytes::new() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    #[test]
    fn only_its_owner_finds_an_answer_and_only_for_a_time() {
        let mut shelf = Shelf::default();
        let now = at(1000);
        shelf.put(now, "resp_1".to_owned(), shelved("a", 10));
        assert!(shelf.get(now, "resp_1", &owner("a")).is_some());
        assert!(shelf.get(now, "resp_1", &owner("b")).is_none());
        assert!(shelf.remove("resp_1", &owner("b")).is_none());
        assert!(shelf.get(now.saturating_add(KEEP), "resp_1", &owner("a")).is_none());
        shelf.put(now, "resp_1".to_owned(), shelved("b", 20));
        assert_eq!(shelf.get(now, "resp_1", &owner("a")).map(|kept| kept.response.len()), Some(10));
        shelf.sweep(now.saturating_add(KEEP));
        assert!(shelf.owners.is_empty() && shelf.bytes == 0);
    }

    #[test]
    fn a_user_that_is_forgotten_leaves_nothing_behind() {
        let mut shelf = Shelf::default();
        let alice = Owner { user: Some(Name::new("alice")), ..owner("a") };
        shelf.put(at(0), "r".to_owned(), Shelved { owner: alice.clone(), ..shelved("a", 10) });
        shelf.put(at(0), "r".to_owned(), shelved("a", 10));
        shelf.forget_user(&Name::new("alice"));
        assert!(shelf.get(at(0), "r", &alice).is_none());
        assert!(shelf.get(at(0), "r", &owner("a")).is_some());
        assert_eq!(shelf.bytes, 10 + OVERHEAD);
    }

    #[test]
    fn the_oldest_make_room() {
        let mut shelf = Shelf::default();
        let owner = owner("a");
        for number in 0..8 {
            shelf.put(at(2 + number), format!("resp_{number}"), shelved("a", BYTES_MAX / 4));
        }
        assert!(shelf.bytes <= BYTES_MAX);
        assert!(shelf.get(at(10), "resp_0", &owner).is_none());
        assert!(shelf.get(at(10), "resp_7", &owner).is_some());
        shelf.sweep(at(10).saturating_add(KEEP));
        assert!(shelf.owners.is_empty());
    }

    #[test]
    fn who_has_the_most_gives_way() {
        let mut shelf = Shelf::default();
        shelf.put(at(0), "small".to_owned(), shelved("small", 1000));
        for number in 0..100 {
            shelf.put(at(1), format!("resp_{number}"), shelved("large", BYTES_MAX / 10));
        }
        assert!(shelf.bytes <= BYTES_MAX);
        assert!(shelf.get(at(1), "small", &owner("small")).is_some());
        assert!(shelf.get(at(1), "resp_99", &owner("large")).is_some());
        shelf.put(at(2), "too large".to_owned(), shelved("large", BYTES_MAX + 1));
        assert!(shelf.get(at(2), "too large", &owner("large")).is_none());
        assert!(shelf.get(at(2), "small", &owner("small")).is_some());
    }

    #[test]
    fn what_was_put_twice_or_taken_away_leaves_nothing_behind() {
        let mut shelf = Shelf::default();
        shelf.put(at(0), "r".to_owned(), shelved("a", 100));
        shelf.put(at(1), "r".to_owned(), shelved("a", 50));
        assert_eq!(shelf.bytes, 50 + OVERHEAD);
        assert_eq!(shelf.owners.values().map(|board| board.order.len()).sum::<usize>(), 1);
        assert!(shelf.remove("r", &owner("a")).is_some());
        assert!(shelf.owners.is_empty() && shelf.bytes == 0);
    }
}
