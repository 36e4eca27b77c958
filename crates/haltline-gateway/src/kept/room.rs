//! How much is kept for each key: bounded bytes, of which the oldest give way. What there is, is
//! counted once for each key and then kept count of. No key waits for another one's count.

use crate::gateway::Gateway;
use crate::room::{Room, RoomBounds};
use haltline_ports::{Document, DocumentQuery, DocumentsError, Shelf as DocumentShelf};
use haltline_types::Name;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Keys whose responses are kept count of at once.
const KEYS_MAX: usize = 10_000;
/// Documents that are counted at once.
const PAGE: usize = 1_000;
/// What a response takes besides its JSON, in bytes.
const OVERHEAD: usize = 512;

/// One key's responses that are ready; none until they are counted.
type Counted = Arc<tokio::sync::Mutex<Option<Room>>>;

/// What each key has.
#[derive(Debug, Default)]
pub(crate) struct Rooms(Mutex<HashMap<Name, Counted>>);

impl Rooms {
    fn of(&self, key: &Name) -> Counted {
        let mut rooms = self.0.lock();
        if rooms.len() >= KEYS_MAX && !rooms.contains_key(key) {
            rooms.clear();
        }
        Arc::clone(rooms.entry(key.clone()).or_default())
    }
}

impl Gateway {
    /// Sees to it that a response fits into its key's room, the oldest giving way.
    pub(super) async fn make_room(&self, document: &Document) {
        let Some(key) = document.owner.as_ref().map(|owner| owner.key.clone()) else { return };
        let settings = self.live.load().settings.responses;
        let bounds = RoomBounds { number: usize::MAX, bytes: settings.bytes_per_key };
        let counted = self.rooms.of(&key);
        let goes = {
            let mut counted = counted.lock().await;
            if counted.is_none() {
                match self.look_around(&key).await {
                    Ok(room) => *counted = Some(room),
                    Err(error) => {
                        tracing::warn!(%error, %key, "the responses of a key cannot be counted; none gives way");
                        return;
                    }
                }
            }
            let room = counted.get_or_insert_default();
            room.put(&document.id, document.changed, document.body.len().saturating_add(OVERHEAD));
            room.give_way(bounds, self.clock.now().saturating_sub(settings.keep_for))
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
            let page = self.documents.heads(query, self.clock.now()).await?;
            // What is not ready stays.
            for head in page.iter().filter(|head| head.expires.is_some()) {
                room.put(&head.id, head.changed, head.bytes.saturating_add(OVERHEAD));
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.id.clone()),
                _ => return Ok(room),
            }
        }
    }
}
