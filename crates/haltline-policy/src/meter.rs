//! Watches a running stream against what is held for it. The count is a lower bound of what the
//! provider bills, so that a provider that keeps to the cap is never cut.

use crate::quote::{BYTES_PER_TOKEN_MAX, OUTPUT_SLACK};
use haltline_types::{Tokens, Usage};

/// May the stream go on?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeterVerdict {
    /// Yes.
    Fine,
    /// It has certainly had more output than is held for: cut it, with a proper final event.
    ReachedCeiling,
}

/// What a piece of text on the wire tells about tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pieces {
    /// A non-empty piece is at least one token, as with every large provider.
    WholeTokens,
    /// A server that cuts tokens into characters: only bytes and reports count.
    PartsOfTokens,
}

/// The output of one attempt while it runs.
#[derive(Clone, Debug)]
pub struct Meter {
    allowed: Tokens,
    pieces: Pieces,
    deltas: u64,
    bytes: u64,
    reported: u64,
}

impl Meter {
    /// For `n` choices (0 counts as 1) of `cap` tokens each. Allowed is what the quote held for
    /// output: each choice has the slack of 64 tokens, which also covers the few pieces that are
    /// no token of their own, such as the name that opens a tool call.
    #[must_use]
    pub fn new(cap: Tokens, n: u32, pieces: Pieces) -> Self {
        let each = cap.checked_add(OUTPUT_SLACK);
        let allowed = each.and_then(|each| each.checked_mul(u64::from(n.max(1)))).unwrap_or(Tokens::new(u64::MAX));
        Self { allowed, pieces, deltas: 0, bytes: 0, reported: 0 }
    }

    /// A piece of output came: text, reasoning or tool arguments of so many bytes. `nonempty` is
    /// false for pieces that carry none (a role, a heartbeat, a finish reason).
    pub fn on_delta(&mut self, text_bytes: usize, nonempty: bool) -> MeterVerdict {
        self.bytes = self.bytes.saturating_add(u64::try_from(text_bytes).unwrap_or(u64::MAX));
        if nonempty && self.pieces == Pieces::WholeTokens {
            self.deltas = self.deltas.saturating_add(1);
        }
        self.verdict()
    }

    /// A usage report came; reports only grow.
    pub fn on_usage(&mut self, usage: &Usage) -> MeterVerdict {
        self.reported = self.reported.max(usage.output.get());
        self.verdict()
    }

    /// At least so much output so far. A token has at most 128 bytes in every public vocabulary
    /// (a run of spaces); a shorter guess would cut an honest answer that draws a long ruler.
    #[must_use]
    pub fn output_at_least(&self) -> Tokens {
        Tokens::new(self.deltas.max(self.bytes / BYTES_PER_TOKEN_MAX).max(self.reported))
    }

    /// How much output is held for.
    #[must_use]
    pub const fn allowed(&self) -> Tokens {
        self.allowed
    }

    /// May the stream go on?
    #[must_use]
    pub fn verdict(&self) -> MeterVerdict {
        if self.output_at_least() > self.allowed { MeterVerdict::ReachedCeiling } else { MeterVerdict::Fine }
    }
}
