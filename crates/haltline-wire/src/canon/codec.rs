//! What a dialect offers to the others: reading its stream into canonical events, and writing
//! canonical events as its stream.

use super::Event;
use crate::assemble::Resumption;
use crate::chunk::{Chunk, Malformed};
use crate::fault::FaultSeed;
use crate::sse;
use bytes::Bytes;
use haltline_types::NanoUsd;

/// One event to be written to a client. Whoever holds the stream adds the event's id and the
/// framing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The `event` field, in dialects that name their events.
    pub event: Option<&'static str>,
    /// The `data`.
    pub data: Bytes,
}

/// Meters a provider's stream of one dialect whose bytes pass through: looks at as little as it
/// can. One for each stream.
pub trait Inspect: Send {
    /// Reads one event that is no comment.
    ///
    /// # Errors
    /// When its data is not in the shape of the dialect.
    fn inspect(&mut self, event: &sse::Event) -> Result<Chunk, Malformed>;
}

/// Reads a provider's stream of one dialect. One for each stream.
pub trait Decode: Send {
    /// Reads one event that is no comment, and appends what it means. Events that are not known
    /// mean nothing.
    ///
    /// # Errors
    /// When its data is not in the shape of the dialect.
    fn decode(&mut self, event: &sse::Event, out: &mut Vec<Event>) -> Result<(), Malformed>;
}

/// Writes a stream of one dialect. One for each stream.
pub trait Encode: Send {
    /// Appends the frames that say `event`, if it takes any. `Event::Done` writes the final
    /// frames; `Event::Failed` writes none, as the words for the client are not the provider's.
    fn encode(&mut self, event: &Event, out: &mut Vec<Frame>);

    /// What the answer costs, told before `Event::Done`; most dialects have no place for it.
    fn priced(&mut self, cost: NanoUsd) {
        let _ = cost;
    }

    /// The client has the frames that begin a stream already, from `begin` of another encoder.
    fn resume(&mut self) {}

    /// The client has the begin of the answer already, from another attempt: it goes on there, with
    /// the same ids and numbers, in the block that is open. Called before all events.
    fn primed(&mut self, from: &Resumption) {
        let _ = from;
    }
}

/// A whole answer, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// An answer.
    Answer(Box<super::Answer>),
    /// An error in spite of the status.
    Failed(Box<FaultSeed>),
}
