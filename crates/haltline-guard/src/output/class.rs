//! Sets of bytes, and the sixteen kinds of byte that look-behind knows.

/// A set of bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Class([u64; 4]);

impl Class {
    /// The set that a list names: `A-Za-z0-9_-`. A `-` at the end, or after a range, is itself.
    pub(super) const fn of(list: &str) -> Self {
        let list = list.as_bytes();
        let mut bits = [0_u64; 4];
        let mut at = 0;
        while at < list.len() {
            let first = list[at];
            let last = if at + 2 < list.len() && list[at + 1] == b'-' {
                at += 2;
                list[at]
            } else {
                first
            };
            let mut byte = first;
            loop {
                bits[(byte >> 6) as usize] |= 1 << (byte & 63);
                if byte >= last {
                    break;
                }
                byte += 1;
            }
            at += 1;
        }
        Self(bits)
    }

    /// Every byte but those that a list names.
    pub(super) const fn but(list: &str) -> Self {
        let Self(bits) = Self::of(list);
        Self([!bits[0], !bits[1], !bits[2], !bits[3]])
    }

    /// The bytes of either.
    pub(super) const fn or(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        Self([a[0] | b[0], a[1] | b[1], a[2] | b[2], a[3] | b[3]])
    }

    pub(super) const fn has(&self, byte: u8) -> bool {
        let [a, b, c, d] = self.0;
        let word = match byte >> 6 {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        };
        word >> (byte & 63) & 1 == 1
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

pub(super) const OTHER: u8 = 0;
pub(super) const BACKSLASH: u8 = 1;
pub(super) const DASH: u8 = 2;
const PERCENT: u8 = 3;
/// From here on a byte is part of a word.
const WORD: u8 = 4;
pub(super) const DIGIT: u8 = 4;
const UNDERSCORE: u8 = 5;
const LETTER: u8 = 6;
pub(super) const MNO: u8 = 7;
/// The letter of an escape: `\n`, `\r`, `\t`.
const ESCAPED: u8 = 8;
/// Any other small letter.
const LOWER: u8 = 9;

const fn kind(byte: u8) -> u8 {
    match byte {
        b'\\' => BACKSLASH,
        b'-' => DASH,
        b'%' => PERCENT,
        b'0'..=b'9' => DIGIT,
        b'_' => UNDERSCORE,
        b'M' | b'N' | b'O' => MNO,
        b'n' | b'r' | b't' => ESCAPED,
        b'a'..=b'z' => LOWER,
        b'A'..=b'Z' => LETTER,
        _ => OTHER,
    }
}

/// [`kind`] of every byte: a look-up where text streams.
const KINDS: [u8; 256] = {
    let mut kinds = [OTHER; 256];
    let mut byte = 0_u8;
    while byte < u8::MAX {
        kinds[byte as usize] = kind(byte);
        byte += 1;
    }
    kinds
};

/// The kinds of the last 32 bytes, the newest in the lowest four bits. What stands before a text
/// is no part of a word.
#[derive(Clone, Copy, Default)]
pub(super) struct Behind(u128);

/// How many bytes [`Behind`] remembers.
pub(super) const REMEMBERED: usize = 32;

impl Behind {
    pub(super) const fn new() -> Self {
        Self(0)
    }

    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        self.0 = self.0 << 4 | u128::from(KINDS.get(usize::from(byte)).copied().unwrap_or(OTHER));
    }

    /// Takes a piece of text: only its end matters.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let from = bytes.len().saturating_sub(REMEMBERED);
        for &byte in bytes.get(from..).unwrap_or_default() {
            self.push(byte);
        }
    }

    /// The kind of the byte so many bytes back.
    pub(super) const fn kind(self, back: u32) -> u8 {
        if back >= 32 { OTHER } else { (self.0 >> (back * 4) & 15) as u8 }
    }

    pub(super) const fn is_word(self, back: u32) -> bool {
        self.kind(back) >= WORD
    }

    pub(super) const fn is_lower(self, back: u32) -> bool {
        matches!(self.kind(back), LOWER | ESCAPED)
    }

    pub(super) const fn is_upper(self, back: u32) -> bool {
        matches!(self.kind(back), LETTER | MNO)
    }

    /// Whether something of the given length that ends here begins a word: no letter, digit or `_`
    /// stands before it, but for those of an escape (`\n`, `%3D`).
    pub(super) const fn begins(self, length: u32) -> bool {
        !self.is_word(length)
            || (self.kind(length) == ESCAPED && self.kind(length + 1) == BACKSLASH)
            || (self.is_word(length + 1) && self.kind(length + 2) == PERCENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_what_its_list_names() {
        let class = Class::of("A-C0-9_-");
        for byte in 0..=u8::MAX {
            assert_eq!(class.has(byte), b"ABC0123456789_-".contains(&byte), "{byte}");
            assert_ne!(Class::but("A-C0-9_-").has(byte), class.has(byte));
        }
        assert_eq!(class.len(), 15);
        assert!(class.or(Class::of("z")).has(b'z'));
    }

    #[test]
    fn words_begin_after_what_is_no_word_and_after_escapes() {
        for (before, begins) in [
            ("", true),
            (" ", true),
            ("a", false),
            ("_", false),
            ("\\n", true),
            ("n", false),
            ("%3D", true),
            ("3D", false),
        ] {
            let mut behind = Behind::default();
            behind.extend(format!("{before}sk-").as_bytes());
            assert_eq!(behind.begins(3), begins, "{before:?}");
        }
    }
}
