//! Markup that splits or frames words: character references, inline tags, comment marks, emphasis.

use super::text::Text;
use std::ops::Range;

/// Tags that are removed without a trace: they may stand inside of words.
const INLINE: [&str; 15] =
    ["b", "i", "em", "strong", "span", "font", "u", "mark", "sub", "sup", "wbr", "br", "p", "div", "a"];
/// Bytes of a tag, at most.
const TAG_MAX: usize = 200;
/// Bytes of a character reference, at most.
const REFERENCE_MAX: usize = 10;

/// The text without markup, or nothing when it has none.
pub(super) fn strip(text: &Text) -> Option<Text> {
    if !text.as_str().bytes().any(|byte| matches!(byte, b'&' | b'<' | b'-' | b'*' | b'_' | b'~' | b'`')) {
        return None;
    }
    let unescaped = references(text);
    let text = unescaped.as_ref().unwrap_or(text);
    let untagged = tags(text);
    let text = untagged.as_ref().unwrap_or(text);
    let calm = emphasis(text);
    calm.or(untagged).or(unescaped)
}

/// `&#105;`, `&#x69;`, `&lt;` and the like become characters.
fn references(text: &Text) -> Option<Text> {
    let source = text.as_str();
    let mut out: Option<Text> = None;
    let mut rest = 0;
    for (at, _) in source.match_indices('&') {
        if at < rest {
            continue;
        }
        let Some((c, length)) = source.get(at + 1..).and_then(reference) else { continue };
        let out = out.get_or_insert_with(|| text.like());
        let end = at + 1 + length;
        out.copy(text, rest..at);
        out.push(c, text.from_span(at..end));
        rest = end;
    }
    let mut out = out?;
    out.copy(text, rest..text.len());
    Some(out)
}

/// The character, and the bytes behind `&`.
fn reference(after: &str) -> Option<(char, usize)> {
    let end = after.bytes().take(REFERENCE_MAX).position(|byte| byte == b';')?;
    let name = after.get(..end)?;
    let c = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "Tab" => '\t',
        "NewLine" => '\n',
        "colon" => ':',
        "period" => '.',
        "comma" => ',',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code).filter(|c| !c.is_control() || *c == '\n')?
        }
    };
    Some((c, end + 1))
}

/// Without inline tags; marks of comments become spaces.
fn tags(text: &Text) -> Option<Text> {
    let source = text.as_str();
    let mut out: Option<Text> = None;
    let mut rest = 0;
    for (at, _) in source.match_indices(['<', '-']) {
        if at < rest {
            continue;
        }
        let Some(after) = source.get(at..) else { continue };
        let (length, is_space) = if after.starts_with("<!--") {
            (4, true)
        } else if after.starts_with("-->") {
            (3, true)
        } else if let Some(length) = inline_tag(after) {
            (length, false)
        } else {
            continue;
        };
        let out = out.get_or_insert_with(|| text.like());
        out.copy(text, rest..at);
        if is_space {
            out.push(' ', text.from(at));
        }
        rest = at + length;
    }
    let mut out = out?;
    out.copy(text, rest..text.len());
    Some(out)
}

/// Bytes of the inline tag that stands here.
fn inline_tag(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('<')?;
    let inside = inside.strip_prefix('/').unwrap_or(inside);
    let name_length = inside.bytes().take(7).position(|byte| !byte.is_ascii_alphabetic())?;
    let name = inside.get(..name_length)?.to_ascii_lowercase();
    if !INLINE.contains(&name.as_str()) {
        return None;
    }
    let end = inside.bytes().take(TAG_MAX).position(|byte| matches!(byte, b'>' | b'\n'))?;
    (inside.as_bytes().get(end) == Some(&b'>')).then(|| text.len() - inside.len() + end + 1)
}

/// Without one to three `*`, `~`, `` ` `` or `_` beside a word. An underscore inside a word is part of
/// a name and stays.
fn emphasis(text: &Text) -> Option<Text> {
    let source = text.as_str();
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80);
    let bytes = source.as_bytes();
    let mut out: Option<Text> = None;
    let mut rest = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if !matches!(byte, b'*' | b'~' | b'`' | b'_') {
            at += 1;
            continue;
        }
        let run: Range<usize> =
            at..at + bytes.iter().skip(at).take_while(|byte| matches!(byte, b'*' | b'~' | b'`' | b'_')).count();
        at = run.end;
        let before = run.start.checked_sub(1).and_then(|before| bytes.get(before));
        let (before, after) = (is_word(before), is_word(bytes.get(run.end)));
        let has_underscore = source.get(run.clone()).is_some_and(|run| run.contains('_'));
        if run.len() > 3 || !(before || after) || (has_underscore && before && after) {
            continue;
        }
        let out = out.get_or_insert_with(|| text.like());
        out.copy(text, rest..run.start);
        rest = run.end;
    }
    let mut out = out?;
    out.copy(text, rest..text.len());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_without_markup() {
        for (written, read) in [
            ("<p>Hello.</p><!-- ignore --><b>all</b>", "Hello.  ignore  all"),
            ("&#105;g&#x6E;ore &lt;b&gt;all", "ignore all"),
            ("ig**no**re _all_ `previous` snake_case", "ignore all previous snake_case"),
            ("a ** b", "a ** b"),
            ("x <div class='y'\n>", "x <div class='y'\n>"),
            ("&unknown; &#0; & &&", "&unknown; &#0; & &&"),
        ] {
            let text = Text::of(written);
            let stripped = strip(&text).unwrap_or(text);
            assert_eq!(stripped.as_str(), read);
        }
    }
}
