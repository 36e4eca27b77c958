//! What the frames of the log say: the beginning of a stream, events, its end, that it is
//! forgotten, or nothing any more. Reading never panics and believes no length.

use super::frame::Place;
use crate::codec::{Reader, Writer};
use crate::seal::Seal;
use bytes::Bytes;
use haltline_ports::{Batch, Owner, StreamBegin};
use haltline_types::{RequestId, Timestamp};

const BLANK: u8 = 0;
const BEGIN: u8 = 1;
const EVENTS: u8 = 2;
const END: u8 = 3;
const FORGOTTEN: u8 = 4;
const DROPPED: u8 = 5;

/// What a stream is found by, besides its id: keyed hashes, and zeros where there is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Of its idempotency key and owner.
    pub(super) once: [u8; 16],
    /// Of its owner and session.
    pub(super) talk: [u8; 16],
    /// Of its user.
    pub(super) user: [u8; 8],
}

/// Where some events of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The number of the first.
    pub(super) first: u64,
    /// Their frame.
    pub(super) place: Place,
    /// How long the frame is.
    pub(super) len: u32,
}

/// The end of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// When.
    pub(super) at: Timestamp,
    /// The number of its last event.
    pub(super) last: u64,
    /// Where its events are, in order.
    pub(super) parts: Vec<Part>,
    /// How, in the gateway's words.
    pub(super) note: Vec<u8>,
}

/// What a frame says, as far as the catalog wants to know.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing any more.
    Blank,
    /// A stream begins.
    Begin(RequestId, Marks, Timestamp),
    /// Events of it: the first and the last number.
    Events(RequestId, u64, u64, Timestamp),
    /// It ends.
    End(RequestId, Timestamp),
    /// It is forgotten.
    Forgotten(RequestId),
    /// A part of it was removed; it began in the segment of this number.
    Dropped(RequestId, u32),
}

pub(super) fn write_blank(out: &mut Vec<u8>, len: usize) {
    out.push(BLANK);
    out.resize(out.len() + len.saturating_sub(1), 0);
}

/// `content` is the head as it is to stand there.
pub(super) fn write_begin(out: &mut Vec<u8>, begin: &StreamBegin, marks: &Marks, content: &[u8]) {
    let StreamBegin { id, owner, session, once, started, head: _ } = begin;
    let mut writer = start(out, BEGIN, *id);
    writer.time(*started);
    write_marks(&mut writer, marks);
    writer.name(&owner.key);
    writer.option(owner.user.as_ref(), Writer::name);
    writer.option(session.as_ref(), Writer::name);
    writer.bool(once.is_some());
    out.extend_from_slice(content);
}

/// `content` is the bytes of the events as they are to stand there.
pub(super) fn write_events(out: &mut Vec<u8>, id: RequestId, batch: &Batch, content: &[u8]) {
    let mut writer = start(out, EVENTS, id);
    writer.u64(batch.first);
    writer.time(batch.at);
    writer.u64(batch.ends.len() as u64);
    let mut from = 0;
    for end in &batch.ends {
        writer.u64(u64::from(end.saturating_sub(from)));
        from = *end;
    }
    out.extend_from_slice(content);
}

pub(super) fn write_end(out: &mut Vec<u8>, id: RequestId, at: Timestamp, last: u64, parts: &[Part], note: &[u8]) {
    let mut writer = start(out, END, id);
    writer.time(at);
    writer.u64(last);
    writer.u64(note.len() as u64);
    writer.0.extend_from_slice(note);
    write_parts(&mut writer, parts);
}

pub(super) fn write_forgotten(out: &mut Vec<u8>, id: RequestId) {
    start(out, FORGOTTEN, id);
}

pub(super) fn write_dropped(out: &mut Vec<u8>, id: RequestId, begins_in: u32) {
    start(out, DROPPED, id).u64(u64::from(begins_in));
}

fn start(out: &mut Vec<u8>, kind: u8, id: RequestId) -> Writer<'_> {
    let mut writer = Writer(out);
    writer.u8(kind);
    writer.u128(id.as_u128());
    writer
}

pub(super) fn write_marks(writer: &mut Writer<'_>, marks: &Marks) {
    writer.u128(u128::from_le_bytes(marks.once));
    writer.u128(u128::from_le_bytes(marks.talk));
    writer.0.extend_from_slice(&marks.user);
}

pub(super) fn read_marks(reader: &mut Reader<'_>) -> Option<Marks> {
    let (once, talk) = (reader.u128()?.to_le_bytes(), reader.u128()?.to_le_bytes());
    let mut user = [0; 8];
    for byte in &mut user {
        *byte = reader.u8()?;
    }
    Some(Marks { once, talk, user })
}

/// Writes parts in the order of their events, which is that of their places.
pub(super) fn write_parts(writer: &mut Writer<'_>, parts: &[Part]) {
    let mut before = Part { first: 0, place: Place { segment: 0, offset: 0 }, len: 0 };
    writer.list(parts, |writer, part| {
        let new_segment = part.place.segment != before.place.segment;
        let from = if new_segment { 0 } else { before.place.offset };
        writer.u64(u64::from(part.place.segment.wrapping_sub(before.place.segment)));
        writer.u64(u64::from(part.place.offset.wrapping_sub(from)));
        writer.u64(part.first.wrapping_sub(before.first));
        writer.u64(u64::from(part.len));
        before = *part;
    });
}

pub(super) fn read_parts(reader: &mut Reader<'_>) -> Option<Vec<Part>> {
    let mut before = Part { first: 0, place: Place { segment: 0, offset: 0 }, len: 0 };
    reader.list(|reader| {
        let ahead = reader.u32()?;
        let from = if ahead == 0 { before.place.offset } else { 0 };
        let place =
            Place { segment: before.place.segment.checked_add(ahead)?, offset: from.checked_add(reader.u32()?)? };
        before = Part { first: before.first.checked_add(reader.u64()?)?, place, len: reader.u32()? };
        Some(before)
    })
}

/// What a frame says; `None` when it is something else than was ever written.
pub(super) fn read(payload: &[u8]) -> Option<Said> {
    let mut reader = Reader::new(payload);
    let kind = reader.u8()?;
    if kind == BLANK {
        return Some(Said::Blank);
    }
    let id = RequestId::from_u128(reader.u128()?);
    match kind {
        BEGIN => {
            let started = reader.time()?;
            Some(Said::Begin(id, read_marks(&mut reader)?, started))
        }
        EVENTS => {
            let (first, at, count) = (reader.u64()?, reader.time()?, reader.u64()?);
            Some(Said::Events(id, first, first.checked_add(count)?.checked_sub(1)?, at))
        }
        END => Some(Said::End(id, reader.time()?)),
        FORGOTTEN => Some(Said::Forgotten(id)),
        DROPPED => Some(Said::Dropped(id, reader.u32()?)),
        _ => None,
    }
}

/// The beginning of stream `id`, as it stands in its frame.
pub(super) fn read_begin(payload: &[u8], id: RequestId, seal: &Seal) -> Option<StreamBegin> {
    let mut reader = open(payload, BEGIN, id)?;
    let started = reader.time()?;
    let marks = read_marks(&mut reader)?;
    let owner = Owner { key: reader.name()?, user: reader.option(Reader::name)? };
    let session = reader.option(Reader::name)?;
    let once = reader.bool()?.then_some(marks.once);
    let head = opened(seal, reader.rest(), id, Content::Head)?;
    let head = head.unwrap_or_else(|| Bytes::copy_from_slice(reader.rest()));
    Some(StreamBegin { id, owner, session, once, started, head })
}

/// The end of stream `id`, as it stands in its frame.
pub(super) fn read_end(payload: &[u8], id: RequestId, seal: &Seal) -> Option<End> {
    let mut reader = open(payload, END, id)?;
    let (at, last) = (reader.time()?, reader.u64()?);
    let note_len = usize::try_from(reader.u64()?).ok()?;
    let (note, rest) = reader.rest().split_at_checked(note_len)?;
    let mut reader = Reader::new(rest);
    let parts = read_parts(&mut reader)?;
    let note = opened(seal, note, id, Content::Note)?.map_or_else(|| note.to_vec(), Vec::from);
    reader.end().map(|()| End { at, last, parts, note })
}

/// Events of stream `id`. `payload` shares its bytes with the batch, unless they are sealed.
pub(super) fn read_events(payload: &Bytes, id: RequestId, seal: &Seal) -> Option<Batch> {
    let mut reader = open(payload, EVENTS, id)?;
    let (first, at) = (reader.u64()?, reader.time()?);
    let mut end = 0_u32;
    let ends = reader.list(|reader| {
        end = end.checked_add(reader.u32()?)?;
        Some(end)
    })?;
    let rest = reader.rest();
    let bytes = opened(seal, rest, id, Content::Events(first))?.unwrap_or_else(|| payload.slice_ref(rest));
    let whole = !ends.is_empty() && usize::try_from(end).ok()? == bytes.len();
    whole.then_some(Batch { first, at, ends, bytes })
}

/// What content of a stream is, for what is sealed in its place.
#[derive(Clone, Copy)]
pub(super) enum Content {
    /// Its head.
    Head,
    /// Events, from this number on.
    Events(u64),
    /// The note of its end.
    Note,
}

/// The place of content.
pub(super) fn about(id: RequestId, content: Content) -> [u8; 32] {
    let (kind, first) = match content {
        Content::Head => (BEGIN, 0),
        Content::Events(first) => (EVENTS, first),
        Content::Note => (END, 0),
    };
    let mut about = [kind; 32];
    about[..7].copy_from_slice(b"stream\0");
    about[8..24].copy_from_slice(&id.as_u128().to_le_bytes());
    about[24..].copy_from_slice(&first.to_le_bytes());
    about
}

/// Content that is sealed, opened; `Some(None)` when it is plain, `None` when it cannot be opened.
fn opened(seal: &Seal, bytes: &[u8], id: RequestId, content: Content) -> Option<Option<Bytes>> {
    let opened = seal.opened(bytes, &about(id, content));
    if let Err(error) = &opened {
        tracing::error!(stream = %id, %error, "a part of a stream cannot be read");
    }
    opened.ok().map(|plain| plain.map(Bytes::from))
}

fn open(payload: &[u8], kind: u8, id: RequestId) -> Option<Reader<'_>> {
    let mut reader = Reader::new(payload);
    (reader.u8()? == kind && reader.u128()? == id.as_u128()).then_some(reader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id() -> RequestId {
        RequestId::from_u128(7)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let begin = StreamBegin {
            id: id(),
            owner: Owner { key: "app".into(), user: Some("alice".into()) },
            session: Some("talk".into()),
            once: Some([9; 16]),
            started: Timestamp::from_millis(5),
            head: Bytes::from_static(b"head"),
        };
        let marks = Marks { once: [9; 16], talk: [2; 16], user: [3; 8] };
        let mut out = Vec::new();
        write_begin(&mut out, &begin, &marks, &begin.head);
        assert_eq!(read(&out), Some(Said::Begin(id(), marks, Timestamp::from_millis(5))));
        assert_eq!(read_begin(&out, id(), &Seal::none()), Some(begin));
        assert_eq!(read_begin(&out, RequestId::from_u128(8), &Seal::none()), None, "another stream's");

        let batch = Batch { first: 3, at: Timestamp::from_millis(6), ends: vec![2, 2, 5], bytes: "abcde".into() };
        let mut out = Vec::new();
        write_events(&mut out, id(), &batch, &batch.bytes);
        assert_eq!(read(&out), Some(Said::Events(id(), 3, 5, Timestamp::from_millis(6))));
        assert_eq!(read_events(&Bytes::from(out), id(), &Seal::none()), Some(batch));

        let part = |first, segment, offset| Part { first, place: Place { segment, offset }, len: 40 };
        let parts = vec![part(1, 4, 100), part(3, 4, 160), part(9, 6, 12)];
        let mut out = Vec::new();
        write_end(&mut out, id(), Timestamp::from_millis(7), 12, &parts, b"note");
        assert_eq!(read(&out), Some(Said::End(id(), Timestamp::from_millis(7))));
        let end = End { at: Timestamp::from_millis(7), last: 12, parts, note: b"note".to_vec() };
        assert_eq!(read_end(&out, id(), &Seal::none()), Some(end));
    }

    proptest! {
        #[test]
        fn hostile_payloads_are_refused_or_read(mut bytes: Vec<u8>, kind in 0_u8..7) {
            bytes.splice(0..0, std::iter::once(kind).chain(7_u128.to_le_bytes()));
            let _ = read(&bytes);
            let _ = read_begin(&bytes, id(), &Seal::none());
            let _ = read_end(&bytes, id(), &Seal::none());
            let batch = read_events(&Bytes::from(bytes), id(), &Seal::none());
            prop_assert!(batch.is_none_or(|batch| batch.ends.last().copied() == u32::try_from(batch.bytes.len()).ok()));
        }
    }
}
