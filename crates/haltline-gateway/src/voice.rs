//! How a client is spoken to while its answer streams: the framing of events, and what keeps a
//! waiting connection alive. What the events say is the dialects' matter.

use bytes::{BufMut, BytesMut};
use haltline_wire::sse::{write_comment, write_event};

/// The framing of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Voice {
    /// Server-sent events with an `id` each; comments keep the connection alive.
    Events,
    /// The same, kept alive by Anthropic's `event: ping`.
    EventsWithPings,
    /// Server-sent events of `data` alone, as Google's own clients want them: google-genai 3.1 (js)
    /// and 3.4 (py) stumble over any other line, a comment or an `id`. Kept alive by blank lines,
    /// which both skip.
    DataLines,
    /// Server-sent events of `data` alone, as the AI SDK's UI message stream has them; kept alive by
    /// transient `data-status` parts, as its parsers take nothing else for a sign of life.
    DataOnly,
    /// A JSON array, as Google answers who does not ask for `alt=sse`; white space keeps it alive.
    Array,
}

impl Voice {
    /// Appends an event, number `id` of its stream, from 1; 0 when it is not known.
    pub fn event(self, out: &mut BytesMut, id: u64, event: Option<&str>, data: &[u8]) {
        match self {
            Self::Events | Self::EventsWithPings => write_event(out, (id > 0).then_some(id), event, data),
            Self::DataLines | Self::DataOnly => write_event(out, None, None, data),
            Self::Array => {
                out.reserve(data.len() + 3);
                out.put_slice(if id == 1 { b"[" } else { b",\n" });
                out.put_slice(data);
            }
        }
    }

    /// Appends a remark for people who watch the bytes, where the framing has room for one.
    pub fn remark(self, out: &mut BytesMut, text: &str) {
        match self {
            Self::Events | Self::EventsWithPings => write_comment(out, text.as_bytes()),
            Self::DataLines | Self::DataOnly | Self::Array => {}
        }
    }

    /// Appends a sign of life for a client that has to wait. `begun`: has it any event?
    pub fn heartbeat(self, out: &mut BytesMut, begun: bool) {
        match self {
            Self::Events => write_comment(out, b"waiting"),
            Self::EventsWithPings if begun => write_event(out, None, Some("ping"), br#"{"type":"ping"}"#),
            Self::EventsWithPings => write_comment(out, b"waiting"),
            Self::DataOnly if begun => {
                write_event(out, None, None, br#"{"type":"data-status","data":{"state":"waiting"},"transient":true}"#);
            }
            Self::DataOnly => write_comment(out, b"waiting"),
            Self::DataLines | Self::Array => out.put_u8(b'\n'),
        }
    }

    /// Appends what closes a stream after its last event. `any`: had it an event?
    pub fn close(self, out: &mut BytesMut, any: bool) {
        if self == Self::Array {
            out.put_slice(if any { b"]" } else { b"[]" });
        }
    }
}
