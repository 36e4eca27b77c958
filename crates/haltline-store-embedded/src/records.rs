//! The doors to records and keys.

use crate::seal::SealError;
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
        let sealed = prompt_of(record).filter(|_| shared.seal.is_on());
        let sealed =
            sealed.map(|prompt| with_prompt(record, shared.seal.sealed_text(prompt, &about(record.id)))).transpose();
        let sealed = sealed.map_err(|error| RecordsError(error.to_string()))?;
        let record = sealed.as_ref().unwrap_or(record);
        shared.locked(|inner| inner.record(record)).map_err(|error: BookError| RecordsError(error.to_string()))?;
        shared.unprojected.store(true, Ordering::Release);
        Ok(())
    }

    fn generation(&self, id: RequestId) -> BoxFuture<'_, Result<Option<RequestRecord>, RecordsError>> {
        Box::pin(ask(self.shared(), move |shared| {
            shared.project()?;
            Ok(shared.views.generation(id)?.map(|record| opened(shared, record)))
        }))
    }

    fn requests(&self, query: RequestsQuery) -> BoxFuture<'_, Result<Vec<RequestRecord>, RecordsError>> {
        Box::pin(ask(self.shared(), move |shared| {
            shared.project()?;
            Ok(shared.views.requests(&query)?.into_iter().map(|record| opened(shared, record)).collect())
        }))
    }

    fn spend(&self, query: SpendQuery) -> BoxFuture<'_, Result<Vec<SpendRow>, RecordsError>> {
        Box::pin(ask(self.shared(), move |shared| {
            shared.project()?;
            shared.views.spend(&query)
        }))
    }
}

fn prompt_of(record: &RequestRecord) -> Option<&str> {
    record.blocked.as_ref()?.prompt.as_deref()
}

/// The place of a prompt in the records.
fn about(id: RequestId) -> Vec<u8> {
    [b"prompt\0".as_slice(), &id.as_u128().to_le_bytes()].concat()
}

fn with_prompt(record: &RequestRecord, prompt: Result<String, SealError>) -> Result<RequestRecord, SealError> {
    let mut record = record.clone();
    if let Some(blocked) = &mut record.blocked {
        blocked.prompt = Some(prompt?);
    }
    Ok(record)
}

/// The prompt of a record as it was; one that cannot be opened any more is left out.
fn opened(shared: &Shared, mut record: RequestRecord) -> RequestRecord {
    let id = record.id;
    let Some(blocked) = &mut record.blocked else { return record };
    let Some(prompt) = &blocked.prompt else { return record };
    match shared.seal.opened_text(prompt, &about(id)) {
        Ok(Some(plain)) => blocked.prompt = Some(plain),
        Ok(None) => {}
        Err(error) => {
            tracing::error!(request = %id, %error, "a kept prompt cannot be read");
            blocked.prompt = None;
        }
    }
    record
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
