//! The doors to records and keys.

use crate::shared::Shared;
use crate::store::EmbeddedStore;
use haltline_ports::{
    BookError, BoxFuture, KeyRecord, KeyUse, Keys, KeysError, Records, RecordsError, RequestRecord, RequestsQuery,
    SpendQuery, SpendRow,
};
use haltline_types::{Name, RequestId, Timestamp};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Records for EmbeddedStore {
    fn record(&self, record: &RequestRecord) -> Result<(), RecordsError> {
        let shared = self.shared();
        shared.locked(|inner| inner.record(record)).map_err(|error: BookError| RecordsError(error.to_string()))?;
        shared.unprojected.store(true, Ordering::Release);
        Ok(())
    }

    fn generation(&self, id: RequestId) -> BoxFuture<'_, Result<Option<RequestRecord>, RecordsError>> {
        Box::pin(ask(self.shared(), move |shared| {
            shared.project()?;
            shared.views.generation(id)
        }))
    }

    fn requests(&self, query: RequestsQuery) -> BoxFuture<'_, Result<Vec<RequestRecord>, RecordsError>> {
        Box::pin(ask(self.shared(), move |shared| {
            shared.project()?;
            shared.views.requests(&query)
        }))
    }

    fn spend(&self, query: SpendQuery) -> BoxFuture<'_, Result<Vec<SpendRow>, RecordsError>> {
        Box::pin(ask(self.shared(), move |shared| {
            shared.project()?;
            shared.views.spend(&query)
        }))
    }
}

/// Asks the views where it blocks nobody: on a thread for such work, where there is one.
async fn ask<T: Send + 'static>(
    shared: &Arc<Shared>,
    question: impl FnOnce(&Shared) -> Result<T, RecordsError> + Send + 'static,
) -> Result<T, RecordsError> {
    if shared.has_threads()
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        let shared = Arc::clone(shared);
        let answer = runtime.spawn_blocking(move || question(&shared)).await;
        return answer
            .unwrap_or_else(|_| Err(RecordsError("the question was dropped because Haltline is stopping".into())));
    }
    question(shared)
}

impl Keys for EmbeddedStore {
    fn hash(&self, secret: &str) -> [u8; 32] {
        self.shared().keys.hash(secret)
    }

    fn find(&self, hash: &[u8; 32]) -> Option<Arc<KeyRecord>> {
        self.shared().keys.find(hash)
    }

    fn list(&self) -> Vec<Arc<KeyRecord>> {
        self.shared().keys.list()
    }

    fn add(&self, record: KeyRecord) -> Result<(), KeysError> {
        self.shared().keys.add(record)
    }

    fn replace(&self, record: KeyRecord) -> Result<(), KeysError> {
        self.shared().keys.replace(record)
    }

    fn remove(&self, name: &Name, now: Timestamp) -> Result<(), KeysError> {
        self.shared().keys.remove(name, now)
    }

    fn find_old(&self, hash: &[u8; 32]) -> Option<Arc<KeyRecord>> {
        self.shared().keys.find_old(hash)
    }

    fn last_use(&self, name: &Name) -> Option<KeyUse> {
        self.shared().keys.last_use(name)
    }

    fn note_uses(&self, uses: Vec<(Name, KeyUse)>) -> Result<(), KeysError> {
        self.shared().keys.note_uses(uses)
    }
}
