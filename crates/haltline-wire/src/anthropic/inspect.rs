//! Metering: what of an answer that passes through as bytes must be known.

use super::read_answer::read_answer;
use super::read_stream::{Piece, StreamReader};
use crate::canon::{Inspect, ReportedUsage};
use crate::chunk::{Chunk, Delta, Identity, Malformed, Whole};
use crate::fault::FaultSeed;
use crate::sse;
use crate::word::Word;
use serde::Deserialize;

/// Meters a stream of this dialect.
#[derive(Debug, Default)]
pub struct Inspector {
    reader: StreamReader,
}

impl Inspector {
    /// At the begin of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Inspect for Inspector {
    fn inspect(&mut self, event: &sse::Event) -> Result<Chunk, Malformed> {
        let mut sum = Sum::default();
        self.reader.read(event, &mut |piece| sum.add(&piece))?;
        let delta = sum.delta();
        Ok(match sum.failed {
            Some(seed) => Chunk::Error { seed, delta },
            None if sum.done => Chunk::Done,
            None => Chunk::Delta(delta),
        })
    }
}

/// Meters a whole answer.
///
/// # Errors
/// When it is neither an answer nor an error.
pub fn inspect_answer(body: &[u8]) -> Result<Whole, Malformed> {
    let mut sum = Sum::default();
    match read_answer(body, &mut |piece| sum.add(&piece))? {
        Some(seed) => Ok(Whole::Error(seed)),
        None => Ok(Whole::Complete(sum.delta())),
    }
}

/// What pieces come to. The same as `canon::metered` says of the events that they stand for.
#[derive(Default)]
struct Sum {
    delta: Delta,
    pieces: u32,
    reports: u32,
    done: bool,
    failed: Option<Box<FaultSeed>>,
}

impl Sum {
    fn add(&mut self, piece: &Piece<'_>) {
        self.pieces = self.pieces.saturating_add(1);
        let delta = &mut self.delta;
        match piece {
            Piece::Text(text) | Piece::Thinking(text) | Piece::Redacted(text) => delta.text_bytes += text.len(),
            Piece::Arguments { fragment, .. } => delta.text_bytes += fragment.len(),
            Piece::Call { name, .. } => delta.text_bytes += name.len(),
            Piece::Usage(report) => {
                self.reports = self.reports.saturating_add(1);
                delta.usage = if let ReportedUsage::Read(usage) = report { Some(*usage) } else { None };
                delta.usage_unreadable = *report == ReportedUsage::Unreadable;
            }
            Piece::Finished { reason, .. } => {
                delta.finish = delta.finish.or(Some(*reason));
                delta.finished += 1;
            }
            Piece::Done => self.done = true,
            Piece::Failed(seed) => self.failed = Some(seed.clone()),
            Piece::Started { .. } | Piece::Signature(_) | Piece::Source { .. } => {}
        }
    }

    fn delta(&self) -> Delta {
        let only_usage = self.pieces > 0 && self.pieces == self.reports;
        Delta { nonempty: self.delta.text_bytes > 0, only_usage, ..self.delta }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Head<'a> {
    #[serde(borrow, flatten)]
    own: Names<'a>,
    #[serde(borrow)]
    message: Option<Named<'a>>,
    #[serde(borrow)]
    usage: Option<Tier<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Names<'a> {
    #[serde(borrow)]
    id: Word<'a>,
    #[serde(borrow)]
    model: Word<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Named<'a> {
    #[serde(borrow, flatten)]
    names: Names<'a>,
    #[serde(borrow)]
    usage: Option<Tier<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Tier<'a> {
    #[serde(borrow)]
    service_tier: Word<'a>,
}

/// Reads id, model and tier of an answer, or of the `message_start` of a stream.
#[must_use]
pub fn identify(data: &[u8]) -> Identity {
    let head: Head<'_> = serde_json::from_slice(data).unwrap_or_default();
    let named = head.message.unwrap_or(Named { names: head.own, usage: head.usage });
    let owned = |word: Word<'_>| word.filled().map(std::borrow::Cow::into_owned);
    Identity {
        id: owned(named.names.id),
        model: owned(named.names.model),
        service_tier: owned(named.usage.unwrap_or_default().service_tier),
    }
}
