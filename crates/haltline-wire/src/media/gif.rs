//! The size of a GIF: its screen, or its first frame where that reaches further (GIF89a, 18 to 20).

use super::header::{Dimensions, Need, Source};

pub(super) fn size(source: &mut impl Source) -> Result<Dimensions, Need> {
    let [w0, w1, h0, h1, flags, _, _] = source.array::<7>(6)?;
    let mut at = 13 + table(flags);
    loop {
        match source.byte(at)? {
            // An extension: a label, then blocks.
            0x21 => at = blocks(source, at + 2)?,
            0x2C => {
                let [l0, l1, t0, t1, fw0, fw1, fh0, fh1] = source.array::<8>(at + 1)?;
                let reach = |from: [u8; 2], side: [u8; 2]| {
                    u32::from(u16::from_le_bytes(from)) + u32::from(u16::from_le_bytes(side))
                };
                let screen = |side: [u8; 2]| u32::from(u16::from_le_bytes(side));
                return Ok(Dimensions {
                    width: screen([w0, w1]).max(reach([l0, l1], [fw0, fw1])),
                    height: screen([h0, h1]).max(reach([t0, t1], [fh0, fh1])),
                });
            }
            _ => return Err(Need::Broken),
        }
    }
}

/// Bytes of a table of colours.
fn table(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << (usize::from(flags & 7) + 1) }
}

/// Just past a list of blocks, each with its length before it; the empty one ends the list.
fn blocks(source: &mut impl Source, mut at: usize) -> Result<usize, Need> {
    loop {
        let length = usize::from(source.byte(at)?);
        at += 1 + length;
        if length == 0 {
            return Ok(at);
        }
    }
}
