//! The way of an answer from a provider to a client: its bytes as they are, where both speak the
//! same dialect, else through the canonical events. One for each attempt.

use crate::canon::{Answer, Decode, Decoded, Encode, Event, Frame, Inspect, metered};
use crate::chunk::{Chunk, Delta, Malformed, Whole};
use crate::fault::FaultSeed;
use crate::sse;
use bytes::Bytes;
use haltline_types::NanoUsd;

/// Where an answer's stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With an event of its own, that says nothing else: `[DONE]`, `message_stop`.
    Event,
    /// With the event that says why the model stopped; nothing has to follow.
    Finish,
}

/// How events get to the client.
pub enum Passage {
    /// Same dialect on both sides: the provider's events pass, and are metered.
    Same {
        /// Meters them.
        inspector: Box<dyn Inspect>,
        /// Where the stream ends.
        end: End,
        /// The final event, for a provider that left it out.
        final_event: Option<Frame>,
    },
    /// Two dialects.
    Crossing(Crossing),
}

/// From one dialect to another.
pub struct Crossing {
    decoder: Box<dyn Decode>,
    encoder: Box<dyn Encode>,
    events: Vec<Event>,
    ended: bool,
}

/// What one event of a provider came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Text, finish, usage.
    pub delta: Delta,
    /// The provider's final event has come.
    pub done: bool,
    /// The provider reports that it failed.
    pub failed: Option<Box<FaultSeed>>,
}

impl From<Chunk> for Taken {
    fn from(chunk: Chunk) -> Self {
        match chunk {
            Chunk::Delta(delta) => Self { delta, ..Self::default() },
            Chunk::Done => Self { done: true, ..Self::default() },
            Chunk::Error { seed, delta } => Self { delta, failed: Some(seed), ..Self::default() },
        }
    }
}

impl Crossing {
    /// Between a reader and a writer.
    #[must_use]
    pub fn new(decoder: Box<dyn Decode>, encoder: Box<dyn Encode>) -> Self {
        Self { decoder, encoder, events: Vec::new(), ended: false }
    }

    /// Takes one event of the provider, and appends what the client is to get for it. The final
    /// frames are kept back: `finish` gives them.
    ///
    /// # Errors
    /// When it is not in the shape of the provider's dialect.
    pub fn take(&mut self, event: &sse::Event, out: &mut Vec<Frame>) -> Result<Taken, Malformed> {
        self.events.clear();
        self.decoder.decode(event, &mut self.events)?;
        let mut taken = Taken { delta: metered(&self.events), ..Taken::default() };
        for event in self.events.drain(..) {
            match event {
                Event::Done => taken.done = true,
                Event::Failed(seed) => taken.failed = Some(seed),
                event => self.encoder.encode(&event, out),
            }
        }
        Ok(taken)
    }

    /// The client has the beginning of a stream already.
    pub fn resume(&mut self) {
        self.encoder.resume();
    }

    /// Appends the final frames of a complete answer that cost so much.
    pub fn finish(&mut self, cost: NanoUsd, out: &mut Vec<Frame>) {
        if !self.ended {
            self.ended = true;
            self.encoder.priced(cost);
            self.encoder.encode(&Event::Done, out);
        }
    }
}

/// How a whole answer gets to the client.
pub enum WholePassage {
    /// Same dialect on both sides: meters the provider's bytes, which pass.
    Same(fn(&[u8]) -> Result<Whole, Malformed>),
    /// Two dialects.
    Crossing {
        /// Reads the provider's answer.
        decode: fn(&[u8]) -> Result<Decoded, Malformed>,
        /// Writes it for the client.
        encode: Box<dyn Fn(&Answer) -> Bytes + Send + Sync>,
    },
}

impl WholePassage {
    /// The answer for the client with what metering needs of it, or what the provider says went
    /// wrong.
    ///
    /// # Errors
    /// When the body is not in the shape of the provider's dialect.
    pub fn take(&self, body: Bytes) -> Result<Result<(Delta, Bytes), Box<FaultSeed>>, Malformed> {
        match self {
            Self::Same(inspect) => Ok(match inspect(&body)? {
                Whole::Complete(delta) => Ok((delta, body)),
                Whole::Error(seed) => Err(seed),
            }),
            Self::Crossing { decode, encode } => Ok(match decode(&body)? {
                Decoded::Answer(answer) => Ok((metered(&answer.events()), encode(&answer))),
                Decoded::Failed(seed) => Err(seed),
            }),
        }
    }
}
