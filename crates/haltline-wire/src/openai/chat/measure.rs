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
    pub(super) fn add_text(&mut self, raw: &[u8]) {
        let mut rest = raw;
        while let Some((run, other)) = split_plain(rest) {
            self.ascii_bytes += length(run);
            rest = self.add_special(other);
        }
        self.ascii_bytes += length(rest);
    }

    /// Adds the character or escape at the begin of `text`, and returns what comes after it.
    fn add_special<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        if text[0] == b'\\' {
            let Some((unit, after)) = crate::json::next_unit(text) else {
                self.ascii_bytes += length(text);
                return &[];
            };
            self.ascii_bytes += length(text) - length(after);
            if let crate::json::Unit::Code(code) = unit
                && let Some(c) = char::from_u32(code)
                && !c.is_ascii()
            {
                self.other_bytes_decomposed += decomposed(c);
            }
            return after;
        }
        let end = text.iter().position(u8::is_ascii).unwrap_or(text.len());
        let (run, rest) = text.split_at(end);
        self.other_bytes += length(run);
        match std::str::from_utf8(run) {
            Ok(run) => self.other_bytes_decomposed += run.chars().map(decomposed).sum::<u64>(),
            Err(_) => self.other_bytes_decomposed += length(run) * DECOMPOSED_MAX,
        }
        rest
    }

    /// Adds the text of a string value, or any other value as it stands.
    pub(super) fn add_value(&mut self, body: &[u8], value: &Range<usize>) {
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
    let mut bytes = 0;
    unicode_normalization::char::decompose_compatible(c, |part| bytes += part.len_utf8());
    u64::try_from(bytes.max(c.len_utf8())).unwrap_or(u64::MAX)
}

/// Splits before the first byte that is not plain ASCII, or that begins a `\u` escape.
fn split_plain(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let at = from + rest.iter().position(|byte| *byte >= 0x80 || *byte == b'\\')?;
        if text[at] >= 0x80 || text.get(at + 1) == Some(&b'u') {
            return Some(text.split_at(at));
        }
        from = at + 2;
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
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
        }
    }

    #[test]
    fn a_backslash_at_the_end_is_counted() {
        assert_eq!(of("ab\\").ascii_bytes, 3);
        assert_eq!(of("ab\\u12").ascii_bytes, 6);
    }
}
