//! The size of a JPEG: a walk over its segments up to the first scan (ITU T.81, annex B).

use super::header::{Dimensions, Need, Source};

/// Decoders refuse a second frame header, or take the last one before the scan; the larger of
/// all is given.
pub(super) fn size(source: &mut impl Source) -> Result<Dimensions, Need> {
    let mut found = None;
    let mut at = 2;
    loop {
        // Decoders look for the next mark, past fill bytes and past what belongs to nothing.
        while source.byte(at)? != 0xFF {
            at += 1;
        }
        while source.byte(at)? == 0xFF {
            at += 1;
        }
        let marker = source.byte(at)?;
        at += 1;
        match marker {
            0x00 | 0x01 | 0xD0..=0xD8 => continue,
            // The scan begins, or the image ends.
            0xDA | 0xD9 => return found.ok_or(Need::Broken),
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes(source.array(at)?));
        if length < 2 {
            return Err(Need::Broken);
        }
        if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) {
            let [_, h0, h1, w0, w1] = source.array::<5>(at + 2)?;
            let (width, height) = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
            // A height of zero is told after the scan; no model's server reads such images.
            if length < 8 || width == 0 || height == 0 {
                return Err(Need::Broken);
            }
            let old = found.unwrap_or(Dimensions { width: 1, height: 1 });
            found =
                Some(Dimensions { width: u32::from(width).max(old.width), height: u32::from(height).max(old.height) });
        }
        at += length;
    }
}
