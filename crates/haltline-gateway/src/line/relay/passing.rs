//! Events on their way to a client: what waits for the first content, and what waits for the
//! settlement. Not a stage: the holding half of `relay`.

use crate::deliver::Outlet;
use bytes::{Bytes, BytesMut};
use haltline_types::NanoUsd;
use haltline_wire::canon::Frame;
use haltline_wire::passage::Crossing;
use haltline_wire::screen::Screened;

/// An event on its way to the client.
pub(crate) struct Passing {
    pub(super) event: Option<Bytes>,
    pub(super) data: Bytes,
}

impl Passing {
    pub(super) fn name(&self) -> Option<&str> {
        self.event.as_deref().and_then(|name| std::str::from_utf8(name).ok())
    }
}

impl Passing {
    /// About what it takes in memory.
    pub(super) fn size(&self) -> usize {
        self.data.len().saturating_add(64)
    }
}

impl From<Screened> for Passing {
    fn from(screened: Screened) -> Self {
        Self { event: screened.event, data: screened.data }
    }
}

impl From<Frame> for Passing {
    fn from(frame: Frame) -> Self {
        Self { event: frame.event.map(|name| Bytes::from_static(name.as_bytes())), data: frame.data }
    }
}

/// The last events of a stream: they go out once the attempt is settled.
#[derive(Default)]
pub(crate) struct Tail {
    pub(super) events: Vec<Passing>,
    pub(super) bytes: usize,
    /// Writes the very last ones, which may tell the cost.
    pub(super) crossing: Option<Crossing>,
}

impl Tail {
    pub(super) fn keep(&mut self, event: Passing) {
        self.bytes = self.bytes.saturating_add(event.size());
        self.events.push(event);
    }

    /// All of them, for an answer that cost so much; the very last ones have not been looked at.
    pub(crate) fn events(self, cost: NanoUsd) -> (Vec<Passing>, Vec<Passing>) {
        let mut last = Vec::new();
        if let Some(mut crossing) = self.crossing {
            let mut frames = Vec::new();
            crossing.finish(cost, &mut frames);
            last.extend(frames.into_iter().map(Passing::from));
        }
        (self.events, last)
    }
}

/// What came before any content. It goes out with the first content: an attempt that fails before
/// that leaves no trace, and the next one can begin the answer anew.
#[derive(Default)]
pub(super) struct Beginning {
    pub(super) events: Vec<Passing>,
    pub(super) bytes: usize,
}

impl Beginning {
    /// The most that is kept back.
    const BYTES_MAX: usize = 64 * 1024;

    pub(super) fn keep(&mut self, event: Passing, out: &mut BytesMut, outlet: &mut Outlet) {
        self.bytes += event.size();
        self.events.push(event);
        if self.bytes > Self::BYTES_MAX {
            self.flush(out, outlet);
        }
    }

    pub(super) fn flush(&mut self, out: &mut BytesMut, outlet: &mut Outlet) {
        self.bytes = 0;
        for event in self.events.drain(..) {
            outlet.event(out, event.name(), &event.data);
        }
    }
}
