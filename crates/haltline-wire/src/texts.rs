//! The texts of a request in OpenAI's dialects, apart: what an exact tokenizer counts.
//!
//! Everything that stands in the body is given, keys and literals included; only the data of media
//! is left out. What the provider reads as it stands is decoded; tools and schemas, which it
//! rewrites in a form of its own, are given as the JSON they are.

use crate::json::walk::{self, Cursor};
use std::borrow::Cow;
use std::ops::Range;

/// The texts of a body.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Texts<'a> {
    /// Strings, keys and literals outside of tools and schemas, decoded.
    pub plain: Vec<Cow<'a, str>>,
    /// The JSON of tools and schemas, as it was sent.
    pub rendered: Vec<&'a str>,
    /// Line breaks in the strings of that JSON.
    pub rendered_lines: u64,
    /// Bytes of strings that only the provider can read; they are not among `plain`.
    pub opaque_bytes: u64,
}

/// Top-level members that the provider rewrites.
const RENDERED: [&[u8]; 5] = [b"tools", b"functions", b"response_format", b"text", b"tool_choice"];

/// Keys whose strings only the provider can read: reasoning that is sent back to it.
const OPAQUE: [&str; 2] = ["encrypted_content", "signature"];

/// The texts of a body that was checked (`json::check`); `without` are the places of media data
/// (`media::find`), in the order in which they stand. `None` when the body is no UTF-8.
#[must_use]
pub fn texts<'a>(body: &'a [u8], without: &[Range<usize>]) -> Option<Texts<'a>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut texts = Texts::default();
    let mut without = without;
    for member in walk::members(body, 0) {
        let value = text.get(member.value.clone())?;
        if RENDERED.contains(&&*member.name(body)) {
            texts.rendered_lines = texts.rendered_lines.checked_add(lines(value.as_bytes()))?;
            texts.rendered.push(value);
        } else {
            texts.plain.push(decoded(text.get(member.key.clone())?));
            read(text, member.value.start, &mut without, &mut texts)?;
        }
    }
    Some(texts)
}

/// Reads all that stands in the value at `from`, deep down.
fn read<'a>(text: &'a str, from: usize, without: &mut &[Range<usize>], out: &mut Texts<'a>) -> Option<()> {
    let body = text.as_bytes();
    let mut cursor = Cursor::new(body, from);
    // `true` stands for an object.
    let mut open: Vec<bool> = Vec::new();
    let mut key = Cow::Borrowed("");
    loop {
        match cursor.peek() {
            Some(kind @ (b'{' | b'[')) => {
                open.push(kind == b'{');
                cursor.enter();
            }
            _ => {
                let value = cursor.skip();
                while let Some((first, rest)) = without.split_first()
                    && first.start < value.start
                {
                    *without = rest;
                }
                if without.first() != Some(&value) {
                    let inside = if body.get(value.start) == Some(&b'"') {
                        value.start.checked_add(1)?..value.end.checked_sub(1)?
                    } else {
                        value
                    };
                    let inside = text.get(inside)?;
                    if open.last() == Some(&true) && OPAQUE.contains(&&*key) {
                        out.opaque_bytes = out.opaque_bytes.checked_add(u64::try_from(inside.len()).ok()?)?;
                    } else {
                        out.plain.push(decoded(inside));
                    }
                }
            }
        }
        // To the next value, out of every container that ends here.
        loop {
            match open.last() {
                None => return Some(()),
                Some(true) => {
                    if let Some(at) = cursor.next_key() {
                        key = decoded(text.get(at)?);
                        out.plain.push(key.clone());
                        break;
                    }
                }
                Some(false) => {
                    if cursor.next_element() {
                        break;
                    }
                }
            }
            open.pop();
        }
    }
}

fn decoded(raw: &str) -> Cow<'_, str> {
    match crate::json::decode(raw.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(raw),
        // A lone surrogate is no UTF-8; what stands in for it is never less.
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Cow::Owned(text),
            Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
        },
    }
}

/// Line breaks as JSON writes them.
fn lines(json: &[u8]) -> u64 {
    let count = memchr::memmem::find_iter(json, b"\\n").count() + memchr::memmem::find_iter(json, b"\\u000").count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(body: &str, without: &[Range<usize>]) -> Vec<String> {
        let texts = texts(body.as_bytes(), without).expect("UTF-8");
        texts.plain.into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn every_string_key_and_literal_is_given_once() {
        let body = r#" {"a" : [ "x\ny", {"b": 1, "c": {}}, [], true ], "d":"\u00e9\ud83d\ude00","e":{"f":[[null]]}} "#;
        assert_eq!(plain(body, &[]), ["a", "x\ny", "b", "1", "c", "true", "d", "é😀", "e", "f", "null"]);
        assert_eq!(plain("{}", &[]), Vec::<String>::new());
    }

    #[test]
    fn tools_and_schemas_stand_apart_as_they_are() {
        let body = r#"{"model":"m","tools":[{"d":"a\nb\u000ac"}],"response_format":{"s":1}}"#;
        let texts = texts(body.as_bytes(), &[]).expect("UTF-8");
        assert_eq!(texts.plain, ["model", "m"]);
        assert_eq!(texts.rendered, [r#"[{"d":"a\nb\u000ac"}]"#, r#"{"s":1}"#]);
        assert_eq!(texts.rendered_lines, 2);
    }

    #[test]
    fn what_only_the_provider_can_read_is_told_by_its_bytes() {
        let body =
            r#"{"input":[{"type":"reasoning","encrypted_content":"gAAAAAB\/x==","summary":["encrypted_content"]}]}"#;
        let texts = texts(body.as_bytes(), &[]).expect("UTF-8");
        assert_eq!(texts.opaque_bytes, 12);
        assert_eq!(texts.plain, ["input", "type", "reasoning", "encrypted_content", "summary", "encrypted_content"]);
    }

    #[test]
    fn media_are_left_out_and_nothing_else_is() {
        let body = r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x"}},{"type":"text","text":"https://x"}]}]}"#;
        let spans: Vec<_> = crate::media::find(body.as_bytes()).into_iter().map(|medium| medium.span).collect();
        assert_eq!(spans.len(), 1);
        let all = plain(body, &spans);
        assert_eq!(all.iter().filter(|text| *text == "https://x").count(), 1);
        assert_eq!(all.len(), plain(body, &[]).len() - 1);
    }

    #[test]
    fn a_lone_surrogate_counts_as_what_stands_in_for_it() {
        assert_eq!(plain(r#"{"a":"x\ud800y"}"#, &[])[1], "x\u{FFFD}\u{FFFD}\u{FFFD}y");
    }
}
