//! From this dialect's answers to canonical events.

use super::read_answer::read_answer;
use super::read_stream::{Piece, StreamReader};
use crate::canon::{Answer, Decode, Decoded, Event};
use crate::chunk::Malformed;
use crate::sse;
use std::borrow::Cow;

/// Reads a stream of this dialect.
#[derive(Debug, Default)]
pub struct Decoder {
    reader: StreamReader,
}

impl Decoder {
    /// At the begin of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Decode for Decoder {
    fn decode(&mut self, event: &sse::Event, out: &mut Vec<Event>) -> Result<(), Malformed> {
        self.reader.read(event, &mut |piece| out.push(said(piece)))
    }
}

/// Reads a whole answer.
///
/// # Errors
/// When it is neither an answer nor an error.
pub fn decode_answer(body: &[u8]) -> Result<Decoded, Malformed> {
    let mut events = Vec::new();
    match read_answer(body, &mut |piece| events.push(said(piece)))? {
        Some(seed) => Ok(Decoded::Failed(seed)),
        None => Ok(Decoded::Answer(Box::new(Answer::of(events)))),
    }
}

fn said(piece: Piece<'_>) -> Event {
    match piece {
        Piece::Started { id, model } => Event::Started { id: id.into_owned(), model: model.into_owned() },
        Piece::Text(text) => Event::Text(text.into_owned()),
        Piece::Thinking(text) => Event::Reasoning(text.into_owned()),
        Piece::Signature(text) => Event::ReasoningSignature(text.into_owned()),
        Piece::Redacted(data) => Event::RedactedReasoning(data.into_owned()),
        Piece::Call { index, id, name } => {
            Event::Call { index, id: id.into_owned(), name: name.into_owned(), signature: None }
        }
        Piece::Arguments { index, fragment } => Event::Arguments { index, fragment: fragment.into_owned() },
        Piece::Source { url, title } => Event::Source { url: url.into_owned(), title: title.map(Cow::into_owned) },
        Piece::Usage(report) => Event::Usage(report),
        Piece::Finished { reason, stop_sequence } => {
            Event::Finished { reason, stop_sequence: stop_sequence.map(Cow::into_owned) }
        }
        Piece::Done => Event::Done,
        Piece::Failed(seed) => Event::Failed(seed),
    }
}
