//! A filter over the arguments of a tool as they stream: JSON, cut anywhere.
//!
//! What is scanned is the decoded text, so that an escape hides nothing; what goes out is the JSON
//! as it came, byte for byte, but for the secrets. A placeholder stands inside of a string, or as a
//! string. It does not check that the JSON is right.

use super::core::{Core, Sink};
use super::hit::{Channel, Hit, Pass};
use super::rules::OutputRules;
use std::collections::VecDeque;

/// The state of the arguments of one call.
pub struct ArgumentsFilter {
    core: Core,
    place: Place,
    raw: Raw,
}

/// Where in the JSON the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between strings.
    Outside,
    Inside,
    /// After a backslash.
    Escape,
    /// In `\uXXXX`: the digits so far, their value, and the first half of a pair.
    Unicode {
        digits: u8,
        value: u16,
        high: Option<u16>,
    },
    /// After the first half of a pair, which may be followed by the second.
    Half {
        high: u16,
        backslash: bool,
    },
}

/// The JSON of what is held.
#[derive(Default)]
struct Raw {
    bytes: VecDeque<u8>,
    /// How many raw bytes each decoded byte took; the bytes of a character after its first took none.
    lengths: VecDeque<u8>,
    /// Raw bytes at the end that are not decoded yet.
    open: u8,
}

impl ArgumentsFilter {
    pub(super) fn new() -> Self {
        Self { core: Core::new(Channel::Arguments), place: Place::Outside, raw: Raw::default() }
    }

    /// Takes the next piece of the JSON and appends to `out` what may go out now. After
    /// [`Pass::Unchanged`] that is `json` itself.
    pub fn push(&mut self, rules: &OutputRules, json: &str, out: &mut String, hits: &mut Vec<Hit>) -> Pass {
        if self.core.is_cut() {
            return Pass::Cut;
        }
        let mut changed = self.held() > 0;
        let mut decoded: Vec<u8> = Vec::with_capacity(json.len());
        for &byte in json.as_bytes() {
            let quote = byte == b'"' && matches!(self.place, Place::Outside | Place::Inside | Place::Half { .. });
            if quote {
                self.close_half(&mut decoded);
                changed |= self.feed(rules, &mut decoded, out, hits) == Pass::Changed;
                changed |= self.settle(rules, out, hits) == Pass::Changed;
                self.place = if self.place == Place::Outside { Place::Inside } else { Place::Outside };
                // A quote may stand between a name and its secret; it is part of neither.
                self.take(byte, byte, &mut decoded);
                changed |= self.feed(rules, &mut decoded, out, hits) == Pass::Changed;
                changed |= self.settle(rules, out, hits) == Pass::Changed;
                if self.core.is_cut() {
                    return Pass::Cut;
                }
                continue;
            }
            self.read(byte, &mut decoded);
        }
        changed |= self.feed(rules, &mut decoded, out, hits) == Pass::Changed;
        match (self.core.is_cut(), changed || self.held() > 0) {
            (true, _) => Pass::Cut,
            (false, true) => Pass::Changed,
            (false, false) => Pass::Unchanged,
        }
    }

    /// The arguments end: appends what was held.
    pub fn finish(&mut self, rules: &OutputRules, out: &mut String, hits: &mut Vec<Hit>) -> Pass {
        let mut decoded = Vec::new();
        self.close_half(&mut decoded);
        self.feed(rules, &mut decoded, out, hits);
        let mut sink = Json { raw: &mut self.raw, out, string: self.place != Place::Outside };
        let pass = self.core.finish(rules.compiled(), &mut sink, hits);
        let rest = if pass == Pass::Cut { Vec::new() } else { self.raw.bytes.drain(..).collect() };
        self.raw = Raw::default();
        push_bytes(out, &rest);
        if rest.is_empty() { pass } else { Pass::Changed }
    }

    /// Bytes of JSON that wait for what comes next.
    #[must_use]
    pub fn held(&self) -> usize {
        self.raw.bytes.len()
    }

    /// Whether the arguments have been cut: nothing more goes out.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.core.is_cut()
    }

    /// Hands what is decoded to the engine.
    fn feed(&mut self, rules: &OutputRules, decoded: &mut Vec<u8>, out: &mut String, hits: &mut Vec<Hit>) -> Pass {
        let mut sink = Json { raw: &mut self.raw, out, string: self.place != Place::Outside };
        let pass = self.core.push(rules.compiled(), decoded, &mut sink, hits);
        decoded.clear();
        pass
    }

    fn settle(&mut self, rules: &OutputRules, out: &mut String, hits: &mut Vec<Hit>) -> Pass {
        let mut sink = Json { raw: &mut self.raw, out, string: self.place != Place::Outside };
        self.core.settle(rules.compiled(), &mut sink, hits)
    }

    /// Reads a byte that is no quote.
    fn read(&mut self, byte: u8, decoded: &mut Vec<u8>) {
        match self.place {
            Place::Outside => self.take(byte, byte, decoded),
            Place::Inside if byte == b'\\' => {
                self.raw.open(byte);
                self.place = Place::Escape;
            }
            Place::Inside => self.take(byte, byte, decoded),
            Place::Escape => {
                self.place = Place::Inside;
                let meant = match byte {
                    b'u' => {
                        self.raw.open(byte);
                        self.place = Place::Unicode { digits: 0, value: 0, high: None };
                        return;
                    }
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'f' => 12,
                    _ => byte,
                };
                self.take(byte, meant, decoded);
            }
            Place::Unicode { digits, value, high } => self.read_unicode(byte, digits, value, high, decoded),
            Place::Half { high, backslash: false } if byte == b'\\' => {
                self.raw.open(byte);
                self.place = Place::Half { high, backslash: true };
            }
            Place::Half { high, backslash: true } if byte == b'u' => {
                self.raw.open(byte);
                self.place = Place::Unicode { digits: 0, value: 0, high: Some(high) };
            }
            Place::Half { backslash, .. } => {
                // Half a character stands alone; the escape after it is another one.
                self.raw.close(if backslash { 1 } else { 0 }, char::REPLACEMENT_CHARACTER, decoded);
                self.place = if backslash { Place::Escape } else { Place::Inside };
                self.read(byte, decoded);
            }
        }
    }

    fn read_unicode(&mut self, byte: u8, digits: u8, value: u16, high: Option<u16>, decoded: &mut Vec<u8>) {
        let Some(digit) = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok()) else {
            // No escape at all: what was read of it is taken for a character.
            self.raw.close(0, char::REPLACEMENT_CHARACTER, decoded);
            self.place = Place::Inside;
            self.read(byte, decoded);
            return;
        };
        self.raw.open(byte);
        let value = value << 4 | digit;
        if digits < 3 {
            self.place = Place::Unicode { digits: digits + 1, value, high };
            return;
        }
        self.place = Place::Inside;
        let first = high.unwrap_or(value);
        let pair = [first, value];
        let units = if high.is_some() { &pair[..] } else { pair.get(..1).unwrap_or_default() };
        let is_high = (0xD800..0xDC00).contains(&value);
        if high.is_none() && is_high {
            self.place = Place::Half { high: value, backslash: false };
            return;
        }
        match char::decode_utf16(units.iter().copied()).next() {
            Some(Ok(character)) => self.raw.close(0, character, decoded),
            _ if is_high => {
                // The second escape is itself a first half.
                self.raw.close(6, char::REPLACEMENT_CHARACTER, decoded);
                self.place = Place::Half { high: value, backslash: false };
            }
            _ if high.is_some() => {
                self.raw.close(6, char::REPLACEMENT_CHARACTER, decoded);
                let second = char::from_u32(u32::from(value)).unwrap_or(char::REPLACEMENT_CHARACTER);
                self.raw.close(0, second, decoded);
            }
            _ => self.raw.close(0, char::REPLACEMENT_CHARACTER, decoded),
        }
    }

    /// Half a character at the end of a string.
    fn close_half(&mut self, decoded: &mut Vec<u8>) {
        if let Place::Half { .. } = self.place {
            self.raw.close(0, char::REPLACEMENT_CHARACTER, decoded);
            self.place = Place::Inside;
        }
    }

    fn take(&mut self, byte: u8, meant: u8, decoded: &mut Vec<u8>) {
        self.raw.open(byte);
        self.raw.lengths.push_back(std::mem::take(&mut self.raw.open));
        decoded.push(meant);
    }
}

impl std::fmt::Debug for ArgumentsFilter {
    /// Never what is held.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArgumentsFilter").field("held", &self.held()).field("cut", &self.is_cut()).finish()
    }
}

impl Raw {
    /// A raw byte that is not decoded yet.
    fn open(&mut self, byte: u8) {
        self.bytes.push_back(byte);
        self.open = self.open.saturating_add(1);
    }

    /// What is open, but for some bytes at its end, is a character.
    fn close(&mut self, but: u8, character: char, decoded: &mut Vec<u8>) {
        let mut bytes = [0; 4];
        let text = character.encode_utf8(&mut bytes);
        let mut length = self.open.saturating_sub(but);
        self.open = but.min(self.open);
        for &byte in text.as_bytes() {
            self.lengths.push_back(std::mem::take(&mut length));
            decoded.push(byte);
        }
    }

    /// The raw bytes of the first decoded ones.
    fn first(&mut self, count: usize) -> std::collections::vec_deque::Drain<'_, u8> {
        let lengths = self.lengths.drain(..count.min(self.lengths.len()));
        let length: usize = lengths.map(usize::from).sum();
        self.bytes.drain(..length.min(self.bytes.len()))
    }
}

/// JSON that goes out.
struct Json<'a> {
    raw: &'a mut Raw,
    out: &'a mut String,
    /// Whether it is inside of a string.
    string: bool,
}

impl Sink for Json<'_> {
    fn keep(&mut self, bytes: &[u8]) {
        let raw: Vec<u8> = self.raw.first(bytes.len()).collect();
        push_bytes(self.out, &raw);
    }

    fn leave_out(&mut self, count: usize) {
        drop(self.raw.first(count));
    }

    fn insert(&mut self, placeholder: &str) {
        if !self.string {
            self.out.push('"');
        }
        for character in placeholder.chars() {
            match character {
                '"' | '\\' => self.out.extend(['\\', character]),
                _ if character.is_control() => {}
                _ => self.out.push(character),
            }
        }
        if !self.string {
            self.out.push('"');
        }
    }
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => out.push_str(text),
        Err(_) => out.push_str(&String::from_utf8_lossy(bytes)),
    }
}
