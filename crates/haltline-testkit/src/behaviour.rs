//! What the fake provider does with one call, as data. How it is carried out is in `serve.rs` and
//! `body.rs`; which call gets which behaviour is in `script.rs`.

use crate::units;
use haltline_types::Tokens;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What happens to one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Behaviour {
    /// An answer with status 200, whole or broken off.
    Answer(Answer),
    /// An error status.
    Status(StatusAnswer),
    /// Inference begins, nothing is ever said. The input is billed.
    StallBeforeHead,
    /// Inference begins, then the connection is reset. The input is billed.
    ResetBeforeHead,
    /// Status 200 with a body that is not what was asked for. Billed as if it had been.
    Garbage(Garbage),
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::Answer(Answer::default())
    }
}

/// An answer with status 200.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answer {
    /// Time before the head is sent.
    #[serde(rename = "latency_ms", with = "units::millis")]
    pub latency: Duration,
    /// Output wanted for each choice, bounded by the request's cap. `None`: as the configuration says.
    #[serde(with = "units::tokens_opt")]
    pub tokens: Option<Tokens>,
    /// How fast the tokens of a stream come.
    pub pace: Pace,
    /// What the usage report says.
    pub report: Report,
    /// How the answer ends.
    pub ending: Ending,
    /// What the answer consists of.
    pub shape: Shape,
    /// How the bytes are cut into writes.
    pub writing: Writing,
}

/// How the tokens of a stream come. Answers that are not streamed ignore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// Time between chunks; zero is as fast as the client reads.
    #[serde(rename = "interval_ms", with = "units::millis")]
    pub interval: Duration,
    /// Tokens in one chunk, at least one.
    #[serde(with = "units::tokens")]
    pub tokens_per_chunk: Tokens,
}

impl Default for Pace {
    fn default() -> Self {
        Self { interval: Duration::ZERO, tokens_per_chunk: Tokens::new(1) }
    }
}

/// What the usage report says. The bill is never changed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The truth; in streams only when the request asks for it.
    #[default]
    True,
    /// No usage at all, asked for or not.
    Omit,
    /// The true numbers times `num / den`, rounded up: above 1 it reports too much, below 1 too little.
    Scaled {
        /// Numerator.
        num: u64,
        /// Denominator, taken as 1 when it is zero.
        den: u64,
    },
}

/// How an answer ends. The number of chunks counts those that carry tokens. In an answer that is
/// not streamed every early end comes after half of the body, and all tokens have been produced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// As it should.
    #[default]
    Complete,
    /// Silence after so many chunks, the connection stays open.
    Stall {
        /// Chunks before.
        after: u64,
    },
    /// A clean end of the HTTP body after so many chunks: no finish reason, no usage, no `[DONE]`.
    Truncate {
        /// Chunks before.
        after: u64,
    },
    /// The connection is closed (FIN) in the middle of the HTTP body.
    Cut {
        /// Chunks before.
        after: u64,
    },
    /// The connection is reset (RST) in the middle of the HTTP body.
    Reset {
        /// Chunks before.
        after: u64,
    },
    /// An `{"error":…}` frame after so many chunks, then a clean end of the HTTP body.
    ErrorFrame {
        /// Chunks before.
        after: u64,
    },
}

impl Ending {
    /// Chunks with tokens before the end, `None` when all of them come.
    #[must_use]
    pub fn after(self) -> Option<u64> {
        match self {
            Self::Complete => None,
            Self::Stall { after }
            | Self::Truncate { after }
            | Self::Cut { after }
            | Self::Reset { after }
            | Self::ErrorFrame { after } => Some(after),
        }
    }
}

/// What an answer consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Text.
    #[default]
    Text,
    /// A call of the request's first tool; text when the request offers none.
    ToolCall,
}

/// How the bytes of an answer are cut into writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writing {
    /// One event, one write; an answer that is not streamed in one.
    #[default]
    Whole,
    /// So many bytes at a time, with a pause after each, across the borders of events.
    Drip {
        /// Bytes of one write, at least one.
        bytes: u32,
        /// The pause.
        pause_ms: u64,
    },
    /// The first event with tokens is at least so many bytes long, by a field that costs nothing.
    HugeEvent {
        /// Bytes of padding.
        bytes: u32,
    },
}

/// An error status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusAnswer {
    /// The status: 400, 429, 500, 529, …
    pub status: u16,
    /// The wait it states.
    #[serde(default)]
    pub retry_after: Option<RetryAfter>,
    /// The value of `x-should-retry`, `None` for no such header.
    #[serde(default)]
    pub should_retry: Option<bool>,
    /// Is it billed?
    #[serde(default)]
    pub billing: StatusBilling,
}

/// A wait as a provider may state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// `retry-after: N`.
    Secs(u64),
    /// `retry-after-ms: N`.
    Millis(u64),
    /// `retry-after` with an HTTP date so many seconds from now.
    HttpDate(u64),
}

/// Does an error status cost money?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusBilling {
    /// Rejected before inference: not billed, no line in the bill.
    #[default]
    BeforeInference,
    /// Inference ran to its end before the error: all input and output are billed.
    AfterInference,
}

/// What a garbage body looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Garbage {
    /// Its length in bytes; zero for an empty body.
    pub bytes: u32,
}

impl Behaviour {
    /// An error status without a stated wait, not billed.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Status(StatusAnswer {
            status,
            retry_after: None,
            should_retry: None,
            billing: StatusBilling::BeforeInference,
        })
    }

    /// An error status with a stated wait, not billed.
    #[must_use]
    pub fn status_after(status: u16, retry_after: RetryAfter) -> Self {
        Self::Status(StatusAnswer {
            status,
            retry_after: Some(retry_after),
            should_retry: None,
            billing: StatusBilling::BeforeInference,
        })
    }

    /// A whole answer with so many output tokens for each choice.
    #[must_use]
    pub fn tokens(count: u64) -> Self {
        Self::Answer(Answer { tokens: Some(Tokens::new(count)), ..Answer::default() })
    }

    /// An answer of the configured length that ends so.
    #[must_use]
    pub fn ending(ending: Ending) -> Self {
        Self::Answer(Answer { ending, ..Answer::default() })
    }

    /// A whole answer that reports so.
    #[must_use]
    pub fn reporting(report: Report) -> Self {
        Self::Answer(Answer { report, ..Answer::default() })
    }

    /// A whole answer after so long.
    #[must_use]
    pub fn slow(latency: Duration) -> Self {
        Self::Answer(Answer { latency, ..Answer::default() })
    }
}
