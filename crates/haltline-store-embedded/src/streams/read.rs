//! What is asked of streams: which there are, how they stand, and their events from any number on.
//! A read goes straight to the frames of its stream, by the stream's own places.

use super::catalog::{Finished, Running};
use super::frame::{self, Found, HEAD, Place};
use super::log::{Log, State, damaged, error};
use super::payload::{self, End, Part};
use crate::disk::PlacedFile;
use crate::seal::Seal;
use bytes::Bytes;
use haltline_ports::{Batch, StreamRecord, StreamState, StreamsError};
use haltline_types::RequestId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The places of so many events of ended streams are remembered.
const LATELY_PARTS_MAX: usize = 1 << 20;
const LATELY_STREAMS_MAX: usize = 256;
/// Frames so close to each other are read at once.
const CLOSE: u32 = 4 << 10;
/// Reads up to so many bytes of what was written lately are quick: the system has them in memory.
const QUICK_BYTES_MAX: u64 = 256 << 10;

/// What to read.
pub(super) struct Plan {
    seal: Seal,
    id: RequestId,
    after: u64,
    parts: Vec<Part>,
    files: BTreeMap<u32, Arc<dyn PlacedFile>>,
    /// Events are missing behind these parts.
    is_broken: bool,
    pub(super) is_quick: bool,
}

enum Known {
    Running(Running),
    Finished(Finished),
}

impl Log {
    pub(super) fn find(&self, id: RequestId) -> Result<Option<StreamRecord>, StreamsError> {
        let (known, begin_file, end_file) = {
            let state = self.state.lock();
            let known = if let Some(running) = state.catalog.running(id) {
                Known::Running(Running { parts: Vec::new(), ..*running })
            } else if let Some(kept) = state.catalog.finished(id) {
                Known::Finished(*kept)
            } else {
                return state.check_open().map(|()| None);
            };
            let (begin, end) = match &known {
                Known::Running(running) => (running.begin, running.begin),
                Known::Finished(kept) => (kept.begin, kept.end),
            };
            let file = |place: Place| state.segments.get(&place.segment).map(|segment| Arc::clone(&segment.file));
            (known, file(begin), file(end))
        };
        let record = || {
            let (begin, begin_len) = match &known {
                Known::Running(running) => (running.begin, running.begin_len),
                Known::Finished(kept) => (kept.begin, kept.begin_len),
            };
            let said = read_frame(begin_file.as_deref(), id, begin, begin_len)?;
            let begin = payload::read_begin(&said, id, &self.seal).ok_or_else(|| damaged(id))?;
            let (state, last) = match &known {
                Known::Running(running) => (StreamState::Running, running.last),
                Known::Finished(kept) => {
                    let end = read_end(end_file.as_deref(), id, kept, &self.seal)?;
                    let state = StreamState::Ended { at: end.at, note: Bytes::from(end.note) };
                    self.remember(id, end.parts);
                    (state, end.last)
                }
            };
            Ok(StreamRecord { begin, state, last })
        };
        self.unless_gone(id, record().map(Some), None)
    }

    pub(super) fn unended(&self) -> Result<Vec<StreamRecord>, StreamsError> {
        let mut ids: Vec<(Place, RequestId)> = {
            let state = self.state.lock();
            state.check_open()?;
            state.catalog.running.iter().map(|(id, running)| (running.begin, *id)).collect()
        };
        ids.sort_unstable();
        let mut records = Vec::with_capacity(ids.len());
        for (_, id) in ids {
            match self.find(id) {
                Ok(record) => records.extend(record.filter(|record| record.state == StreamState::Running)),
                // One that cannot be read must not hide the others.
                Err(error) => tracing::error!(%error, stream = %id, "a stream that did not end cannot be read"),
            }
        }
        Ok(records)
    }

    /// What to read for events after number `after`; `None` when the stream's end must be read
    /// before that can be said.
    pub(super) fn plan(&self, id: RequestId, after: u64, bytes_max: usize) -> Result<Option<Plan>, StreamsError> {
        let state = self.state.lock();
        if let Some(running) = state.catalog.running(id) {
            return Ok(Some(plan(&self.seal, &state, id, &running.parts, running.broken, after, bytes_max)));
        }
        if state.catalog.finished(id).is_none() {
            return state.check_open().map(|()| Some(plan(&self.seal, &state, id, &[], false, after, bytes_max)));
        }
        let mut lately = self.lately.lock();
        let Some(index) = lately.iter().position(|(known, _)| *known == id) else { return Ok(None) };
        let entry = lately.remove(index);
        let parts = entry.as_ref().map(|(_, parts)| Arc::clone(parts)).unwrap_or_default();
        lately.extend(entry);
        drop(lately);
        Ok(Some(plan(&self.seal, &state, id, &parts, false, after, bytes_max)))
    }

    pub(super) fn read(&self, id: RequestId, after: u64, bytes_max: usize) -> Result<Vec<Batch>, StreamsError> {
        let result = (|| {
            if let Some(plan) = self.plan(id, after, bytes_max)? {
                return plan.read();
            }
            let (kept, file) = {
                let state = self.state.lock();
                let Some(kept) = state.catalog.finished(id).copied() else { return Ok(Vec::new()) };
                (kept, state.segments.get(&kept.end.segment).map(|segment| Arc::clone(&segment.file)))
            };
            let end = read_end(file.as_deref(), id, &kept, &self.seal)?;
            let plan = plan(&self.seal, &self.state.lock(), id, &end.parts, false, after, bytes_max);
            self.remember(id, end.parts);
            plan.read()
        })();
        self.unless_gone(id, result, Vec::new())
    }

    /// A stream that goes while it is read was not damaged.
    pub(super) fn unless_gone<T>(
        &self,
        id: RequestId,
        result: Result<T, StreamsError>,
        none: T,
    ) -> Result<T, StreamsError> {
        if result.is_err() {
            let state = self.state.lock();
            let is_there = state.catalog.running(id).is_some() || state.catalog.finished(id).is_some();
            if state.shut.is_none() && !is_there {
                return Ok(none);
            }
        }
        result
    }

    fn remember(&self, id: RequestId, parts: Vec<Part>) {
        let mut lately = self.lately.lock();
        if parts.len() > LATELY_PARTS_MAX || lately.iter().any(|(known, _)| *known == id) {
            return;
        }
        lately.push_back((id, Arc::new(parts)));
        let mut total: usize = lately.iter().map(|(_, parts)| parts.len()).sum();
        while total > LATELY_PARTS_MAX || lately.len() > LATELY_STREAMS_MAX {
            total -= lately.pop_front().map_or(0, |(_, parts)| parts.len());
        }
    }
}

fn plan(
    seal: &Seal,
    state: &State,
    id: RequestId,
    parts: &[Part],
    is_broken: bool,
    after: u64,
    bytes_max: usize,
) -> Plan {
    let wanted = after.saturating_add(1);
    let from = parts.partition_point(|part| part.first <= wanted).saturating_sub(1);
    let mut files = BTreeMap::new();
    let mut chosen = Vec::new();
    let bytes_max = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut bytes = 0;
    for (index, part) in parts.iter().enumerate().skip(from) {
        if !files.contains_key(&part.place.segment)
            && let Some(segment) = state.segments.get(&part.place.segment)
        {
            files.insert(part.place.segment, Arc::clone(&segment.file));
        }
        chosen.push(*part);
        // The first may hold only a few of the events that are wanted, or none.
        if index > from {
            bytes += u64::from(part.len);
        }
        if bytes >= bytes_max {
            break;
        }
    }
    let is_whole = parts.len() - from.min(parts.len()) == chosen.len();
    let lately = state.number.saturating_sub(1);
    let is_quick = bytes <= QUICK_BYTES_MAX && chosen.iter().all(|part| part.place.segment >= lately);
    Plan { seal: seal.clone(), id, after, is_broken: is_broken && is_whole, parts: chosen, files, is_quick }
}

impl Plan {
    pub(super) fn read(&self) -> Result<Vec<Batch>, StreamsError> {
        let mut batches = Vec::with_capacity(self.parts.len());
        let mut rest = &self.parts[..];
        while let Some(first) = rest.first() {
            let near = rest.iter().zip(rest.iter().skip(1)).take_while(|(one, next)| is_close(one, next)).count();
            let (near, others) = rest.split_at((near + 1).min(rest.len()));
            let file = self.files.get(&first.place.segment).ok_or_else(|| damaged(self.id))?;
            let from = first.place.offset;
            let until = near.last().map_or(from, |last| last.place.offset.saturating_add(last.len));
            let mut bytes = vec![0; usize::try_from(until - from).unwrap_or(0)];
            let read = file.read_at(u64::from(from), &mut bytes).map_err(|why| error("reading a stream", &why))?;
            bytes.truncate(read);
            let bytes = Bytes::from(bytes);
            for part in near {
                let batch = self.batch(&bytes, part, from)?;
                batches.extend(batch.after(self.after));
            }
            rest = others;
        }
        if batches.is_empty() && self.is_broken {
            return Err(damaged(self.id));
        }
        Ok(batches)
    }

    fn batch(&self, bytes: &Bytes, part: &Part, from: u32) -> Result<Batch, StreamsError> {
        let at = usize::try_from(part.place.offset - from).unwrap_or(usize::MAX);
        let end = at.saturating_add(usize::try_from(part.len).unwrap_or(usize::MAX));
        let whole = bytes.get(at..end).ok_or_else(|| damaged(self.id))?;
        let Found::Frame(said) = frame::find(whole, part.place) else { return Err(damaged(self.id)) };
        payload::read_events(&bytes.slice_ref(said), self.id, &self.seal)
            .filter(|batch| batch.first == part.first)
            .ok_or_else(|| damaged(self.id))
    }
}

fn is_close(one: &Part, next: &Part) -> bool {
    let end = one.place.offset.saturating_add(one.len);
    one.place.segment == next.place.segment && next.place.offset >= end && next.place.offset - end <= CLOSE
}

fn read_end(file: Option<&dyn PlacedFile>, id: RequestId, kept: &Finished, seal: &Seal) -> Result<End, StreamsError> {
    let said = read_frame(file, id, kept.end, kept.end_len)?;
    payload::read_end(&said, id, seal).ok_or_else(|| damaged(id))
}

/// The payload of a frame.
fn read_frame(file: Option<&dyn PlacedFile>, id: RequestId, place: Place, len: u32) -> Result<Bytes, StreamsError> {
    let file = file.ok_or_else(|| damaged(id))?;
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    let read = file.read_at(u64::from(place.offset), &mut bytes).map_err(|why| error("reading a stream", &why))?;
    bytes.truncate(read);
    match frame::find(&bytes, place) {
        Found::Frame(_) => Ok(Bytes::from(bytes).slice(HEAD..)),
        Found::Spoiled(_) | Found::Nothing => Err(damaged(id)),
    }
}
