//! Rewrites a JSON object member by member: what is not named survives byte for byte.

use crate::json::walk;
use bytes::Bytes;
use std::ops::Range;

/// Writes an object member by member; white space around members stays with them.
pub(crate) struct Writer<'a> {
    body: &'a [u8],
    out: Vec<u8>,
    any: bool,
}

impl<'a> Writer<'a> {
    /// `body` must be an object that was checked.
    pub(crate) fn new(body: &'a [u8]) -> Self {
        let mut out = Vec::with_capacity(body.len() + 160);
        let open = body.iter().position(|byte| *byte == b'{').unwrap_or(0);
        out.extend_from_slice(&body[..open]);
        out.push(b'{');
        Self { body, out, any: false }
    }

    /// The member as it stands; `key` is the inside of its key's string.
    pub(crate) fn kept(&mut self, key: &Range<usize>, value: &Range<usize>) {
        self.replaced(key, value, &self.body[value.clone()]);
    }

    /// The member with another value.
    pub(crate) fn replaced(&mut self, key: &Range<usize>, value: &Range<usize>, new: &[u8]) {
        self.separate();
        let key_at = key.start.saturating_sub(1);
        let space = self.space_before(key_at);
        self.out.extend_from_slice(&self.body[space..value.start]);
        self.out.extend_from_slice(new);
        let after = &self.body[value.end..];
        let space_after = after.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.out.extend_from_slice(&after[..space_after]);
    }

    /// A member that was not there. `name` needs no escapes.
    pub(crate) fn added(&mut self, name: &str, value: &[u8]) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out.extend_from_slice(value);
    }

    fn separate(&mut self) {
        if self.any {
            self.out.push(b',');
        }
        self.any = true;
    }

    /// Where the white space before `at` begins.
    fn space_before(&self, at: usize) -> usize {
        let space = self.body[..at].iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
        at - space
    }

    /// All of it.
    pub(crate) fn finish(mut self) -> Bytes {
        let close = self.body.iter().rposition(|byte| *byte == b'}').unwrap_or(self.body.len());
        self.out.extend_from_slice(&self.body[close..]);
        Bytes::from(self.out)
    }
}

/// Where turns are put among those that a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Before the request's own, but for those of the operator that lead them.
    Begin,
    /// After them.
    End,
}

/// A list of what `own` holds, with `new` before its element `at`, or after all at `At::End`.
pub(crate) fn spliced(own: &[&[u8]], new: &[Bytes], at: At, leading: usize) -> Vec<u8> {
    let (before, after) = match at {
        At::Begin => own.split_at(leading.min(own.len())),
        At::End => (own, &[][..]),
    };
    let elements = before.iter().copied().chain(new.iter().map(|element| &**element)).chain(after.iter().copied());
    let mut list = vec![b'['];
    for element in elements {
        if list.len() > 1 {
            list.push(b',');
        }
        list.extend_from_slice(element);
    }
    list.push(b']');
    list
}

/// Elements of the array, or the object that stands for an array of one; nothing else has any.
pub(crate) fn elements<'a>(body: &'a [u8], list: &Range<usize>) -> Vec<&'a [u8]> {
    let text = |range: Range<usize>| body.get(range).unwrap_or_default();
    match body.get(list.start) {
        Some(b'[') => walk::elements(body, list.start).map(text).collect(),
        Some(b'{') => vec![text(list.clone())],
        _ => Vec::new(),
    }
}

/// A JSON string that says `text`.
pub(crate) fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).unwrap_or_else(|_| b"\"\"".to_vec())
}
