//! Makes a text readable in several ways. Each is a [`View`]: the text as it stands with look-alike
//! letters folded, without markup, with spaced letters joined, with digits read as letters, and
//! whatever was decoded from it. A view knows where its characters came from.
//!
//! The order is that of measured use: characters first, then markup, then letters, then decoders.
//! Latin letters lose their accents in every view, so that rules are written without them.

mod decode;
mod fold;
mod letters;
mod markup;
mod negation;
mod shift;
mod space;
mod text;
mod words;

use std::ops::Range;
use text::{Origins, Text};

/// Bytes that are read at once.
pub const WINDOW: usize = 32 * 1024;
/// Windows of a text, at most: 256 KB.
pub const WINDOWS: usize = 8;
/// Bytes that two windows have in common, so that nothing is cut where they meet.
const OVERLAP: usize = 1024;
/// Views of a window, at most.
const VIEWS_MAX: usize = 24;
/// Bytes of the views of a window, in units of the window, at most.
const GROWTH_MAX: usize = 4;
/// Bytes of views that even the smallest window may have.
const GROWTH_FREE: usize = 512;

/// How a view was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViewKind {
    /// As it stands, look-alike letters folded and invisible characters dropped.
    Plain,
    /// Without markup, spaced letters joined.
    Joined,
    /// Digits and signs read as letters.
    Leet,
    /// One word a line, read as one line.
    Lines,
    /// Made of characters that nobody sees: tags, variation selectors.
    Invisible,
    /// From base64, hexadecimal, escapes and the like.
    Decoded,
    /// Another alphabet, such as rot13.
    Shifted,
    /// From its end to its beginning.
    Reversed,
}

impl ViewKind {
    /// The word for records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Joined => "joined",
            Self::Leet => "leet",
            Self::Lines => "lines",
            Self::Invisible => "invisible",
            Self::Decoded => "decoded",
            Self::Shifted => "shifted",
            Self::Reversed => "reversed",
        }
    }
}

/// One way to read a window.
#[derive(Debug)]
pub(super) struct View {
    pub(super) kind: ViewKind,
    /// As written.
    pub(super) cased: String,
    /// The same in lower case, byte for byte at the same place.
    pub(super) lower: String,
    from: Origins,
}

impl View {
    fn new(kind: ViewKind, text: &Text) -> Self {
        let (cased, from) = space::tidy(text).into_parts();
        let lower: String =
            if cased.is_ascii() { cased.to_ascii_lowercase() } else { cased.chars().map(lower).collect() };
        match negation::blank(&lower) {
            Some(blanks) => {
                let (cased, lower) = (negation::apply(&cased, &blanks), negation::apply(&lower, &blanks));
                Self { kind, cased, lower, from }
            }
            None => Self { kind, cased, lower, from },
        }
    }

    /// Where in the window these bytes of the view came from.
    pub(super) fn origin(&self, span: Range<usize>) -> Option<Range<usize>> {
        let first = self.from.get(span.start)?;
        let last = self.from.get(span.end.checked_sub(1)?)?;
        let start = usize::try_from(first.start.min(last.start)).ok()?;
        let end = usize::try_from(last.end.max(first.end)).ok()?;
        Some(start..end)
    }
}

/// Lower case where that has the same length in bytes, so that places stay.
pub(super) fn lower(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lowered = c.to_lowercase();
    match (lowered.next(), lowered.next()) {
        (Some(one), None) if one.len_utf8() == c.len_utf8() => one,
        _ => c,
    }
}

/// The parts of a text that are read, and how many bytes are not: of a text that is too long the
/// middle is left out, because attacks stand at the beginning or at the end.
pub(super) fn windows(text: &str) -> (Vec<Range<usize>>, usize) {
    let step = WINDOW - OVERLAP;
    let whole = OVERLAP + step * WINDOWS;
    let mut windows = Vec::new();
    if text.len() <= whole {
        cover(text, 0, text.len(), &mut windows);
        return (windows, 0);
    }
    let half = OVERLAP + step * (WINDOWS / 2);
    let first_end = text.floor_char_boundary(half);
    let second = text.ceil_char_boundary(text.len() - half);
    cover(text, 0, first_end, &mut windows);
    cover(text, second, text.len(), &mut windows);
    (windows, second - first_end)
}

/// Windows that leave nothing out.
pub(super) fn all_windows(text: &str) -> Vec<Range<usize>> {
    let mut windows = Vec::new();
    cover(text, 0, text.len(), &mut windows);
    windows
}

fn cover(text: &str, from: usize, to: usize, windows: &mut Vec<Range<usize>>) {
    let mut start = from;
    loop {
        let end = text.floor_char_boundary((start + WINDOW).min(to));
        windows.push(start..end);
        if end >= to {
            return;
        }
        start = text.ceil_char_boundary(end - OVERLAP);
    }
}

/// All views of a window.
pub(super) fn views(window: &str) -> Vec<View> {
    let mut views = Views { views: Vec::new(), left: window.len() * GROWTH_MAX + GROWTH_FREE };
    let (plain, invisible) = fold::fold(&Text::of(window));
    let lines = space::one_line(&plain);
    let bare = markup::strip(&plain);
    let joined = letters::join(bare.as_ref().unwrap_or(&plain));
    let readable = joined.as_ref().or(bare.as_ref()).unwrap_or(&plain);
    let leet = letters::leet(readable);
    views.push(ViewKind::Plain, &plain);
    if joined.is_some() || bare.is_some() {
        views.push(ViewKind::Joined, readable);
    }
    if let Some(leet) = &leet {
        views.push(ViewKind::Leet, leet);
    }
    for hidden in &invisible {
        views.push(ViewKind::Invisible, &read_through(hidden));
    }
    for decoded in decode::decode(&plain) {
        views.push(ViewKind::Decoded, &read_through(&decoded));
    }
    for (kind, shifted) in shift::shifted(&plain) {
        views.push(kind, &read_through(&shifted));
    }
    if let Some(lines) = &lines {
        views.push(ViewKind::Lines, lines);
    }
    views.views
}

/// What was decoded may itself be disguised.
fn read_through(text: &Text) -> Text {
    let (text, _) = fold::fold(text);
    let text = markup::strip(&text).unwrap_or(text);
    let text = letters::join(&text).unwrap_or(text);
    letters::leet(&text).unwrap_or(text)
}

struct Views {
    views: Vec<View>,
    /// Bytes that may still be added.
    left: usize,
}

impl Views {
    fn push(&mut self, kind: ViewKind, text: &Text) {
        if self.views.len() >= VIEWS_MAX || text.len() > self.left {
            return;
        }
        self.left -= text.len();
        self.views.push(View::new(kind, text));
    }
}
