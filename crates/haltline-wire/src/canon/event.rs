//! An answer while it comes: events in the order in which the model made them.

use crate::Finish;
use crate::chunk::Delta;
use crate::fault::FaultSeed;
use haltline_types::Usage;

/// One step of an answer. Blocks are not opened or closed: what follows decides. Writers that must
/// frame blocks close the open one when another kind, or another call, begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What the provider calls its answer. Comes first, at most once.
    Started {
        /// The answer's id; empty when the provider gives none.
        id: String,
        /// The model that answers; empty when the provider does not say.
        model: String,
    },
    /// Text.
    Text(String),
    /// Thoughts that the client may see.
    Reasoning(String),
    /// The proof that closes the thoughts before it (Anthropic's `signature`).
    ReasoningSignature(String),
    /// Thoughts that only their provider can read (Anthropic's `redacted_thinking` data).
    RedactedReasoning(String),
    /// The model declines, in words.
    Refusal(String),
    /// A call of a tool begins.
    Call {
        /// Which of the answer's calls, from 0.
        index: u32,
        /// Its id; made up where the dialect has none.
        id: String,
        /// The tool.
        name: String,
        /// Google's `thoughtSignature`, base64.
        signature: Option<String>,
    },
    /// More of a call's arguments: a fragment of JSON.
    Arguments {
        /// Which call.
        index: u32,
        /// The fragment.
        fragment: String,
    },
    /// A source that the answer rests on.
    Source {
        /// Its address.
        url: String,
        /// Its title.
        title: Option<String>,
    },
    /// A file that the model made, such as a picture.
    File {
        /// `image/png`.
        media_type: String,
        /// Standard base64.
        data: String,
    },
    /// The provider's count so far. Of several the last stands.
    Usage(ReportedUsage),
    /// The model stopped.
    Finished {
        /// Why.
        reason: Finish,
        /// The stop sequence that was met, where the dialect says it.
        stop_sequence: Option<String>,
    },
    /// The protocol says that the answer is complete: nothing follows.
    Done,
    /// The provider failed in the middle.
    Failed(Box<FaultSeed>),
}

/// A usage report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportedUsage {
    /// It was read.
    Read(Usage),
    /// It was sent and cannot be relied on.
    Unreadable,
}

/// What metering needs to know of `events`, which came in one piece.
#[must_use]
pub fn metered(events: &[Event]) -> Delta {
    let mut delta = Delta { only_usage: !events.is_empty(), ..Delta::default() };
    for event in events {
        delta.only_usage &= matches!(event, Event::Usage(_));
        match event {
            Event::Text(text)
            | Event::Reasoning(text)
            | Event::Refusal(text)
            | Event::Arguments { fragment: text, .. }
            | Event::RedactedReasoning(text) => delta.text_bytes += text.len(),
            Event::Call { name, .. } => delta.text_bytes += name.len(),
            Event::File { .. } => delta.nonempty = true,
            Event::Usage(ReportedUsage::Read(usage)) => {
                delta.usage = Some(*usage);
                delta.usage_unreadable = false;
            }
            Event::Usage(ReportedUsage::Unreadable) => {
                delta.usage = None;
                delta.usage_unreadable = true;
            }
            Event::Finished { reason, .. } => {
                delta.finish = delta.finish.or(Some(*reason));
                delta.finished += 1;
            }
            Event::Started { .. }
            | Event::ReasoningSignature(_)
            | Event::Source { .. }
            | Event::Done
            | Event::Failed(_) => {}
        }
    }
    delta.nonempty |= delta.text_bytes > 0;
    delta
}
