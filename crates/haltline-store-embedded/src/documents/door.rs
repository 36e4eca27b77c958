//! The door to documents. Writes are queued in the call and answered after their commit; questions
//! are asked where they block nobody.

use super::write::Command;
use super::{DocumentFile, Question, read};
use crate::shared::Shared;
use crate::store::EmbeddedStore;
use haltline_ports::{BoxFuture, Document, DocumentHead, DocumentQuery, Documents, DocumentsError, Shelf};
use haltline_types::{Name, Timestamp};
use std::sync::Arc;

impl Documents for EmbeddedStore {
    fn put(&self, documents: Vec<Document>) -> BoxFuture<'_, Result<(), DocumentsError>> {
        if let Err(error) = documents.iter().try_for_each(Document::check) {
            return Box::pin(std::future::ready(Err(error)));
        }
        let written = write(self.shared(), Command::Put(documents));
        Box::pin(async move { written.await.map(drop) })
    }

    fn put_if(&self, document: Document, expected: Option<Timestamp>) -> BoxFuture<'_, Result<bool, DocumentsError>> {
        if let Err(error) = document.check() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let written = write(self.shared(), Command::PutIf(Box::new(document), expected));
        Box::pin(async move { written.await.map(|count| count > 0) })
    }

    fn get(&self, shelf: Shelf, id: &str, now: Timestamp) -> BoxFuture<'_, Result<Option<Document>, DocumentsError>> {
        let id = id.to_owned();
        Box::pin(ask(self.shared(), move |documents| {
            documents.reading(Question::One, |connection| read::get(connection, &documents.seal, shelf, &id, now))
        }))
    }

    fn list(&self, query: DocumentQuery, now: Timestamp) -> BoxFuture<'_, Result<Vec<Document>, DocumentsError>> {
        Box::pin(ask(self.shared(), move |documents| {
            documents.reading(Question::Many, |connection| read::list(connection, &documents.seal, &query, now))
        }))
    }

    fn heads(&self, query: DocumentQuery, now: Timestamp) -> BoxFuture<'_, Result<Vec<DocumentHead>, DocumentsError>> {
        Box::pin(ask(self.shared(), move |documents| {
            documents.reading(Question::Many, |connection| read::heads(connection, &documents.seal, &query, now))
        }))
    }

    fn remove(&self, shelf: Shelf, ids: Vec<String>) -> BoxFuture<'_, Result<u64, DocumentsError>> {
        write(self.shared(), Command::Remove(shelf, ids))
    }

    fn remove_prefix(&self, shelf: Shelf, prefix: &str) -> BoxFuture<'_, Result<u64, DocumentsError>> {
        write(self.shared(), Command::RemovePrefix(shelf, prefix.to_owned()))
    }

    fn forget_user(&self, user: &Name) -> BoxFuture<'_, Result<u64, DocumentsError>> {
        write(self.shared(), Command::ForgetUser(user.clone()))
    }

    fn sweep(&self, now: Timestamp) -> Result<(), DocumentsError> {
        self.shared().documents.sweep(now, usize::MAX)
    }
}

/// Queued when this returns, so that writes happen in the order of the calls.
fn write(shared: &Shared, command: Command) -> BoxFuture<'static, Result<u64, DocumentsError>> {
    if !shared.has_threads() {
        return Box::pin(std::future::ready(shared.documents.write_now(command)));
    }
    match shared.documents.queue.push(command) {
        Ok(answer) => {
            Box::pin(
                async move { answer.await.unwrap_or_else(|_| Err(DocumentsError("Haltline is stopping".to_owned()))) },
            )
        }
        Err(error) => Box::pin(std::future::ready(Err(error))),
    }
}

/// Asks on a thread for blocking work, where there is one.
async fn ask<T: Send + 'static>(
    shared: &Arc<Shared>,
    question: impl FnOnce(&DocumentFile) -> Result<T, DocumentsError> + Send + 'static,
) -> Result<T, DocumentsError> {
    if shared.has_threads()
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        let shared = Arc::clone(shared);
        let answer = runtime.spawn_blocking(move || question(&shared.documents)).await;
        return answer.unwrap_or_else(|_| Err(DocumentsError("Haltline is stopping".to_owned())));
    }
    question(&shared.documents)
}
