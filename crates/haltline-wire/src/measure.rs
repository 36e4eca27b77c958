//! How much there is to read: what an input bound is computed from. Counts bytes, not tokens, and
//! knows no price.

use crate::json::walk;
use std::ops::Range;

/// The size of a request's input.
///
/// Counted is all text that a model may read: contents, names, tool calls, tool definitions,
/// response schemas. Text is counted as it was sent, escapes included, which is never less than
/// what it says. The framing around messages is not counted here, only the number of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Measure {
    /// Bytes of text below 128, escapes as they stand.
    pub ascii_bytes: u64,
    /// Bytes of text from 128 on.
    pub other_bytes: u64,
    /// At least `other_bytes`: what the same characters, and those written as escapes, can grow
    /// to under Unicode's compatibility decomposition, which some tokenizers apply first.
    pub other_bytes_decomposed: u64,
    /// Messages.
    pub messages: u32,
    /// Definitions of tools and functions.
    pub tools: u32,
    /// Image parts.
    pub images: u32,
    /// Names given to participants.
    pub names: u32,
}

impl Measure {
    /// Adds text: a string's inside or JSON as it stands.
    pub(crate) fn add_text(&mut self, raw: &[u8]) {
        if let Some(first) = memchr::memchr(b'\\', raw) {
            let (escaped, after) = (&raw[first..], &raw[first + 1..]);
            // Counting is vectorized, and most escapes are no `\u`.
            if escaped.iter().zip(after).filter(|(a, b)| **a == b'\\' && **b == b'u').count() > 0 {
                for at in memchr::memmem::find_iter(escaped, b"\\u") {
                    self.add_escape(&escaped[at..]);
                }
            }
        }
        if raw.is_ascii() {
            self.ascii_bytes += length(raw);
            return;
        }
        let other = raw.iter().filter(|byte| **byte >= 0x80).count();
        self.ascii_bytes += as_u64(raw.len() - other);
        self.other_bytes += as_u64(other);
        self.other_bytes_decomposed += match std::str::from_utf8(raw) {
            Ok(text) => text.chars().filter(|c| !c.is_ascii()).map(decomposed).sum::<u64>(),
            Err(_) => as_u64(other) * DECOMPOSED_MAX,
        };
    }

    /// Adds what the `\u` escape at the begin of `text` can grow to. After an escaped backslash it
    /// is no escape; then a little too much is counted.
    fn add_escape(&mut self, text: &[u8]) {
        if let Some((crate::json::Unit::Code(code), _)) = crate::json::next_unit(text)
            && let Some(c) = char::from_u32(code)
            && !c.is_ascii()
        {
            self.other_bytes_decomposed += decomposed(c);
        }
    }

    /// Adds the text of a string value, or any other value as it stands.
    pub(crate) fn add_value(&mut self, body: &[u8], value: &Range<usize>) {
        match walk::inside(body, value) {
            Some(text) => self.add_text(text),
            None => self.add_text(body.get(value.clone()).unwrap_or_default()),
        }
    }
}

/// No character grows to more than this many times its length.
const DECOMPOSED_MAX: u64 = 11;

/// Bytes of `c`, or of its compatibility decomposition where that is longer.
fn decomposed(c: char) -> u64 {
    match u32::from(c) {
        // The tables are slow; the bulk of the world's text needs none.
        0x0400..=0x0481 if !decomposes_in_cyrillic(c) => 2,
        0x4E00..=0x9FFF => 3,
        syllable @ 0xAC00..=0xD7A3 => {
            if (syllable - 0xAC00).is_multiple_of(28) {
                6
            } else {
                9
            }
        }
        0x1_F300..=0x1_FAFF => 4,
        _ => by_table(c),
    }
}

fn decomposes_in_cyrillic(c: char) -> bool {
    matches!(
        c,
        'Ѐ' | 'Ё'
            | 'Ѓ'
            | 'Ї'
            | 'Ќ'
            | 'Ѝ'
            | 'Ў'
            | 'Й'
            | 'й'
            | 'ѐ'
            | 'ё'
            | 'ѓ'
            | 'ї'
            | 'ќ'
            | 'ѝ'
            | 'ў'
            | 'Ѷ'
            | 'ѷ'
    )
}

fn by_table(c: char) -> u64 {
    let mut bytes = 0;
    unicode_normalization::char::decompose_compatible(c, |part| bytes += part.len_utf8());
    as_u64(bytes.max(c.len_utf8()))
}

fn length(bytes: &[u8]) -> u64 {
    as_u64(bytes.len())
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Measure {
        let mut measure = Measure::default();
        measure.add_text(text.as_bytes());
        measure
    }

    #[test]
    fn text_is_split_by_what_tokenizers_make_of_it() {
        let plain = of("hello \\n \\\" world");
        assert_eq!((plain.ascii_bytes, plain.other_bytes, plain.other_bytes_decomposed), (17, 0, 0));
        let korean = of("한a");
        assert_eq!((korean.ascii_bytes, korean.other_bytes, korean.other_bytes_decomposed), (1, 3, 9));
        let escaped = of("\\ud55ca");
        assert_eq!((escaped.ascii_bytes, escaped.other_bytes, escaped.other_bytes_decomposed), (7, 0, 9));
        let ligature = of("\u{FDFA}");
        assert_eq!((ligature.other_bytes, ligature.other_bytes_decomposed), (3, 33));
    }

    #[test]
    fn no_character_grows_more_than_the_bound_says() {
        for c in ('\u{80}'..=char::MAX).filter(|c| !c.is_ascii()) {
            let length = u64::try_from(c.len_utf8()).expect("small");
            assert!(decomposed(c) <= length * DECOMPOSED_MAX, "{c:?}");
            assert_eq!(decomposed(c), by_table(c), "{c:?}");
        }
    }

    #[test]
    fn a_backslash_at_the_end_is_counted() {
        assert_eq!(of("ab\\").ascii_bytes, 3);
        assert_eq!(of("ab\\u12").ascii_bytes, 6);
    }
}
