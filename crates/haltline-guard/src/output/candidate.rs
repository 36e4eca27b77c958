//! A secret that may be in the making: which pattern, how far, since where.

use super::rule::{Shape, Step};

/// No place yet.
pub(super) const NOWHERE: u64 = u64::MAX;
/// Bytes of base64 in a private key that leave no doubt.
const KEY_CERTAIN: u16 = 40;
/// The shortest line of a private key but its last.
const KEY_LINE: u16 = 16;

/// Where a pattern stands in a text.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) pattern: u16,
    step: u8,
    count: u16,
    /// The first byte that is replaced.
    pub(super) start: u64,
    /// The byte after the last one that is replaced; [`NOWHERE`] while it is the last one read.
    pub(super) end: u64,
    /// Where its literal beginning ends, if that is part of the secret.
    pub(super) body: u64,
    key: KeyBody,
}

/// How a private key's lines were read.
#[derive(Clone, Copy, Default)]
struct KeyBody {
    line: u16,
    header: bool,
    name: bool,
    escape: bool,
}

/// What a byte does to a candidate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// It may still become a secret.
    Live,
    /// It does not.
    Dead,
    /// It is one, and the byte belongs to it.
    With,
    /// It is one, and the byte does not belong to it.
    Before,
}

impl Candidate {
    /// Its literal has been read up to `body`; `start` is [`NOWHERE`] if that is no part of the secret.
    pub(super) const fn new(pattern: u16, start: u64, body: u64) -> Self {
        let key = KeyBody { line: 0, header: false, name: false, escape: false };
        Self { pattern, step: 0, count: 0, start, end: NOWHERE, body, key }
    }

    /// Whether it reads the same as another one: a later start adds nothing.
    pub(super) fn repeats(&self, other: &Self, pattern: &Shape) -> bool {
        let endless = matches!(pattern.steps.get(usize::from(self.step)), Some(Step::Run { max: u16::MAX, .. }));
        self.pattern == other.pattern && self.step == other.step && endless
    }

    /// Reads the byte at `at`. `text` is what is held from its start on, without the byte.
    pub(super) fn read(&mut self, pattern: &Shape, byte: u8, at: u64, text: &[u8]) -> Reading {
        loop {
            let Some(step) = pattern.steps.get(usize::from(self.step)) else { return Reading::Before };
            let last = usize::from(self.step) + 1 >= pattern.steps.len();
            match step {
                Step::Run { class, min, max } => {
                    if self.count < *max && class.has(byte) {
                        self.count = self.count.saturating_add(u16::from(self.count < u16::MAX - 1));
                        if self.count < *max {
                            return Reading::Live;
                        }
                        self.next();
                        return if last { Reading::With } else { Reading::Live };
                    }
                    if self.count < *min {
                        return Reading::Dead;
                    }
                    self.next();
                }
                Step::Lit(_) | Step::Fold(_) | Step::Rest => {
                    let (literal, fold) = match step {
                        Step::Lit(literal) => (literal.as_bytes(), false),
                        Step::Fold(literal) => (literal.as_bytes(), true),
                        _ => (&*pattern.rest, false),
                    };
                    let wanted = literal.get(usize::from(self.count));
                    if !wanted.is_some_and(|own| *own == byte || (fold && own.eq_ignore_ascii_case(&byte))) {
                        return Reading::Dead;
                    }
                    self.count += 1;
                    if usize::from(self.count) < literal.len() {
                        return Reading::Live;
                    }
                    self.next();
                    return if last { Reading::With } else { Reading::Live };
                }
                Step::Mark => {
                    self.start = at;
                    self.next();
                }
                Step::End => {
                    self.end = at;
                    self.next();
                }
                Step::PrivateKeyLabel => {
                    if !is_private_key_label(text) {
                        return Reading::Dead;
                    }
                    self.next();
                }
                Step::PrivateKeyBody => return self.read_key(byte),
            }
        }
    }

    /// Whether it is complete when the text ends at `at`.
    pub(super) fn ends(&mut self, pattern: &Shape, at: u64) -> bool {
        loop {
            match pattern.steps.get(usize::from(self.step)) {
                None => return self.start < at,
                Some(Step::Run { min, .. }) if self.count >= *min => self.next(),
                Some(Step::End) => {
                    self.end = at;
                    self.next();
                }
                Some(_) => return false,
            }
        }
    }

    /// Whether it is in its first step.
    pub(super) const fn is_first(&self) -> bool {
        self.step == 0
    }

    /// The step that it is in.
    pub(super) fn place<'a>(&self, pattern: &'a Shape) -> Option<&'a Step> {
        pattern.steps.get(usize::from(self.step))
    }

    const fn next(&mut self) {
        self.step += 1;
        self.count = 0;
    }

    /// A line of a private key is base64, or a header (`Proc-Type: 4,ENCRYPTED`). Prose and
    /// placeholders are neither.
    fn read_key(&mut self, byte: u8) -> Reading {
        let key = &mut self.key;
        let escape = std::mem::replace(&mut key.escape, byte == b'\\');
        if key.header {
            if byte == b'\n' || (escape && byte == b'n') {
                *key = KeyBody::default();
            }
            return Reading::Live;
        }
        match byte {
            b'n' | b'r' | b't' if escape => Reading::Live,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => {
                key.line += 1;
                self.count += 1;
                if self.count >= KEY_CERTAIN && !key.name { Reading::With } else { Reading::Live }
            }
            b'-' if key.line > 0 => {
                key.name = true;
                Reading::Live
            }
            b':' if key.line > 0 => {
                self.count = self.count.saturating_sub(key.line);
                key.header = true;
                Reading::Live
            }
            b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'`' | b',' | b'=' | b'>' | b'|' | b'\\' => {
                // A sign between quoted lines (`" +`) is a line of one.
                if key.name || (key.line > 1 && key.line < KEY_LINE) {
                    return Reading::Dead;
                }
                key.line = 0;
                Reading::Live
            }
            _ => Reading::Dead,
        }
    }
}

fn is_private_key_label(text: &[u8]) -> bool {
    let label = text.strip_suffix(b" BLOCK").unwrap_or(text);
    label.ends_with(b" PRIVATE KEY")
}
