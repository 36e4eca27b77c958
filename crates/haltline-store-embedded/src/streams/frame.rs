//! A frame of the log of streams: length, checksum of the payload, checksum of the head, payload.
//! The head's checksum covers its place, so that after damage the next frame is found by looking
//! at heads only, and what a payload says can never pass for a frame. Knows nothing of payloads.

use haltline_ports::{EVENT_BYTES_MAX, HEAD_BYTES_MAX};

/// Bytes before the payload.
pub(super) const HEAD: usize = 12;
/// No payload is longer: the largest event, and as much again as the largest head for what stands
/// around it.
pub(super) const PAYLOAD_MAX: usize = EVENT_BYTES_MAX + 2 * HEAD_BYTES_MAX;

/// Where a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    /// The segment's number.
    pub(super) segment: u32,
    /// The offset in the segment's file.
    pub(super) offset: u32,
}

/// What stands at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A whole frame.
    Frame(&'a [u8]),
    /// A frame of so many bytes whose payload is not what was written.
    Spoiled(usize),
    /// No frame, or one that the end of the file cuts off.
    Nothing,
}

/// A frame that has no place yet.
pub(super) struct Frame {
    bytes: Vec<u8>,
    sum: u32,
}

impl Frame {
    /// Makes a frame; `None` when the payload is empty or too long.
    pub(super) fn new(room: usize, payload: impl FnOnce(&mut Vec<u8>)) -> Option<Self> {
        let mut bytes = Vec::with_capacity(HEAD + room);
        bytes.extend_from_slice(&[0; HEAD]);
        payload(&mut bytes);
        let said = bytes.get(HEAD..).filter(|said| !said.is_empty() && said.len() <= PAYLOAD_MAX)?;
        let sum = crc32c::crc32c(said);
        Some(Self { bytes, sum })
    }

    /// How many bytes it takes in the file.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    /// Its bytes at a place.
    pub(super) fn at(&mut self, place: Place) -> &[u8] {
        let size = self.len() - HEAD_U32;
        self.bytes[..HEAD].copy_from_slice(&head(place, size, self.sum));
        &self.bytes
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a dozen")]
const HEAD_U32: u32 = HEAD as u32;

fn head(place: Place, size: u32, sum: u32) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&size.to_le_bytes());
    head[4..8].copy_from_slice(&sum.to_le_bytes());
    let mut covered = [0; 16];
    covered[..8].copy_from_slice(&head[..8]);
    covered[8..12].copy_from_slice(&place.segment.to_le_bytes());
    covered[12..].copy_from_slice(&place.offset.to_le_bytes());
    head[8..].copy_from_slice(&crc32c::crc32c(&covered).to_le_bytes());
    head
}

/// Looks at the bytes from `place` on.
pub(super) fn find(bytes: &[u8], place: Place) -> Found<'_> {
    let Some((found, rest)) = bytes.split_first_chunk::<HEAD>() else { return Found::Nothing };
    let [a, b, c, d, e, f, g, h, ..] = *found;
    let (size, sum) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    let len = usize::try_from(size).unwrap_or(usize::MAX);
    if len == 0 || len > PAYLOAD_MAX || head(place, size, sum) != *found {
        return Found::Nothing;
    }
    let Some(payload) = rest.get(..len) else { return Found::Nothing };
    if crc32c::crc32c(payload) == sum { Found::Frame(payload) } else { Found::Spoiled(HEAD + len) }
}

/// All frames from `offset` of a segment's bytes on, with their places and lengths.
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    segment: u32,
    at: usize,
    /// Bytes before whole frames that are none: where they begin and end.
    pub(super) gaps: Vec<(usize, usize)>,
    /// Where the last whole frame ended.
    pub(super) end: usize,
}

impl<'a> Frames<'a> {
    pub(super) const fn new(bytes: &'a [u8], segment: u32, offset: usize) -> Self {
        Self { bytes, segment, at: offset, gaps: Vec::new(), end: offset }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = (Place, u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while self.at < self.bytes.len() {
            let place = Place { segment: self.segment, offset: u32::try_from(self.at).ok()? };
            match find(self.bytes.get(self.at..)?, place) {
                Found::Frame(payload) => {
                    if self.at > self.end {
                        self.gaps.push((self.end, self.at));
                    }
                    self.at += HEAD + payload.len();
                    self.end = self.at;
                    return Some((place, u32::try_from(HEAD + payload.len()).ok()?, payload));
                }
                Found::Spoiled(len) => self.at += len,
                Found::Nothing => self.at += 1,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLACE: Place = Place { segment: 3, offset: 64 };

    fn frame(payload: &[u8], place: Place) -> Vec<u8> {
        Frame::new(0, |out| out.extend_from_slice(payload)).expect("fits").at(place).to_vec()
    }

    #[test]
    fn a_frame_is_found_only_whole_sound_and_in_its_place() {
        let bytes = frame(b"payload", PLACE);
        assert_eq!(find(&bytes, PLACE), Found::Frame(b"payload"));
        for len in 0..bytes.len() {
            assert_eq!(find(&bytes[..len], PLACE), Found::Nothing, "{len}");
        }
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            assert!(!matches!(find(&damaged, PLACE), Found::Frame(_)), "{index}");
        }
        assert_eq!(find(&bytes, Place { segment: 3, offset: 65 }), Found::Nothing);
        assert_eq!(find(&bytes, Place { segment: 4, offset: 64 }), Found::Nothing);
        assert!(Frame::new(0, |_| {}).is_none());
        assert!(Frame::new(0, |out| out.resize(PAYLOAD_MAX + HEAD + 1, 0)).is_none());
    }

    #[test]
    fn frames_behind_damage_are_found_and_what_a_payload_says_is_none() {
        let mut bytes = vec![0; 64];
        let mut places = Vec::new();
        // The second one says what looks like a frame at the place where it stands.
        let inner = frame(b"not a frame", Place { segment: 3, offset: 64 + 17 + 12 });
        for payload in [&b"first"[..], &inner, b"third"] {
            let place = Place { segment: 3, offset: u32::try_from(bytes.len()).expect("small") };
            places.push(place);
            bytes.extend(frame(payload, place));
        }
        for index in 64 + 17..64 + 17 + HEAD + inner.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 0x10;
            let mut frames = Frames::new(&damaged, 3, 64);
            let found: Vec<_> = frames.by_ref().map(|(place, ..)| place).collect();
            if index < 64 + 17 + HEAD {
                // With its head gone nothing says where it ends.
                assert_eq!((found[0], *found.last().expect("some")), (places[0], places[2]), "{index}");
            } else {
                assert_eq!(found, [places[0], places[2]], "{index}");
            }
            assert_eq!(frames.end, bytes.len());
            assert!(!frames.gaps.is_empty());
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_pass(bytes: Vec<u8>) {
            prop_assert_eq!(Frames::new(&bytes, 3, 0).count(), 0);
        }
    }
}
