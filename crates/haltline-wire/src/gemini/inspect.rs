//! Metering: what a stream or an answer says about usage, end and errors. Builds no text.

use super::usage::Report;
use super::wire::{Read, Response, read, responses};
use crate::Finish;
use crate::canon::Inspect;
use crate::chunk::{Chunk, Delta, Malformed, Whole};
use crate::sse;

/// Meters one stream.
///
/// Early models wrote a `finishReason` into every chunk: of each candidate only the first one
/// counts as its end.
#[derive(Debug, Default)]
pub struct Inspector {
    called: bool,
    /// Candidates that have ended, one bit each; further ones share the last bit.
    ended: u64,
}

impl Inspector {
    /// At the begin of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self { called: false, ended: 0 }
    }

    fn meter(&mut self, response: &Response<'_>) -> Delta {
        let mut delta = Delta::default();
        let candidates = response.candidates.as_deref().unwrap_or_default();
        for candidate in candidates {
            for part in candidate.parts() {
                self.called |= part.function_call.is_some();
                delta.text_bytes = delta.text_bytes.saturating_add(part.text_bytes());
                delta.nonempty |= part.inline_data.as_ref().is_some_and(|blob| blob.data.said().is_some());
            }
            if let Some(finish) = candidate.finish_reason.0 {
                self.end(candidate.index(), finish, &mut delta);
            }
        }
        if response.is_blocked() {
            self.end(0, Finish::ContentFilter, &mut delta);
        }
        delta.nonempty |= delta.text_bytes > 0;
        match response.report() {
            Report::Absent => {}
            Report::Read(usage) => delta.usage = Some(usage),
            Report::Unreadable => delta.usage_unreadable = true,
        }
        let reported = delta.usage.is_some() || delta.usage_unreadable;
        delta.only_usage = reported && candidates.is_empty() && delta.finished == 0;
        delta
    }

    fn end(&mut self, index: u64, finish: Finish, delta: &mut Delta) {
        let bit = 1 << index.min(63);
        if self.ended & bit != 0 {
            return;
        }
        self.ended |= bit;
        delta.finished += 1;
        delta.finish = delta.finish.or(Some(named(finish, self.called)));
    }
}

/// Google ends calls with `STOP`, as everything else.
pub(super) fn named(finish: Finish, called: bool) -> Finish {
    if finish == Finish::Stop && called { Finish::ToolCalls } else { finish }
}

impl Inspect for Inspector {
    fn inspect(&mut self, event: &sse::Event) -> Result<Chunk, Malformed> {
        match read(&event.data)? {
            Read::Done => Ok(Chunk::Done),
            Read::Response(response, None) => Ok(Chunk::Delta(self.meter(&response))),
            Read::Response(response, Some(seed)) => Ok(Chunk::Error { seed, delta: self.meter(&response) }),
        }
    }
}

/// Meters a whole body: one response, or the array of a stream without `alt=sse`.
///
/// # Errors
/// When it is neither an answer nor an error.
pub fn inspect_answer(body: &[u8]) -> Result<Whole, Malformed> {
    let mut inspector = Inspector::new();
    let mut sum = Delta { only_usage: true, ..Delta::default() };
    let mut any = false;
    for response in responses(body)? {
        let Read::Response(response, seed) = response else { continue };
        if let Some(seed) = seed {
            return Ok(Whole::Error(seed));
        }
        any |= !response.says_nothing();
        add(&mut sum, inspector.meter(&response));
    }
    if any { Ok(Whole::Complete(sum)) } else { Err(nothing()) }
}

pub(super) fn nothing() -> Malformed {
    Malformed { detail: "the answer has neither candidates nor an error".to_owned() }
}

fn add(sum: &mut Delta, more: Delta) {
    sum.text_bytes = sum.text_bytes.saturating_add(more.text_bytes);
    sum.nonempty |= more.nonempty;
    sum.finish = sum.finish.or(more.finish);
    sum.finished = sum.finished.saturating_add(more.finished);
    sum.only_usage &= more.only_usage;
    if more.usage.is_some() || more.usage_unreadable {
        sum.usage = more.usage;
        sum.usage_unreadable = more.usage_unreadable;
    }
}
