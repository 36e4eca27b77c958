//! The one pass: grammar, depth, encoding, duplicate keys.

use super::text::decode;
use super::{DEPTH_MAX, JsonError, JsonErrorKind, OPEN_KEYS_MAX};

/// Is `body` one JSON value in UTF-8 that every parser reads alike?
///
/// Refuses what RFC 8259 refuses (control characters inside strings among it), nesting deeper
/// than `DEPTH_MAX`, and any key that stands twice in one object, escapes decoded. A byte order
/// mark is refused. Lone surrogates in escapes are accepted, as JavaScript writes them.
///
/// # Errors
/// The first thing that is wrong, with its place. Of several duplicate keys in one object any
/// one may be named.
pub fn check(body: &[u8]) -> Result<(), JsonError> {
    let mut checker = Checker { body, at: 0, keys: Vec::new(), frames: Vec::new() };
    match std::str::from_utf8(body) {
        Ok(_) => checker.document(),
        // What stands before the bad byte may be wrong earlier; the first error is the one told.
        Err(error) => Err((error.valid_up_to(), JsonErrorKind::Encoding)),
    }
    .map_err(|(offset, kind)| JsonError::at(body, offset, kind))
}

type Step<T> = Result<T, (usize, JsonErrorKind)>;

struct Checker<'a> {
    body: &'a [u8],
    at: usize,
    /// Keys of all open objects, outermost first.
    keys: Vec<Key>,
    /// The open containers, outermost first; never longer than `DEPTH_MAX`.
    frames: Vec<Frame>,
}

#[derive(Clone, Copy)]
enum Frame {
    Array,
    /// Holds where the object's keys begin in `keys`.
    Object(usize),
}

/// The inside of a key's string, and a hash of what it says.
#[derive(Clone, Copy)]
struct Key {
    hash: u64,
    start: usize,
    end: usize,
}

impl Checker<'_> {
    fn document(&mut self) -> Step<()> {
        self.space();
        if self.at == self.body.len() {
            return Err((self.at, JsonErrorKind::Empty));
        }
        loop {
            // A value is due.
            if self.value()? {
                continue;
            }
            // A value has ended: close what ends here, or go on to the next member.
            loop {
                self.space();
                let Some(frame) = self.frames.last().copied() else {
                    return if self.at == self.body.len() {
                        Ok(())
                    } else {
                        Err(self.wrong("something stands after the end of the value"))
                    };
                };
                match (self.peek(), frame) {
                    (Some(b','), Frame::Array) => {
                        self.at += 1;
                        self.space();
                        break;
                    }
                    (Some(b','), Frame::Object(first)) => {
                        self.at += 1;
                        self.space();
                        self.key(first)?;
                        break;
                    }
                    (Some(b']'), Frame::Array) => {
                        self.at += 1;
                        self.frames.pop();
                    }
                    (Some(b'}'), Frame::Object(first)) => {
                        self.close_object(first)?;
                    }
                    (_, Frame::Array) => return Err(self.wrong("`,` or `]` was expected")),
                    (_, Frame::Object(_)) => return Err(self.wrong("`,` or `}` was expected")),
                }
            }
        }
    }

    /// Reads one value. `true` when it is a container whose first element is due, `false` when
    /// the value has ended.
    fn value(&mut self) -> Step<bool> {
        match self.peek() {
            Some(b'"') => {
                self.string()?;
                Ok(false)
            }
            Some(b'{') => {
                let first = self.keys.len();
                self.open(Frame::Object(first))?;
                if self.peek() == Some(b'}') {
                    self.at += 1;
                    self.frames.pop();
                    return Ok(false);
                }
                self.key(first)?;
                Ok(true)
            }
            Some(b'[') => {
                self.open(Frame::Array)?;
                if self.peek() == Some(b']') {
                    self.at += 1;
                    self.frames.pop();
                    return Ok(false);
                }
                Ok(true)
            }
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.word(b"true").map(|()| false),
            Some(b'f') => self.word(b"false").map(|()| false),
            Some(b'n') => self.word(b"null").map(|()| false),
            Some(_) => Err(self.wrong("a value was expected")),
            None => Err(self.wrong("it ends too early")),
        }
    }

    fn open(&mut self, frame: Frame) -> Step<()> {
        if self.frames.len() == DEPTH_MAX {
            return Err((self.at, JsonErrorKind::TooDeep));
        }
        self.frames.push(frame);
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Reads a key and its colon.
    fn key(&mut self, first_of_object: usize) -> Step<()> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong("a key in double quotes was expected"));
        }
        let start = self.at + 1;
        let escaped = self.string()?;
        let end = self.at - 1;
        let raw = &self.body[start..end];
        let hash = if escaped { hash(&decode(raw)) } else { hash(raw) };
        if self.keys.len() == OPEN_KEYS_MAX {
            return Err((start, JsonErrorKind::TooManyKeys));
        }
        self.keys.push(Key { hash, start, end });
        // Small objects are compared as they grow, so that the second of two keys is named;
        // large ones are sorted when they end, which no choice of keys can make quadratic.
        let siblings = &self.keys[first_of_object..self.keys.len() - 1];
        if siblings.len() < SMALL_OBJECT
            && siblings.iter().any(|key| key.hash == hash && self.says(*key) == decode(raw))
        {
            return Err(self.duplicate(start, end));
        }
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.wrong("`:` was expected"));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    fn close_object(&mut self, first: usize) -> Step<()> {
        self.at += 1;
        self.frames.pop();
        if self.keys.len() - first > SMALL_OBJECT {
            let mut keys = self.keys.split_off(first);
            keys.sort_unstable_by(|a, b| a.hash.cmp(&b.hash).then_with(|| self.says(*a).cmp(&self.says(*b))));
            let twice =
                keys.windows(2).find(|pair| pair[0].hash == pair[1].hash && self.says(pair[0]) == self.says(pair[1]));
            if let Some(pair) = twice {
                let later = if pair[0].start > pair[1].start { pair[0] } else { pair[1] };
                return Err(self.duplicate(later.start, later.end));
            }
        }
        self.keys.truncate(first);
        Ok(())
    }

    fn says(&self, key: Key) -> std::borrow::Cow<'_, [u8]> {
        decode(&self.body[key.start..key.end])
    }

    fn duplicate(&self, start: usize, end: usize) -> (usize, JsonErrorKind) {
        let said = decode(&self.body[start..end]);
        let shown: String = String::from_utf8_lossy(&said).chars().take(60).collect();
        (start, JsonErrorKind::DuplicateKey(shown.escape_debug().to_string()))
    }

    /// Reads a string; `true` when there is an escape in it.
    fn string(&mut self) -> Step<bool> {
        self.at += 1;
        let mut escaped = false;
        loop {
            self.plain_text()?;
            // `plain_text` stops at a quote or a backslash only.
            if self.body[self.at] == b'"' {
                self.at += 1;
                return Ok(escaped);
            }
            escaped = true;
            self.escape()?;
        }
    }

    /// Steps over text up to the next quote or backslash; refuses control characters.
    fn plain_text(&mut self) -> Step<()> {
        let rest = &self.body[self.at..];
        // Most strings, and most pieces between escapes, are short.
        for (index, byte) in rest.iter().take(SHORT_TEXT).enumerate() {
            if PLAIN[usize::from(*byte)] {
                continue;
            }
            self.at += index;
            return if matches!(byte, b'"' | b'\\') { Ok(()) } else { Err(self.control()) };
        }
        let Some(end) = memchr::memchr2(b'"', b'\\', rest) else {
            self.at = self.body.len();
            return Err(self.wrong("a string does not end"));
        };
        if rest[..end].iter().fold(false, |any, byte| any | (*byte < 0x20)) {
            self.at += rest[..end].iter().position(|byte| *byte < 0x20).unwrap_or(0);
            return Err(self.control());
        }
        self.at += end;
        Ok(())
    }

    fn control(&self) -> (usize, JsonErrorKind) {
        self.wrong("a control character stands inside a string; write it as an escape")
    }

    fn escape(&mut self) -> Step<()> {
        match self.body.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => match self.body.get(self.at + 2..self.at + 6) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {
                    self.at += 6;
                    Ok(())
                }
                _ => Err(self.wrong("an escape `\\u` needs four hexadecimal digits")),
            },
            _ => Err(self.wrong("an unknown escape stands inside a string")),
        }
    }

    fn number(&mut self) -> Step<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.wrong("a digit was expected")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Step<()> {
        let count = self.body[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.wrong("a digit was expected"));
        }
        self.at += count;
        Ok(())
    }

    fn word(&mut self, word: &'static [u8]) -> Step<()> {
        if !self.body[self.at..].starts_with(word) {
            return Err(self.wrong("a value was expected"));
        }
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn wrong(&self, what: &'static str) -> (usize, JsonErrorKind) {
        (self.at, JsonErrorKind::Syntax(what))
    }
}

/// Keys up to which an object is compared pair by pair.
const SMALL_OBJECT: usize = 16;

/// Bytes that are looked at one by one before a wide search pays.
const SHORT_TEXT: usize = 16;

/// Bytes that stand for themselves inside a string.
const PLAIN: [bool; 256] = {
    let mut table = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = false;
        byte += 1;
    }
    table[b'"' as usize] = false;
    table[b'\\' as usize] = false;
    table
};

/// FNV-1a: only sorts and pre-filters; equality is decided by the bytes.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
