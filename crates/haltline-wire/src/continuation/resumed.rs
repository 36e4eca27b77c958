//! A writer that goes on where another attempt stopped: it leaves out what the client has already,
//! and counts what both used.

use super::{Continue, Seam};
use crate::assemble::Resumption;
use crate::canon::{Encode, Event, Frame, ReportedUsage};
use haltline_types::{NanoUsd, Tokens, Usage};

/// Around a writer that is primed.
pub(crate) struct Resumed {
    inner: Box<dyn Encode>,
    begun: bool,
    in_text: bool,
    seam: Seam,
    /// What the attempt before used.
    before: Option<Usage>,
}

impl Resumed {
    pub(crate) fn new(inner: Box<dyn Encode>, from: &Resumption, how: Continue) -> Self {
        let seam = Seam::new(from.text(), how);
        Self { inner, begun: from.begun(), in_text: from.in_text(), seam, before: from.usage }
    }

    fn text(&mut self, text: String, out: &mut Vec<Frame>) {
        if !text.is_empty() {
            self.inner.encode(&Event::Text(text), out);
        }
    }
}

impl Encode for Resumed {
    fn encode(&mut self, event: &Event, out: &mut Vec<Frame>) {
        match event {
            Event::Started { .. } if self.begun => {}
            // They would stand behind the text that they led to, and cut it in two.
            Event::Reasoning(_) | Event::ReasoningSignature(_) | Event::RedactedReasoning(_) if self.in_text => {}
            Event::Text(text) => {
                let new = self.seam.push(text);
                self.text(new, out);
            }
            Event::Usage(ReportedUsage::Read(usage)) => {
                let sum = self.before.map_or(*usage, |before| sum(&before, usage));
                self.inner.encode(&Event::Usage(ReportedUsage::Read(sum)), out);
            }
            Event::Usage(ReportedUsage::Unreadable) => self.inner.encode(event, out),
            other => {
                let rest = self.seam.finish();
                self.text(rest, out);
                self.inner.encode(other, out);
            }
        }
    }

    fn priced(&mut self, cost: NanoUsd) {
        self.inner.priced(cost);
    }

    fn resume(&mut self) {
        self.inner.resume();
    }
}

fn sum(a: &Usage, b: &Usage) -> Usage {
    let add = |a: Tokens, b: Tokens| a.checked_add(b).unwrap_or(Tokens::new(u64::MAX));
    Usage {
        input: add(a.input, b.input),
        cached_input: add(a.cached_input, b.cached_input),
        cache_write: add(a.cache_write, b.cache_write),
        cache_write_long: add(a.cache_write_long, b.cache_write_long),
        output: add(a.output, b.output),
        reasoning: add(a.reasoning, b.reasoning),
        // Only if both say it: half of a cost is none.
        stated_cost: a.stated_cost.zip(b.stated_cost).and_then(|(a, b)| a.checked_add(b)),
    }
}
