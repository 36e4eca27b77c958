//! Text measured for a bound on its tokens: bytes, and for what is not ASCII the bytes of the
//! longest of a character and its two decompositions (NFD, NFKD). Tokenizers that normalise first
//! see more bytes than we sent; in any normal form they see no more than this.

use std::sync::OnceLock;
use unicode_normalization::char::{decompose_canonical, decompose_compatible};

/// Bytes looked at together while there is nothing but plain ASCII.
const BLOCK: usize = 64;
/// Bytes looked at together in search of an escape that is rare.
const PAGE: usize = 4096;

/// A measure of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TextMeasure {
    /// Bytes of ASCII.
    pub ascii: u64,
    /// For every other character the longest of its bytes and those of its decompositions.
    pub other: u64,
}

impl TextMeasure {
    /// Both parts; `None` when they do not fit.
    #[must_use]
    pub const fn bytes(self) -> Option<u64> {
        self.ascii.checked_add(self.other)
    }

    /// Of both texts together; `None` when it does not fit.
    #[must_use]
    pub fn checked_add(self, more: Self) -> Option<Self> {
        Some(Self { ascii: self.ascii.checked_add(more.ascii)?, other: self.other.checked_add(more.other)? })
    }
}

/// Measures plain text.
#[must_use]
pub fn measure_text(text: &str) -> TextMeasure {
    let mut measure = TextMeasure::default();
    let mut rest = text;
    loop {
        let plain = run_of(rest.as_bytes(), |byte| byte < 0x80);
        measure.ascii += plain as u64;
        rest = rest.get(plain..).unwrap_or_default();
        if rest.is_empty() {
            return measure;
        }
        rest = skip_other(rest, &mut measure);
    }
}

/// Measures JSON text: as it stands, except that an escape such as `\ufdfa` counts as the
/// character that the provider's tokenizer will see, if that is longer.
#[must_use]
pub fn measure_json(json: &str) -> TextMeasure {
    let mut measure = TextMeasure::default();
    let mut rest = json;
    loop {
        let plain = run_of(rest.as_bytes(), |byte| byte < 0x80 && byte != b'\\');
        measure.ascii += plain as u64;
        rest = rest.get(plain..).unwrap_or_default();
        match rest.as_bytes().first() {
            None => return measure,
            Some(b'\\') => rest = skip_escape(rest, &mut measure),
            Some(_) => rest = skip_other(rest, &mut measure),
        }
    }
}

/// Measures the bytes of a JSON body, which are mostly ASCII without any `\u`: such a body measures
/// its length, and needs no look at each of its escapes. `None` when it is not UTF-8.
#[must_use]
pub fn measure_json_bytes(body: &[u8]) -> Option<TextMeasure> {
    if stands_as_is(body) {
        return Some(TextMeasure { ascii: body.len() as u64, other: 0 });
    }
    std::str::from_utf8(body).ok().map(measure_json)
}

/// ASCII in which no escape can stand for another character than it shows. A `u` behind an escaped
/// backslash counts as an escape here, which only costs time.
fn stands_as_is(body: &[u8]) -> bool {
    let after = body.get(1..).unwrap_or_default();
    let unicode = |(here, next): (&[u8], &[u8])| {
        here.iter().zip(next).fold(false, |any, (a, b)| any | ((*a == b'\\') & (*b == b'u')))
    };
    let mut pages = body.chunks(PAGE).zip(after.chunks(PAGE));
    body.is_ascii() && !pages.any(unicode)
}

/// How many bytes from the start are plain. Whole blocks first: the compiler turns their loop,
/// which has no early exit, into vector instructions.
fn run_of(bytes: &[u8], plain: impl Fn(u8) -> bool) -> usize {
    let blocks = bytes.chunks_exact(BLOCK).take_while(|block| block.iter().fold(true, |all, b| all & plain(*b)));
    let whole = blocks.count() * BLOCK;
    whole + bytes[whole..].iter().take_while(|byte| plain(**byte)).count()
}

/// Counts the characters up to the next ASCII one.
fn skip_other<'a>(text: &'a str, measure: &mut TextMeasure) -> &'a str {
    let mut chars = text.chars();
    loop {
        let here = chars.as_str();
        match chars.next() {
            Some(c) if !c.is_ascii() => measure.other += longest(c),
            _ => return here,
        }
    }
}

/// Counts one escape. What is no valid escape counts as the bytes that stand there.
fn skip_escape<'a>(text: &'a str, measure: &mut TextMeasure) -> &'a str {
    let (length, character) = match unit_at(text, 0) {
        None => (2, None),
        Some(high @ 0xd800..=0xdbff) => match unit_at(text, 6) {
            Some(low @ 0xdc00..=0xdfff) => (12, char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))),
            _ => (6, None),
        },
        Some(unit) => (6, char::from_u32(unit)),
    };
    let expanded = character.filter(|c| !c.is_ascii()).map_or(0, longest);
    // ASCII is counted at 1.25 and the rest at 1.5 where no vocabulary is public, so an expansion
    // that is nearly as long as the escape must count as the dearer kind.
    if expanded * 6 > length * 5 {
        measure.other += expanded.max(length);
    } else {
        measure.ascii += length;
    }
    let skipped = usize::try_from(length).unwrap_or(usize::MAX);
    if let Some(rest) = text.get(skipped..) {
        return rest;
    }
    // A backslash before a character of several bytes, or at the very end: no JSON, still counted.
    measure.ascii = measure.ascii.saturating_sub(length) + 1;
    text.get(1..).unwrap_or_default()
}

/// The value of `\uXXXX` at `from`.
fn unit_at(text: &str, from: usize) -> Option<u32> {
    let digits = text.get(from..from + 6)?.strip_prefix("\\u")?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
    u32::from_str_radix(digits, 16).ok()
}

/// The longest of a character's forms, in bytes.
fn longest(c: char) -> u64 {
    static BASIC_PLANE: OnceLock<Vec<u8>> = OnceLock::new();
    let table =
        BASIC_PLANE.get_or_init(|| (0..=0xffff).map(|code| char::from_u32(code).map_or(0, decomposed)).collect());
    let known = usize::try_from(u32::from(c)).ok().and_then(|code| table.get(code).copied());
    u64::from(known.unwrap_or_else(|| decomposed(c)))
}

/// Mostly the compatible decomposition is the longest form; where a compatible character stands in
/// for a longer one (a long s with a dot becomes a plain s), it is the canonical one.
fn decomposed(c: char) -> u8 {
    let (mut compatible, mut canonical) = (0, 0);
    decompose_compatible(c, |part| compatible += part.len_utf8());
    decompose_canonical(c, |part| canonical += part.len_utf8());
    u8::try_from(compatible.max(canonical).max(c.len_utf8())).unwrap_or(u8::MAX)
}
