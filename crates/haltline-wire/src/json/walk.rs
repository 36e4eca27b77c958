//! Steps through JSON that was checked, without building anything: members, elements, spans.
//!
//! On JSON that was not checked it gives some answer, or `None`, and never fails.

use super::text::decode;
use std::borrow::Cow;
use std::ops::Range;

/// One member of an object, by the places of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The inside of the key's string.
    pub(crate) key: Range<usize>,
    /// The value, without the white space around it.
    pub(crate) value: Range<usize>,
}

impl Member {
    /// What the key says.
    pub(crate) fn name<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        decode(body.get(self.key.clone()).unwrap_or_default())
    }
}

/// The members of the object that begins at the first brace from `from` on.
pub(crate) fn members(body: &[u8], from: usize) -> Members<'_> {
    let at = space(body, from);
    let at = if body.get(at) == Some(&b'{') { at + 1 } else { body.len() };
    Members { body, at }
}

/// See `members`.
pub(crate) struct Members<'a> {
    body: &'a [u8],
    at: usize,
}

impl Iterator for Members<'_> {
    type Item = Member;

    fn next(&mut self) -> Option<Member> {
        let mut at = space(self.body, self.at);
        if self.body.get(at) == Some(&b',') {
            at = space(self.body, at + 1);
        }
        if self.body.get(at) != Some(&b'"') {
            self.at = self.body.len();
            return None;
        }
        let key_end = string_end(self.body, at)?;
        let colon = space(self.body, key_end);
        if self.body.get(colon) != Some(&b':') {
            self.at = self.body.len();
            return None;
        }
        let start = space(self.body, colon + 1);
        let end = value_end(self.body, start)?;
        self.at = end;
        Some(Member { key: at + 1..key_end - 1, value: start..end })
    }
}

/// The places of the elements of the array that begins at the first bracket from `from` on.
pub(crate) fn elements(body: &[u8], from: usize) -> Elements<'_> {
    let at = space(body, from);
    let at = if body.get(at) == Some(&b'[') { at + 1 } else { body.len() };
    Elements { body, at }
}

/// See `elements`.
pub(crate) struct Elements<'a> {
    body: &'a [u8],
    at: usize,
}

impl Iterator for Elements<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let mut at = space(self.body, self.at);
        if self.body.get(at) == Some(&b',') {
            at = space(self.body, at + 1);
        }
        if matches!(self.body.get(at), None | Some(b']' | b'}')) {
            self.at = self.body.len();
            return None;
        }
        let end = value_end(self.body, at)?;
        self.at = end;
        Some(at..end)
    }
}

/// What a string value says; `None` when the value is not a string.
pub(crate) fn string<'a>(body: &'a [u8], value: &Range<usize>) -> Option<Cow<'a, [u8]>> {
    inside(body, value).map(decode)
}

/// The inside of a string value as it stands; `None` when the value is not a string.
pub(crate) fn inside<'a>(body: &'a [u8], value: &Range<usize>) -> Option<&'a [u8]> {
    body.get(value.clone())?.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// Is the value `null`?
pub(crate) fn is_null(body: &[u8], value: &Range<usize>) -> bool {
    body.get(value.clone()) == Some(b"null")
}

fn space(body: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = body.get(at) {
        at += 1;
    }
    at
}

/// Just past the string that begins at `at`.
fn string_end(body: &[u8], at: usize) -> Option<usize> {
    let mut from = at + 1;
    loop {
        let found = from + memchr::memchr2(b'"', b'\\', body.get(from..)?)?;
        if body[found] == b'"' {
            return Some(found + 1);
        }
        from = found + 2;
    }
}

/// Just past the value that begins at `at`.
fn value_end(body: &[u8], at: usize) -> Option<usize> {
    match body.get(at)? {
        b'"' => string_end(body, at),
        b'{' | b'[' => {
            let mut depth = 0_usize;
            let mut from = at;
            loop {
                match body.get(from)? {
                    b'"' => {
                        from = string_end(body, from)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return Some(from + 1);
                        }
                    }
                    _ => {}
                }
                from += 1;
            }
        }
        _ => {
            let rest = &body[at..];
            let length = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\t' | b'\r'));
            Some(at + length.unwrap_or(rest.len()))
        }
    }
}
