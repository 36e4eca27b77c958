//! Streams in memory, gone with the process: for tests, and for gateways that keep nothing. Bounded
//! by bytes: the oldest that has ended goes first.

use super::{Batch, StreamBegin, StreamRecord, StreamState, Streams, StreamsError};
use crate::{BoxFuture, Owner};
use bytes::Bytes;
use haltline_types::{Name, RequestId, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A map behind the door.
#[derive(Debug)]
pub struct MemoryStreams {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    streams: BTreeMap<RequestId, Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    begin: StreamBegin,
    batches: Vec<Batch>,
    state: StreamState,
    bytes: usize,
}

impl Kept {
    fn last(&self) -> u64 {
        self.batches.last().map_or(0, Batch::last)
    }

    fn record(&self) -> StreamRecord {
        StreamRecord { begin: self.begin.clone(), state: self.state.clone(), last: self.last() }
    }
}

impl MemoryStreams {
    /// Keeps at most so many bytes of events.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, inner: Mutex::default() }
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves the map whole: every change is one call of it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStreams {
    /// 64 MiB.
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

fn done<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, StreamsError>> {
    Box::pin(std::future::ready(Ok(value)))
}

impl Inner {
    fn remove(&mut self, id: RequestId) {
        if let Some(kept) = self.streams.remove(&id) {
            self.bytes = self.bytes.saturating_sub(kept.bytes);
        }
    }

    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let ended = self.streams.iter().find(|(_, kept)| kept.state != StreamState::Running).map(|(id, _)| *id);
            let Some(ended) = ended else { return };
            self.remove(ended);
        }
    }
}

impl Streams for MemoryStreams {
    fn begin(&self, begin: &StreamBegin) -> Result<(), StreamsError> {
        let mut inner = self.locked();
        if inner.streams.contains_key(&begin.id) {
            return Err(StreamsError(format!("there is a stream {} already", begin.id)));
        }
        let bytes = begin.head.len().saturating_add(256);
        inner.bytes = inner.bytes.saturating_add(bytes);
        let kept = Kept { begin: begin.clone(), batches: Vec::new(), state: StreamState::Running, bytes };
        inner.streams.insert(begin.id, kept);
        inner.shrink(self.bytes_max);
        Ok(())
    }

    fn append(&self, id: RequestId, batch: &Batch) -> Result<(), StreamsError> {
        let mut inner = self.locked();
        let kept = inner.streams.get_mut(&id).ok_or_else(|| StreamsError(format!("there is no stream {id}")))?;
        if kept.state != StreamState::Running || batch.ends.is_empty() || batch.first != kept.last().saturating_add(1) {
            return Err(StreamsError(format!("event {} does not follow in {id}", batch.first)));
        }
        let bytes = batch.bytes.len().saturating_add(batch.ends.len() * 4 + 64);
        kept.bytes = kept.bytes.saturating_add(bytes);
        // A slice would keep the whole buffer that it is a part of.
        kept.batches.push(Batch { bytes: Bytes::copy_from_slice(&batch.bytes), ..batch.clone() });
        inner.bytes = inner.bytes.saturating_add(bytes);
        inner.shrink(self.bytes_max);
        Ok(())
    }

    fn end(&self, id: RequestId, at: Timestamp, note: &Bytes) -> Result<(), StreamsError> {
        let mut inner = self.locked();
        let kept = inner.streams.get_mut(&id).ok_or_else(|| StreamsError(format!("there is no stream {id}")))?;
        kept.state = StreamState::Ended { at, note: note.clone() };
        inner.shrink(self.bytes_max);
        Ok(())
    }

    fn find(&self, id: RequestId) -> BoxFuture<'_, Result<Option<StreamRecord>, StreamsError>> {
        done(self.locked().streams.get(&id).map(Kept::record))
    }

    fn read(&self, id: RequestId, after: u64, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Batch>, StreamsError>> {
        let inner = self.locked();
        let mut found = Vec::new();
        let mut bytes: usize = 0;
        let batches = inner.streams.get(&id).map(|kept| &kept.batches[..]).unwrap_or_default();
        let from = batches.partition_point(|batch| batch.last() <= after);
        for batch in batches.iter().skip(from).filter_map(|batch| batch.after(after)) {
            if bytes >= bytes_max {
                break;
            }
            bytes = bytes.saturating_add(batch.bytes.len());
            found.push(batch);
        }
        drop(inner);
        done(found)
    }

    fn newest(&self, owner: &Owner, session: &Name) -> Option<RequestId> {
        let inner = self.locked();
        let of_session = |kept: &&Kept| kept.begin.owner == *owner && kept.begin.session.as_ref() == Some(session);
        inner.streams.values().rev().find(of_session).map(|kept| kept.begin.id)
    }

    fn once(&self, hash: &[u8; 16]) -> Option<RequestId> {
        let inner = self.locked();
        inner.streams.values().rev().find(|kept| kept.begin.once.as_ref() == Some(hash)).map(|kept| kept.begin.id)
    }

    fn unended(&self) -> BoxFuture<'_, Result<Vec<StreamRecord>, StreamsError>> {
        let inner = self.locked();
        done(inner.streams.values().filter(|kept| kept.state == StreamState::Running).map(Kept::record).collect())
    }

    fn forget(&self, id: RequestId) -> BoxFuture<'_, Result<(), StreamsError>> {
        self.locked().remove(id);
        done(())
    }

    fn forget_user(&self, user: &Name) -> BoxFuture<'_, Result<u64, StreamsError>> {
        let mut inner = self.locked();
        let theirs: Vec<RequestId> = inner
            .streams
            .values()
            .filter(|kept| kept.begin.owner.user.as_ref() == Some(user))
            .map(|kept| kept.begin.id)
            .collect();
        for id in &theirs {
            inner.remove(*id);
        }
        drop(inner);
        done(u64::try_from(theirs.len()).unwrap_or(u64::MAX))
    }

    fn sweep(&self, _now: Timestamp) -> Result<(), StreamsError> {
        self.locked().shrink(self.bytes_max);
        Ok(())
    }
}
