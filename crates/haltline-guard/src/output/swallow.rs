//! The rest of a secret that was certain before its end.

use super::class::Class;
use super::rule::After;

/// Bytes of base64 in a row that are a further line of a private key.
const KEY_LINE: u8 = 16;
/// What may stand between two lines of a private key, and what its last lines may be long.
const KEY_GAP: u8 = 64;
/// The same before the first line, where headers stand.
const KEY_HEADERS: u16 = 512;

/// What is being swallowed.
#[derive(Clone, Copy)]
pub(super) enum Swallow {
    /// Nothing.
    Nothing,
    /// The rest of a run.
    Run { class: Class, parts: u8, dot: bool, left: u16 },
    /// Lines of a private key.
    Key(Key),
}

/// What to do with a byte that follows a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// It belongs to the secret, and so does what was in doubt before it.
    Yes,
    /// The next bytes will tell.
    Maybe,
    /// The secret ended before what was in doubt.
    No,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Key {
    /// Bytes of headers that are left.
    headers: u16,
    gap: u8,
    line: u8,
    dashes: u8,
    end: End,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Lines,
    /// In the last line, after so many bytes of it.
    Label(u8),
    /// After the label: so many dashes.
    Dashes(u8),
}

const END: &[u8] = b"END ";

impl Swallow {
    pub(super) fn new(after: After, certain: bool) -> Self {
        match after {
            After::Nothing => Self::Nothing,
            After::Class(class) => Self::Run { class, parts: 0, dot: false, left: u16::MAX },
            After::Bounded(class, left) => Self::Run { class, parts: 0, dot: false, left },
            After::Dotted(class, parts) => Self::Run { class, parts, dot: false, left: u16::MAX },
            After::PrivateKey => Self::Key(Key { headers: if certain { 0 } else { KEY_HEADERS }, ..Key::default() }),
        }
    }

    pub(super) const fn is_idle(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    pub(super) fn take(&mut self, byte: u8) -> Taken {
        let taken = match self {
            Self::Nothing => return Taken::No,
            Self::Run { class, parts, dot, left } => {
                if class.has(byte) && *left > 0 {
                    *left -= u16::from(*left < u16::MAX);
                    *dot = false;
                    Taken::Yes
                } else if byte == b'.' && *parts > 0 && !*dot {
                    *parts -= 1;
                    *dot = true;
                    Taken::Maybe
                } else {
                    Taken::No
                }
            }
            Self::Key(key) => match key.take(byte) {
                None => {
                    *self = Self::Nothing;
                    return Taken::Yes;
                }
                Some(taken) => taken,
            },
        };
        if taken == Taken::No {
            *self = Self::Nothing;
        }
        taken
    }
}

impl Key {
    /// `None` for the last byte of the key.
    fn take(&mut self, byte: u8) -> Option<Taken> {
        match self.end {
            End::Lines => Some(self.line(byte)),
            End::Label(read) => {
                if usize::from(read) < END.len() {
                    if END.get(usize::from(read)) == Some(&byte) {
                        self.end = End::Label(read + 1);
                        return Some(self.doubt());
                    }
                } else if byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ' {
                    return Some(self.doubt());
                } else if byte == b'-' {
                    self.end = End::Dashes(1);
                    return Some(Taken::Yes);
                }
                self.end = End::Lines;
                self.dashes = 0;
                Some(self.line(byte))
            }
            End::Dashes(read) if byte == b'-' => {
                self.end = End::Dashes(read + 1);
                (read + 1 < 5).then_some(Taken::Yes)
            }
            End::Dashes(_) => Some(Taken::No),
        }
    }

    fn line(&mut self, byte: u8) -> Taken {
        let dashes = std::mem::take(&mut self.dashes);
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'+' => {
                // `E` of `-----END`.
                if dashes >= 5 && byte == b'E' {
                    self.end = End::Label(1);
                    return self.doubt();
                }
                self.line = self.line.saturating_add(1);
                if self.line >= KEY_LINE {
                    self.gap = 0;
                    self.headers = 0;
                    return Taken::Yes;
                }
                if self.gap == 0 { Taken::Yes } else { self.doubt() }
            }
            b'-' => {
                self.line = 0;
                self.dashes = dashes.saturating_add(1);
                self.doubt()
            }
            b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'`' | b',' | b'=' | b'\\' | b'>' | b'|' => {
                self.line = 0;
                self.doubt()
            }
            _ if self.headers > 0 => {
                self.line = 0;
                self.doubt()
            }
            _ => Taken::No,
        }
    }

    fn doubt(&mut self) -> Taken {
        if self.headers > 0 {
            self.headers -= 1;
            return Taken::Yes;
        }
        self.gap = self.gap.saturating_add(1);
        if self.gap > KEY_GAP { Taken::No } else { Taken::Maybe }
    }
}
