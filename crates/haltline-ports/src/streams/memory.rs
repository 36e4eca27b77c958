//! Streams in memory, gone with the process: for tests, and for gateways that keep nothing.

use super::{Batch, EVENT_BYTES_MAX, HEAD_BYTES_MAX, StreamBegin, StreamRecord, StreamState, Streams, StreamsError};
use crate::{BoxFuture, Owner};
use bytes::Bytes;
use haltline_types::{Name, RequestId, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A map behind the door, bounded by time and bytes.
#[derive(Debug)]
pub struct MemoryStreams {
    keep: Duration,
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By the order of their beginnings.
    streams: BTreeMap<u64, Stream>,
    begun: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Stream {
    begin: StreamBegin,
    state: StreamState,
    batches: Vec<Batch>,
    latest: Timestamp,
    bytes: usize,
}

impl Default for MemoryStreams {
    /// A day, and 64 MiB.
    fn default() -> Self {
        Self::new(Duration::from_secs(86_400), 64 << 20)
    }
}

impl MemoryStreams {
    /// Streams that are kept so long after they last said something, and take so many bytes at
    /// most: the oldest that have ended go first.
    #[must_use]
    pub fn new(keep: Duration, bytes_max: usize) -> Self {
        Self { keep, bytes_max, kept: Mutex::default() }
    }

    fn locked(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere leaves the map whole: what can fail comes before the first change.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    fn last(&self) -> u64 {
        self.batches.last().map_or(0, Batch::last)
    }

    fn record(&self) -> StreamRecord {
        StreamRecord { begin: self.begin.clone(), state: self.state.clone(), last: self.last() }
    }
}

impl Kept {
    fn find(&self, id: RequestId) -> Option<&Stream> {
        self.streams.values().find(|stream| stream.begin.id == id)
    }

    fn running(&mut self, id: RequestId) -> Result<&mut Stream, StreamsError> {
        let running = |stream: &&mut Stream| stream.begin.id == id && stream.state == StreamState::Running;
        self.streams.values_mut().find(running).ok_or_else(|| {
            StreamsError(format!("no stream {id} runs: it has ended, was forgotten, or is kept no more"))
        })
    }

    fn remove_where(&mut self, mut goes: impl FnMut(&Stream) -> bool) -> u64 {
        let mut removed = 0;
        let bytes = &mut self.bytes;
        self.streams.retain(|_, stream| {
            let goes = goes(stream);
            if goes {
                removed += 1;
                *bytes = bytes.saturating_sub(stream.bytes);
            }
            !goes
        });
        removed
    }

    /// Makes room for so many bytes more.
    fn make_room(&mut self, more: usize, bytes_max: usize) -> Result<(), StreamsError> {
        while self.bytes.saturating_add(more) > bytes_max {
            let oldest = self.streams.iter().find(|(_, stream)| stream.state != StreamState::Running);
            let Some(number) = oldest.map(|(number, _)| *number) else {
                return Err(StreamsError(format!(
                    "streams that run hold all of the {bytes_max} bytes that may be kept"
                )));
            };
            let bytes = self.streams.remove(&number).map_or(0, |stream| stream.bytes);
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        Ok(())
    }
}

fn done<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, StreamsError>> {
    Box::pin(std::future::ready(Ok(value)))
}

impl Streams for MemoryStreams {
    fn begin(&self, begin: &StreamBegin) -> Result<(), StreamsError> {
        let mut kept = self.locked();
        if begin.head.len() > HEAD_BYTES_MAX {
            return Err(StreamsError(format!("the head of a stream is longer than {HEAD_BYTES_MAX} bytes")));
        }
        if kept.find(begin.id).is_some() {
            return Err(StreamsError(format!("there is a stream {} already", begin.id)));
        }
        kept.make_room(begin.head.len(), self.bytes_max)?;
        let stream = Stream {
            begin: begin.clone(),
            state: StreamState::Running,
            batches: Vec::new(),
            latest: begin.started,
            bytes: begin.head.len(),
        };
        kept.bytes += stream.bytes;
        kept.begun += 1;
        let number = kept.begun;
        kept.streams.insert(number, stream);
        Ok(())
    }

    fn append(&self, id: RequestId, batch: &Batch) -> Result<(), StreamsError> {
        let mut kept = self.locked();
        let last = kept.running(id)?.last();
        let is_sound = batch.ends.is_sorted()
            && batch.ends.last().and_then(|end| usize::try_from(*end).ok()) == Some(batch.bytes.len())
            && batch.bytes.len() <= EVENT_BYTES_MAX;
        if !is_sound {
            return Err(StreamsError(format!("events of {id} do not say where they end, or are too long")));
        }
        if last.checked_add(1) != Some(batch.first) {
            return Err(StreamsError(format!("event {} of {id} does not follow event {last}", batch.first)));
        }
        kept.make_room(batch.bytes.len(), self.bytes_max)?;
        kept.bytes += batch.bytes.len();
        let stream = kept.running(id)?;
        stream.bytes += batch.bytes.len();
        stream.latest = stream.latest.max(batch.at);
        stream.batches.push(batch.clone());
        Ok(())
    }

    fn end(&self, id: RequestId, at: Timestamp, note: &Bytes) -> Result<(), StreamsError> {
        let mut kept = self.locked();
        let stream = kept.running(id)?;
        if note.len() > HEAD_BYTES_MAX {
            return Err(StreamsError(format!("the note of an end is longer than {HEAD_BYTES_MAX} bytes")));
        }
        stream.state = StreamState::Ended { at, note: note.clone() };
        stream.latest = stream.latest.max(at);
        stream.bytes += note.len();
        kept.bytes += note.len();
        Ok(())
    }

    fn find(&self, id: RequestId) -> BoxFuture<'_, Result<Option<StreamRecord>, StreamsError>> {
        done(self.locked().find(id).map(Stream::record))
    }

    fn read(&self, id: RequestId, after: u64, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Batch>, StreamsError>> {
        let mut batches = Vec::new();
        let mut bytes = 0;
        if let Some(stream) = self.locked().find(id) {
            let from = stream.batches.partition_point(|batch| batch.last() <= after);
            for batch in stream.batches.iter().skip(from).filter_map(|batch| batch.after(after)) {
                bytes += batch.bytes.len();
                batches.push(batch);
                if bytes >= bytes_max {
                    break;
                }
            }
        }
        done(batches)
    }

    fn newest(&self, owner: &Owner, session: &Name) -> Option<RequestId> {
        let kept = self.locked();
        let fits = |begin: &&StreamBegin| begin.owner == *owner && begin.session.as_ref() == Some(session);
        kept.streams.values().rev().map(|stream| &stream.begin).find(fits).map(|begin| begin.id)
    }

    fn once(&self, hash: &[u8; 16]) -> Option<RequestId> {
        let kept = self.locked();
        let fits = |begin: &&StreamBegin| begin.once.as_ref() == Some(hash);
        kept.streams.values().rev().map(|stream| &stream.begin).find(fits).map(|begin| begin.id)
    }

    fn unended(&self) -> BoxFuture<'_, Result<Vec<StreamRecord>, StreamsError>> {
        let kept = self.locked();
        let running = kept.streams.values().filter(|stream| stream.state == StreamState::Running);
        done(running.map(Stream::record).collect())
    }

    fn forget(&self, id: RequestId) -> BoxFuture<'_, Result<(), StreamsError>> {
        self.locked().remove_where(|stream| stream.begin.id == id);
        done(())
    }

    fn forget_user(&self, user: &Name) -> BoxFuture<'_, Result<u64, StreamsError>> {
        done(self.locked().remove_where(|stream| stream.begin.owner.user.as_ref() == Some(user)))
    }

    fn sweep(&self, now: Timestamp) -> Result<(), StreamsError> {
        let horizon = now.saturating_sub(self.keep);
        self.locked().remove_where(|stream| stream.latest < horizon);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;

    #[tokio::test]
    async fn streams_in_memory_do_as_all_streams_do() {
        conformance::holds(&MemoryStreams::new(Duration::from_secs(3600), 256 << 20)).await;
    }

    #[tokio::test]
    async fn the_oldest_that_have_ended_make_room_and_those_that_run_do_not() {
        let streams = MemoryStreams::new(Duration::from_secs(3600), 3_000);
        let [one, two, three] = [1, 2, 3].map(conformance::begin);
        for begin in [&one, &two, &three] {
            streams.begin(begin).expect("begin");
            let appended = streams.append(begin.id, &conformance::batch(1, &[&[7; 1200]]));
            appended.expect("there is room, or can be made");
            if begin.id == one.id {
                streams.end(one.id, one.started, &Bytes::new()).expect("end");
            }
        }
        assert_eq!(streams.find(one.id).await.expect("find"), None);
        let more = conformance::batch(2, &[&[7; 1200]]);
        let refused = streams.append(three.id, &more).expect_err("full").to_string();
        assert!(refused.contains("3000 bytes"), "{refused}");
        assert_eq!(streams.find(two.id).await.expect("find").map(|record| record.last), Some(1));
    }
}
