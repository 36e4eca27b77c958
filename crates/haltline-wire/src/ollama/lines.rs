//! Splits a stream of JSON lines, however the bytes were cut.

use crate::sse::{EVENT_BYTES_MAX, Event, SseError};
use bytes::{Bytes, BytesMut};

/// Splits a byte stream into lines. The lines do not depend on how the bytes were cut. Blank lines
/// are left out.
#[derive(Debug, Default)]
pub struct Lines {
    rest: BytesMut,
    failed: bool,
}

impl Lines {
    /// With nothing read.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what came.
    pub fn push(&mut self, chunk: &[u8]) {
        if !self.failed {
            self.rest.extend_from_slice(chunk);
        }
    }

    /// The next complete line as the data of an event; `None` when more bytes are needed. After an
    /// error there is nothing more.
    pub fn next_event(&mut self) -> Option<Result<Event, SseError>> {
        while let Some(end) = memchr::memchr(b'\n', &self.rest) {
            let line = self.rest.split_to(end + 1).freeze();
            if line.len() > EVENT_BYTES_MAX {
                return Some(Err(self.fail()));
            }
            if let Some(event) = event(&line) {
                return Some(Ok(event));
            }
        }
        (self.rest.len() > EVENT_BYTES_MAX).then(|| Err(self.fail()))
    }

    /// What stands behind the last line feed, when the stream has ended: a last line whose end was
    /// not sent. It may have been cut.
    pub fn last_event(&mut self) -> Option<Event> {
        event(&self.rest.split().freeze())
    }

    fn fail(&mut self) -> SseError {
        self.failed = true;
        self.rest = BytesMut::new();
        SseError::EventTooLarge(EVENT_BYTES_MAX)
    }
}

fn event(line: &Bytes) -> Option<Event> {
    let text = line.trim_ascii();
    (!text.is_empty()).then(|| Event { data: line.slice_ref(text), event: None, comment: false })
}
