//! Metering: of a stream that passes through, and of a whole answer. Copies no text.

use super::piece::Piece;
use super::reader::Reader;
use crate::canon::{Inspect, ReportedUsage};
use crate::chunk::{Chunk, Delta, Malformed, Whole};
use crate::fault::FaultSeed;
use crate::sse;

/// Meters one stream.
///
/// The last event (`response.completed`, `response.incomplete`) is a `Chunk::Delta` with the
/// finish and the usage: no other comes after it. Only servers that add `[DONE]` give a
/// `Chunk::Done`.
#[derive(Default)]
pub struct Inspector {
    reader: Reader,
}

impl Inspector {
    /// For one stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The `sequence_number` that the next event would have: for an event of our own at the end of
    /// a stream that broke.
    #[must_use]
    pub const fn next_sequence_number(&self) -> u64 {
        self.reader.next_number
    }
}

impl Inspect for Inspector {
    fn inspect(&mut self, event: &sse::Event) -> Result<Chunk, Malformed> {
        let mut sum = Sum::default();
        let is_done = self.reader.event(event, &mut |piece| sum.add(&piece))?;
        let (delta, seed) = sum.finish();
        Ok(match seed {
            Some(seed) => Chunk::Error { seed, delta },
            None if is_done => Chunk::Done,
            None => Chunk::Delta(delta),
        })
    }
}

/// Meters a whole answer. One that still runs in the background has no finish.
///
/// # Errors
/// When it is neither a response nor an error.
pub fn inspect_answer(body: &[u8]) -> Result<Whole, Malformed> {
    let mut sum = Sum::default();
    Reader::default().answer(body, &mut |piece| sum.add(&piece))?;
    let (delta, seed) = sum.finish();
    Ok(seed.map_or(Whole::Complete(delta), Whole::Error))
}

/// Adds pieces up as `canon::metered` does with events.
#[derive(Default)]
struct Sum {
    delta: Delta,
    any: bool,
    other_than_usage: bool,
    seed: Option<Box<FaultSeed>>,
}

impl Sum {
    fn add(&mut self, piece: &Piece<'_>) {
        self.any = true;
        self.other_than_usage |= !matches!(piece, Piece::Usage(_));
        let delta = &mut self.delta;
        match piece {
            Piece::Text(text)
            | Piece::Reasoning(text)
            | Piece::Refusal(text)
            | Piece::Withheld(text)
            | Piece::Arguments { fragment: text, .. }
            | Piece::Call { name: text, .. } => delta.text_bytes = delta.text_bytes.saturating_add(text.len()),
            Piece::File { .. } => delta.nonempty = true,
            Piece::Usage(ReportedUsage::Read(usage)) => {
                delta.usage = Some(*usage);
                delta.usage_unreadable = false;
            }
            Piece::Usage(ReportedUsage::Unreadable) => {
                delta.usage = None;
                delta.usage_unreadable = true;
            }
            Piece::Finished(reason) => {
                delta.finish = delta.finish.or(Some(*reason));
                delta.finished = delta.finished.saturating_add(1);
            }
            Piece::Failed(seed) => {
                self.seed.get_or_insert_with(|| seed.clone());
            }
            Piece::Started { .. } | Piece::Sealed(_) | Piece::Source { .. } | Piece::Done => {}
        }
    }

    fn finish(mut self) -> (Delta, Option<Box<FaultSeed>>) {
        self.delta.nonempty |= self.delta.text_bytes > 0;
        self.delta.only_usage = self.any && !self.other_than_usage;
        (self.delta, self.seed)
    }
}
