//! What a segment of the log says, without what the events say: read from its frames, or from the
//! index beside it, which is written when the segment is sealed so that a start need not read it all.

use super::frame::{Frames, Place};
use super::payload::{self, Marks, Part, Said};
use crate::codec::{Reader, Writer};
use haltline_types::{RequestId, Timestamp};
use std::collections::HashMap;

const MAGIC: &[u8; 8] = b"hlindex1";
/// The first bytes of a segment: magic and the version of the format.
pub(super) const SEGMENT_HEAD: [u8; 12] = *b"hlstream\x01\0\0\0";

/// A beginning of a stream in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) id: RequestId,
    pub(super) offset: u32,
    pub(super) len: u32,
    pub(super) marks: Marks,
    pub(super) at: Timestamp,
}

/// Events in a segment of a stream that does not end in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) id: RequestId,
    pub(super) parts: Vec<Part>,
    /// The number of the last event.
    pub(super) last: u64,
    pub(super) at: Timestamp,
    /// Some events between the first and the last are not there.
    pub(super) broken: bool,
}

/// An end of a stream in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) id: RequestId,
    pub(super) offset: u32,
    pub(super) len: u32,
    pub(super) at: Timestamp,
}

/// What a segment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    /// Where its last whole frame ends.
    pub(super) end: u32,
    /// The newest time that it carries.
    pub(super) newest: Timestamp,
    pub(super) begun: Vec<Begun>,
    pub(super) runs: Vec<Run>,
    pub(super) ended: Vec<Ended>,
    pub(super) forgotten: Vec<RequestId>,
    /// Streams that lost a part when a segment was removed, and the segments where they began.
    pub(super) dropped: Vec<(RequestId, u32)>,
}

/// The name of the file of segment `number`.
pub(super) fn segment_name(number: u32) -> String {
    format!("streams-{number:08}.log")
}

/// The name of the index beside it.
pub(super) fn index_name(number: u32) -> String {
    format!("streams-{number:08}.idx")
}

/// The number in the name of a segment (`.log`) or of an index (`.idx`).
pub(super) fn number(name: &str, ending: &str) -> Option<u32> {
    let digits = name.strip_prefix("streams-")?.strip_suffix(ending)?;
    (digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Reads all frames of a segment. Says also how many bytes in the middle are no frames.
pub(super) fn scan(bytes: &[u8], segment: u32) -> (Digest, usize) {
    let mut digest = Digest {
        end: 0,
        newest: Timestamp::from_millis(i64::MIN),
        begun: Vec::new(),
        runs: Vec::new(),
        ended: Vec::new(),
        forgotten: Vec::new(),
        dropped: Vec::new(),
    };
    let mut runs: HashMap<RequestId, Run> = HashMap::new();
    let mut frames = Frames::new(bytes, segment, SEGMENT_HEAD.len());
    for (place, len, said) in frames.by_ref() {
        let offset = place.offset;
        match payload::read(said) {
            None | Some(Said::Blank) => {}
            Some(Said::Begin(id, marks, at)) => {
                digest.newest = digest.newest.max(at);
                digest.begun.push(Begun { id, offset, len, marks, at });
            }
            Some(Said::Events(id, first, last, at)) => {
                digest.newest = digest.newest.max(at);
                let part = Part { first, place, len };
                let run = runs.entry(id).or_insert_with(|| Run {
                    id,
                    parts: Vec::new(),
                    last: first.saturating_sub(1),
                    at,
                    broken: false,
                });
                // What does not follow is not a part: what is before it can still be read.
                if run.last.checked_add(1) == Some(first) && !run.broken {
                    run.parts.push(part);
                    (run.last, run.at) = (last, at);
                } else {
                    run.broken = true;
                }
            }
            Some(Said::End(id, at)) => {
                digest.newest = digest.newest.max(at);
                runs.remove(&id);
                digest.ended.push(Ended { id, offset, len, at });
            }
            Some(Said::Forgotten(id)) => digest.forgotten.push(id),
            Some(Said::Dropped(id, begins_in)) => digest.dropped.push((id, begins_in)),
        }
    }
    digest.runs = runs.into_values().collect();
    digest.runs.sort_by_key(|run| run.parts.first().map(|part| part.place));
    digest.end = u32::try_from(frames.end).unwrap_or(u32::MAX);
    (digest, frames.gaps.iter().map(|(from, until)| until - from).sum())
}

impl Digest {
    /// The index of segment `number`, whole with its checksum.
    pub(super) fn write(&self, number: u32) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&[0; 4]);
        let mut writer = Writer(&mut out);
        writer.u64(u64::from(number));
        writer.u64(u64::from(self.end));
        writer.time(self.newest);
        writer.list(&self.begun, |writer, begun| {
            writer.u128(begun.id.as_u128());
            writer.u64(u64::from(begun.offset));
            writer.u64(u64::from(begun.len));
            payload::write_marks(writer, &begun.marks);
            writer.time(begun.at);
        });
        writer.list(&self.runs, |writer, run| {
            writer.u128(run.id.as_u128());
            payload::write_parts(writer, &run.parts);
            writer.u64(run.last);
            writer.time(run.at);
            writer.bool(run.broken);
        });
        writer.list(&self.ended, |writer, ended| {
            writer.u128(ended.id.as_u128());
            writer.u64(u64::from(ended.offset));
            writer.u64(u64::from(ended.len));
            writer.time(ended.at);
        });
        writer.list(&self.forgotten, |writer, id| writer.u128(id.as_u128()));
        writer.list(&self.dropped, |writer, (id, begins_in)| {
            writer.u128(id.as_u128());
            writer.u64(u64::from(*begins_in));
        });
        let sum = crc32c::crc32c(out.get(MAGIC.len() + 4..).unwrap_or_default());
        if let Some(place) = out.get_mut(MAGIC.len()..MAGIC.len() + 4) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        out
    }

    /// Reads an index; `None` when it is not that of segment `number`, or not as it was written.
    pub(super) fn read(bytes: &[u8], number: u32) -> Option<Self> {
        let (sum, body) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
            return None;
        }
        let mut reader = Reader::new(body);
        if reader.u32()? != number {
            return None;
        }
        let id = |reader: &mut Reader<'_>| reader.u128().map(RequestId::from_u128);
        let digest = Self {
            end: reader.u32()?,
            newest: reader.time()?,
            begun: reader.list(|reader| {
                Some(Begun {
                    id: id(reader)?,
                    offset: reader.u32()?,
                    len: reader.u32()?,
                    marks: payload::read_marks(reader)?,
                    at: reader.time()?,
                })
            })?,
            runs: reader.list(|reader| {
                Some(Run {
                    id: id(reader)?,
                    parts: payload::read_parts(reader)?,
                    last: reader.u64()?,
                    at: reader.time()?,
                    broken: reader.bool()?,
                })
            })?,
            ended: reader.list(|reader| {
                Some(Ended { id: id(reader)?, offset: reader.u32()?, len: reader.u32()?, at: reader.time()? })
            })?,
            forgotten: reader.list(id)?,
            dropped: reader.list(|reader| Some((id(reader)?, reader.u32()?)))?,
        };
        reader.end().map(|()| digest)
    }
}

/// The place of an offset in a segment.
pub(super) const fn at(segment: u32, offset: u32) -> Place {
    Place { segment, offset }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::frame::Frame;
    use bytes::Bytes;
    use haltline_ports::{Batch, Owner, StreamBegin};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    type Payload<'a> = &'a dyn Fn(&mut Vec<u8>);

    fn segment(payloads: &[Payload<'_>]) -> Vec<u8> {
        let mut bytes = SEGMENT_HEAD.to_vec();
        for payload in payloads {
            let place = at(5, u32::try_from(bytes.len()).expect("small"));
            bytes.extend_from_slice(Frame::new(0, payload).expect("fits").at(place));
        }
        bytes
    }

    fn begin(id: u128) -> impl Fn(&mut Vec<u8>) {
        move |out| {
            let begin = StreamBegin {
                id: RequestId::from_u128(id),
                owner: Owner { key: "app".into(), user: None },
                session: None,
                once: None,
                started: NOW,
                head: Bytes::new(),
            };
            payload::write_begin(out, &begin, &Marks::default(), &begin.head);
        }
    }

    fn events(id: u128, first: u64) -> impl Fn(&mut Vec<u8>) {
        move |out| {
            let batch = Batch { first, at: NOW, ends: vec![1, 2], bytes: Bytes::from_static(b"ab") };
            payload::write_events(out, RequestId::from_u128(id), &batch, &batch.bytes);
        }
    }

    #[test]
    fn an_index_says_what_the_frames_say() {
        let end = |out: &mut Vec<u8>| payload::write_end(out, RequestId::from_u128(1), NOW, 2, &[], b"");
        let gone = |out: &mut Vec<u8>| payload::write_forgotten(out, RequestId::from_u128(9));
        let lost = |out: &mut Vec<u8>| payload::write_dropped(out, RequestId::from_u128(8), 3);
        let bytes = segment(&[&begin(1), &begin(2), &events(1, 1), &events(2, 1), &end, &events(2, 3), &gone, &lost]);
        let (digest, damaged) = scan(&bytes, 5);
        assert_eq!((damaged, digest.end as usize, digest.newest), (0, bytes.len(), NOW));
        assert_eq!((digest.begun.len(), digest.ended.len(), digest.forgotten.len()), (2, 1, 1));
        assert_eq!(digest.dropped, [(RequestId::from_u128(8), 3)]);
        let [run] = &digest.runs[..] else { panic!("one runs on: {:?}", digest.runs) };
        assert_eq!((run.id.as_u128(), run.last, run.parts.len(), run.broken), (2, 4, 2, false));
        let mut index = digest.write(5);
        assert_eq!(Digest::read(&index, 5), Some(digest));
        assert_eq!(Digest::read(&index, 6), None, "another segment's");
        for at in 0..index.len() {
            index[at] ^= 4;
            assert_eq!(Digest::read(&index, 5), None, "{at}");
            index[at] ^= 4;
        }
    }

    #[test]
    fn a_hole_in_a_stream_is_noticed_and_no_other_is_touched() {
        let mut bytes = segment(&[&begin(1), &begin(2), &events(1, 1), &events(2, 1), &events(1, 3), &events(1, 5)]);
        let whole = scan(&bytes, 5).0;
        let second = whole.runs[0].parts[1];
        bytes[second.place.offset as usize + 30] ^= 1;
        let (digest, damaged) = scan(&bytes, 5);
        assert_eq!(damaged, second.len as usize);
        assert_eq!((digest.runs[0].last, digest.runs[0].broken), (2, true));
        assert_eq!(digest.runs[1], whole.runs[1]);
    }
}
