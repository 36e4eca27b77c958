//! Server-sent events: bytes to events, however the bytes were cut, and events to bytes.
//!
//! Knows nothing of what stands in `data`. Reading costs no copy for an event whose lines came in
//! one chunk, and memory is bounded by the cap on one event.

use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;
use std::ops::Range;

/// The largest event that is taken: 2 MiB of lines. The last event of a Responses stream repeats
/// the instructions and tools of its request.
pub const EVENT_BYTES_MAX: usize = 2 << 20;

/// One event, or one comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The `data` lines joined by line feeds; the text of a comment.
    pub data: Bytes,
    /// The `event` field. A line of the non-standard field `error` is an event of its own with
    /// this name.
    pub event: Option<Bytes>,
    /// A comment line: it keeps a connection alive and says nothing else.
    pub comment: bool,
}

impl Event {
    /// Is the `event` field `name`?
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.event.as_deref() == Some(name.as_bytes())
    }
}

/// Why a stream cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SseError {
    /// An event is larger than the cap; holds the cap in bytes.
    EventTooLarge(usize),
}

impl fmt::Display for SseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EventTooLarge(cap) => write!(f, "an event is larger than {cap} bytes"),
        }
    }
}

impl std::error::Error for SseError {}

/// Splits a byte stream into events. The events do not depend on how the bytes were cut. An event
/// whose blank line never came is never given out.
#[derive(Debug)]
pub struct Splitter {
    /// What came last.
    chunk: Bytes,
    /// How far `chunk` was looked at.
    at: usize,
    /// The begin of a line whose end has not come.
    carry: BytesMut,
    /// A carriage return ended the last line: a line feed right after it belongs to it.
    after_cr: bool,
    /// No line was complete so far: a byte order mark may stand before the first.
    at_start: bool,
    data: Data,
    event: Option<Bytes>,
    /// Bytes of the field lines of the event in hand.
    event_bytes: usize,
    cap: usize,
    failed: bool,
}

/// The data lines so far: most events have one, which is kept as a slice of what came.
#[derive(Debug)]
enum Data {
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new()
    }
}

impl Splitter {
    /// With the cap `EVENT_BYTES_MAX`.
    #[must_use]
    pub fn new() -> Self {
        Self::with_cap(EVENT_BYTES_MAX)
    }

    /// With a cap of its own, in bytes of one event's lines.
    #[must_use]
    pub fn with_cap(cap: usize) -> Self {
        Self {
            chunk: Bytes::new(),
            at: 0,
            carry: BytesMut::new(),
            after_cr: false,
            at_start: true,
            data: Data::None,
            event: None,
            event_bytes: 0,
            cap,
            failed: false,
        }
    }

    /// Adds what came. All events of earlier chunks should have been taken with `next_event`
    /// first; if not, the bytes are joined, which costs a copy.
    pub fn push(&mut self, chunk: &Bytes) {
        if self.at == self.chunk.len() {
            self.chunk = chunk.clone();
        } else {
            let mut joined = BytesMut::with_capacity(self.chunk.len() - self.at + chunk.len());
            joined.extend_from_slice(&self.chunk[self.at..]);
            joined.extend_from_slice(chunk);
            self.chunk = joined.freeze();
        }
        self.at = 0;
    }

    /// The next complete event or comment; `None` when more bytes are needed. After an error
    /// there is nothing more.
    pub fn next_event(&mut self) -> Option<Result<Event, SseError>> {
        if self.failed {
            return None;
        }
        let chunk = std::mem::take(&mut self.chunk);
        let found = self.scan(&chunk);
        if !self.failed {
            self.chunk = chunk;
        }
        found
    }

    fn scan(&mut self, chunk: &Bytes) -> Option<Result<Event, SseError>> {
        if self.after_cr && self.at < chunk.len() {
            self.after_cr = false;
            self.at += usize::from(chunk[self.at] == b'\n');
        }
        while let Some(length) = memchr::memchr2(b'\n', b'\r', &chunk[self.at..]) {
            let line = self.at..self.at + length;
            self.at = line.end + 1;
            if chunk[line.end] == b'\r' {
                match chunk.get(self.at) {
                    Some(b'\n') => self.at += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            let event = if self.carry.is_empty() {
                self.take_line(chunk, line)
            } else {
                self.carry.extend_from_slice(&chunk[line]);
                let line = self.carry.split().freeze();
                self.take_line(&line, 0..line.len())
            };
            if event.is_some() {
                return event;
            }
        }
        self.carry.extend_from_slice(&chunk[self.at..]);
        self.at = chunk.len();
        (self.event_bytes + self.carry.len() > self.cap).then(|| Err(self.fail()))
    }

    /// Is there an event that has begun and not ended? At the end of the stream it is lost: the
    /// stream was cut.
    #[must_use]
    pub fn is_inside_event(&self) -> bool {
        !self.carry.is_empty() || self.at < self.chunk.len() || !matches!(self.data, Data::None) || self.event.is_some()
    }

    fn fail(&mut self) -> SseError {
        self.failed = true;
        self.chunk = Bytes::new();
        self.at = 0;
        self.carry = BytesMut::new();
        self.data = Data::None;
        SseError::EventTooLarge(self.cap)
    }

    /// Takes the line at `line` of `source`.
    fn take_line(&mut self, source: &Bytes, line: Range<usize>) -> Option<Result<Event, SseError>> {
        let mut start = line.start;
        if self.event_bytes + line.len() > self.cap {
            return Some(Err(self.fail()));
        }
        if self.at_start {
            self.at_start = false;
            if source[line.clone()].starts_with(b"\xEF\xBB\xBF") {
                start += 3;
            }
        }
        let text = &source[start..line.end];
        if text.is_empty() {
            return self.dispatch().map(Ok);
        }
        // Nearly all lines are `data: …`.
        let name_length = if text.starts_with(b"data:") { 4 } else { memchr::memchr(b':', text).unwrap_or(text.len()) };
        let after_colon = (start + name_length + 1).min(line.end);
        let value_at = after_colon + usize::from(source[after_colon..line.end].first() == Some(&b' '));
        let value = || source.slice(value_at..line.end);
        match &text[..name_length] {
            b"" => return Some(Ok(Event { data: value(), event: None, comment: true })),
            b"data" => {
                self.event_bytes += line.len();
                self.add_data(value());
            }
            b"event" => {
                self.event_bytes += line.len();
                self.event = Some(value());
            }
            // llama.cpp and llama-box write errors as a field of their own.
            b"error" => {
                let event = Some(Bytes::from_static(b"error"));
                return Some(Ok(Event { data: value(), event, comment: false }));
            }
            _ => {}
        }
        None
    }

    fn add_data(&mut self, value: Bytes) {
        self.data = match std::mem::replace(&mut self.data, Data::None) {
            Data::None => Data::One(value),
            Data::One(first) => {
                let mut joined = BytesMut::with_capacity(first.len() + 1 + value.len());
                joined.extend_from_slice(&first);
                joined.put_u8(b'\n');
                joined.extend_from_slice(&value);
                Data::Many(joined)
            }
            Data::Many(mut joined) => {
                joined.put_u8(b'\n');
                joined.extend_from_slice(&value);
                Data::Many(joined)
            }
        };
    }

    fn dispatch(&mut self) -> Option<Event> {
        let event = self.event.take();
        self.event_bytes = 0;
        let data = match std::mem::replace(&mut self.data, Data::None) {
            Data::None => return None,
            Data::One(data) => data,
            Data::Many(data) => data.freeze(),
        };
        Some(Event { data, event, comment: false })
    }
}

/// Appends one event. Line ends inside `data` become further `data` lines.
pub fn write_event(out: &mut BytesMut, id: Option<u64>, event: Option<&str>, data: &[u8]) {
    out.reserve(data.len() + 48);
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        write_number(out, id);
        out.put_u8(b'\n');
    }
    if let Some(event) = event {
        out.extend_from_slice(b"event: ");
        for byte in event.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')) {
            out.put_u8(byte);
        }
        out.put_u8(b'\n');
    }
    write_lines(out, b"data: ", data);
    out.put_u8(b'\n');
}

/// Appends a comment, without a blank line after it: where events have carried an `id`,
/// openai-python 3.54 takes the blank line for the end of an event, and fails on its empty data.
/// The comment stands before the next event's lines, where every parser skips it. Line ends inside
/// `text` become further comments.
pub fn write_comment(out: &mut BytesMut, text: &[u8]) {
    out.reserve(text.len() + 8);
    write_lines(out, b": ", text);
}

fn write_lines(out: &mut BytesMut, prefix: &[u8], text: &[u8]) {
    let mut rest = text;
    loop {
        out.extend_from_slice(prefix);
        let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
            out.extend_from_slice(rest);
            out.put_u8(b'\n');
            return;
        };
        out.extend_from_slice(&rest[..end]);
        out.put_u8(b'\n');
        let crlf = rest[end] == b'\r' && rest.get(end + 1) == Some(&b'\n');
        rest = &rest[end + 1 + usize::from(crlf)..];
    }
}

fn write_number(out: &mut BytesMut, number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
