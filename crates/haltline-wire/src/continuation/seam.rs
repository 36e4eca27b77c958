//! Where two attempts at one answer meet: what the second repeats of the first.

use super::Continue;

/// Characters at the end of a text that a continuation may repeat.
const REPEATED_MAX: usize = 200;

/// Letters that an overlap must have to be a repetition, where a word begins.
const LETTERS_AT_WORD: usize = 2;

/// The same, and characters, in the middle of a word.
const LETTERS_WITHIN: usize = 4;
const CHARS_WITHIN: usize = 8;

/// A text is no repetition of all of another that is shorter than this.
const ECHO_CHARS_MIN: usize = 8;

/// How many bytes at the begin of `beginning` repeat the end of `partial`: the longest exact overlap
/// within the last 200 characters that is no accident.
///
/// An overlap is a repetition when it begins where a word does and has two letters or more (`…the
/// qui` goes on as `quick`), or has eight characters with four letters anywhere, or is of spaces
/// alone. Digits and signs alone are none: `0 0 0` may well go on with `0`.
#[must_use]
pub fn overlap(partial: &str, beginning: &str) -> usize {
    suffixes(partial).find(|suffix| beginning.starts_with(suffix) && is_repetition(partial, suffix)).map_or(0, str::len)
}

/// The longest white space at the end of `partial` with which `beginning` begins.
fn white_overlap(partial: &str, beginning: &str) -> usize {
    let white = partial.get(partial.trim_end().len()..).unwrap_or_default();
    suffixes(white).find(|suffix| beginning.starts_with(suffix)).map_or(0, str::len)
}

/// The suffixes of a text within the last characters, the longest first.
fn suffixes(text: &str) -> impl Iterator<Item = &str> {
    let start = text.char_indices().rev().nth(REPEATED_MAX - 1).map_or(0, |(at, _)| at);
    let tail = text.get(start..).unwrap_or_default();
    tail.char_indices().filter_map(|(at, _)| tail.get(at..))
}

fn is_repetition(partial: &str, suffix: &str) -> bool {
    if suffix.chars().all(|c| matches!(c, ' ' | '\t')) {
        return true;
    }
    let letters = suffix.chars().filter(|c| c.is_alphabetic()).count();
    let before = partial.get(..partial.len().saturating_sub(suffix.len())).and_then(|text| text.chars().next_back());
    let goes_on = before.is_some_and(char::is_alphanumeric) && suffix.chars().next().is_some_and(char::is_alphanumeric);
    if goes_on {
        letters >= LETTERS_WITHIN && suffix.chars().count() >= CHARS_WITHIN
    } else {
        letters >= LETTERS_AT_WORD
    }
}

/// Leaves out what a continuation repeats: all of the text so far, as servers do that give the
/// prefix back (Mistral), or the end of it. Holds text back until that is decided, which is at the
/// first character that cannot be a repetition.
#[derive(Clone, Debug)]
pub struct Seam {
    how: Continue,
    /// The text so far; when all of it was repeated, the white space at its end.
    said: String,
    held: String,
    decided: bool,
}

impl Seam {
    /// Behind the text that the client has.
    #[must_use]
    pub fn new(said: &str, how: Continue) -> Self {
        Self { how, said: said.to_owned(), held: String::new(), decided: said.is_empty() }
    }

    /// Takes more of the continuation; gives what is new of it, once that is known.
    pub fn push(&mut self, text: &str) -> String {
        if self.decided {
            return text.to_owned();
        }
        self.held.push_str(text);
        if self.echo() || self.may_repeat() {
            return String::new();
        }
        self.finish()
    }

    /// What is held back and new: nothing follows, or something that is no text.
    pub fn finish(&mut self) -> String {
        if self.decided {
            return String::new();
        }
        self.decided = true;
        let held = std::mem::take(&mut self.held);
        let repeated = match self.how {
            Continue::Turn => overlap(&self.said, &held),
            // The model writes on: a word that comes twice is meant twice.
            Continue::Prefix => white_overlap(&self.said, &held),
        };
        self.said = String::new();
        held.get(repeated..).unwrap_or_default().to_owned()
    }

    /// Does the held text repeat all that was said? Takes the repetition away; says whether more
    /// must come before that is known.
    fn echo(&mut self) -> bool {
        let trimmed = self.said.trim_end();
        if trimmed.chars().nth(ECHO_CHARS_MIN - 1).is_none() {
            return false;
        }
        if let Some(rest) = self.held.strip_prefix(trimmed) {
            let white = self.said.get(trimmed.len()..).unwrap_or_default().to_owned();
            self.held = rest.to_owned();
            self.said = white;
            return false;
        }
        trimmed.starts_with(&self.held)
    }

    /// Can the held text become a longer repetition than it is?
    fn may_repeat(&self) -> bool {
        let said = match self.how {
            Continue::Turn => self.said.as_str(),
            Continue::Prefix => self.said.get(self.said.trim_end().len()..).unwrap_or_default(),
        };
        suffixes(said).any(|suffix| suffix.len() > self.held.len() && suffix.starts_with(&self.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_what_is_repeated_and_no_accident() {
        for (partial, beginning, repeated) in [
            ("The quick brown", "brown fox", "brown"),
            ("The quick brown", " brown fox", " brown"),
            ("The quick brown ", "brown fox", "brown "),
            ("The quick brown ", " fox", " "),
            ("The qui", "quick brown", "qui"),
            ("The quick brown", "The quick brown fox", "The quick brown"),
            ("It is a boo", "ok", ""),
            ("bana", "ana", ""),
            ("| 0 | 0 |", " 0 | 0 |", ""),
            ("0 0 0", "0 0", ""),
            ("a\n", "\nb", ""),
            ("un réchauffement", "chauffement climatique", "chauffement"),
            ("今日は天気がとても良いです", "天気がとても良いですね", "天気がとても良いです"),
            ("", "a", ""),
            ("a", "", ""),
        ] {
            assert_eq!(overlap(partial, beginning), repeated.len(), "{partial:?} {beginning:?}");
        }
        let long = "word ".repeat(100);
        assert_eq!(overlap(&long, &long), 200, "no more than is looked at");
    }

    fn joined(said: &str, rest: &str, how: Continue, size: usize) -> String {
        let mut seam = Seam::new(said, how);
        let mut out = said.to_owned();
        let chars: Vec<char> = rest.chars().collect();
        for piece in chars.chunks(size) {
            out.push_str(&seam.push(&piece.iter().collect::<String>()));
        }
        out + &seam.finish()
    }

    #[test]
    fn two_attempts_make_one_text_however_the_second_is_cut() {
        use Continue::{Prefix, Turn};
        for (said, rest, how, whole) in [
            ("The quick brown", " fox", Turn, "The quick brown fox"),
            ("The quick brown", "brown fox", Turn, "The quick brown fox"),
            ("The quick bro", "brown fox", Turn, "The quick brown fox"),
            ("The quick brown", "The quick brown fox", Turn, "The quick brown fox"),
            ("The quick brown", "The quick brown fox", Prefix, "The quick brown fox"),
            ("The quick brown \n", "The quick brown fox", Prefix, "The quick brown \n fox"),
            ("The quick brown ", " fox", Prefix, "The quick brown fox"),
            ("He said that", " that man", Prefix, "He said that that man"),
            ("One.\n", "\n\nTwo.", Prefix, "One.\n\nTwo."),
            ("One.\n", "\nTwo.", Turn, "One.\n\nTwo."),
            ("The quick brown", "brown", Turn, "The quick brown"),
            ("The quick brown", "The quick blue", Turn, "The quick brownThe quick blue"),
            ("", "all", Turn, "all"),
        ] {
            for size in [1, 2, 3, 100] {
                assert_eq!(joined(said, rest, how, size), whole, "{said:?} {rest:?} {how:?} by {size}");
            }
        }
    }

    #[test]
    fn nothing_is_held_that_cannot_be_a_repetition() {
        let mut seam = Seam::new("The quick brown", Continue::Turn);
        assert_eq!(seam.push("x"), "x");
        assert_eq!(seam.push("The"), "The");
        assert_eq!(seam.finish(), "");
    }
}
