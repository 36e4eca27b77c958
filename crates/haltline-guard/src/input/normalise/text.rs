//! A text whose characters know where in the window they came from.

use std::ops::Range;

/// Characters, and where in the window they came from.
#[derive(Clone, Debug)]
pub(super) struct Text {
    text: String,
    from: Origins,
}

/// Where in the window the bytes of a text came from.
#[derive(Clone, Debug)]
pub(super) enum Origins {
    /// The text is the window, and every character is a byte.
    Same,
    /// For every byte of the text the bytes of the window.
    Known(Vec<Range<u32>>),
    /// Nowhere in particular.
    Unknown,
}

impl Origins {
    /// Where the byte at this place came from.
    pub(super) fn get(&self, at: usize) -> Option<Range<u32>> {
        match self {
            Self::Same => Some(at_range(at, at + 1)),
            Self::Known(from) => from.get(at).cloned(),
            Self::Unknown => None,
        }
    }
}

impl Text {
    /// The window itself.
    pub(super) fn of(window: &str) -> Self {
        if window.is_ascii() {
            return Self { text: window.to_owned(), from: Origins::Same };
        }
        let mut text = Self::with_capacity(window.len());
        for (at, c) in window.char_indices() {
            text.push(c, at_range(at, at + c.len_utf8()));
        }
        text
    }

    /// A text that came from nowhere in particular.
    pub(super) const fn unplaced(text: String) -> Self {
        Self { text, from: Origins::Unknown }
    }

    /// A text all of which came from one place.
    pub(super) fn placed(text: String, from: Range<u32>) -> Self {
        let from = Origins::Known(vec![from; text.len()]);
        Self { text, from }
    }

    /// An empty text with room.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), from: Origins::Known(Vec::with_capacity(bytes)) }
    }

    /// An empty text that is to be filled from this one.
    pub(super) fn like(&self) -> Self {
        match self.from {
            Origins::Unknown => Self::unplaced(String::with_capacity(self.len())),
            Origins::Same | Origins::Known(_) => Self::with_capacity(self.len()),
        }
    }

    /// Adds a character.
    pub(super) fn push(&mut self, c: char, from: Range<u32>) {
        self.text.push(c);
        let length = self.text.len();
        if let Some(known) = self.known() {
            known.resize(length, from);
        }
    }

    /// Adds these bytes of another text as they are.
    pub(super) fn copy(&mut self, other: &Self, span: Range<usize>) {
        let Some(part) = other.text.get(span.clone()) else { return };
        self.text.push_str(part);
        let length = self.text.len();
        let Some(known) = self.known() else { return };
        match &other.from {
            Origins::Same => known.extend(span.map(|at| at_range(at, at + 1))),
            Origins::Known(from) => match from.get(span) {
                Some(from) => known.extend_from_slice(from),
                None => known.resize(length, 0..0),
            },
            Origins::Unknown => known.resize(length, 0..0),
        }
    }

    /// What is to be kept in step with a text that grows.
    fn known(&mut self) -> Option<&mut Vec<Range<u32>>> {
        if matches!(self.from, Origins::Same) {
            let same = (0..self.text.len()).map(|at| at_range(at, at + 1)).collect();
            self.from = Origins::Known(same);
        }
        match &mut self.from {
            Origins::Known(from) => Some(from),
            Origins::Same | Origins::Unknown => None,
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
        self.from.get(at).unwrap_or(0..0)
    }

    /// Where these bytes came from.
    pub(super) fn origin_of(&self, span: Range<usize>) -> Range<u32> {
        let first = self.from(span.start);
        let last = self.from(span.end.saturating_sub(1));
        first.start.min(last.start)..last.end.max(first.end)
    }

    /// Is it known where it came from?
    pub(super) const fn is_placed(&self) -> bool {
        !matches!(self.from, Origins::Unknown)
    }

    /// The characters and the origins of their bytes.
    pub(super) fn into_parts(self) -> (String, Origins) {
        (self.text, self.from)
    }
}

/// Windows are far smaller than what 32 bits count.
pub(super) fn at_range(start: usize, end: usize) -> Range<u32> {
    u32::try_from(start).unwrap_or(u32::MAX)..u32::try_from(end).unwrap_or(u32::MAX)
}
