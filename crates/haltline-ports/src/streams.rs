//! The door to streams: every event that a client may see is here before, or while, it goes out,
//! so that it can be seen again. Stores know nothing of what events say.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod memory;

pub use memory::MemoryStreams;

use crate::{BoxFuture, Owner};
use bytes::Bytes;
use haltline_types::{Name, RequestId, Timestamp};
use std::fmt;

/// The beginning of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamBegin {
    /// The request whose answer it is; the stream goes by the same id.
    pub id: RequestId,
    /// Who may see it.
    pub owner: Owner,
    /// The conversation that it is a part of.
    pub session: Option<Name>,
    /// A keyed hash that finds it again: of an idempotency key and its owner.
    pub once: Option<[u8; 16]>,
    /// When it began.
    pub started: Timestamp,
    /// What the gateway needs to know to show it, or to go on with it. Opaque to stores; at most
    /// `HEAD_BYTES_MAX`.
    pub head: Bytes,
}

/// The largest head of a stream, in bytes.
pub const HEAD_BYTES_MAX: usize = 768 << 10;

/// The largest batch of events, in bytes, unless it is a single event.
pub const BATCH_BYTES_MAX: usize = 256 << 10;

/// The largest single event, in bytes.
pub const EVENT_BYTES_MAX: usize = 64 << 20;

/// Some events of a stream, in order, without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The number of the first one; a stream's events count from 1.
    pub first: u64,
    /// When they were written.
    pub at: Timestamp,
    /// Where each of them ends in `bytes`; as many as there are events, and never empty.
    pub ends: Vec<u32>,
    /// The events as they go out.
    pub bytes: Bytes,
}

impl Batch {
    /// The number of the last event.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.first.saturating_add(self.ends.len() as u64).saturating_sub(1)
    }

    /// The events after number `after`; `None` when there are none.
    #[must_use]
    pub fn after(&self, after: u64) -> Option<Self> {
        if after < self.first {
            return Some(self.clone());
        }
        let seen = usize::try_from(after - self.first).ok()?.checked_add(1)?;
        let from = *self.ends.get(seen.checked_sub(1)?)?;
        let ends: Vec<u32> = self.ends.get(seen..)?.iter().map(|end| end.saturating_sub(from)).collect();
        if ends.is_empty() {
            return None;
        }
        let from = usize::try_from(from).ok()?;
        Some(Self {
            first: after.saturating_add(1),
            at: self.at,
            ends,
            bytes: self.bytes.get(from..).map(|rest| self.bytes.slice_ref(rest))?,
        })
    }
}

/// How a stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// Nobody has ended it: it runs, or the process died under it.
    Running,
    /// It has ended.
    Ended {
        /// When.
        at: Timestamp,
        /// How, in the gateway's words. Opaque to stores; at most `HEAD_BYTES_MAX`.
        note: Bytes,
    },
}

/// A stream as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRecord {
    /// Its beginning.
    pub begin: StreamBegin,
    /// How it stands.
    pub state: StreamState,
    /// The number of its last event; 0 when it has none.
    pub last: u64,
}

/// Why a stream could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsError(pub String);

impl fmt::Display for StreamsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StreamsError {}

/// Where streams are kept. A stream has one writer. What was written survives `kill -9` when the
/// call returns; a power loss may take the last moments.
pub trait Streams: Send + Sync {
    /// Begins a stream.
    ///
    /// # Errors
    /// When it cannot be written, or there is one of this id.
    fn begin(&self, begin: &StreamBegin) -> Result<(), StreamsError>;

    /// Appends events to a stream that runs. `batch.first` is one more than its last event.
    ///
    /// # Errors
    /// When they cannot be written, or do not follow; what was there before is as it was.
    fn append(&self, id: RequestId, batch: &Batch) -> Result<(), StreamsError>;

    /// Ends a stream.
    ///
    /// # Errors
    /// When it cannot be written.
    fn end(&self, id: RequestId, at: Timestamp, note: &Bytes) -> Result<(), StreamsError>;

    /// A stream; none when it never was, or is kept no more.
    fn find(&self, id: RequestId) -> BoxFuture<'_, Result<Option<StreamRecord>, StreamsError>>;

    /// Events after number `after`, from one on, until `bytes_max` are reached; none when there are
    /// none yet, or it is not kept.
    fn read(&self, id: RequestId, after: u64, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Batch>, StreamsError>>;

    /// The newest stream of a conversation of this owner.
    fn newest(&self, owner: &Owner, session: &Name) -> Option<RequestId>;

    /// The stream that was begun with this hash.
    fn once(&self, hash: &[u8; 16]) -> Option<RequestId>;

    /// Streams that nobody has ended, oldest first: after a start, those that the process before
    /// died under.
    fn unended(&self) -> BoxFuture<'_, Result<Vec<StreamRecord>, StreamsError>>;

    /// Forgets a stream: what it said is overwritten.
    fn forget(&self, id: RequestId) -> BoxFuture<'_, Result<(), StreamsError>>;

    /// Forgets several streams as one: those that are not kept are no matter.
    fn forget_all(&self, ids: Vec<RequestId>) -> BoxFuture<'_, Result<(), StreamsError>> {
        Box::pin(async move {
            for id in ids {
                self.forget(id).await?;
            }
            Ok(())
        })
    }

    /// Forgets all streams of a user, whatever the key. Returns how many.
    fn forget_user(&self, user: &Name) -> BoxFuture<'_, Result<u64, StreamsError>>;

    /// Drops what is older than it is kept, or more than may be kept.
    ///
    /// # Errors
    /// When something cannot be removed.
    fn sweep(&self, now: Timestamp) -> Result<(), StreamsError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        Batch { first: 4, at: Timestamp::from_millis(1), ends: vec![1, 3, 6], bytes: Bytes::from_static(b"abbccc") }
    }

    #[test]
    fn a_batch_is_cut_between_events() {
        assert_eq!(batch().last(), 6);
        assert_eq!(batch().after(0), Some(batch()));
        assert_eq!(batch().after(3), Some(batch()));
        let rest = batch().after(4).expect("two are left");
        assert_eq!((rest.first, rest.last(), &rest.bytes[..]), (5, 6, &b"bbccc"[..]));
        assert_eq!(rest.ends, [2, 5]);
        assert_eq!(rest.after(5), batch().after(5));
        assert_eq!(batch().after(6), None);
        assert_eq!(batch().after(u64::MAX), None);
    }
}
