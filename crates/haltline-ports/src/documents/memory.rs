//! Documents in memory, gone with the process: for tests, and for gateways that keep nothing.

use super::{Document, DocumentQuery, Documents, DocumentsError, Shelf};
use crate::BoxFuture;
use haltline_types::{Name, Timestamp};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A map behind the door.
#[derive(Debug, Default)]
pub struct MemoryDocuments {
    documents: Mutex<BTreeMap<(Shelf, String), Document>>,
}

type Map = BTreeMap<(Shelf, String), Document>;

impl MemoryDocuments {
    fn locked(&self) -> MutexGuard<'_, Map> {
        // A panic elsewhere leaves the map whole: every change is one call of it.
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove_where(&self, goes: impl Fn(&Document) -> bool) -> u64 {
        let mut documents = self.locked();
        let before = documents.len();
        documents.retain(|_, document| !goes(document));
        u64::try_from(before - documents.len()).unwrap_or(u64::MAX)
    }
}

fn is_there(document: &Document, now: Timestamp) -> bool {
    document.expires.is_none_or(|expires| now < expires)
}

fn done<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, DocumentsError>> {
    Box::pin(std::future::ready(Ok(value)))
}

impl Documents for MemoryDocuments {
    fn put(&self, documents: Vec<Document>) -> BoxFuture<'_, Result<(), DocumentsError>> {
        if let Err(error) = documents.iter().try_for_each(Document::check) {
            return Box::pin(std::future::ready(Err(error)));
        }
        let mut kept = self.locked();
        for document in documents {
            kept.insert((document.shelf, document.id.clone()), document);
        }
        drop(kept);
        done(())
    }

    fn put_if(&self, document: Document, expected: Option<Timestamp>) -> BoxFuture<'_, Result<bool, DocumentsError>> {
        if let Err(error) = document.check() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let mut kept = self.locked();
        let place = (document.shelf, document.id.clone());
        let is_so = kept.get(&place).map(|there| there.changed) == expected;
        if is_so {
            kept.insert(place, document);
        }
        drop(kept);
        done(is_so)
    }

    fn get(&self, shelf: Shelf, id: &str, now: Timestamp) -> BoxFuture<'_, Result<Option<Document>, DocumentsError>> {
        let found = self.locked().get(&(shelf, id.to_owned())).filter(|document| is_there(document, now)).cloned();
        done(found)
    }

    fn list(&self, query: DocumentQuery, now: Timestamp) -> BoxFuture<'_, Result<Vec<Document>, DocumentsError>> {
        let prefix = query.prefix.clone().unwrap_or_default();
        let fits = |document: &&Document| {
            document.shelf == query.shelf
                && is_there(document, now)
                && document.id.starts_with(&prefix)
                && query.owner.as_ref().is_none_or(|owner| document.owner.as_ref() == Some(owner))
                && query.label.as_ref().is_none_or(|label| document.labels.contains(label))
        };
        let kept = self.locked();
        let place = |id: &str| (query.shelf, id.to_owned());
        let found: Vec<Document> = if query.backwards {
            let end = query.after.as_deref().map_or(Bound::Unbounded, |after| Bound::Excluded(place(after)));
            let all = kept.range((Bound::Included(place("")), end)).rev().map(|(_, document)| document);
            all.filter(fits).take(query.limit).cloned().collect()
        } else {
            let begin = match &query.after {
                Some(after) => Bound::Excluded(place(after)),
                None => Bound::Included(place(&prefix)),
            };
            let all = kept.range((begin, Bound::Unbounded)).map(|(_, document)| document);
            all.take_while(|document| document.shelf == query.shelf).filter(fits).take(query.limit).cloned().collect()
        };
        drop(kept);
        done(found)
    }

    fn remove(&self, shelf: Shelf, ids: Vec<String>) -> BoxFuture<'_, Result<u64, DocumentsError>> {
        let mut kept = self.locked();
        let removed = ids.into_iter().filter(|id| kept.remove(&(shelf, id.clone())).is_some()).count();
        drop(kept);
        done(u64::try_from(removed).unwrap_or(u64::MAX))
    }

    fn remove_prefix(&self, shelf: Shelf, prefix: &str) -> BoxFuture<'_, Result<u64, DocumentsError>> {
        done(self.remove_where(|document| document.shelf == shelf && document.id.starts_with(prefix)))
    }

    fn forget_user(&self, user: &Name) -> BoxFuture<'_, Result<u64, DocumentsError>> {
        done(
            self.remove_where(|document| {
                document.owner.as_ref().is_some_and(|owner| owner.user.as_ref() == Some(user))
            }),
        )
    }

    fn sweep(&self, now: Timestamp) -> Result<(), DocumentsError> {
        self.remove_where(|document| !is_there(document, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_twin_keeps_to_the_suite() {
        crate::conformance::documents(&MemoryDocuments::default()).await;
    }
}
