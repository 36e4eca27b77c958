//! The door to streams: a log of their own beside the journal. Nothing here knows of money, and
//! nothing that fails here stops spending.

mod catalog;
mod digest;
mod forget;
mod frame;
mod load;
mod log;
mod payload;
mod read;
mod sweep;

pub(crate) use log::{Limits, Log};

use crate::store::EmbeddedStore;
use bytes::Bytes;
use haltline_ports::{Batch, BoxFuture, Owner, StreamBegin, StreamRecord, Streams, StreamsError};
use haltline_types::{Name, RequestId, Timestamp};
use std::future::ready;
use std::sync::Arc;

impl Streams for EmbeddedStore {
    fn begin(&self, begin: &StreamBegin) -> Result<(), StreamsError> {
        self.shared().streams.begin(begin)
    }

    fn append(&self, id: RequestId, batch: &Batch) -> Result<(), StreamsError> {
        self.shared().streams.append(id, batch)
    }

    fn end(&self, id: RequestId, at: Timestamp, note: &Bytes) -> Result<(), StreamsError> {
        self.shared().streams.end(id, at, note)
    }

    fn find(&self, id: RequestId) -> BoxFuture<'_, Result<Option<StreamRecord>, StreamsError>> {
        Box::pin(self.ask_streams(move |log| log.find(id)))
    }

    fn read(&self, id: RequestId, after: u64, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Batch>, StreamsError>> {
        let log = &self.shared().streams;
        // A thread costs more than to copy what the system has in memory.
        match log.plan(id, after, bytes_max) {
            Ok(Some(plan)) if plan.is_quick => Box::pin(ready(log.unless_gone(id, plan.read(), Vec::new()))),
            Err(error) => Box::pin(ready(Err(error))),
            Ok(_) => Box::pin(self.ask_streams(move |log| log.read(id, after, bytes_max))),
        }
    }

    fn newest(&self, owner: &Owner, session: &Name) -> Option<RequestId> {
        let log = &self.shared().streams;
        let talk = log.talk(owner, session);
        log.state.lock().catalog.newest(&talk)
    }

    fn once(&self, hash: &[u8; 16]) -> Option<RequestId> {
        self.shared().streams.state.lock().catalog.once(hash)
    }

    fn unended(&self) -> BoxFuture<'_, Result<Vec<StreamRecord>, StreamsError>> {
        Box::pin(self.ask_streams(Log::unended))
    }

    fn forget(&self, id: RequestId) -> BoxFuture<'_, Result<(), StreamsError>> {
        Box::pin(self.ask_streams(move |log| log.forget_all(&[id])))
    }

    fn forget_all(&self, ids: Vec<RequestId>) -> BoxFuture<'_, Result<(), StreamsError>> {
        Box::pin(self.ask_streams(move |log| log.forget_all(&ids)))
    }

    fn forget_user(&self, user: &Name) -> BoxFuture<'_, Result<u64, StreamsError>> {
        let user = user.clone();
        Box::pin(self.ask_streams(move |log| log.forget_user(&user)))
    }

    fn sweep(&self, now: Timestamp) -> Result<(), StreamsError> {
        self.shared().streams.sweep(now)
    }
}

impl EmbeddedStore {
    /// Asks the log where it blocks nobody: on a thread for such work, where there is one.
    async fn ask_streams<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Log) -> Result<T, StreamsError> + Send + 'static,
    ) -> Result<T, StreamsError> {
        let log = &self.shared().streams;
        if self.shared().has_threads()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let log = Arc::clone(log);
            let answer = runtime.spawn_blocking(move || question(&log)).await;
            return answer
                .unwrap_or_else(|_| Err(StreamsError("the question was dropped because Haltline is stopping".into())));
        }
        question(log)
    }
}
