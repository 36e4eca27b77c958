//! Events whose form is known: one text, and around it what stood around it before. Most of a
//! stream is made of them, and reading them as JSON would cost more than screening their text.
//!
//! What is compared byte for byte was looked at when the form was learnt. Beside the text only
//! numbers of events, times, counts of tokens and padding may differ.

use super::flush::Step;
use super::place::Channel;
use crate::edit::quoted;
use crate::json::walk::Cursor;
use bytes::Bytes;
use std::ops::Range;

/// One form of an event.
pub(super) struct Template {
    pub(super) event: Option<Bytes>,
    pub(super) channel: Channel,
    pub(super) path: Vec<Step>,
    pieces: Vec<Piece>,
}

enum Piece {
    /// Bytes as they stand.
    Fixed(Bytes),
    /// The inside of the string that is the text.
    Text,
    /// A whole number.
    Number { is_sequence: bool },
    /// The inside of a string that says nothing.
    Padding,
}

/// Where the parts stand that differ.
pub(super) struct Found {
    pub(super) text: Range<usize>,
    pub(super) number: Option<u64>,
    number_at: Option<Range<usize>>,
}

impl Template {
    /// The form of an event with one text, at `path`.
    pub(super) fn of(event: Option<&Bytes>, data: &Bytes, channel: Channel, path: Vec<Step>) -> Option<Self> {
        let text = locate(data, &path)?;
        let pieces = pieces(data, &text)?;
        let template = Self { event: event.cloned(), channel, path, pieces };
        // What it was made of must be found by it.
        template.find(event, data).filter(|found| found.text == text)?;
        Some(template)
    }

    /// Does an event have this form?
    pub(super) fn find(&self, event: Option<&Bytes>, data: &[u8]) -> Option<Found> {
        if self.event.as_ref() != event {
            return None;
        }
        let mut at = 0;
        let mut found = Found { text: 0..0, number: None, number_at: None };
        for piece in &self.pieces {
            let rest = data.get(at..)?;
            match piece {
                Piece::Fixed(bytes) => {
                    if !rest.starts_with(bytes) {
                        return None;
                    }
                    at += bytes.len();
                }
                Piece::Text => {
                    let length = inside_of_string(rest)?;
                    found.text = at..at + length;
                    at += length;
                }
                Piece::Padding => at += inside_of_string(rest)?,
                Piece::Number { is_sequence } => {
                    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    if length == 0 || length > 19 {
                        return None;
                    }
                    if *is_sequence {
                        found.number_at = Some(at..at + length);
                        found.number = std::str::from_utf8(rest.get(..length)?).ok()?.parse().ok();
                    }
                    at += length;
                }
            }
        }
        (at == data.len()).then_some(found)
    }

    /// The event with another text, and its number moved on.
    pub(super) fn write(&self, data: &[u8], found: &Found, text: &str, shift: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(data.len() + text.len() + 8);
        let mut at = 0;
        let mut put = |range: &Range<usize>, new: &[u8]| {
            out.extend_from_slice(data.get(at..range.start).unwrap_or_default());
            out.extend_from_slice(new);
            at = range.end;
        };
        let text = quoted(text);
        let inside = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
        match (&found.number_at, found.number) {
            (Some(place), Some(number)) => {
                let number = number.saturating_add(shift).to_string();
                if place.start < found.text.start {
                    put(place, number.as_bytes());
                    put(&found.text, inside);
                } else {
                    put(&found.text, inside);
                    put(place, number.as_bytes());
                }
            }
            _ => put(&found.text, inside),
        }
        out.extend_from_slice(data.get(at..).unwrap_or_default());
        out
    }
}

/// How long the inside of a string is whose opening quote stands before `rest`.
fn inside_of_string(rest: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let near = rest.get(from..)?;
        let next = near.iter().take(24).position(|byte| matches!(byte, b'"' | b'\\'));
        let at = from + next.or_else(|| memchr::memchr2(b'"', b'\\', near))?;
        if rest.get(at) == Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// The inside of the string at `path`.
fn locate(data: &[u8], path: &[Step]) -> Option<Range<usize>> {
    let mut cursor = Cursor::new(data, 0);
    for step in path {
        match step {
            Step::Key(key) => {
                if cursor.peek() != Some(b'{') {
                    return None;
                }
                cursor.enter();
                loop {
                    let name = cursor.next_key()?;
                    if *crate::json::walk::name(data, &name) == *key.as_bytes() {
                        break;
                    }
                    cursor.skip();
                }
            }
            Step::Index(place) => {
                if cursor.peek() != Some(b'[') {
                    return None;
                }
                cursor.enter();
                for passed in 0..=*place {
                    if !cursor.next_element() {
                        return None;
                    }
                    if passed < *place {
                        cursor.skip();
                    }
                }
            }
        }
    }
    if cursor.peek() != Some(b'"') {
        return None;
    }
    let string = cursor.skip();
    Some(string.start.checked_add(1)?..string.end.checked_sub(1)?)
}

/// Cuts an event into what stays and what differs.
fn pieces(data: &Bytes, text: &Range<usize>) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut fixed = 0;
    let mut at = 0;
    // The key of the member whose value comes next.
    let mut key: &[u8] = b"";
    while let Some(byte) = data.get(at) {
        match byte {
            b'"' => {
                let begin = at + 1;
                let end = begin + inside_of_string(data.get(begin..)?)?;
                at = end + 1;
                let is_key = data.get(at..)?.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                if is_key {
                    key = data.get(begin..end)?;
                    continue;
                }
                let piece = if (begin..end) == *text {
                    Piece::Text
                } else if key == b"obfuscation" {
                    Piece::Padding
                } else {
                    continue;
                };
                pieces.push(Piece::Fixed(data.slice(fixed..begin)));
                pieces.push(piece);
                fixed = end;
            }
            b'0'..=b'9' | b'-' => {
                let length = data
                    .get(at..)?
                    .iter()
                    .take_while(|byte| !matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
                    .count();
                let number = data.get(at..at + length)?;
                if differs(key) && number.iter().all(u8::is_ascii_digit) {
                    pieces.push(Piece::Fixed(data.slice(fixed..at)));
                    pieces.push(Piece::Number { is_sequence: key == b"sequence_number" });
                    fixed = at + length;
                }
                at += length.max(1);
            }
            _ => at += 1,
        }
    }
    pieces.push(Piece::Fixed(data.slice(fixed..)));
    Some(pieces)
}

/// Numbers that are another with every event and say nothing of what the text is.
fn differs(key: &[u8]) -> bool {
    matches!(key, b"sequence_number" | b"created" | b"created_at" | b"tokenCount")
        || key.ends_with(b"_tokens")
        || key.ends_with(b"TokenCount")
}
