//! What metering and ending need to know of a piece of an answer, whatever its dialect.

use crate::Finish;
use crate::fault::FaultSeed;
use haltline_types::Usage;
use std::fmt;

/// What one `data` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// A piece of the answer, or its end, or its usage.
    Delta(Delta),
    /// `[DONE]`: the stream is complete.
    Done,
    /// The provider reports that it failed. The same chunk may hold text and usage.
    Error {
        /// What it said.
        seed: Box<FaultSeed>,
        /// The rest of the chunk.
        delta: Delta,
    },
}

/// A piece of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Delta {
    /// Bytes of text after decoding, over all choices: content, refusal, reasoning, names and
    /// arguments of tool calls.
    pub text_bytes: usize,
    /// Does it hold any text? The first such chunk is the first token.
    pub nonempty: bool,
    /// Why a choice ended; of several in one chunk the first.
    pub finish: Option<Finish>,
    /// Choices that ended in this chunk. A request with `n` choices is finished after `n`.
    pub finished: u32,
    /// The provider's count so far; the last one of a stream stands.
    pub usage: Option<Usage>,
    /// A usage report came and cannot be relied on: no earlier one may stand for it.
    pub usage_unreadable: bool,
    /// No choices, only usage: the extra chunk that a client sees only when it asked.
    pub only_usage: bool,
}

/// A `data` that is no chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// For operators' logs.
    pub detail: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Malformed {}

/// What a provider calls its answer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Identity {
    /// The answer's id.
    pub id: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// The service tier that was used.
    pub service_tier: Option<String>,
}

/// What metering needs of a whole answer, whatever its dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whole {
    /// An answer.
    Complete(Delta),
    /// An error in spite of the status.
    Error(Box<FaultSeed>),
}
