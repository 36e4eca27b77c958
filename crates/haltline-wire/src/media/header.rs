//! The size of an image from its first bytes: PNG, WebP and the choice of format. JPEG and GIF,
//! which must be walked, have files of their own.
//!
//! Where decoders differ in what they take for the size, the larger is given: a size that is too
//! small would be billed above its ceiling.

use super::base64::{End, Reader};
use super::{gif, jpeg};
use std::fmt;

/// Bytes of an image that are looked at. Some 0.5 ms; a JPEG with more metadata before its size
/// counts as one whose size is not known.
pub const HEADER_MAX: usize = 256 << 10;

/// An image's size in pixels; neither side is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dimensions {
    /// From left to right, before any rotation that metadata asks for.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

/// Why an image is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageError {
    /// No PNG, JPEG, GIF or WebP. AVIF and HEIC hide their size in a tree of boxes that not every
    /// decoder reads in the same way.
    Format,
    /// It begins like one and is none.
    Broken,
    /// A byte that is no base64.
    Base64,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "the image is no PNG, JPEG, GIF or WebP",
            Self::Broken => "the image's header cannot be read",
            Self::Base64 => "the image's data is no base64",
        })
    }
}

impl std::error::Error for ImageError {}

/// What is known of a header so far.
#[derive(Clone, Copy)]
pub(super) enum Need {
    /// Bytes beyond what there is.
    More,
    /// They make no image.
    Broken,
}

/// The size of the image whose base64 is the inside of a JSON string. `None` when it stands further
/// behind than `HEADER_MAX`.
///
/// # Errors
/// When it is no image whose size can be read.
pub fn size_of_base64(raw: &[u8]) -> Result<Option<Dimensions>, ImageError> {
    let mut reader = Reader::new(raw, HEADER_MAX);
    match read(&mut reader) {
        Ok(size) => Ok(Some(size)),
        Err(None) => match reader.end() {
            End::Limit => Ok(None),
            End::Broken => Err(ImageError::Base64),
            End::Open | End::Data => Err(ImageError::Broken),
        },
        Err(Some(error)) => Err(error),
    }
}

/// The size of an image that is given as its bytes.
///
/// # Errors
/// When it is no image whose size can be read.
pub fn size_of_bytes(image: &[u8]) -> Result<Option<Dimensions>, ImageError> {
    let mut bytes = Bytes { image, cut: false };
    match read(&mut bytes) {
        Ok(size) => Ok(Some(size)),
        Err(None) if bytes.cut => Ok(None),
        Err(None) => Err(ImageError::Broken),
        Err(Some(error)) => Err(error),
    }
}

/// Where a header's bytes come from.
pub(super) trait Source {
    /// The bytes from `from` to `to`, if there are so many.
    fn get(&mut self, from: usize, to: usize) -> Result<&[u8], Need>;

    fn array<const N: usize>(&mut self, from: usize) -> Result<[u8; N], Need> {
        let to = from.checked_add(N).ok_or(Need::Broken)?;
        self.get(from, to)?.try_into().map_err(|_| Need::Broken)
    }

    fn byte(&mut self, at: usize) -> Result<u8, Need> {
        self.array::<1>(at).map(|[byte]| byte)
    }
}

impl Source for Reader<'_> {
    fn get(&mut self, from: usize, to: usize) -> Result<&[u8], Need> {
        Reader::get(self, from, to).ok_or(Need::More)
    }
}

struct Bytes<'a> {
    image: &'a [u8],
    cut: bool,
}

impl Source for Bytes<'_> {
    fn get(&mut self, from: usize, to: usize) -> Result<&[u8], Need> {
        if to > HEADER_MAX && to <= self.image.len() {
            self.cut = true;
            return Err(Need::More);
        }
        self.image.get(from..to).ok_or(Need::More)
    }
}

/// `Err(None)` when bytes are missing.
fn read(source: &mut impl Source) -> Result<Dimensions, Option<ImageError>> {
    let found = format(source).map_err(judge)?.ok_or(Some(ImageError::Format))?;
    let size = match found {
        Format::Png => png(source),
        Format::Jpeg => jpeg::size(source),
        Format::Gif => gif::size(source),
        Format::Webp => webp(source),
    };
    let size = size.map_err(judge)?;
    if size.width == 0 || size.height == 0 { Err(Some(ImageError::Broken)) } else { Ok(size) }
}

fn judge(need: Need) -> Option<ImageError> {
    match need {
        Need::More => None,
        Need::Broken => Some(ImageError::Broken),
    }
}

enum Format {
    Png,
    Jpeg,
    Gif,
    Webp,
}

/// Twelve bytes tell all formats apart, and no image is shorter.
fn format(source: &mut impl Source) -> Result<Option<Format>, Need> {
    Ok(match source.array::<12>(0)? {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Format::Png),
        [0xFF, 0xD8, 0xFF, ..] => Some(Format::Jpeg),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Format::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => Some(Format::Webp),
        _ => None,
    })
}

/// The first chunk is IHDR: 13 bytes, width and height first (PNG specification, 11.2.2).
fn png(source: &mut impl Source) -> Result<Dimensions, Need> {
    if source.array::<8>(8)? != [0, 0, 0, 13, b'I', b'H', b'D', b'R'] {
        return Err(Need::Broken);
    }
    let (width, height) = (u32::from_be_bytes(source.array(16)?), u32::from_be_bytes(source.array(20)?));
    if width > i32::MAX.unsigned_abs() || height > i32::MAX.unsigned_abs() {
        return Err(Need::Broken);
    }
    Ok(Dimensions { width, height })
}

/// The first chunk tells the size of the canvas (RFC 9649, 2.5 to 2.7).
fn webp(source: &mut impl Source) -> Result<Dimensions, Need> {
    let inside = 20;
    match &source.array::<4>(12)? {
        b"VP8X" => {
            let [w0, w1, w2, h0, h1, h2] = source.array::<6>(inside + 4)?;
            let side = |low, middle, high| u32::from_le_bytes([low, middle, high, 0]) + 1;
            Ok(Dimensions { width: side(w0, w1, w2), height: side(h0, h1, h2) })
        }
        b"VP8L" => {
            let [mark, a, b, c, d] = source.array::<5>(inside)?;
            let bits = u32::from_le_bytes([a, b, c, d]);
            if mark != 0x2F {
                return Err(Need::Broken);
            }
            Ok(Dimensions { width: (bits & 0x3FFF) + 1, height: ((bits >> 14) & 0x3FFF) + 1 })
        }
        b"VP8 " => {
            let [_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1] = source.array::<10>(inside)? else {
                return Err(Need::Broken);
            };
            let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
            Ok(Dimensions { width: side(w0, w1), height: side(h0, h1) })
        }
        _ => Err(Need::Broken),
    }
}
