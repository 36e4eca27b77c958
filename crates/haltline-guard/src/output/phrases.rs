//! Phrases of the operator: a tree of letters, and the places from which one may be in the making.

use super::OutputRulesError;
use super::folded::{Decoder, fold, folded, joins};

/// Letters of the longest phrase.
const LONGEST: usize = 120;
/// Bytes that a phrase may take in a text, with all that is invisible in it. More is taken for one.
const HELD_MAX: u64 = 512;

/// All phrases.
#[derive(Default)]
pub(super) struct Phrases {
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    /// Sorted by letter.
    next: Vec<(char, u32)>,
    /// The rule of the phrase that ends here.
    rule: Option<u16>,
    /// Of some phrase that passes here.
    some_rule: u16,
}

impl Phrases {
    /// # Errors
    /// The phrase has no letters to find, or too many.
    pub(super) fn add(&mut self, rule: u16, id: &str, phrase: &str) -> Result<(), OutputRulesError> {
        let letters = folded(phrase);
        if !(2..=LONGEST).contains(&letters.len()) || !letters.iter().any(|letter| letter.is_alphanumeric()) {
            return Err(OutputRulesError::BadPhrase(id.to_owned()));
        }
        if self.nodes.is_empty() {
            self.nodes.push(Node { some_rule: rule, ..Node::default() });
        }
        let mut at = 0_usize;
        for letter in letters {
            let fresh = u32::try_from(self.nodes.len()).map_err(|_| OutputRulesError::TooMany)?;
            let Some(node) = self.nodes.get_mut(at) else { return Err(OutputRulesError::TooMany) };
            let to = match node.next.binary_search_by_key(&letter, |edge| edge.0) {
                Ok(edge) => node.next.get(edge).map_or(fresh, |edge| edge.1),
                Err(place) => {
                    node.next.insert(place, (letter, fresh));
                    fresh
                }
            };
            if to == fresh {
                self.nodes.push(Node { some_rule: rule, ..Node::default() });
            }
            at = usize::try_from(to).map_err(|_| OutputRulesError::TooMany)?;
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.rule.get_or_insert(rule);
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    fn next(&self, node: u32, letter: char) -> Option<u32> {
        let next = &self.nodes.get(node as usize)?.next;
        let edge = next.binary_search_by_key(&letter, |edge| edge.0).ok()?;
        next.get(edge).map(|edge| edge.1)
    }
}

/// Something that was found.
pub(super) struct Found {
    pub(super) rule: u16,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Where phrases may be in the making in one text.
pub(super) struct Reader {
    decoder: Decoder,
    last: char,
    going: Vec<Going>,
}

#[derive(Clone, Copy)]
struct Going {
    start: u64,
    node: u32,
    /// The phrase is complete, if a word ends here.
    complete: Option<(u16, u64)>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { decoder: Decoder::default(), last: ' ', going: Vec::new() }
    }

    /// Reads the byte at `at`.
    pub(super) fn read(&mut self, phrases: &Phrases, byte: u8, at: u64, found: &mut Vec<Found>) {
        let Some(character) = self.decoder.take(byte) else { return };
        let first = (at + 1).saturating_sub(u64::from(self.decoder.length));
        fold(character, |letter| self.letter(phrases, letter, first, at + 1, found));
        self.going.retain(|going| {
            let long = at + 1 - going.start > HELD_MAX;
            if long && let Some(node) = phrases.nodes.get(going.node as usize) {
                found.push(Found { rule: node.some_rule, start: going.start, end: at + 1 });
            }
            !long
        });
    }

    /// Reads a letter that stands from `first` to `end`.
    fn letter(&mut self, phrases: &Phrases, letter: char, first: u64, end: u64, found: &mut Vec<Found>) {
        let last = std::mem::replace(&mut self.last, letter);
        if letter == ' ' && last == ' ' {
            return;
        }
        let boundary = !joins(last, letter);
        self.going.retain_mut(|going| {
            if boundary && let Some((rule, end)) = going.complete.take() {
                found.push(Found { rule, start: going.start, end });
            }
            going.complete = None;
            let Some(node) = phrases.next(going.node, letter) else { return false };
            going.node = node;
            going.complete = phrases.nodes.get(node as usize).and_then(|node| node.rule).map(|rule| (rule, end));
            true
        });
        if boundary
            && letter != ' '
            && let Some(node) = phrases.next(0, letter)
        {
            self.going.push(Going { start: first, node, complete: None });
        }
    }

    /// The text ends.
    pub(super) fn end(&mut self, found: &mut Vec<Found>) {
        for going in self.going.drain(..) {
            if let Some((rule, end)) = going.complete {
                found.push(Found { rule, start: going.start, end });
            }
        }
        self.last = ' ';
    }

    /// From where on text must wait.
    pub(super) fn held_from(&self) -> Option<u64> {
        self.going.first().map(|going| going.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(phrases: &[&str], text: &str) -> Vec<String> {
        let mut tree = Phrases::default();
        for phrase in phrases {
            tree.add(0, "p", phrase).unwrap();
        }
        let (mut reader, mut found) = (Reader::new(), Vec::new());
        for (at, byte) in text.bytes().enumerate() {
            reader.read(&tree, byte, at as u64, &mut found);
        }
        reader.end(&mut found);
        let range = |found: &Found| usize::try_from(found.start).unwrap()..usize::try_from(found.end).unwrap();
        found.iter().map(|found| text[range(found)].to_owned()).collect()
    }

    #[test]
    fn whole_words_are_found_however_they_are_written() {
        let phrases = ["project bluebird", "Projekt Blaumeise", "секрет", "机密项目", "C++"];
        for (text, wanted) in [
            ("the Project Bluebird is", vec!["Project Bluebird"]),
            ("PROJECT\n  BLUEBIRD", vec!["PROJECT\n  BLUEBIRD"]),
            ("ｐｒｏｊｅｃｔ　ｂｌｕｅｂｉｒｄ!", vec!["ｐｒｏｊｅｃｔ　ｂｌｕｅｂｉｒｄ"]),
            ("pro\u{200B}ject-blue\u{200D}bird", vec!["pro\u{200B}ject-blue\u{200D}bird"]),
            ("project bluebirds, myproject bluebird", vec![]),
            ("project project bluebird", vec!["project bluebird"]),
            ("СЕКРЕТ и секреты", vec!["СЕКРЕТ"]),
            ("这是机密项目吗", vec!["机密项目"]),
            ("C++ and C+", vec!["C++"]),
        ] {
            assert_eq!(found(&phrases, text), wanted, "{text}");
        }
    }

    #[test]
    fn phrases_without_letters_or_too_long_are_refused() {
        for phrase in ["", "  ", "a", "--- ---", &"ab".repeat(61)] {
            assert!(Phrases::default().add(0, "p", phrase).is_err(), "{phrase}");
        }
    }
}
