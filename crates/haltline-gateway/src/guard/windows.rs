//! Which pieces of an answer external services are asked about while it streams: whole sentences,
//! not too short and not too long, none that waits for ever; each with the end of the piece before
//! it, so that what stands across two of them is seen. And how much of the answer may go out where
//! it is held until its pieces have passed. Pure: time is an argument. Not here: asking, and where
//! text stands in events.

use haltline_types::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// When a piece is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowRules {
    /// From so many bytes on a piece ends with its last sentence.
    pub bytes_min: usize,
    /// With so many it ends wherever it is.
    pub bytes_max: usize,
    /// A piece that is older ends wherever it is.
    pub wait: Duration,
    /// So many bytes of the piece before are looked at again.
    pub overlap: usize,
}

impl Default for WindowRules {
    fn default() -> Self {
        Self { bytes_min: 512, bytes_max: 4096, wait: Duration::from_secs(2), overlap: 256 }
    }
}

/// A piece to be asked about. Places are bytes from the beginning of the answer's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// What is to be looked at: the end of the piece before, and the piece.
    pub text: String,
    /// Where the piece begins.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
}

/// The text of one channel of a stream, cut into windows.
#[derive(Clone, Debug)]
pub struct Windows {
    rules: WindowRules,
    /// The overlap, and behind it what is in no window yet.
    text: String,
    /// How much of `text` is overlap.
    looked_at: usize,
    /// The place of what is in no window yet.
    at: u64,
    /// Since when something is in no window.
    since: Option<Timestamp>,
    /// Windows that were given out, in order, and whether they have passed.
    open: VecDeque<(u64, bool)>,
    released: u64,
}

impl Windows {
    /// Nothing yet.
    #[must_use]
    pub fn new(rules: WindowRules) -> Self {
        Self { rules, text: String::new(), looked_at: 0, at: 0, since: None, open: VecDeque::new(), released: 0 }
    }

    /// More of the answer.
    pub fn push(&mut self, text: &str, now: Timestamp) {
        if text.is_empty() {
            return;
        }
        self.text.push_str(text);
        self.since.get_or_insert(now);
    }

    /// The next piece that is due, if one is. To be asked for until there is none.
    pub fn due(&mut self, now: Timestamp) -> Option<Window> {
        let fresh = self.fresh();
        let is_old = self.since.is_some_and(|since| now.since(since) >= self.rules.wait);
        let len = if fresh.len() >= self.rules.bytes_max {
            let most = floor(fresh, self.rules.bytes_max);
            sentence(fresh.get(..most)?).filter(|end| *end >= self.rules.bytes_min).unwrap_or(most)
        } else if fresh.len() >= self.rules.bytes_min && !is_old {
            sentence(fresh).filter(|end| *end >= self.rules.bytes_min)?
        } else if is_old {
            fresh.len()
        } else {
            return None;
        };
        self.cut(len, now)
    }

    /// What is left at the end of the answer.
    pub fn rest(&mut self, now: Timestamp) -> Option<Window> {
        let len = self.fresh().len();
        self.cut(len, now)
    }

    /// The window has passed, in whatever order.
    pub fn passed(&mut self, window: &Window) {
        if let Some(entry) = self.open.iter_mut().find(|(to, _)| *to == window.to) {
            entry.1 = true;
        }
        while let Some((to, true)) = self.open.front().copied() {
            self.released = to;
            self.open.pop_front();
        }
    }

    /// So much of the text may go out where it is held until it has passed: all windows before have.
    #[must_use]
    pub const fn released(&self) -> u64 {
        self.released
    }

    /// When the oldest text is due, if nothing more comes.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        self.since.map(|since| since.saturating_add(self.rules.wait))
    }

    fn fresh(&self) -> &str {
        self.text.get(self.looked_at..).unwrap_or_default()
    }

    fn cut(&mut self, len: usize, now: Timestamp) -> Option<Window> {
        if len == 0 {
            return None;
        }
        let end = self.looked_at + len;
        let from = self.at;
        let to = from.saturating_add(u64::try_from(len).ok()?);
        let window = Window { text: self.text.get(..end)?.to_owned(), from, to };
        let keep = floor(&self.text, end.saturating_sub(self.rules.overlap));
        self.text.drain(..keep);
        self.looked_at = end - keep;
        self.at = to;
        self.since = (self.text.len() > self.looked_at).then_some(now);
        self.open.push_back((to, false));
        Some(window)
    }
}

/// The last place up to `at` at which a character begins.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Behind the last end of a sentence or line.
fn sentence(text: &str) -> Option<usize> {
    let mut last = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let ends = match c {
            '\n' | '。' | '！' | '？' => true,
            '.' | '!' | '?' => chars.peek().is_some_and(|(_, next)| next.is_whitespace()),
            _ => false,
        };
        if ends {
            last = Some(at + c.len_utf8());
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: WindowRules = WindowRules { bytes_min: 10, bytes_max: 40, wait: Duration::from_secs(2), overlap: 6 };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_window_ends_with_a_sentence_and_is_seen_with_what_was_before() {
        let mut windows = Windows::new(RULES);
        windows.push("Short. ", at(0));
        assert_eq!(windows.due(at(1)), None, "too little");
        windows.push("One sentence more. And half", at(2));
        let first = windows.due(at(3)).expect("a window");
        assert_eq!((first.text.as_str(), first.from, first.to), ("Short. One sentence more.", 0, 25));
        assert_eq!(windows.due(at(4)), None);
        let second = windows.rest(at(5)).expect("the rest");
        assert_eq!((second.text.as_str(), second.from, second.to), (" more. And half", 25, 34));
        assert_eq!(windows.rest(at(6)), None);
    }

    #[test]
    fn nothing_waits_for_ever_and_nothing_grows_for_ever() {
        let mut windows = Windows::new(RULES);
        windows.push("no end", at(0));
        assert_eq!(windows.due_at(), Some(at(2_000)));
        assert_eq!(windows.due(at(1_999)), None);
        assert_eq!(windows.due(at(2_000)).expect("old").text, "no end");
        assert_eq!(windows.due_at(), None);
        windows.push(&"\u{e9}".repeat(100), at(3_000));
        let mut sizes = Vec::new();
        while let Some(window) = windows.due(at(3_001)) {
            sizes.push(window.to - window.from);
        }
        assert_eq!(sizes, [40, 40, 40, 40, 40], "characters stay whole");
    }

    #[test]
    fn held_text_goes_out_in_order() {
        let mut windows = Windows::new(RULES);
        let mut given = Vec::new();
        for second in 0..3 {
            windows.push("A full sentence.\n", at(second * 1_000));
            given.push(windows.due(at(second * 1_000)).expect("a window"));
        }
        windows.passed(&given[1]);
        assert_eq!(windows.released(), 0, "the first has not passed");
        windows.passed(&given[0]);
        assert_eq!(windows.released(), given[1].to);
        windows.passed(&given[2]);
        assert_eq!(windows.released(), 51);
    }

    /// However a text comes, all of it is looked at, in order, and any run of bytes up to the overlap
    /// stands whole in some window.
    #[test]
    fn every_short_run_is_whole_in_some_window() {
        let text = "Sentences. More of them! \u{e9}\u{e8} and no end, words words words? yes\nlines\n".repeat(8);
        for step in [1, 3, 7, 50, 1_000] {
            let mut windows = Windows::new(RULES);
            let mut all = Vec::new();
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(step) {
                windows.push(&piece.iter().collect::<String>(), at(0));
                while let Some(window) = windows.due(at(0)) {
                    all.push(window);
                }
            }
            all.extend(windows.rest(at(0)));
            let mut place = 0;
            for window in &all {
                assert_eq!(window.from, place);
                place = window.to;
                let (from, to) =
                    (usize::try_from(window.from).expect("small"), usize::try_from(window.to).expect("small"));
                assert!(window.text.ends_with(&text[from..to]));
            }
            assert_eq!(place, u64::try_from(text.len()).expect("small"));
            for (begin, _) in text.char_indices() {
                let Some(run) = text.get(begin..begin + 6) else { continue };
                assert!(all.iter().any(|window| window.text.contains(run)), "step {step}: {run:?}");
            }
        }
    }
}
