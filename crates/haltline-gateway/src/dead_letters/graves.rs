//! How many dead letters are kept, and how large: so many for each key and in all, of which the
//! oldest give way. In all it is whoever has most that gives way, so that nobody can push another
//! one's letters out. What there is, is counted once and then kept count of.

use super::{KEEP, LETTER, body_id};
use crate::room::{Room, RoomBounds};
use haltline_ports::{Document, DocumentQuery, Documents, DocumentsError, Shelf};
use haltline_types::{Name, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

/// Letters that are counted at once.
const PAGE: usize = 1_000;
/// What a letter takes besides what it says, in bytes.
const OVERHEAD: usize = 512;

/// What bounds them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GraveBounds {
    /// For one key; and the operator's own, too.
    pub(crate) of_key: RoomBounds,
    pub(crate) all: RoomBounds,
}

impl GraveBounds {
    pub(crate) const USUAL: Self = Self {
        of_key: RoomBounds { number: 1_000, bytes: 32 << 20 },
        all: RoomBounds { number: 20_000, bytes: 512 << 20 },
    };
}

/// Who has how many; nobody's are the operator's.
type Plots = HashMap<Option<Name>, Room>;

/// The count of all letters.
pub(crate) struct Graves {
    documents: Arc<dyn Documents>,
    bounds: GraveBounds,
    /// None until they are counted.
    plots: tokio::sync::Mutex<Option<Plots>>,
}

impl Graves {
    pub(crate) fn new(documents: Arc<dyn Documents>, bounds: GraveBounds) -> Self {
        Self { documents, bounds, plots: tokio::sync::Mutex::default() }
    }

    /// Sees to it that the documents of a letter fit, before they are written.
    pub(crate) async fn make_room(&self, letter: &[Document], now: Timestamp) {
        let Some(first) = letter.first() else { return };
        let key = first.owner.as_ref().map(|owner| owner.key.clone());
        let size = letter.iter().map(|document| document.body.len().saturating_add(OVERHEAD)).sum();
        let goes = {
            let mut counted = self.plots.lock().await;
            if counted.is_none() {
                match self.look_around(now).await {
                    Ok(plots) => *counted = Some(plots),
                    Err(error) => {
                        tracing::warn!(%error, "dead letters cannot be counted; none gives way");
                        return;
                    }
                }
            }
            let plots = counted.get_or_insert_default();
            plots.entry(key.clone()).or_default().put(&first.id, first.changed, size);
            give_way(plots, &key, &self.bounds, now.saturating_sub(KEEP))
        };
        if goes.is_empty() {
            return;
        }
        tracing::warn!(letters = goes.len(), first = goes.first(), "dead letters gave way to newer ones");
        let ids = goes.iter().flat_map(|id| [id.clone(), body_id(id)]).collect();
        if let Err(error) = self.documents.remove(Shelf::DeadLetter, ids).await {
            tracing::warn!(%error, "old dead letters could not be removed; they go when they are too old");
        }
    }

    /// One is there no more.
    pub(crate) async fn gone(&self, id: &str) {
        for room in self.plots.lock().await.iter_mut().flat_map(HashMap::values_mut) {
            room.remove(id);
        }
    }

    /// Others have removed some: they are counted anew at the next one.
    pub(crate) fn count_anew(&self) {
        // Whoever counts at this moment may count what goes, which makes older ones give way early.
        if let Ok(mut plots) = self.plots.try_lock() {
            *plots = None;
        }
    }

    async fn look_around(&self, now: Timestamp) -> Result<Plots, DocumentsError> {
        let mut plots = Plots::new();
        for prefix in [LETTER.to_owned(), body_id(LETTER)] {
            let mut after = None;
            loop {
                let query =
                    DocumentQuery { prefix: Some(prefix.clone()), after, ..DocumentQuery::of(Shelf::DeadLetter, PAGE) };
                let page = self.documents.heads(query, now).await?;
                for head in &page {
                    let room = plots.entry(head.owner.as_ref().map(|owner| owner.key.clone())).or_default();
                    let size = head.bytes.saturating_add(OVERHEAD);
                    match head.id.strip_prefix(&body_id("")) {
                        Some(letter) => room.add(letter, size),
                        None => room.put(&head.id, head.changed, size),
                    }
                }
                match page.last() {
                    Some(last) if page.len() == PAGE => after = Some(last.id.clone()),
                    _ => break,
                }
            }
        }
        Ok(plots)
    }
}

/// What must go after a letter of `key` was put in.
fn give_way(plots: &mut Plots, key: &Option<Name>, bounds: &GraveBounds, gone_before: Timestamp) -> Vec<String> {
    let mut goes = plots.get_mut(key).map(|room| room.give_way(bounds.of_key, gone_before)).unwrap_or_default();
    loop {
        let number: usize = plots.values().map(Room::len).sum();
        let bytes = plots.values().map(Room::bytes).fold(0, usize::saturating_add);
        let largest = if bytes > bounds.all.bytes {
            plots.values_mut().max_by_key(|room| room.bytes())
        } else if number > bounds.all.number {
            plots.values_mut().max_by_key(|room| room.len())
        } else {
            break;
        };
        match largest.and_then(Room::pop) {
            Some(id) => goes.push(id),
            None => break,
        }
    }
    plots.retain(|_, room| room.len() > 0);
    goes
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use haltline_ports::{MemoryDocuments, Owner};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const SMALL: GraveBounds =
        GraveBounds { of_key: RoomBounds { number: 3, bytes: 10_000 }, all: RoomBounds { number: 5, bytes: 100_000 } };

    fn letter(key: &str, number: u32, body: usize) -> Vec<Document> {
        let id = format!("{LETTER}{number:03}");
        let document = |id: String, body: Vec<u8>| Document {
            shelf: Shelf::DeadLetter,
            id,
            owner: Some(Owner { key: Name::new(key), user: None }),
            labels: Vec::new(),
            changed: NOW.saturating_add(std::time::Duration::from_secs(u64::from(number))),
            expires: None,
            body: Bytes::from(body),
        };
        vec![document(id.clone(), Vec::new()), document(body_id(&id), vec![0; body])]
    }

    async fn bury(graves: &Graves, letter: Vec<Document>) {
        graves.make_room(&letter, NOW).await;
        graves.documents.put(letter).await.expect("documents");
    }

    async fn there(graves: &Graves) -> Vec<String> {
        let found = graves.documents.list(DocumentQuery::of(Shelf::DeadLetter, 100), NOW).await.expect("documents");
        let ids: Vec<String> = found.into_iter().map(|document| document.id).collect();
        let (bodies, letters): (Vec<String>, Vec<String>) = ids.into_iter().partition(|id| id.starts_with("body_"));
        assert_eq!(bodies, letters.iter().map(|id| body_id(id)).collect::<Vec<_>>());
        letters.iter().filter_map(|id| id.strip_prefix(LETTER)).map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn the_oldest_of_a_key_give_way_by_number_and_by_bytes_also_after_a_restart() {
        let documents: Arc<dyn Documents> = Arc::new(MemoryDocuments::default());
        let graves = Graves::new(Arc::clone(&documents), SMALL);
        bury(&graves, letter("other", 1, 10)).await;
        for number in 2..6 {
            bury(&graves, letter("k", number, 10)).await;
        }
        assert_eq!(there(&graves).await, ["001", "003", "004", "005"]);
        // The next process counts what there is.
        let graves = Graves::new(documents, SMALL);
        bury(&graves, letter("k", 6, 8_000)).await;
        assert_eq!(there(&graves).await, ["001", "006"], "two small ones would have been too many bytes");
    }

    #[tokio::test]
    async fn in_all_it_is_whoever_has_most_that_gives_way() {
        let graves = Graves::new(Arc::new(MemoryDocuments::default()), SMALL);
        bury(&graves, letter("poor", 1, 10)).await;
        for number in 2..5 {
            bury(&graves, letter("rich", number, 10)).await;
        }
        bury(&graves, letter("third", 5, 10)).await;
        bury(&graves, letter("third", 6, 10)).await;
        assert_eq!(there(&graves).await, ["001", "003", "004", "005", "006"]);
        graves.gone("dl_006").await;
        bury(&graves, letter("third", 7, 10)).await;
        assert_eq!(there(&graves).await.len(), 6, "one that is gone leaves its place");
    }
}
