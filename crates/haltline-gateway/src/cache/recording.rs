//! What a client is sent, written down on the way, so that it can be kept once it is whole.

use super::entry::{CachedEvent, Said};
use bytes::Bytes;

/// A recording; one that grows too long is given up.
#[derive(Debug)]
pub(crate) struct Recording {
    events: Vec<CachedEvent>,
    whole: Option<Bytes>,
    bytes: usize,
    bytes_max: usize,
    is_given_up: bool,
}

impl Recording {
    /// Of at most so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { events: Vec::new(), whole: None, bytes: 0, bytes_max, is_given_up: false }
    }

    /// An event is sent.
    pub(crate) fn event(&mut self, name: Option<&str>, data: &[u8]) {
        if self.takes(data.len()) {
            let name = name.map(|name| Bytes::copy_from_slice(name.as_bytes()));
            self.events.push(CachedEvent { name, data: Bytes::copy_from_slice(data) });
        }
    }

    /// A whole answer is sent.
    pub(crate) fn whole(&mut self, body: &Bytes) {
        if self.takes(body.len()) {
            self.whole = Some(body.clone());
        }
    }

    /// What was sent; `None` when it was nothing, or too much.
    pub(crate) fn said(self) -> Option<Said> {
        if self.is_given_up {
            return None;
        }
        match self.whole {
            Some(body) => Some(Said::Whole(body)),
            None if self.events.is_empty() => None,
            None => Some(Said::Stream(self.events)),
        }
    }

    fn takes(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(64);
        if self.bytes > self.bytes_max {
            self.is_given_up = true;
            self.events = Vec::new();
            self.whole = None;
        }
        !self.is_given_up
    }
}
