//! Text as people read it: without case, width, accents' composition, invisible letters, and the
//! kind of space. Letter by letter, so that it can be done while text streams.

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// Decodes UTF-8 a byte at a time.
#[derive(Clone, Copy, Default)]
pub(super) struct Decoder {
    value: u32,
    left: u8,
    /// Bytes of the character so far.
    pub(super) length: u8,
}

impl Decoder {
    /// The character that is complete with this byte.
    pub(super) fn take(&mut self, byte: u8) -> Option<char> {
        let (value, left) = match byte {
            0x80..=0xBF if self.left > 0 => (self.value << 6 | u32::from(byte & 0x3F), self.left - 1),
            0xC0..=0xDF => (u32::from(byte & 0x1F), 1),
            0xE0..=0xEF => (u32::from(byte & 0x0F), 2),
            0xF0..=0xFF => (u32::from(byte & 0x07), 3),
            _ => (u32::from(byte), 0),
        };
        self.length = if byte & 0xC0 == 0x80 { self.length + 1 } else { 1 };
        self.value = value;
        self.left = left;
        if left == 0 { Some(char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)) } else { None }
    }
}

/// Calls `give` with what a character is read as: nothing for invisible ones, a space for what
/// separates words.
pub(super) fn fold(character: char, mut give: impl FnMut(char)) {
    if character.is_ascii() {
        return give(if separates(character) { ' ' } else { character.to_ascii_lowercase() });
    }
    if is_invisible(character) {
        return;
    }
    decompose_compatible(character, |part| {
        if is_invisible(part) {
        } else if separates(part) {
            give(' ');
        } else {
            part.to_lowercase().for_each(&mut give);
        }
    });
}

/// A text as it is read, with single spaces.
pub(super) fn folded(text: &str) -> Vec<char> {
    let mut out: Vec<char> = Vec::new();
    for character in text.chars() {
        fold(character, |folded| {
            if folded != ' ' || out.last().is_some_and(|last| *last != ' ') {
                out.push(folded);
            }
        });
    }
    if out.last() == Some(&' ') {
        out.pop();
    }
    out
}

fn separates(character: char) -> bool {
    character.is_whitespace() || matches!(character, '-' | '_' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// Whether two characters beside each other belong to one word. Scripts that write without spaces
/// have no such words, and neither has Hangul, which joins particles to them.
pub(super) fn joins(first: char, second: char) -> bool {
    in_word(first) && (in_word(second) || is_combining_mark(second)) || is_combining_mark(first) && in_word(second)
}

fn in_word(character: char) -> bool {
    character.is_alphanumeric()
        && !matches!(
            character,
            '\u{E00}'..='\u{EFF}'
                | '\u{1000}'..='\u{11FF}'
                | '\u{1780}'..='\u{17FF}'
                | '\u{2E80}'..='\u{9FFF}'
                | '\u{AC00}'..='\u{D7FF}'
                | '\u{F900}'..='\u{FAFF}'
                | '\u{20000}'..='\u{3FFFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_decoded_byte_by_byte() {
        let text = "aé€😀\u{0}z";
        let mut decoder = Decoder::default();
        let decoded: String = text.bytes().filter_map(|byte| decoder.take(byte)).collect();
        assert_eq!(decoded, text);
    }

    #[test]
    fn what_reads_the_same_is_the_same() {
        let same = [
            "Project  Bluebird",
            "ｐｒｏｊｅｃｔ　ＢＬＵＥＢＩＲＤ",
            "pro\u{200B}ject-blue\u{AD}bird",
            "𝐩𝐫𝐨𝐣𝐞𝐜𝐭\nbluebird ",
        ];
        for text in same {
            assert_eq!(folded(text).iter().collect::<String>(), "project bluebird", "{text}");
        }
        assert_eq!(folded("Ünï"), folded("U\u{308}ni\u{308}"));
        assert_ne!(folded("Ünï"), folded("Uni"));
    }

    #[test]
    fn words_end_where_people_see_them_end() {
        for (first, second, same) in [
            ('a', 'b', true),
            ('a', '1', true),
            ('a', ' ', false),
            ('e', '\u{301}', true),
            ('密', '码', false),
            ('a', '密', false),
        ] {
            assert_eq!(joins(first, second), same, "{first}{second}");
        }
    }
}
