//! The body of a streamed answer: a watcher's pieces as they come, and never a clean end that is
//! not one. The connection may vanish at any time: the stream does not depend on it.

use crate::problem;
use bytes::{BufMut, Bytes, BytesMut};
use haltline_gateway::{Notes, Piece, Problem, Surface, Voice, Watcher};
use haltline_ports::Batch;
use haltline_types::Code;
use http::HeaderMap;
use http_body::Frame;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Which events say their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Those of dialects that have room for one.
    OfDialect,
    /// All of them: the reader said that it can go on from a number.
    All,
}

impl Numbers {
    /// What a client asks for.
    pub(crate) fn wanted(head: &HeaderMap) -> Self {
        let asked = head.get("x-haltline-event-ids").is_some_and(|value| value != "0" && value != "false");
        if asked { Self::All } else { Self::OfDialect }
    }
}

/// Reads pieces until one says that the stream is over.
pub(crate) struct StreamBody {
    surface: Surface,
    watcher: Option<Watcher>,
    notes: Box<Notes>,
    numbers: Numbers,
}

impl StreamBody {
    pub(crate) fn new(surface: Surface, watcher: Watcher, notes: Box<Notes>, numbers: Numbers) -> Self {
        let numbered = matches!(surface.voice(), Voice::Events | Voice::EventsWithPings);
        let numbers = if numbered { Numbers::OfDialect } else { numbers };
        Self { surface, watcher: Some(watcher), notes, numbers }
    }

    fn events(&self, batch: Batch) -> Bytes {
        if self.numbers == Numbers::OfDialect {
            return batch.bytes;
        }
        let array = self.surface.voice() == Voice::Array;
        let mut out = BytesMut::with_capacity(batch.bytes.len() + batch.ends.len() * 24);
        let mut from = 0;
        for (number, end) in (batch.first..).zip(&batch.ends) {
            let end = usize::try_from(*end).unwrap_or(usize::MAX);
            let event = batch.bytes.get(from..end).unwrap_or_default();
            from = end;
            if array {
                let data = event.strip_prefix(b"[").or_else(|| event.strip_prefix(b",\n")).unwrap_or(event);
                // The end of the array belongs to its last element.
                let data =
                    if data.ends_with(b"]") && serde_json::from_slice::<&serde_json::value::RawValue>(data).is_err() {
                        &data[..data.len() - 1]
                    } else {
                        data
                    };
                Voice::Events.event(&mut out, number, None, data);
            } else {
                out.put_slice(b"id: ");
                out.put_slice(number.to_string().as_bytes());
                out.put_u8(b'\n');
                out.put_slice(event);
            }
        }
        out.freeze()
    }

    fn voice(&self) -> Voice {
        let voice = self.surface.voice();
        if voice == Voice::Array && self.numbers == Numbers::All { Voice::Events } else { voice }
    }

    fn sign(&self, begun: bool) -> Bytes {
        let mut out = BytesMut::new();
        self.voice().heartbeat(&mut out, begun);
        out.freeze()
    }

    fn error_event(&self, problem: &Problem, event_id: u64) -> Bytes {
        if self.surface == Surface::UiStream && problem.code == Code::Stopped {
            return Bytes::from_static(b"data: {\"type\":\"abort\"}\n\ndata: [DONE]\n\n");
        }
        let (name, data) = problem::event(self.surface, problem, &self.notes, event_id);
        let mut out = BytesMut::with_capacity(data.len() + 32);
        let voice = self.voice();
        if self.numbers == Numbers::All && voice != Voice::Events && event_id > 0 {
            out.put_slice(format!("id: {event_id}\n").as_bytes());
        }
        voice.event(&mut out, event_id, name, &data);
        voice.close(&mut out, true);
        out.freeze()
    }
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(watcher) = &mut self.watcher else { return Poll::Ready(None) };
        let last = match ready!(watcher.poll_next(cx)) {
            Some(Piece::Events(batch)) => return Poll::Ready(Some(Ok(Frame::data(self.events(batch))))),
            Some(Piece::Sign { begun }) => return Poll::Ready(Some(Ok(Frame::data(self.sign(begun))))),
            // An end that is none: whoever sees it comes again.
            Some(Piece::Torn) => {
                self.watcher = None;
                let why = "the gateway is shutting down; the stream goes on when it is back";
                return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::ConnectionAborted, why))));
            }
            Some(Piece::Complete) | None => None,
            Some(Piece::Problem { problem, event_id }) => Some(self.error_event(&problem, event_id)),
        };
        self.watcher = None;
        Poll::Ready(last.map(|bytes| Ok(Frame::data(bytes))))
    }
}
