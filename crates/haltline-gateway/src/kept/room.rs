//! How much is kept for each key: bounded bytes, of which the oldest give way. What there is, is
//! read once for each key and then kept count of.

use crate::gateway::Gateway;
use haltline_ports::{Document, DocumentQuery, DocumentsError, Shelf as DocumentShelf};
use haltline_types::{Name, Timestamp};
use std::collections::{BTreeSet, HashMap};

/// Keys whose responses are kept count of at once.
const KEYS_MAX: usize = 10_000;
/// Documents that are read at once.
const PAGE: usize = 50;
/// What a response takes besides its JSON, in bytes.
const OVERHEAD: usize = 512;

/// What each key has.
#[derive(Debug, Default)]
pub(crate) struct Rooms(tokio::sync::Mutex<HashMap<Name, Room>>);

/// One key's responses that are ready.
#[derive(Debug, Default)]
struct Room {
    sizes: HashMap<String, (Timestamp, usize)>,
    order: BTreeSet<(Timestamp, String)>,
    bytes: usize,
}

impl Room {
    fn put(&mut self, id: &str, at: Timestamp, size: usize) {
        self.remove(id);
        self.sizes.insert(id.to_owned(), (at, size));
        self.order.insert((at, id.to_owned()));
        self.bytes = self.bytes.saturating_add(size);
    }

    fn remove(&mut self, id: &str) {
        if let Some((at, size)) = self.sizes.remove(id) {
            self.order.remove(&(at, id.to_owned()));
            self.bytes = self.bytes.saturating_sub(size);
        }
    }

    /// Takes the oldest away until it fits, or is there no more.
    fn give_way(&mut self, bytes_max: usize, gone_before: Timestamp) -> Vec<String> {
        let mut goes = Vec::new();
        while let Some((at, id)) = self.order.first().cloned() {
            if self.bytes <= bytes_max && at >= gone_before {
                break;
            }
            self.remove(&id);
            goes.push(id);
        }
        goes
    }
}

impl Gateway {
    /// Sees to it that a response fits into its key's room, the oldest giving way.
    pub(super) async fn make_room(&self, document: &Document) {
        let Some(key) = document.owner.as_ref().map(|owner| owner.key.clone()) else { return };
        let settings = self.live.load().settings.responses;
        let goes = {
            let mut rooms = self.rooms.0.lock().await;
            if rooms.len() >= KEYS_MAX && !rooms.contains_key(&key) {
                rooms.clear();
            }
            let room = match rooms.entry(key.clone()) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => match self.look_around(&key).await {
                    Ok(room) => new.insert(room),
                    Err(error) => {
                        tracing::warn!(%error, %key, "the responses of a key cannot be counted; none gives way");
                        return;
                    }
                },
            };
            room.put(&document.id, document.changed, document.body.len().saturating_add(OVERHEAD));
            room.give_way(settings.bytes_per_key, self.clock.now().saturating_sub(settings.keep_for))
        };
        if !goes.is_empty()
            && let Err(error) = self.documents.remove(DocumentShelf::Response, goes).await
        {
            tracing::warn!(%error, %key, "old responses could not be removed; they go when they are too old");
        }
    }

    async fn look_around(&self, key: &Name) -> Result<Room, DocumentsError> {
        let mut room = Room::default();
        let mut after = None;
        loop {
            let query = DocumentQuery {
                prefix: Some(format!("{key}:")),
                after,
                ..DocumentQuery::of(DocumentShelf::Response, PAGE)
            };
            let page = self.documents.list(query, self.clock.now()).await?;
            // What is not ready stays.
            for document in page.iter().filter(|document| document.expires.is_some()) {
                room.put(&document.id, document.changed, document.body.len().saturating_add(OVERHEAD));
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.id.clone()),
                _ => return Ok(room),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_give_way_and_what_is_put_again_counts_once() {
        let mut room = Room::default();
        let at = Timestamp::from_secs;
        for (number, id) in ["a", "b", "c"].into_iter().enumerate() {
            room.put(id, at(i64::try_from(number).expect("small")), 100);
        }
        room.put("a", at(3), 100);
        assert_eq!(room.bytes, 300);
        assert_eq!(room.give_way(250, at(0)), ["b"]);
        assert_eq!(room.give_way(250, at(3)), ["c"]);
        assert_eq!((room.bytes, room.order.len(), room.sizes.len()), (100, 1, 1));
    }
}
