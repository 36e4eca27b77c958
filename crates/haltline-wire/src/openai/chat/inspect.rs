//! Metering of answers whose bytes pass through: streams and whole bodies, in the shapes that are
//! common to all dialects.

use super::response::{self, Answer};
use super::stream::look;
use crate::Finish;
use crate::canon::Inspect;
use crate::chunk::{Chunk, Delta, Malformed, Whole};
use crate::fault::FaultSeed;
use crate::sse;

/// Meters one stream.
///
/// A stream that called tools and ends with `stop` (Ollama) ends with `Finish::ToolCalls` here.
/// Servers that send no `[DONE]` (Perplexity) give no `Chunk::Done`: their last finish reason is
/// the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inspector {
    calls: bool,
}

impl Inspector {
    /// At the begin of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self { calls: false }
    }
}

impl Inspect for Inspector {
    fn inspect(&mut self, event: &sse::Event) -> Result<Chunk, Malformed> {
        let (mut chunk, choices) = match look(&event.data) {
            Ok(read) => read,
            // `event: error` with plain words behind it, and the field `error:` of llama-box.
            Err(_) if event.is_named("error") => {
                let seed = Box::new(FaultSeed::of_text(&event.data));
                return Ok(Chunk::Error { seed, delta: Delta::default() });
            }
            Err(error) => return Err(error),
        };
        self.calls |= choices.calls;
        if let Chunk::Delta(delta) | Chunk::Error { delta, .. } = &mut chunk {
            delta.finish = meant(delta.finish, self.calls);
        }
        Ok(chunk)
    }
}

/// Meters a whole answer.
///
/// # Errors
/// When the body is neither an answer nor an error.
pub fn inspect_answer(body: &[u8]) -> Result<Whole, Malformed> {
    Ok(match response::meter(body)? {
        Answer::Error(seed) => Whole::Error(seed),
        Answer::Complete(answer) => Whole::Complete(Delta {
            text_bytes: answer.text_bytes,
            nonempty: answer.text_bytes > 0 || answer.pictures,
            finish: meant(answer.finish, answer.calls),
            finished: answer.finished,
            usage: answer.usage,
            usage_unreadable: answer.usage_unreadable,
            only_usage: false,
        }),
    })
}

/// Some servers say `stop` when tools are to be called.
pub(super) fn meant(finish: Option<Finish>, calls: bool) -> Option<Finish> {
    match finish {
        Some(Finish::Stop) if calls => Some(Finish::ToolCalls),
        other => other,
    }
}
