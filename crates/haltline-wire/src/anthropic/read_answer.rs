//! A whole answer in the pieces of a stream.

use super::read_stream::{Piece, StreamReader, seed_of};
use super::wire::Message;
use crate::chunk::Malformed;
use crate::fault::FaultSeed;

/// Hands out what `body` says. `Some` is an error in spite of the status; then nothing was handed
/// out.
pub(super) fn read_answer<'a>(
    body: &'a [u8],
    sink: &mut impl FnMut(Piece<'a>),
) -> Result<Option<Box<FaultSeed>>, Malformed> {
    let body = body.trim_ascii();
    if !body.starts_with(b"{") {
        return Err(Malformed { detail: "the answer is no JSON object".to_owned() });
    }
    let message: Message<'a> = serde_json::from_slice(body)
        .map_err(|error| Malformed { detail: format!("the answer is not in the shape of a message: {error}") })?;
    let failed = message.kind.as_str() == "error" || message.error.is_some_and(|error| !is_nothing(error.get()));
    if failed {
        return Ok(Some(Box::new(seed_of(body))));
    }
    let Some(content) = message.content else {
        return match FaultSeed::read(body) {
            Some(seed) => Ok(Some(Box::new(seed))),
            None => Err(Malformed { detail: "the answer has neither content nor an error".to_owned() }),
        };
    };
    let mut reader = StreamReader::with_id(message.id.as_str());
    let (id, model) = (message.id.0.unwrap_or_default(), message.model.0.unwrap_or_default());
    sink(Piece::Started { id, model });
    for block in content {
        reader.whole_block(block, sink);
    }
    let complete = !message.stop_reason.as_str().is_empty();
    reader.finish(message.stop_reason.filled(), message.stop_sequence.filled(), sink);
    reader.report(message.usage, sink);
    if complete {
        sink(Piece::Done);
    }
    Ok(None)
}

fn is_nothing(json: &str) -> bool {
    matches!(json, "false" | "\"\"" | "{}")
}
