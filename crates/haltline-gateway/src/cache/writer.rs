//! Writes behind: what memory keeps or lets go is put into documents a little later, in order, many
//! at once. What a crash loses here is an answer that is asked for again.

use super::entry::Entry;
use super::key::CacheKey;
use haltline_ports::{Documents, Shelf};
use haltline_types::Timestamp;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Answers that may wait to be written; more are kept in memory only.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Written at once.
const BATCH: usize = 256;

#[derive(Debug)]
enum Change {
    Put(Arc<Entry>, Timestamp),
    Remove(CacheKey),
}

#[derive(Debug, Default)]
struct Waiting {
    changes: VecDeque<Change>,
    bytes: usize,
}

/// The writer.
pub(super) struct Writer {
    documents: Arc<dyn Documents>,
    waiting: Arc<Mutex<Waiting>>,
    is_writing: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn new(documents: Arc<dyn Documents>) -> Self {
        Self { documents, waiting: Arc::default(), is_writing: Arc::default() }
    }

    /// An entry is to be written.
    pub(super) fn put(&self, entry: Arc<Entry>, now: Timestamp) {
        let mut waiting = self.waiting.lock();
        let size = entry.size();
        if waiting.bytes.saturating_add(size) > WAITING_BYTES_MAX {
            tracing::warn!("answers are kept faster than they can be written; one stays in memory only");
            return;
        }
        waiting.bytes += size;
        waiting.changes.push_back(Change::Put(entry, now));
    }

    /// Entries are to be removed.
    pub(super) fn remove(&self, keys: &[CacheKey]) {
        if !keys.is_empty() {
            self.waiting.lock().changes.extend(keys.iter().copied().map(Change::Remove));
        }
    }

    /// The work that waits; `None` when there is none, or it is being done.
    pub(super) fn writing(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        if self.waiting.lock().changes.is_empty() || self.is_writing.swap(true, Ordering::AcqRel) {
            return None;
        }
        let (documents, waiting) = (Arc::clone(&self.documents), Arc::clone(&self.waiting));
        let is_writing = Writing(Arc::clone(&self.is_writing));
        Some(async move {
            loop {
                let batch = take(&waiting);
                if batch.is_empty() {
                    drop(is_writing);
                    return;
                }
                write(documents.as_ref(), batch).await;
            }
        })
    }
}

/// Somebody writes; dropped, others may.
struct Writing(Arc<AtomicBool>);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The next changes, all of one kind.
fn take(waiting: &Mutex<Waiting>) -> Vec<Change> {
    let mut waiting = waiting.lock();
    let mut batch = Vec::new();
    while batch.len() < BATCH {
        let same = match (batch.first(), waiting.changes.front()) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(first), Some(next)) => std::mem::discriminant::<Change>(first) == std::mem::discriminant(next),
        };
        if !same {
            break;
        }
        if let Some(change) = waiting.changes.pop_front() {
            if let Change::Put(entry, _) = &change {
                waiting.bytes = waiting.bytes.saturating_sub(entry.size());
            }
            batch.push(change);
        }
    }
    batch
}

async fn write(documents: &dyn Documents, batch: Vec<Change>) {
    let mut puts = Vec::new();
    let mut removes = Vec::new();
    for change in batch {
        match change {
            Change::Put(entry, now) => puts.push(entry.document(now)),
            Change::Remove(key) => removes.push(key.document_id()),
        }
    }
    if !puts.is_empty()
        && let Err(error) = documents.put(puts).await
    {
        tracing::warn!(%error, "answers of the response cache could not be written; they are kept in memory only");
    }
    if !removes.is_empty()
        && let Err(error) = documents.remove(Shelf::CachedAnswer, removes).await
    {
        tracing::warn!(%error, "answers of the response cache could not be removed; they go when they expire");
    }
}
