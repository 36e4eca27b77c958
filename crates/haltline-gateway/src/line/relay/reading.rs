//! What was read of a stream: metered, kept back or passed on, event by event. Not a stage: the
//! reading half of `relay`.

use super::passing::{Beginning, Passing, Tail};
use super::watch::poll_now;
use super::{BATCH_BYTES, TAIL_BYTES_MAX, TURN_BYTES, malformed};
use crate::deliver::Outlet;
use bytes::{Bytes, BytesMut};
use haltline_policy::meter::{Meter, MeterVerdict};
use haltline_ports::AnswerBody;
use haltline_types::{Fault, FaultKind, Origin, Tokens, Usage};
use haltline_wire::canon::Frame;
use haltline_wire::chunk::Delta;
use haltline_wire::fault::classify_inside;
use haltline_wire::passage::{End, Passage, Taken};
use haltline_wire::sse::{Event, Splitter};
use std::task::Poll;

/// Has a stream ended?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Yes,
    No,
}

/// What was read of a stream so far.
pub(super) struct Reading {
    pub(super) splitter: Splitter,
    pub(super) meter: Meter,
    pub(super) passage: Passage,
    /// What the event in hand came to, in a crossing.
    pub(super) frames: Vec<Frame>,
    pub(super) beginning: Beginning,
    pub(super) tail: Tail,
    pub(super) out: BytesMut,
    /// Bytes that were read in this turn.
    pub(super) turn: usize,
    pub(super) usage: Option<Usage>,
    pub(super) reported_at_least: Option<Usage>,
    pub(super) usage_wanted: bool,
    /// Has content come? Before that the attempt can be repeated.
    pub(super) content: bool,
    /// Choices that have said why they ended, of so many that were asked for.
    pub(super) finished: u32,
    pub(super) choices: u32,
    pub(super) done: bool,
    /// A report that came before the end: input that is known early.
    pub(super) first_report: Option<Usage>,
    pub(super) reported: bool,
}

impl Reading {
    /// Takes further chunks as long as they are there without waiting.
    pub(super) fn take_what_is_there(&mut self, body: &mut AnswerBody, outlet: &mut Outlet) -> Result<Ended, Fault> {
        while self.out.len() < BATCH_BYTES && self.turn < TURN_BYTES && !self.done {
            match poll_now(body) {
                Poll::Ready(Some(Ok(chunk))) => self.take(&chunk, outlet)?,
                Poll::Ready(Some(Err(fault))) => return Err(fault),
                Poll::Ready(None) => return Ok(Ended::Yes),
                Poll::Pending => break,
            }
        }
        Ok(Ended::No)
    }

    pub(super) fn take(&mut self, chunk: &Bytes, outlet: &mut Outlet) -> Result<(), Fault> {
        self.turn = self.turn.saturating_add(chunk.len());
        self.splitter.push(chunk);
        while let Some(event) = self.splitter.next_event() {
            let event = event.map_err(|error| malformed(error.to_string()))?;
            if event.comment || self.done {
                continue;
            }
            self.inspect(&event, outlet)?;
        }
        Ok(())
    }

    pub(super) fn inspect(&mut self, event: &Event, outlet: &mut Outlet) -> Result<(), Fault> {
        // A keep-alive of servers that know no comments. OpenAI's SDKs fail on empty data.
        if event.data.trim_ascii().is_empty() && !event.is_named("error") {
            return Ok(());
        }
        let taken = match &mut self.passage {
            // What is looked at skips text that metering does not need; the client gets all of it.
            Passage::Same { .. } if std::str::from_utf8(&event.data).is_err() => {
                return Err(malformed("a stream's data is not UTF-8".to_owned()));
            }
            Passage::Same { inspector, .. } => inspector.inspect(event).map(Taken::from),
            Passage::Crossing(crossing) => crossing.take(event, &mut self.frames),
        };
        let Taken { delta, done, failed } = taken.map_err(|error| malformed(error.to_string()))?;
        let mut verdict = self.meter.on_delta(delta.text_bytes, delta.nonempty);
        if let Some(usage) = delta.usage {
            self.note_at_least(usage);
            verdict = self.meter.on_usage(&usage);
        }
        if let Some(seed) = failed {
            return Err(classify_inside(&seed));
        }
        if let Some(usage) = delta.usage
            && self.choices > self.finished
            && usage.input > Tokens::ZERO
            && !self.reported
        {
            self.reported = true;
            self.first_report = Some(usage);
        }
        self.done |= done;
        self.finished += delta.finished;
        // Only a report that comes with the end, or after it, is the last word: one that is made
        // before misses what is billed until then.
        if delta.nonempty || delta.usage_unreadable {
            self.usage = None;
        }
        if self.is_finished() && !delta.usage_unreadable {
            self.usage = delta.usage.or(self.usage);
        }
        self.content |= delta.nonempty || delta.finish.is_some();
        self.pass(event, &delta, done, outlet);
        if self.tail.bytes > TAIL_BYTES_MAX {
            return Err(malformed(format!("more than {TAIL_BYTES_MAX} bytes after the end of the answer")));
        }
        let goes_on = delta.nonempty && delta.finish.is_none();
        if verdict == MeterVerdict::ReachedCeiling && (goes_on || !self.is_finished()) {
            return Err(Fault::new(
                FaultKind::CeilingReached,
                Origin::Provider,
                "more output than the cap that was sent",
            ));
        }
        Ok(())
    }

    /// What the client gets for an event, now or later.
    pub(super) fn pass(&mut self, event: &Event, delta: &Delta, done: bool, outlet: &mut Outlet) {
        let finished = self.is_finished();
        let end = match &self.passage {
            Passage::Same { end, .. } => *end,
            Passage::Crossing(_) => {
                for frame in self.frames.drain(..) {
                    let passing = Passing::from(frame);
                    if finished {
                        self.tail.keep(passing);
                    } else if self.content {
                        self.beginning.flush(&mut self.out, outlet);
                        outlet.event(&mut self.out, passing.name(), &passing.data);
                    } else {
                        self.beginning.keep(passing, &mut self.out, outlet);
                    }
                }
                return;
            }
        };
        let passing = || Passing { event: event.event.clone(), data: event.data.clone() };
        if delta.only_usage && !self.usage_wanted {
            return;
        }
        if done || (end == End::Finish && finished) {
            self.tail.keep(passing());
        } else if self.content {
            self.beginning.flush(&mut self.out, outlet);
            let name = event.event.as_deref().and_then(|name| std::str::from_utf8(name).ok());
            outlet.event(&mut self.out, name, &event.data);
        } else {
            self.beginning.keep(passing(), &mut self.out, outlet);
        }
    }

    /// The answer is complete: its last events wait for the settlement.
    pub(super) fn end(&mut self) {
        match &mut self.passage {
            Passage::Same { end: End::Event, final_event, .. } => {
                if self.tail.events.is_empty() {
                    self.tail.events.extend(final_event.take().map(Passing::from));
                }
            }
            Passage::Same { .. } => {}
            Passage::Crossing(_) => {}
        }
        // Without any content before the end, the beginning is still here.
        self.tail.events.splice(..0, self.beginning.events.drain(..));
    }

    /// Keeps the report with the larger input; the meter keeps the largest output.
    pub(super) fn note_at_least(&mut self, usage: Usage) {
        if self.reported_at_least.is_none_or(|known| usage.input >= known.input) {
            self.reported_at_least = Some(usage);
        }
    }

    /// Has every choice ended?
    pub(super) fn is_finished(&self) -> bool {
        self.finished >= self.choices
    }

    /// The bytes have ended: is the answer whole?
    pub(super) fn incomplete(&self) -> Option<Fault> {
        if (self.done && (self.content || self.finished > 0))
            || (self.is_finished() && !self.splitter.is_inside_event())
        {
            return None;
        }
        Some(Fault::new(FaultKind::Truncated, Origin::Provider, "the stream ended before it was finished"))
    }
}
