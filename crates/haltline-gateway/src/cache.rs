//! The response cache: kept answers in memory, bounded in bytes, and the same ones as documents, so
//! that they outlive the process. What a request gets out of it is decided by `line/recall.rs`; what
//! counts and what not by `haltline_policy::cache`.
//!
//! Memory and documents hold the same entries. Entries that have to make room leave both; at a start
//! the documents are read back until memory is full, and what finds no room is removed. Tags are
//! versions, one document each: an invalidation writes one number, whatever it is about.

mod ask;
mod entry;
mod flight;
mod key;
mod pages;
mod recording;
mod writer;

pub use ask::{CacheAsk, CacheMode, TAG_BYTES_MAX, TAGS_MAX};
pub use pages::{CachePurge, CacheStats};

pub(crate) use entry::{CachedEvent, Entry, Said};
pub(crate) use flight::{Flights, Landed, Lead, Place};
pub(crate) use key::{CacheKey, Parts, Tenant, marks_of};
pub(crate) use recording::Recording;

use bytes::Bytes;
use futures_util::future::join_all;
use haltline_policy::cache::{Freshness, Mark, Versions, is_older, is_valid};
use haltline_policy::lru::Lru;
use haltline_policy::once::KEEP;
use haltline_ports::{Document, DocumentQuery, Documents, DocumentsError, Shelf};
use haltline_types::{Name, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use writer::Writer;

/// Versions that are known in memory; some 100 bytes each.
const VERSIONS: usize = 200_000;
/// Looks at documents before a lookup of versions is given up: only a storm of invalidations gets
/// in between so often.
const LOOKUPS: usize = 8;
/// The most tags that one entry can come to know.
const ENTRY_MARKS_MAX: usize = 96;
/// The longest that an entry can count, by the bounds of the configuration, and a little more: so
/// long the version of a tag is kept while it is not known which entries there are.
const LIFE_MAX: Duration = Duration::from_secs(63 * 86_400);
/// Between the end of an entry's life and that of the versions that it depends on.
const MARGIN: Duration = Duration::from_secs(3600);
/// Entries that are looked at before others get their turn, and how often in one tick.
const SWEPT: usize = 1_000;
const SWEEPS: usize = 20;
/// Documents that are read at once at a start.
const PAGE: usize = 64;

/// An entry in memory.
#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    /// When it last stood in for an answer that failed: for a moment nobody else tries.
    failed: Option<Timestamp>,
}

/// What a lookup came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This is the answer.
    Fresh(Arc<Entry>, Duration),
    /// This could stand in for one that fails; `at_once` when one has failed a moment ago.
    Stale { entry: Arc<Entry>, age: Duration, at_once: bool },
    /// Nothing.
    Nothing,
}

/// What is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) key: CacheKey,
    /// Nothing older.
    pub(crate) ttl: Duration,
    /// The versions of the request's own tags, now.
    pub(crate) marks: Vec<(Mark, u64)>,
}

/// All of it.
pub(crate) struct Cache {
    documents: Arc<dyn Documents>,
    entries: Mutex<Lru<CacheKey, Slot>>,
    versions: Mutex<Versions>,
    /// Invalidations take turns, so that the last version that was written is the last that counts.
    turn: tokio::sync::Mutex<()>,
    pub(crate) flights: Arc<Flights>,
    writer: Writer,
    /// Memory knows every entry that there is.
    is_whole: AtomicBool,
    /// When the last entry ends that was ever seen, in milliseconds.
    last_end: AtomicI64,
}

impl Cache {
    /// Empty; what is kept in documents is found there until `read_back` has read all of it.
    pub(crate) fn new(documents: Arc<dyn Documents>, bytes_max: usize) -> Self {
        Self {
            writer: Writer::new(Arc::clone(&documents)),
            documents,
            entries: Mutex::new(Lru::new(bytes_max)),
            versions: Mutex::new(Versions::new(VERSIONS)),
            turn: tokio::sync::Mutex::default(),
            flights: Arc::default(),
            is_whole: AtomicBool::new(false),
            last_end: AtomicI64::new(0),
        }
    }

    /// The versions of marks at this moment.
    pub(crate) async fn versions_of(&self, marks: &[Mark], now: Timestamp) -> Result<Vec<(Mark, u64)>, DocumentsError> {
        for _ in 0..LOOKUPS {
            let (changes, unknown) = {
                let versions = self.versions.lock();
                let known: Option<Vec<_>> = marks.iter().map(|mark| Some((*mark, versions.get(mark)?))).collect();
                if let Some(known) = known {
                    return Ok(known);
                }
                let unknown: Vec<Mark> = marks.iter().filter(|mark| versions.get(mark).is_none()).copied().collect();
                (versions.changes(), unknown)
            };
            let looked_up = unknown.iter().map(|mark| async move {
                let document = self.documents.get(Shelf::CacheTag, &key::hex(mark), now).await?;
                Ok((*mark, document.map_or(0, |document| version_in(&document))))
            });
            let found: Result<Vec<_>, DocumentsError> = join_all(looked_up).await.into_iter().collect();
            let found = found?;
            // Believed or not: what is known now is looked at again.
            let _ = self.versions.lock().learn(&found, changes);
        }
        Err(DocumentsError("versions of cache tags change faster than they can be read".to_owned()))
    }

    /// Looks for an answer.
    pub(crate) async fn find(&self, wanted: &Wanted, now: Timestamp) -> Result<Found, DocumentsError> {
        let Some((entry, failed)) = self.entry(wanted.key, now).await? else { return Ok(Found::Nothing) };
        let marks: Vec<Mark> = entry.marks.iter().map(|(mark, _)| *mark).collect();
        let versions = self.versions_of(&marks, now).await?;
        let today = |mark: &Mark| versions.iter().find(|(known, _)| known == mark).map(|(_, version)| *version);
        let freshness = entry.lifetime.freshness(now, wanted.ttl);
        if freshness == Freshness::Gone || !is_valid(&entry.marks, today) {
            self.remove(&[wanted.key]);
            return Ok(Found::Nothing);
        }
        let unknown: Vec<(Mark, u64)> =
            wanted.marks.iter().filter(|(mark, _)| !marks.contains(mark)).copied().collect();
        let may_learn = unknown.iter().all(|(_, version)| is_older(*version, entry.lifetime.began));
        if !may_learn || marks.len() + unknown.len() > ENTRY_MARKS_MAX {
            return Ok(Found::Nothing);
        }
        let entry = if unknown.is_empty() { entry } else { self.learned(&entry, unknown, now) };
        Ok(match freshness {
            Freshness::Fresh { age } => Found::Fresh(entry, age),
            Freshness::Stale { age } => {
                let at_once = failed.is_some_and(|failed| now.since(failed) < KEEP);
                Found::Stale { entry, age, at_once }
            }
            Freshness::Gone => Found::Nothing,
        })
    }

    /// The entry in memory, else the one that an earlier process has kept.
    async fn entry(
        &self,
        key: CacheKey,
        now: Timestamp,
    ) -> Result<Option<(Arc<Entry>, Option<Timestamp>)>, DocumentsError> {
        if let Some(slot) = self.entries.lock().get(&key) {
            return Ok(Some((Arc::clone(&slot.entry), slot.failed)));
        }
        if self.is_whole.load(Ordering::Acquire) {
            return Ok(None);
        }
        let document = self.documents.get(Shelf::CachedAnswer, &key.document_id(), now).await?;
        let Some(entry) = document.as_ref().and_then(Entry::read).map(Arc::new) else { return Ok(None) };
        self.put_if_absent(&entry);
        Ok(Some((entry, None)))
    }

    /// The entry with tags that it did not know: from now on it goes with them, too.
    fn learned(&self, entry: &Arc<Entry>, unknown: Vec<(Mark, u64)>, now: Timestamp) -> Arc<Entry> {
        let mut learned = Entry::clone(entry);
        learned.marks.extend(unknown);
        let learned = Arc::new(learned);
        let mut entries = self.entries.lock();
        // Whoever has put another one meanwhile knows better.
        if entries.peek(&entry.key).is_some_and(|slot| Arc::ptr_eq(&slot.entry, entry)) {
            let failed = entries.peek(&entry.key).and_then(|slot| slot.failed);
            let gone = entries.put(entry.key, Slot { entry: Arc::clone(&learned), failed }, learned.size());
            self.writer.put(Arc::clone(&learned), now);
            self.writer.remove(&gone);
        }
        learned
    }

    /// Keeps an answer, unless something that it depends on was invalidated since its request began.
    /// Says whether it is kept.
    pub(crate) fn keep(&self, entry: &Arc<Entry>, now: Timestamp) -> bool {
        let is_invalidated = {
            let versions = self.versions.lock();
            entry.marks.iter().any(|(mark, version)| versions.get(mark).is_some_and(|today| today != *version))
        };
        if is_invalidated {
            return false;
        }
        self.note_end(entry.lifetime.ends());
        let slot = Slot { entry: Arc::clone(entry), failed: None };
        // One lock for both, so that what memory lets go is not written after that.
        let mut entries = self.entries.lock();
        let gone = entries.put(entry.key, slot, entry.size());
        let is_kept = !gone.contains(&entry.key);
        if is_kept {
            self.writer.put(Arc::clone(entry), now);
        }
        self.writer.remove(&gone);
        is_kept
    }

    /// An answer failed, and this one stands in for it.
    pub(crate) fn note_failed(&self, key: CacheKey, now: Timestamp) {
        if let Some(slot) = self.entries.lock().get(&key) {
            slot.failed = Some(now);
        }
    }

    /// Something may be kept that counts until then.
    pub(crate) fn note_end(&self, end: Timestamp) {
        self.last_end.fetch_max(end.as_millis(), Ordering::AcqRel);
    }

    /// Invalidates everything that depends on one of these marks, for good, before it returns: also
    /// what is still being written.
    pub(crate) async fn invalidate(&self, marks: &[(Mark, String)], now: Timestamp) -> Result<(), DocumentsError> {
        let _turn = self.turn.lock().await;
        let version = self.versions.lock().next(now);
        let expires = if self.is_whole.load(Ordering::Acquire) {
            Timestamp::from_millis(self.last_end.load(Ordering::Acquire)).max(now).saturating_add(MARGIN)
        } else {
            now.saturating_add(LIFE_MAX)
        };
        let document = |(mark, about): &(Mark, String)| Document {
            shelf: Shelf::CacheTag,
            id: key::hex(mark),
            owner: None,
            labels: Vec::new(),
            changed: now,
            expires: Some(expires),
            body: Bytes::from(serde_json::to_vec(&Kept { version, about: about.clone() }).unwrap_or_default()),
        };
        self.documents.put(marks.iter().map(document).collect()).await?;
        let marks: Vec<Mark> = marks.iter().map(|(mark, _)| *mark).collect();
        self.versions.lock().change(&marks, version);
        Ok(())
    }

    /// Takes entries out, in memory and behind it.
    fn remove(&self, keys: &[CacheKey]) {
        let mut entries = self.entries.lock();
        for key in keys {
            entries.remove(key);
        }
        self.writer.remove(keys);
    }

    /// Forgets what a user's requests have left.
    pub(crate) fn forget_user(&self, user: &Name) -> usize {
        let mut entries = self.entries.lock();
        let most = entries.len();
        let gone = entries.sweep(most, |_, slot| slot.entry.owner.user.as_ref() != Some(user));
        self.writer.remove(&gone);
        gone.len()
    }

    /// Work that is due from time to time: drops what is too old or invalidated, and fits the room.
    /// What is not looked at this time, because older answers are good, goes by its age.
    pub(crate) fn tick(&self, bytes_max: usize, now: Timestamp) {
        for _ in 0..SWEEPS {
            let gone = self.sweep(now);
            if gone < SWEPT {
                break;
            }
        }
        let mut entries = self.entries.lock();
        let gone = entries.resize(bytes_max);
        self.writer.remove(&gone);
    }

    fn sweep(&self, now: Timestamp) -> usize {
        let mut entries = self.entries.lock();
        let versions = self.versions.lock();
        // What is not known in memory is looked up when somebody asks.
        let counts = |entry: &Entry| {
            now < entry.lifetime.ends()
                && entry.marks.iter().all(|(mark, version)| versions.get(mark).is_none_or(|today| today == *version))
        };
        let gone = entries.sweep(SWEPT, |_, slot| counts(&slot.entry));
        self.writer.remove(&gone);
        gone.len()
    }

    /// Reads back what an earlier process has kept, as far as there is room.
    ///
    /// # Errors
    /// When documents cannot be read: then they are looked up one by one.
    pub(crate) async fn read_back(&self, bytes_max: usize, now: Timestamp) -> Result<usize, DocumentsError> {
        let mut after = None;
        let mut read = 0;
        loop {
            let query = DocumentQuery { after: after.clone(), ..DocumentQuery::of(Shelf::CachedAnswer, PAGE) };
            let page = self.documents.list(query, now).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            let mut no_room = Vec::new();
            for document in &page {
                let entry = Entry::read(document).map(Arc::new);
                let fits = |entry: &Arc<Entry>| self.entries.lock().bytes().saturating_add(entry.size()) <= bytes_max;
                match entry.filter(fits) {
                    Some(entry) => {
                        self.put_if_absent(&entry);
                        read += 1;
                    }
                    None => no_room.push(document.id.clone()),
                }
            }
            if !no_room.is_empty() {
                self.documents.remove(Shelf::CachedAnswer, no_room).await?;
            }
        }
        self.is_whole.store(true, Ordering::Release);
        Ok(read)
    }

    fn put_if_absent(&self, entry: &Arc<Entry>) {
        self.note_end(entry.lifetime.ends());
        let mut entries = self.entries.lock();
        if entries.peek(&entry.key).is_none() {
            let gone = entries.put(entry.key, Slot { entry: Arc::clone(entry), failed: None }, entry.size());
            self.writer.remove(&gone);
        }
    }

    /// Writes what waits to be written. One at a time does it; `None` when another one does.
    pub(crate) fn writing(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        self.writer.writing()
    }

    /// Entries, and the bytes that they take.
    pub(crate) fn size(&self) -> (usize, usize) {
        let entries = self.entries.lock();
        (entries.len(), entries.bytes())
    }
}

/// What the document of a tag says.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u64,
    /// Whose, and which: for people.
    about: String,
}

/// A document that is not understood has been written for some invalidation: nothing is valid by it.
fn version_in(document: &Document) -> u64 {
    serde_json::from_slice::<Kept>(&document.body).map_or(u64::MAX, |kept| kept.version)
}

#[cfg(test)]
mod tests;
