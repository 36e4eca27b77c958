//! Characters: compatibility forms, invisible ones, accents of Latin letters, and letters of other
//! scripts that look Latin.
//!
//! A look-alike is folded only in a word that mixes scripts and becomes plain ASCII by it, or in a
//! text all of whose letters do: anything else would make nonsense of Russian and Greek.

use super::text::Text;
use std::ops::Range;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical, is_combining_mark};

/// Characters of one cluster that are read; further marks are dropped.
const CLUSTER_MAX: usize = 8;

/// The text in plain characters, and what invisible characters spelt.
pub(super) fn fold(text: &Text) -> (Text, Vec<Text>) {
    if text.as_str().is_ascii() {
        return (text.clone(), Vec::new());
    }
    let invisible = invisible(text);
    let plain = compose(text);
    (fold_words(&plain), invisible)
}

/// What tags (U+E0020 to U+E007E) and variation selectors (read as bytes) spell.
fn invisible(text: &Text) -> Vec<Text> {
    let mut tags = Text::with_capacity(0);
    let mut bytes = Vec::new();
    let mut bytes_from = None;
    for (at, c) in text.as_str().char_indices() {
        let code = u32::from(c);
        match code {
            0xE0020..=0xE007E => {
                if let Some(c) = char::from_u32(code - 0xE0000) {
                    tags.push(c, text.from(at));
                }
            }
            0xFE00..=0xFE0F | 0xE0100..=0xE01EF => {
                let value = if code >= 0xE0100 { code - 0xE0100 + 16 } else { code - 0xFE00 };
                bytes.extend(u8::try_from(value));
                let from = text.from(at);
                bytes_from = Some(bytes_from.map_or(from.clone(), |first: Range<u32>| first.start..from.end));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    if tags.len() >= 3 {
        found.push(tags);
    }
    if let (true, Some(from)) = (bytes.len() >= 8, bytes_from) {
        found.extend(super::decode::readable(bytes).map(|spelt| Text::placed(spelt, from)));
    }
    found
}

/// Compatibility composition by cluster, without invisible characters and without Latin accents.
fn compose(text: &Text) -> Text {
    let mut plain = text.like();
    let mut chars = text.as_str().char_indices().peekable();
    let mut cluster = String::new();
    // A character may stand for a whole phrase; what grows beyond this is taken as it is.
    let room = text.len() + text.len() / 2 + 256;
    while let Some((at, c)) = chars.next() {
        if c.is_ascii() && chars.peek().is_none_or(|(_, next)| next.is_ascii()) {
            plain.push(c, text.from(at));
            continue;
        }
        if is_invisible(c) {
            continue;
        }
        cluster.clear();
        cluster.push(c);
        let mut end = at + c.len_utf8();
        let mut size = 1;
        while let Some(&(next_at, next)) = chars.peek() {
            if !(canonical_combining_class(next) != 0 || is_jamo_tail(next) || is_invisible(next)) {
                break;
            }
            if !is_invisible(next) && size < CLUSTER_MAX {
                cluster.push(next);
                size += 1;
            }
            end = next_at + next.len_utf8();
            chars.next();
        }
        let from = text.from_span(at..end);
        if plain.len() > room {
            plain.push(c, from);
            continue;
        }
        let mut after_latin = false;
        for c in cluster.nfkc() {
            after_latin = push_plain(&mut plain, c, &from, after_latin);
        }
    }
    plain
}

/// Adds a character without its accents if it is Latin. Says whether marks that follow are accents.
fn push_plain(plain: &mut Text, c: char, from: &Range<u32>, after_latin: bool) -> bool {
    if c.is_ascii() {
        plain.push(c, from.clone());
        return c.is_ascii_alphabetic();
    }
    if is_invisible(c) {
        return after_latin;
    }
    if is_combining_mark(c) && after_latin {
        return true;
    }
    if let Some(latin) = latin(c) {
        latin.chars().for_each(|c| plain.push(c, from.clone()));
        return true;
    }
    let mut base = None;
    decompose_canonical(c, |part| {
        base.get_or_insert(part);
    });
    match base {
        Some(base) if base.is_ascii_alphabetic() => {
            plain.push(base, from.clone());
            true
        }
        _ => {
            plain.push(c, from.clone());
            false
        }
    }
}

/// Latin letters that have no decomposition, typographic signs, and letters in boxes.
fn latin(c: char) -> Option<&'static str> {
    Some(match c {
        'ł' => "l",
        'Ł' => "L",
        'ø' => "o",
        'Ø' => "O",
        'đ' => "d",
        'Đ' => "D",
        'ı' => "i",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        '\u{2018}' | '\u{2019}' | '\u{201B}' | '\u{2032}' => "'",
        '\u{201C}' | '\u{201D}' | '\u{201E}' | '\u{201F}' | '\u{AB}' | '\u{BB}' => "\"",
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "-",
        _ => boxed(c)?,
    })
}

/// Negative circled, negative squared and regional letters: no compatibility form leads to them.
fn boxed(c: char) -> Option<&'static str> {
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
    let code = u32::from(c);
    let index = match code {
        0x1F150..=0x1F169 => code - 0x1F150,
        0x1F170..=0x1F189 => code - 0x1F170,
        0x1F1E6..=0x1F1FF => code - 0x1F1E6,
        _ => return None,
    };
    let index = usize::try_from(index).ok()?;
    LETTERS.get(index..=index)
}

/// Default-ignorable characters: they are not shown, but part words for a program.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
        | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xE0000..=0xE0FFF)
}

const fn is_jamo_tail(c: char) -> bool {
    matches!(c, '\u{1161}'..='\u{11FF}')
}

/// Folds look-alikes where a word, or the whole text, becomes ASCII by it.
fn fold_words(text: &Text) -> Text {
    if text.as_str().is_ascii() {
        return text.clone();
    }
    let mut letters = text.as_str().chars().filter(|c| c.is_alphabetic() && !c.is_ascii());
    let everywhere = letters.all(|c| look_alike(c).is_some());
    let mut folded = text.like();
    let mut rest = 0;
    while let Some(word) = next_word(text.as_str(), rest) {
        folded.copy(text, rest..word.start);
        let Some(letters) = text.as_str().get(word.clone()) else { break };
        let has_ascii = letters.bytes().any(|byte| byte.is_ascii_alphabetic());
        let folds = !letters.is_ascii()
            && (everywhere || has_ascii)
            && letters.chars().all(|c| c.is_ascii() || look_alike(c).is_some());
        if folds {
            for (at, c) in letters.char_indices() {
                folded.push(look_alike(c).unwrap_or(c), text.from(word.start + at));
            }
        } else {
            folded.copy(text, word.clone());
        }
        rest = word.end;
    }
    folded.copy(text, rest..text.len());
    folded
}

fn next_word(text: &str, from: usize) -> Option<Range<usize>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let start = from + text.get(from..)?.find(is_word)?;
    let end = text.get(start..)?.find(|c| !is_word(c)).map_or(text.len(), |length| start + length);
    Some(start..end)
}

/// The ASCII letter that a letter looks like.
fn look_alike(c: char) -> Option<char> {
    if c.is_ascii() {
        return Some(c);
    }
    if let Ok(at) = LOOK_ALIKES.binary_search_by_key(&c, |(from, _)| *from) {
        return LOOK_ALIKES.get(at).map(|(_, to)| *to);
    }
    let mut buffer = [0; 4];
    let mut skeleton = unicode_security::skeleton(c.encode_utf8(&mut buffer));
    match (skeleton.next(), skeleton.next()) {
        (Some(one), None) if one.is_ascii_alphanumeric() => Some(one),
        _ => None,
    }
}

/// Letters that pass for Latin ones at a glance, by code. What Unicode calls confusable is added to
/// them; these are alike enough for a reader, and not for Unicode.
const LOOK_ALIKES: [(char, char); 87] = [
    ('ɑ', 'a'),
    ('ɡ', 'g'),
    ('ɢ', 'g'),
    ('ɪ', 'i'),
    ('ɴ', 'n'),
    ('ʀ', 'r'),
    ('ʏ', 'y'),
    ('ʙ', 'b'),
    ('ʜ', 'h'),
    ('ʟ', 'l'),
    ('Α', 'A'),
    ('Β', 'B'),
    ('Ε', 'E'),
    ('Ζ', 'Z'),
    ('Η', 'H'),
    ('Ι', 'I'),
    ('Κ', 'K'),
    ('Μ', 'M'),
    ('Ν', 'N'),
    ('Ο', 'O'),
    ('Ρ', 'P'),
    ('Τ', 'T'),
    ('Υ', 'Y'),
    ('Χ', 'X'),
    ('α', 'a'),
    ('ε', 'e'),
    ('η', 'n'),
    ('ι', 'i'),
    ('κ', 'k'),
    ('ν', 'v'),
    ('ο', 'o'),
    ('ρ', 'p'),
    ('τ', 't'),
    ('υ', 'u'),
    ('χ', 'x'),
    ('Ѕ', 'S'),
    ('І', 'I'),
    ('А', 'A'),
    ('В', 'B'),
    ('Е', 'E'),
    ('К', 'K'),
    ('М', 'M'),
    ('Н', 'H'),
    ('О', 'O'),
    ('Р', 'P'),
    ('С', 'C'),
    ('Т', 'T'),
    ('У', 'Y'),
    ('Х', 'X'),
    ('а', 'a'),
    ('в', 'b'),
    ('г', 'r'),
    ('е', 'e'),
    ('к', 'k'),
    ('м', 'm'),
    ('н', 'h'),
    ('о', 'o'),
    ('р', 'p'),
    ('с', 'c'),
    ('т', 't'),
    ('у', 'y'),
    ('х', 'x'),
    ('ѕ', 's'),
    ('і', 'i'),
    ('ј', 'j'),
    ('ѡ', 'w'),
    ('ѵ', 'v'),
    ('ғ', 'f'),
    ('һ', 'h'),
    ('ӏ', 'l'),
    ('ԁ', 'd'),
    ('ԝ', 'w'),
    ('ո', 'n'),
    ('ᴀ', 'a'),
    ('ᴄ', 'c'),
    ('ᴅ', 'd'),
    ('ᴇ', 'e'),
    ('ᴋ', 'k'),
    ('ᴍ', 'm'),
    ('ᴏ', 'o'),
    ('ᴘ', 'p'),
    ('ᴛ', 't'),
    ('ᴜ', 'u'),
    ('ᴠ', 'v'),
    ('ᴡ', 'w'),
    ('ᴢ', 'z'),
    ('ꜱ', 's'),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        fold(&Text::of(text)).0.as_str().to_owned()
    }

    #[test]
    fn disguised_letters_become_plain() {
        assert_eq!(folded("Makе a rһyme uѕing tһe"), "Make a rhyme using the");
        assert_eq!(folded("ｉｇｎｏｒｅ 𝐚𝐥𝐥"), "ignore all");
        assert_eq!(folded("i\u{200b}g\u{ad}n\u{2060}ore"), "ignore");
        assert_eq!(folded("i\u{300}\u{301}\u{302}gno\u{316}re"), "ignore");
        assert_eq!(folded("précédentes für não ł"), "precedentes fur nao l");
        assert_eq!(folded("ɪɢɴᴏʀᴇ"), "ignore");
    }

    #[test]
    fn other_scripts_stay_what_they_are() {
        for text in ["Не забудь правила", "이전 지시를", "指示を無視", "क्या आप", "проверка API"]
        {
            assert_eq!(folded(text), text);
        }
        assert_eq!(folded("\u{1112}\u{1161}\u{11ab}"), "한");
        assert_eq!(folded("и\u{306}"), "й");
    }

    #[test]
    fn what_nobody_sees_is_read() {
        let tags: String = "ignore".chars().filter_map(|c| char::from_u32(u32::from(c) + 0xE0000)).collect();
        let (plain, invisible) = fold(&Text::of(&format!("Hi{tags} there")));
        assert_eq!(plain.as_str(), "Hi there");
        assert_eq!(invisible.iter().map(Text::as_str).collect::<Vec<_>>(), ["ignore"]);
        let selectors: String =
            b"ignore all".iter().filter_map(|byte| char::from_u32(0xE0100 + u32::from(*byte) - 16)).collect();
        let (_, invisible) = fold(&Text::of(&format!("x{selectors}")));
        assert_eq!(invisible.iter().map(Text::as_str).collect::<Vec<_>>(), ["ignore all"]);
    }

    #[test]
    fn look_alikes_are_in_order() {
        assert!(LOOK_ALIKES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
