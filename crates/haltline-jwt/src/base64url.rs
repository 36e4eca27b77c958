//! Base64url as RFC 7515 wants it: no padding, no line breaks, no bits left over. Two texts never
//! decode to the same bytes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The bytes; `None` when the text is not strictly base64url.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_text_stands_for_bytes() {
        assert_eq!(decode("_-8"), Some(vec![0xff, 0xef]));
        assert_eq!(decode(""), Some(Vec::new()));
        for text in ["_-9", "_-8=", "/+8", "_-8\n", " _-8", "_ -8", "A", "_-8A=", "\u{e4}A"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
