//! What the inside of a JSON string says: escapes to bytes. Expects a string that was checked;
//! on any other it gives some answer and never fails.

use std::borrow::Cow;

/// The bytes that `raw`, the inside of a string, stands for. A lone surrogate becomes the three
/// bytes that UTF-8 would have for it, so that different strings stay different.
pub(crate) fn decode(raw: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', raw) else {
        return Cow::Borrowed(raw);
    };
    let mut out = Vec::with_capacity(raw.len());
    out.extend_from_slice(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some((unit, after)) = next_unit(rest) {
        match unit {
            Unit::Plain(byte) => out.push(byte),
            Unit::Code(code) => push_code(&mut out, code),
        }
        rest = after;
    }
    Cow::Owned(out)
}

/// One step through the inside of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A byte as it stands, or the one byte that a short escape means.
    Plain(u8),
    /// A code point (or lone surrogate) written as `\uXXXX` or as a pair of them.
    Code(u32),
}

/// The next unit of `raw`, and what comes after it.
pub(crate) fn next_unit(raw: &[u8]) -> Option<(Unit, &[u8])> {
    let (&byte, rest) = raw.split_first()?;
    if byte != b'\\' {
        return Some((Unit::Plain(byte), rest));
    }
    let (&escape, after) = rest.split_first()?;
    let plain = match escape {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let (high, after) = hex4(after)?;
            if (0xD800..0xDC00).contains(&high)
                && let Some(second) = after.strip_prefix(b"\\u")
                && let Some((low, after_low)) = hex4(second)
                && (0xDC00..0xE000).contains(&low)
            {
                return Some((Unit::Code(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00)), after_low));
            }
            return Some((Unit::Code(high), after));
        }
        other => other,
    };
    Some((Unit::Plain(plain), after))
}

fn hex4(raw: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = raw.split_at_checked(4)?;
    let mut value = 0;
    for digit in digits {
        value = value * 16 + char::from(*digit).to_digit(16)?;
    }
    Some((value, rest))
}

fn push_code(out: &mut Vec<u8>, code: u32) {
    if let Some(c) = char::from_u32(code) {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        return;
    }
    for (shift, mark) in [(12, 0xE0), (6, 0x80), (0, 0x80)] {
        let bits = u8::try_from((code >> shift) & if shift == 12 { 0x0F } else { 0x3F }).unwrap_or(0);
        out.push(mark | bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_as_serde_decodes_them() {
        for raw in ["plain", r"mod\u0065l", r#"a\"b\\c\/d\b\f\n\r\t"#, r"\u4e2d\ud83d\ude00", "ü\\u0000ü"] {
            let expected: String = serde_json::from_str(&format!("\"{raw}\"")).expect(raw);
            assert_eq!(decode(raw.as_bytes()), expected.as_bytes(), "{raw}");
        }
    }

    #[test]
    fn lone_surrogates_stay_different() {
        assert_ne!(decode(br"\ud800"), decode(br"\ud801"));
        assert_eq!(decode(br"\ud800").len(), 3);
        assert_eq!(decode(br"\ud800\ud800").len(), 6);
    }
}
