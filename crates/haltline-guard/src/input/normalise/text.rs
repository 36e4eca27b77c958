//! A text whose characters know where in the window they came from.

use std::ops::Range;

/// Characters, and for every byte the bytes of the window that it came from.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    text: String,
    /// As many as bytes of the text; empty when the origin is not known.
    from: Vec<Range<u32>>,
    unknown: bool,
}

impl Text {
    /// The window itself.
    pub(super) fn of(window: &str) -> Self {
        let mut text = Self::with_capacity(window.len());
        for (at, c) in window.char_indices() {
            text.push(c, at_range(at, at + c.len_utf8()));
        }
        text
    }

    /// A text that came from nowhere in particular.
    pub(super) fn unplaced(text: String) -> Self {
        Self { text, from: Vec::new(), unknown: true }
    }

    /// A text all of which came from one place.
    pub(super) fn placed(text: String, from: Range<u32>) -> Self {
        let from = vec![from; text.len()];
        Self { text, from, unknown: false }
    }

    /// An empty text with room.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), from: Vec::with_capacity(bytes), unknown: false }
    }

    /// An empty text that is to be filled from this one.
    pub(super) fn like(&self) -> Self {
        Self { unknown: self.unknown, ..Self::with_capacity(self.len()) }
    }

    /// Adds a character.
    pub(super) fn push(&mut self, c: char, from: Range<u32>) {
        self.text.push(c);
        if !self.unknown {
            self.from.resize(self.text.len(), from);
        }
    }

    /// Adds these bytes of another text as they are.
    pub(super) fn copy(&mut self, other: &Self, span: Range<usize>) {
        let Some(part) = other.text.get(span.clone()) else { return };
        self.text.push_str(part);
        if !self.unknown {
            match other.from.get(span) {
                Some(from) => self.from.extend_from_slice(from),
                None => self.from.resize(self.text.len(), 0..0),
            }
        }
    }

    /// The characters.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Bytes.
    pub(super) const fn len(&self) -> usize {
        self.text.len()
    }

    /// Where the byte at this place came from.
    pub(super) fn from(&self, at: usize) -> Range<u32> {
        self.from.get(at).cloned().unwrap_or(0..0)
    }

    /// Where these bytes came from.
    pub(super) fn from_span(&self, span: Range<usize>) -> Range<u32> {
        let first = self.from(span.start);
        let last = self.from(span.end.saturating_sub(1));
        first.start.min(last.start)..last.end.max(first.end)
    }

    /// Is it known where it came from?
    pub(super) const fn is_placed(&self) -> bool {
        !self.unknown
    }

    /// The origin of every byte.
    pub(super) fn into_origins(self) -> Option<Vec<Range<u32>>> {
        (!self.unknown).then_some(self.from)
    }
}

/// Windows are far smaller than what 32 bits count.
pub(super) fn at_range(start: usize, end: usize) -> Range<u32> {
    u32::try_from(start).unwrap_or(u32::MAX)..u32::try_from(end).unwrap_or(u32::MAX)
}
