//! The log of streams as it grows: segments that follow one another, one write for each append,
//! no sync. Apart from the journal: whatever fails here is an error of streams only.

use super::catalog::{Catalog, Running};
use super::digest::{self, SEGMENT_HEAD};
use super::frame::{Frame, Place};
use super::load::{self, Unfinished};
use super::payload::{self, Marks, Part};
use crate::codec::Writer;
use crate::disk::{Disk, PlacedFile};
use crate::seal::Seal;
use haltline_ports::{Batch, EVENT_BYTES_MAX, HEAD_BYTES_MAX, Owner, StreamBegin, StreamsError};
use haltline_types::{Name, RequestId, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A stream has no more frames of events.
const PARTS_MAX: usize = 4 << 20;

/// The log of streams of a store.
pub(crate) struct Log {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) limits: Limits,
    keyed: Option<Hmac<Sha256>>,
    pub(super) seal: Seal,
    pub(super) state: Mutex<State>,
    /// Where the events of streams are that ended and were read lately.
    pub(super) lately: Mutex<VecDeque<(RequestId, Arc<Vec<Part>>)>>,
    /// Whoever removes or overwrites does so alone.
    pub(super) upkeep: Mutex<()>,
}

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// So long after its end at least, if there is room.
    pub(crate) keep: Duration,
    /// So much at most.
    pub(crate) bytes_max: u64,
}

impl Limits {
    /// A segment that would grow longer is the last of its kind: the next begins.
    pub(super) fn segment_bytes(self) -> u32 {
        let share = (self.bytes_max / 64).clamp(4 << 10, 64 << 20);
        u32::try_from(share).unwrap_or(u32::MAX)
    }
}

/// What the lock guards.
#[derive(Default)]
pub(super) struct State {
    pub(super) catalog: Catalog,
    pub(super) segments: BTreeMap<u32, Segment>,
    /// The segment that grows.
    pub(super) active: Option<u32>,
    /// No segment was ever numbered higher.
    pub(super) number: u32,
    pub(super) bytes: u64,
    /// Why nothing is written or read: it is closed, or could not be opened.
    pub(super) shut: Option<String>,
    /// There is upkeep to do: a segment was sealed.
    pub(super) is_due: bool,
}

/// One segment.
pub(super) struct Segment {
    pub(super) file: Arc<dyn PlacedFile>,
    /// Where its last frame ends.
    pub(super) len: u32,
    /// The newest time that it carries, or that a stream ended which it holds something of.
    pub(super) newest: Timestamp,
    /// The streams that begin in it.
    pub(super) begun: Vec<RequestId>,
    /// The streams that it says are dropped, and the segments where they began.
    pub(super) dropped: Vec<(RequestId, u32)>,
    /// Its index is beside it.
    pub(super) is_indexed: bool,
    /// Something was written since the last sync.
    pub(super) is_dirty: bool,
}

pub(super) fn error(doing: &str, error: &io::Error) -> StreamsError {
    if error.kind() == io::ErrorKind::StorageFull {
        StreamsError(format!("{doing} failed: {error}; the disk is full: free some space"))
    } else {
        StreamsError(format!("{doing} failed: {error}; check the disk of the data directory"))
    }
}

impl Log {
    /// Opens the log, whatever state it is in: what cannot be read is said and left out.
    pub(crate) fn open(disk: Arc<dyn Disk>, limits: Limits, secret: &[u8; 32], seal: Seal) -> Self {
        let mut state = State::default();
        let unfinished = load::load(disk.as_ref(), &mut state, limits).unwrap_or_else(|error| {
            tracing::error!(%error, "streams cannot be kept or resumed until a restart");
            state.shut = Some(format!("streams could not be read at the start: {error}; check the disk and restart"));
            Unfinished::default()
        });
        let log = Self {
            disk,
            limits,
            keyed: Hmac::new_from_slice(secret).ok(),
            seal,
            state: Mutex::new(state),
            lately: Mutex::default(),
            upkeep: Mutex::default(),
        };
        if unfinished.is_some()
            && let Err(error) = log.finish_forgetting(&unfinished.ids, &unfinished.damaged)
        {
            tracing::error!(%error, "streams that were to be forgotten are not overwritten yet");
        }
        log
    }

    /// Syncs what is written. Nothing is written after it.
    pub(crate) fn close(&self) {
        self.state.lock().shut = Some("the store is closed, because Haltline is stopping".to_owned());
        if let Err(error) = self.sync() {
            tracing::error!(%error, "the last events of streams may be lost when the power fails now");
        }
    }

    /// A keyed hash of what a stream is found by.
    fn keyed(&self, what: &str, parts: &[Option<&Name>]) -> [u8; 32] {
        let mut said = Vec::with_capacity(64);
        let mut writer = Writer(&mut said);
        writer.text(what);
        for part in parts {
            writer.option(*part, Writer::name);
        }
        let Some(mut keyed) = self.keyed.clone() else { return [0; 32] };
        keyed.update(&said);
        keyed.finalize().into_bytes().into()
    }

    /// The mark of a conversation of an owner.
    pub(super) fn talk(&self, owner: &Owner, session: &Name) -> [u8; 16] {
        let hash = self.keyed("talk", &[Some(&owner.key), owner.user.as_ref(), Some(session)]);
        hash.first_chunk().copied().unwrap_or_default()
    }

    /// The mark of a user.
    pub(super) fn user(&self, user: &Name) -> [u8; 8] {
        self.keyed("user", &[Some(user)]).first_chunk().copied().unwrap_or_default()
    }

    pub(super) fn begin(&self, begin: &StreamBegin) -> Result<(), StreamsError> {
        if begin.head.len() > HEAD_BYTES_MAX {
            return Err(StreamsError(format!("the head of a stream is longer than {HEAD_BYTES_MAX} bytes")));
        }
        let marks = Marks {
            once: begin.once.unwrap_or_default(),
            talk: begin.session.as_ref().map(|session| self.talk(&begin.owner, session)).unwrap_or_default(),
            user: begin.owner.user.as_ref().map(|user| self.user(user)).unwrap_or_default(),
        };
        let head = self.sealed(&begin.head, payload::about(begin.id, payload::Content::Head))?;
        let mut frame = Frame::new(256 + head.len(), |out| payload::write_begin(out, begin, &marks, &head))
            .ok_or_else(|| StreamsError("the beginning of a stream is too long".into()))?;
        let mut state = self.state.lock();
        state.check_open()?;
        self.check_room(&state)?;
        if state.catalog.knows(begin.id) {
            return Err(StreamsError(format!("there is a stream {} already", begin.id)));
        }
        let place = self.write(&mut state, &mut frame, begin.started)?;
        let running = Running {
            begin: place,
            begin_len: frame.len(),
            marks,
            parts: Vec::new(),
            last: 0,
            latest: begin.started,
            broken: false,
        };
        state.catalog.begin(begin.id, running);
        if let Some(segment) = state.segments.get_mut(&place.segment) {
            segment.begun.push(begin.id);
        }
        Ok(())
    }

    pub(super) fn append(&self, id: RequestId, batch: &Batch) -> Result<(), StreamsError> {
        let is_sound = batch.ends.is_sorted()
            && batch.ends.last().and_then(|end| usize::try_from(*end).ok()) == Some(batch.bytes.len())
            && batch.bytes.len() <= EVENT_BYTES_MAX
            && batch.first.checked_add(batch.ends.len() as u64).is_some();
        if !is_sound {
            return Err(StreamsError(format!(
                "events of {id} do not say where they end, or are longer than {EVENT_BYTES_MAX} bytes"
            )));
        }
        let bytes = self.sealed(&batch.bytes, payload::about(id, payload::Content::Events(batch.first)))?;
        let mut frame =
            Frame::new(48 + 3 * batch.ends.len() + bytes.len(), |out| payload::write_events(out, id, batch, &bytes))
                .ok_or_else(|| StreamsError(format!("too many events of {id} at once")))?;
        let mut state = self.state.lock();
        state.check_open()?;
        self.check_room(&state)?;
        let running = state.catalog.running(id).ok_or_else(|| not_running(id))?;
        if running.broken {
            return Err(damaged(id));
        }
        if running.last.checked_add(1) != Some(batch.first) {
            let (last, first) = (running.last, batch.first);
            return Err(StreamsError(format!("event {first} of {id} does not follow event {last}")));
        }
        if running.parts.len() >= PARTS_MAX {
            return Err(StreamsError(format!("{id} has too many events; write more of them at once")));
        }
        let place = self.write(&mut state, &mut frame, batch.at)?;
        if let Some(running) = state.catalog.running.get_mut(&id) {
            running.parts.push(Part { first: batch.first, place, len: frame.len() });
            running.last = batch.last();
            running.latest = running.latest.max(batch.at);
        }
        Ok(())
    }

    pub(super) fn end(&self, id: RequestId, at: Timestamp, note: &[u8]) -> Result<(), StreamsError> {
        if note.len() > HEAD_BYTES_MAX {
            return Err(StreamsError(format!("the note of an end is longer than {HEAD_BYTES_MAX} bytes")));
        }
        let note = self.sealed(note, payload::about(id, payload::Content::Note))?;
        let mut state = self.state.lock();
        state.check_open()?;
        let running = state.catalog.running(id).ok_or_else(|| not_running(id))?;
        let (mut last, mut parts) = (running.last, Cow::Borrowed(&running.parts));
        if running.broken {
            // What is missing stands as a part that cannot be read: who comes to it is told.
            last = last.saturating_add(1);
            let begin = Part { first: last, place: running.begin, len: running.begin_len };
            let missing = parts.last().map_or(begin, |part| Part { first: last, ..*part });
            parts.to_mut().push(missing);
        }
        let mut frame = Frame::new(64 + note.len() + 8 * parts.len(), |out| {
            payload::write_end(out, id, at, last, &parts, &note);
        })
        .ok_or_else(|| StreamsError(format!("the end of {id} is too long")))?;
        let place = self.write(&mut state, &mut frame, at)?;
        if let Some(ended) = state.catalog.end(id, place, frame.len()) {
            for (_, segment) in state.segments.range_mut(ended.begin.segment..=place.segment) {
                segment.newest = segment.newest.max(at);
            }
        }
        Ok(())
    }

    /// Content as it is written: sealed where there is a key.
    fn sealed<'b>(&self, plain: &'b [u8], about: impl AsRef<[u8]>) -> Result<Cow<'b, [u8]>, StreamsError> {
        if !self.seal.is_on() {
            return Ok(Cow::Borrowed(plain));
        }
        let sealed = self.seal.sealed(plain, about.as_ref());
        sealed.map(Cow::Owned).map_err(|why| StreamsError(format!("a stream was not written: {why}")))
    }

    /// Writes a frame behind the last one, in a new segment where the present one is full.
    pub(super) fn write(&self, state: &mut State, frame: &mut Frame, at: Timestamp) -> Result<Place, StreamsError> {
        let number = match state.active {
            Some(number) if !self.is_full(state, number, frame.len()) => number,
            _ => self.next_segment(state)?,
        };
        let segment = state.segments.get_mut(&number).ok_or_else(|| StreamsError("a segment is missing".into()))?;
        let place = Place { segment: number, offset: segment.len };
        let bytes = frame.at(place);
        segment.file.write_at(u64::from(place.offset), bytes).map_err(|why| {
            // What a part of the frame left behind is overwritten by the next one, or cut off.
            let _ = segment.file.truncate(u64::from(place.offset));
            error("writing a stream", &why)
        })?;
        segment.len += frame.len();
        segment.newest = segment.newest.max(at);
        segment.is_dirty = true;
        state.bytes += u64::from(frame.len());
        Ok(place)
    }

    /// Is there room for what is not the end of something?
    fn check_room(&self, state: &State) -> Result<(), StreamsError> {
        let bytes_max = self.limits.bytes_max;
        if state.bytes > bytes_max.saturating_mul(2) {
            return Err(StreamsError(format!(
                "streams that run hold more than the {bytes_max} bytes that may be kept; raise the limit, or let some end"
            )));
        }
        Ok(())
    }

    fn is_full(&self, state: &State, number: u32, more: u32) -> bool {
        let Some(segment) = state.segments.get(&number) else { return true };
        let is_empty = usize::try_from(segment.len) == Ok(SEGMENT_HEAD.len());
        !is_empty && segment.len.saturating_add(more) > self.limits.segment_bytes()
    }

    fn next_segment(&self, state: &mut State) -> Result<u32, StreamsError> {
        let number = state.number.checked_add(1).ok_or_else(|| StreamsError("no more segments".into()))?;
        let name = digest::segment_name(number);
        let made = self.disk.open_placed(&name).and_then(|file| {
            file.write_at(0, &SEGMENT_HEAD)?;
            Ok(file)
        });
        let file = made.map_err(|why| error("beginning a segment of streams", &why))?;
        let segment = Segment {
            file,
            len: HEAD_LEN,
            newest: Timestamp::from_millis(i64::MIN),
            begun: Vec::new(),
            dropped: Vec::new(),
            is_indexed: false,
            is_dirty: true,
        };
        state.segments.insert(number, segment);
        state.bytes += u64::from(HEAD_LEN);
        (state.number, state.active, state.is_due) = (number, Some(number), true);
        Ok(number)
    }

    /// Syncs all that is written.
    pub(super) fn sync(&self) -> Result<(), StreamsError> {
        let dirty: Vec<Arc<dyn PlacedFile>> = {
            let mut state = self.state.lock();
            let segments = state.segments.values_mut();
            segments
                .filter_map(|segment| std::mem::take(&mut segment.is_dirty).then(|| Arc::clone(&segment.file)))
                .collect()
        };
        dirty.into_iter().try_for_each(|file| file.sync()).map_err(|why| error("syncing streams", &why))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a dozen")]
pub(super) const HEAD_LEN: u32 = SEGMENT_HEAD.len() as u32;

impl State {
    pub(super) fn check_open(&self) -> Result<(), StreamsError> {
        self.shut.as_ref().map_or(Ok(()), |why| Err(StreamsError(why.clone())))
    }
}

fn not_running(id: RequestId) -> StreamsError {
    StreamsError(format!("no stream {id} runs: it has ended, was forgotten, or is kept no more"))
}

pub(super) fn damaged(id: RequestId) -> StreamsError {
    StreamsError(format!("a part of stream {id} on the disk is not what was written, and is lost; the log says where"))
}
