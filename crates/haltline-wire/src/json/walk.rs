//! Steps through JSON that was checked, without building anything: members, elements, spans.
//!
//! Expects JSON that was checked.

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
        name(body, &self.key)
    }
}

/// A place in a body, moved forward value by value. Whoever walks into a container with it looks
/// at each byte once, however deep it goes.
pub(crate) struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the first value from `from` on.
    pub(crate) fn new(body: &'a [u8], from: usize) -> Self {
        Self { body, at: space(body, from) }
    }

    /// Where it stands: at the begin of a value, or behind one.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// The first byte of the value at which it stands.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    /// Steps into the object or array at which it stands.
    pub(crate) fn enter(&mut self) {
        self.at = space(self.body, self.at + 1);
    }

    /// The next key of the object that was entered, as the place of the inside of its string; the
    /// cursor then stands at the value, which must be stepped over. `None` at the object's end.
    pub(crate) fn next_key(&mut self) -> Option<Range<usize>> {
        if !self.next_element() {
            return None;
        }
        let end = string_end(self.body, self.at)?;
        let key = self.at + 1..end - 1;
        let colon = space(self.body, end);
        self.at = space(self.body, colon + 1);
        Some(key)
    }

    /// Is there a further element in the array that was entered? The cursor then stands at it,
    /// and it must be stepped over; else behind the array.
    pub(crate) fn next_element(&mut self) -> bool {
        self.at = space(self.body, self.at);
        if self.peek() == Some(b',') {
            self.at = space(self.body, self.at + 1);
        }
        if matches!(self.peek(), None | Some(b']' | b'}')) {
            self.at += 1;
            return false;
        }
        true
    }

    /// Steps over the value at which it stands.
    pub(crate) fn skip(&mut self) -> Range<usize> {
        let start = self.at;
        self.at = value_end(self.body, start).unwrap_or(self.body.len());
        start..self.at
    }
}

/// The members of the object that begins at the first brace from `from` on.
pub(crate) fn members(body: &[u8], from: usize) -> Members<'_> {
    let mut cursor = Cursor::new(body, from);
    if cursor.peek() == Some(b'{') {
        cursor.enter();
    } else {
        cursor.at = body.len();
    }
    Members(cursor)
}

/// See `members`.
pub(crate) struct Members<'a>(Cursor<'a>);

impl Iterator for Members<'_> {
    type Item = Member;

    fn next(&mut self) -> Option<Member> {
        let key = self.0.next_key()?;
        Some(Member { key, value: self.0.skip() })
    }
}

/// The places of the elements of the array that begins at the first bracket from `from` on.
pub(crate) fn elements(body: &[u8], from: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut cursor = Cursor::new(body, from);
    if cursor.peek() == Some(b'[') {
        cursor.enter();
    } else {
        cursor.at = body.len();
    }
    std::iter::from_fn(move || cursor.next_element().then(|| cursor.skip()))
}

/// What the key whose inside stands at `key` says.
pub(crate) fn name<'a>(body: &'a [u8], key: &Range<usize>) -> Cow<'a, [u8]> {
    decode(body.get(key.clone()).unwrap_or_default())
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
        let rest = body.get(from..)?;
        // Pieces between escapes are short: a wide search pays only behind the first bytes.
        let near = rest.iter().take(16).position(|byte| matches!(byte, b'"' | b'\\'));
        let found = from + near.or_else(|| memchr::memchr2(b'"', b'\\', rest))?;
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
