//! Counting within bounds of time: how much text is looked at, and what is done with text that is
//! made to be slow.
//!
//! The tokenizer is linear. Its dearest input is a piece (what its pattern takes for one word or
//! one gap) of great length, so pieces beyond a limit are counted as bytes. That is sound: a token
//! of these vocabularies covers a byte at least. Nothing that is written to be read has such words.

use crate::vocabulary::Vocabulary;
use haltline_policy::quote::ExactInput;
use haltline_types::Tokens;

/// Bytes of text in one count, at most: half a second of one thread.
pub const TEXT_MAX: usize = 2 << 20;

/// Bytes of a piece that is still tokenized: some 5,000 Chinese characters without punctuation.
pub const PIECE_MAX: usize = 16 << 10;

/// The tokens of all texts, each counted by itself; `None` when they are more than `TEXT_MAX` bytes.
///
/// Takes time in proportion to the bytes, and loads the vocabulary at its first use: not for a
/// thread that serves other requests. Never more than the bytes of the texts. Names of special
/// tokens in a text count as the plain text they are, which is never less.
pub fn count<'a>(vocabulary: Vocabulary, texts: impl IntoIterator<Item = &'a str>) -> Option<Tokens> {
    let mut bytes = 0_usize;
    let mut tokens = 0_u64;
    for text in texts {
        bytes = bytes.checked_add(text.len()).filter(|bytes| *bytes <= TEXT_MAX)?;
        tokens = tokens.checked_add(count_text(vocabulary, text)?)?;
    }
    Some(Tokens::new(tokens))
}

/// Counts a request for the second stage of its ceiling: the texts that the model reads as they
/// stand, and the JSON of tools and schemas with its line breaks, and bytes that
/// nobody can read (`haltline_wire::texts`). `None`
/// when either is more than `TEXT_MAX` bytes. As slow as `count`.
pub fn exact<'a>(
    vocabulary: Vocabulary,
    plain: impl IntoIterator<Item = &'a str>,
    rendered: impl IntoIterator<Item = &'a str>,
    rendered_lines: u64,
    opaque_bytes: u64,
) -> Option<ExactInput> {
    let mut texts = 0_u64;
    let plain = count(vocabulary, plain.into_iter().inspect(|_| texts = texts.saturating_add(1)))?;
    Some(ExactInput { plain, texts, rendered: count(vocabulary, rendered)?, rendered_lines, opaque_bytes })
}

#[cfg(feature = "exact-tokens")]
fn count_text(vocabulary: Vocabulary, text: &str) -> Option<u64> {
    let tokenizer = vocabulary.tokenizer();
    tokenizer.split(text).try_fold(0_u64, |sum, piece| {
        let piece = if piece.len() > PIECE_MAX { piece.len() } else { tokenizer.bpe.count(piece.as_bytes()) };
        sum.checked_add(u64::try_from(piece).ok()?)
    })
}

/// Nothing to count with.
#[cfg(not(feature = "exact-tokens"))]
fn count_text(_: Vocabulary, _: &str) -> Option<u64> {
    None
}

#[cfg(all(test, feature = "exact-tokens"))]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<u64> {
        count(Vocabulary::O200k, [text]).map(Tokens::get)
    }

    #[test]
    fn a_long_piece_counts_as_its_bytes_and_the_text_around_it_exactly() {
        let long = "x".repeat(PIECE_MAX + 1);
        let bytes = u64::try_from(long.len()).expect("small");
        assert_eq!(of(&format!("hello world {long}")), Some(2 + bytes + 1), "the space belongs to the piece");
        assert_eq!(of(&format!("{long}.\nhello world")), Some(bytes + 1 + 2));
        assert!(of(&long[2..]).is_some_and(|tokens| tokens < bytes / 2));
    }

    #[test]
    fn too_much_text_is_not_counted() {
        let half = "a ".repeat(TEXT_MAX / 4);
        assert!(count(Vocabulary::O200k, [half.as_str(), half.as_str()]).is_some());
        assert_eq!(count(Vocabulary::O200k, [half.as_str(), half.as_str(), "a"]), None);
        assert_eq!(count(Vocabulary::O200k, []), Some(Tokens::ZERO));
    }
}
