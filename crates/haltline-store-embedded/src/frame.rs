//! A frame: length, checksum, payload. The checksum covers the place as well, so that a stale or
//! misplaced sector can never pass for a frame. Knows nothing of what payloads mean.

/// Bytes before the payload: length and CRC-32C, both little-endian.
pub(crate) const HEAD: usize = 8;
/// No payload is longer; a length above is damage.
pub(crate) const PAYLOAD_MAX: usize = 1 << 20;

/// Where a frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The segment's number.
    pub(crate) segment: u64,
    /// The offset in the segment's file.
    pub(crate) offset: u64,
}

/// What stands at a place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A whole frame.
    Frame(&'a [u8]),
    /// The file ends here.
    End,
    /// A beginning of a frame that the end of the file cuts off.
    Partial,
    /// Bytes that are no frame.
    Damage,
}

/// Appends a frame to `out`, its payload written by `payload`; `place` is where it will stand.
/// `false` when the payload is too long; `out` is then as before.
#[must_use]
pub(crate) fn push(out: &mut Vec<u8>, place: Place, payload: impl FnOnce(&mut Vec<u8>)) -> bool {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    payload(out);
    let length = out.len() - start - HEAD;
    let Some(length) = u32::try_from(length).ok().filter(|_| length > 0 && length <= PAYLOAD_MAX) else {
        out.truncate(start);
        return false;
    };
    let length = length.to_le_bytes();
    let sum = checksum(place, length, &out[start + HEAD..]);
    out[start..start + 4].copy_from_slice(&length);
    out[start + 4..start + HEAD].copy_from_slice(&sum.to_le_bytes());
    true
}

/// Looks at the bytes from `place` to the end of its file.
pub(crate) fn find(bytes: &[u8], place: Place) -> Found<'_> {
    if bytes.is_empty() {
        return Found::End;
    }
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Found::Partial };
    let size = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if size == 0 || size > PAYLOAD_MAX {
        return Found::Damage;
    }
    let Some((sum, rest)) = rest.split_first_chunk::<4>() else { return Found::Partial };
    let Some(payload) = rest.get(..size) else { return Found::Partial };
    if checksum(place, *length, payload) == u32::from_le_bytes(*sum) { Found::Frame(payload) } else { Found::Damage }
}

/// The first whole frames after damage at the beginning of `bytes`, with their offsets from there.
pub(crate) fn find_later<'a>(bytes: &'a [u8], place: Place) -> impl Iterator<Item = (usize, &'a [u8])> + 'a {
    let mut from = 1;
    std::iter::from_fn(move || {
        while from < bytes.len() {
            let here = Place { segment: place.segment, offset: place.offset + from as u64 };
            if let Found::Frame(payload) = find(&bytes[from..], here) {
                let at = from;
                from += HEAD + payload.len();
                return Some((at, payload));
            }
            from += 1;
        }
        None
    })
}

fn checksum(place: Place, length: [u8; 4], payload: &[u8]) -> u32 {
    let mut head = [0; 20];
    head[..8].copy_from_slice(&place.segment.to_le_bytes());
    head[8..16].copy_from_slice(&place.offset.to_le_bytes());
    head[16..].copy_from_slice(&length);
    crc32c::crc32c_append(crc32c::crc32c(&head), payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLACE: Place = Place { segment: 3, offset: 64 };

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(push(&mut out, PLACE, |out| out.extend_from_slice(payload)));
        out
    }

    #[test]
    fn a_frame_is_found_only_whole_sound_and_in_its_place() {
        let bytes = frame(b"payload");
        assert_eq!(find(&bytes, PLACE), Found::Frame(b"payload"));
        for len in 1..bytes.len() {
            assert_eq!(find(&bytes[..len], PLACE), Found::Partial, "{len}");
        }
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            assert!(matches!(find(&damaged, PLACE), Found::Damage | Found::Partial), "{index}");
        }
        assert_eq!(find(&bytes, Place { segment: 3, offset: 65 }), Found::Damage);
        assert_eq!(find(&bytes, Place { segment: 4, offset: 64 }), Found::Damage);
        assert_eq!(find(&[0; 64], PLACE), Found::Damage, "zeros are no frame");
        assert_eq!(find(&[], PLACE), Found::End);
    }

    #[test]
    fn too_long_a_payload_is_not_written() {
        let mut out = vec![1];
        assert!(!push(&mut out, PLACE, |out| out.resize(PAYLOAD_MAX + 100, 0)));
        assert_eq!(out, [1]);
    }

    #[test]
    fn frames_after_damage_are_found() {
        let mut bytes = frame(b"first");
        let second = bytes.len();
        let place = Place { segment: 3, offset: 64 + second as u64 };
        assert!(push(&mut bytes, place, |out| out.extend_from_slice(b"second")));
        bytes[HEAD] ^= 1;
        assert_eq!(find_later(&bytes, PLACE).collect::<Vec<_>>(), [(second, &b"second"[..])]);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_pass(bytes: Vec<u8>) {
            let found = find(&bytes, PLACE);
            prop_assert!(!matches!(found, Found::Frame(_)));
            prop_assert_eq!(find_later(&bytes, PLACE).count(), 0);
        }
    }
}
