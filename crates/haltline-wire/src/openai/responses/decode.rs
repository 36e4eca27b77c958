//! A provider's stream, or whole answer, in canonical form.

use super::piece::Piece;
use super::reader::Reader;
use crate::canon::{Answer, Decode, Decoded, Event};
use crate::chunk::Malformed;
use crate::sse;

/// Reads one stream.
#[derive(Default)]
pub struct Decoder {
    reader: Reader,
}

impl Decoder {
    /// For one stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Decode for Decoder {
    fn decode(&mut self, event: &sse::Event, out: &mut Vec<Event>) -> Result<(), Malformed> {
        self.reader.event(event, &mut |piece| out.push(owned(piece)))?;
        Ok(())
    }
}

/// Reads a whole answer. One that still runs in the background is not done and has no finish.
///
/// # Errors
/// When it is neither a response nor an error.
pub fn decode_answer(body: &[u8]) -> Result<Decoded, Malformed> {
    let mut events = Vec::new();
    Reader::default().answer(body, &mut |piece| events.push(owned(piece)))?;
    if let Some(Event::Failed(seed)) = events.iter().find(|event| matches!(event, Event::Failed(_))) {
        return Ok(Decoded::Failed(seed.clone()));
    }
    Ok(Decoded::Answer(Box::new(Answer::of(events))))
}

fn owned(piece: Piece<'_>) -> Event {
    match piece {
        Piece::Started { id, model } => Event::Started { id: id.to_owned(), model: model.to_owned() },
        Piece::Text(text) => Event::Text(text.to_owned()),
        Piece::Reasoning(text) => Event::Reasoning(text.to_owned()),
        Piece::Sealed(sealed) => Event::ReasoningSignature(sealed.to_owned()),
        Piece::Withheld(data) => Event::RedactedReasoning(data.to_owned()),
        Piece::Refusal(text) => Event::Refusal(text.to_owned()),
        Piece::Call { index, id, name } => {
            let id = if id.is_empty() { format!("call_{index}") } else { id.to_owned() };
            Event::Call { index, id, name: name.to_owned(), signature: None }
        }
        Piece::Arguments { index, fragment } => Event::Arguments { index, fragment: fragment.to_owned() },
        Piece::Source { url, title } => Event::Source { url: url.to_owned(), title: title.map(str::to_owned) },
        Piece::File { media_type, data } => Event::File { media_type: media_type.to_owned(), data: data.to_owned() },
        Piece::Usage(usage) => Event::Usage(usage),
        Piece::Finished(reason) => Event::Finished { reason, stop_sequence: None },
        Piece::Done => Event::Done,
        Piece::Failed(seed) => Event::Failed(seed),
    }
}
