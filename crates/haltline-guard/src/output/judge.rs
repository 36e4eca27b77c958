//! Tells secrets from examples: entropy, and what people write where a secret should stand.

use super::rule::{Judge, JudgeKind};

impl Judge {
    /// Whether a text of the right form is taken for a secret.
    pub(super) fn accepts(&self, text: &[u8]) -> bool {
        match self.kind {
            JudgeKind::Certain => true,
            JudgeKind::Token => !is_placeholder(text) && entropy(text) >= self.entropy,
            JudgeKind::Generic => !is_placeholder(text) && entropy(text) >= self.entropy && is_random(text),
        }
    }
}

/// Bits a byte.
fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    let mut total = 0_u32;
    for &byte in text {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
            total += 1;
        }
    }
    let total = f64::from(total);
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|&count| -f64::from(count) / total * (f64::from(count) / total).log2())
        .sum()
}

/// Words that show an example wherever they stand.
const ANYWHERE: [&[u8]; 10] = [
    b"example",
    b"xxxx",
    b"***",
    b"...",
    b"placeholder",
    b"changeme",
    b"dummy",
    b"redacted",
    b"0123456789",
    b"abcdefghij",
];
/// Words that show an example if they stand alone.
const ALONE: [&[u8]; 17] = [
    b"your",
    b"password",
    b"passwd",
    b"pass",
    b"pwd",
    b"secret",
    b"user",
    b"test1234",
    b"hunter2",
    b"postgres",
    b"mysecretpassword",
    b"root",
    b"admin",
    b"guest",
    b"foobared",
    b"redis",
    b"token",
];
/// Equal bytes in a row that show an example.
const EQUAL: usize = 8;

fn is_placeholder(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    ANYWHERE.iter().any(|word| lower.windows(word.len()).any(|window| window == *word))
        || ALONE.iter().any(|word| stands_alone(&lower, word))
        || lower.windows(2).any(|pair| matches!(pair, [b'<', b'a'..=b'z']))
        || has_equal_run(text)
}

/// Whether a word stands somewhere without a letter or digit beside it.
fn stands_alone(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).enumerate().any(|(at, window)| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        let after = text.get(at + word.len());
        window == word
            && !before.is_some_and(u8::is_ascii_alphanumeric)
            && !after.is_some_and(u8::is_ascii_alphanumeric)
    })
}

fn has_equal_run(text: &[u8]) -> bool {
    let mut last = None;
    let mut length = 0;
    for &byte in text {
        length = if last == Some(byte) { length + 1 } else { 1 };
        last = Some(byte);
        if length >= EQUAL {
            return true;
        }
    }
    false
}

/// What begins code and checksums, not secrets.
const CODE: [&[u8]; 10] = [b"http", b"os.", b"process", b"self", b"config", b"env", b"sha1", b"sha2", b"sha3", b"sha5"];
/// Small letters in a row that only words have.
const WORDLIKE: usize = 13;

fn is_random(text: &[u8]) -> bool {
    let digits = text.iter().any(u8::is_ascii_digit);
    let letters = text.iter().any(u8::is_ascii_alphabetic);
    let uuid = text.len() == 36 && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    let code = CODE.iter().any(|word| text.starts_with(word));
    let wordlike = text.split(|byte| !byte.is_ascii_lowercase()).any(|run| run.len() >= WORDLIKE);
    digits && letters && !uuid && !code && !wordlike
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_counts_bits() {
        for (text, bits) in [("", 0.0), ("aaaa", 0.0), ("abab", 1.0), ("abcd", 2.0), ("abcdefgh", 3.0)] {
            assert!((entropy(text.as_bytes()) - bits).abs() < 1e-9, "{text}");
        }
    }

    #[test]
    fn examples_are_known() {
        let bad = [
            "your-key-here",
            "password",
            "my.secret",
            "<token>",
            "aaaaaaaa",
            "AKIAEXAMPLE",
            "p***",
            "${x}...",
            "XXXX1",
        ];
        for text in bad {
            assert!(is_placeholder(text.as_bytes()), "{text}");
        }
        for text in ["gX7passR9", "yourself1", "aaaaaaab", "Rootin7Q"] {
            assert!(!is_placeholder(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn words_numbers_and_checksums_are_not_random() {
        for text in
            ["process.env.KEY1", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "azureclientsecretproduction1", "12345678"]
        {
            assert!(!is_random(text.as_bytes()), "{text}");
        }
        assert!(is_random(b"Qk33wYNva2XNtQqdoc"));
    }
}
