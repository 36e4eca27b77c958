//! What was read of a stream: metered, kept back or passed on, event by event. Not a stage: the
//! reading half of `relay`.

use super::passing::{Beginning, Passing, Tail};
use super::watch::poll_now;
use super::{BATCH_BYTES, TAIL_BYTES_MAX, TURN_BYTES, malformed};
use crate::deliver::Outlet;
use crate::line::screen_output::{self, Screening};
use bytes::{Bytes, BytesMut};
use haltline_policy::meter::{Meter, MeterVerdict};
use haltline_ports::AnswerBody;
use haltline_types::{Fault, FaultKind, Origin, Tokens, Usage};
use haltline_wire::canon::Frame;
use haltline_wire::chunk::Delta;
use haltline_wire::fault::classify_inside;
use haltline_wire::passage::{End, Passage, Taken};
use haltline_wire::screen::{Looked, Screened};
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
    /// Has the client been given any of it, or would it have been without a guard?
    pub(super) shown: bool,
    /// What the answer passes on its way; none where nothing is looked for.
    pub(super) screening: Option<Box<Screening>>,
    /// What may go out for the event in hand.
    pub(super) passed: Vec<Screened>,
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
        self.pass(event, &delta, done, outlet)?;
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
    pub(super) fn pass(&mut self, event: &Event, delta: &Delta, done: bool, outlet: &mut Outlet) -> Result<(), Fault> {
        let finished = self.is_finished();
        let mut looked = Looked::default();
        let screened = match &self.passage {
            Passage::Crossing(_) => {
                let mut frames = std::mem::take(&mut self.frames);
                let screened = frames.drain(..).try_for_each(|frame| {
                    let passing = Passing::from(frame);
                    self.screen(passing.event.as_ref(), &passing.data, &mut looked)
                });
                self.frames = frames;
                screened.map(|()| finished)
            }
            Passage::Same { end, .. } => {
                let is_last = done || (*end == End::Finish && finished);
                if delta.only_usage && !self.usage_wanted {
                    return Ok(());
                }
                if self.screening.is_none() && self.shown && !is_last {
                    let name = event.event.as_deref().and_then(|name| std::str::from_utf8(name).ok());
                    outlet.event(&mut self.out, name, &event.data);
                    return Ok(());
                }
                self.screen(event.event.as_ref(), &event.data, &mut looked).map(|()| is_last)
            }
        };
        // Before a client can see anything of it, an answer can still begin anew.
        self.shown |= self.content && (looked.said || !looked.emptied);
        let is_last = screened.as_ref().is_ok_and(|is_last| *is_last);
        let mut passed = std::mem::take(&mut self.passed);
        for screened in passed.drain(..) {
            self.give(screened, is_last, outlet);
        }
        self.passed = passed;
        screened.map(drop)
    }

    /// Looks at an event, and notes what may go out for it.
    fn screen(&mut self, event: Option<&Bytes>, data: &Bytes, sum: &mut Looked) -> Result<(), Fault> {
        let Some(screening) = &mut self.screening else {
            self.passed.push(Screened { event: event.cloned(), data: data.clone() });
            return Ok(());
        };
        let looked = screening.take(event, data, &mut self.passed).map_err(|error| screen_output::malformed(&error))?;
        sum.said |= looked.said;
        sum.emptied |= looked.emptied;
        if looked.cut { Err(screen_output::forbidden()) } else { Ok(()) }
    }

    /// Gives what may go out, or keeps it for later.
    fn give(&mut self, screened: Screened, is_last: bool, outlet: &mut Outlet) {
        let passing = Passing::from(screened);
        if is_last {
            self.tail.keep(passing);
        } else if self.shown {
            self.beginning.flush(&mut self.out, outlet);
            outlet.event(&mut self.out, passing.name(), &passing.data);
        } else {
            self.beginning.keep(passing, &mut self.out, outlet);
        }
    }

    /// The answer is complete: its last events wait for the settlement.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        if let Some(screening) = &mut self.screening {
            let looked = screening.end(&mut self.passed);
            for screened in self.passed.drain(..) {
                self.tail.keep(Passing::from(screened));
            }
            if looked.cut {
                return Err(screen_output::forbidden());
            }
        }
        match &mut self.passage {
            Passage::Same { end: End::Event, final_event, .. } => {
                if !self.done {
                    self.tail.events.extend(final_event.take().map(Passing::from));
                }
            }
            Passage::Same { .. } => {}
            Passage::Crossing(_) => {}
        }
        // Without any content before the end, the beginning is still here.
        self.tail.events.splice(..0, self.beginning.events.drain(..));
        Ok(())
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
