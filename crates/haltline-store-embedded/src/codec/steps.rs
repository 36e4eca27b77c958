//! The bytes of a record's steps. Times are distances from the step before; names that the record
//! or an earlier step has are not written again.

mod read;

pub(super) use read::read;

use super::Writer;
use super::record::{write_basis, write_outcome};
use haltline_ports::{By, GUARD_RULES_MAX, PLANNED_MAX, Planned, RequestRecord, ToolReturn, What};
use haltline_types::{ModelName, Name};
use std::time::Duration;

/// Texts that a number can stand for.
const KNOWN_MAX: usize = 64;

/// What the record says before its steps.
fn known(record: &RequestRecord) -> impl Iterator<Item = &Name> {
    let subjects = &record.subjects;
    let one = [Some(&record.model), Some(&record.surface), subjects.key.as_ref(), subjects.user.as_ref()];
    let endpoints = record.attempts.iter().flat_map(|attempt| [&attempt.endpoint.provider, &attempt.endpoint.model]);
    one.into_iter().flatten().chain(endpoints).take(KNOWN_MAX)
}

pub(super) fn write(writer: &mut Writer<'_>, record: &RequestRecord) {
    let mut out = Out { known: known(record).map(Name::as_str).collect() };
    let mut before = 0;
    writer.u64(record.steps.len() as u64);
    for step in &record.steps {
        let at = micros(step.at);
        writer.u64(at.saturating_sub(before));
        before = at;
        out.what(writer, &step.what);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

// The numbers of the kinds: never given to another kind.
const ARRIVED: u8 = 1;
const IDENTIFIED: u8 = 2;
const ACCEPTED: u8 = 3;
const THROTTLED: u8 = 4;
const WAITED: u8 = 5;
const PLANNED: u8 = 6;
const TIGHTENED: u8 = 7;
const NOT_HELD: u8 = 8;
const CAP_LOWERED: u8 = 9;
const HELD: u8 = 10;
const SENT: u8 = 11;
const HEAD: u8 = 12;
const TRUED_UP: u8 = 13;
const FIRST_TOKEN: u8 = 14;
const CHECKPOINT: u8 = 15;
const FAULT: u8 = 16;
const BREAKER_OPENED: u8 = 17;
const BREAKER_REFUSED: u8 = 18;
const RETRY: u8 = 19;
const GAVE_UP: u8 = 20;
const FALLBACK: u8 = 21;
const DEGRADED: u8 = 22;
const SETTLED: u8 = 23;
const WATCHER_CAME: u8 = 24;
const WATCHER_LEFT: u8 = 25;
const RESUMED: u8 = 26;
const STOPPED: u8 = 27;
const CONTINUED: u8 = 28;
const CUT: u8 = 29;
const CACHED: u8 = 30;
const ATTACHED: u8 = 31;
const TOOL_CALLED: u8 = 32;
const TOOL_RETURNED: u8 = 33;
const LEFT_OUT: u8 = 34;
const ENDED: u8 = 35;
const GUARDED: u8 = 36;

struct Out<'a> {
    known: Vec<&'a str>,
}

impl<'a> Out<'a> {
    /// A number of what is known, or zero and the text.
    fn text(&mut self, writer: &mut Writer<'_>, text: &'a str) {
        if let Some(index) = self.known.iter().position(|known| *known == text) {
            writer.u64(index as u64 + 1);
            return;
        }
        writer.u64(0);
        writer.text(text);
        if self.known.len() < KNOWN_MAX {
            self.known.push(text);
        }
    }

    fn endpoint(&mut self, writer: &mut Writer<'_>, endpoint: &'a ModelName) {
        self.text(writer, &endpoint.provider);
        self.text(writer, &endpoint.model);
    }

    fn option(&mut self, writer: &mut Writer<'_>, text: Option<&'a Name>) {
        writer.bool(text.is_some());
        if let Some(text) = text {
            self.text(writer, text);
        }
    }

    fn what(&mut self, writer: &mut Writer<'_>, what: &'a What) {
        match what {
            What::Arrived => writer.u8(ARRIVED),
            What::Identified { key, user } => {
                writer.u8(IDENTIFIED);
                self.text(writer, key);
                self.option(writer, user.as_ref());
            }
            What::Accepted { model, surface, bytes } => {
                writer.u8(ACCEPTED);
                self.text(writer, model);
                self.text(writer, surface);
                writer.u64(*bytes);
            }
            What::Throttled { limit, retry_after } => {
                writer.u8(THROTTLED);
                self.text(writer, limit);
                writer.u64(micros(*retry_after));
            }
            What::Waited { on, took } => {
                writer.u8(WAITED);
                self.text(writer, on.word());
                writer.u64(micros(*took));
            }
            What::Planned(endpoints) => {
                writer.u8(PLANNED);
                let endpoints = endpoints.get(..PLANNED_MAX).unwrap_or(endpoints);
                writer.u64(endpoints.len() as u64);
                for Planned { endpoint, used, why } in endpoints {
                    self.endpoint(writer, endpoint);
                    writer.bool(*used);
                    self.text(writer, why);
                }
            }
            What::Tightened { ceiling } => {
                writer.u8(TIGHTENED);
                writer.i64(ceiling.get());
            }
            What::NotHeld { attempt, budget, why } => {
                writer.u8(NOT_HELD);
                writer.u8(*attempt);
                self.option(writer, budget.as_ref());
                self.text(writer, why);
            }
            What::CapLowered { to } => {
                writer.u8(CAP_LOWERED);
                writer.u64(to.get());
            }
            What::Held { attempt, endpoint, ceiling } => {
                writer.u8(HELD);
                writer.u8(*attempt);
                self.endpoint(writer, endpoint);
                writer.i64(ceiling.get());
            }
            What::Sent { attempt, endpoint } => {
                writer.u8(SENT);
                writer.u8(*attempt);
                self.endpoint(writer, endpoint);
            }
            What::Head { attempt, status } => {
                writer.u8(HEAD);
                writer.u8(*attempt);
                writer.u64(u64::from(*status));
            }
            What::TruedUp { attempt, ceiling } => {
                writer.u8(TRUED_UP);
                writer.u8(*attempt);
                writer.i64(ceiling.get());
            }
            What::FirstToken => writer.u8(FIRST_TOKEN),
            What::Fault { attempt, kind, status, may_have_cost, detail } => {
                writer.u8(FAULT);
                writer.u8(*attempt);
                writer.text(kind.word());
                writer.option(*status, |writer, status| writer.u64(u64::from(status)));
                writer.bool(*may_have_cost);
                writer.text(detail);
            }
            What::BreakerOpened { endpoint, open_for } => {
                writer.u8(BREAKER_OPENED);
                self.endpoint(writer, endpoint);
                writer.u64(micros(*open_for));
            }
            What::Retry { wait, why } => {
                writer.u8(RETRY);
                writer.u64(micros(*wait));
                writer.text(why.word());
            }
            What::Settled { attempt, basis, cost, input, output } => {
                writer.u8(SETTLED);
                writer.u8(*attempt);
                write_basis(writer, *basis);
                writer.i64(cost.get());
                for tokens in [input, output] {
                    writer.option(*tokens, |writer, tokens| writer.u64(tokens.get()));
                }
            }
            other => self.rest(writer, other),
        }
    }

    /// Those that have little to say.
    fn rest(&mut self, writer: &mut Writer<'_>, what: &'a What) {
        let mut number = |mark, number: u64| {
            writer.u8(mark);
            writer.u64(number);
        };
        match what {
            What::Checkpoint { events } => number(CHECKPOINT, *events),
            What::WatcherCame { event } => number(WATCHER_CAME, *event),
            What::WatcherLeft { event } => number(WATCHER_LEFT, *event),
            What::LeftOut { steps } => number(LEFT_OUT, *steps),
            What::Resumed { after, by } => {
                number(RESUMED, *after);
                writer.bool(*by == By::Another);
            }
            What::Continued { after, how } => {
                number(CONTINUED, *after);
                self.text(writer, how);
            }
            What::Cached { how, age } => {
                number(CACHED, micros(*age));
                self.text(writer, how);
            }
            What::Attached { to } => {
                writer.u8(ATTACHED);
                writer.u128(to.as_u128());
            }
            What::BreakerRefused { endpoint } => {
                writer.u8(BREAKER_REFUSED);
                self.endpoint(writer, endpoint);
            }
            What::Fallback { to } => {
                writer.u8(FALLBACK);
                self.endpoint(writer, to);
            }
            What::GaveUp { why } => {
                writer.u8(GAVE_UP);
                self.text(writer, why);
            }
            What::Degraded { to } => {
                writer.u8(DEGRADED);
                self.text(writer, to);
            }
            What::Stopped { by } => {
                writer.u8(STOPPED);
                self.text(writer, by);
            }
            What::Cut { why } => {
                writer.u8(CUT);
                self.text(writer, why);
            }
            What::ToolCalled { name, id } => {
                writer.u8(TOOL_CALLED);
                self.text(writer, name);
                self.text(writer, id);
            }
            What::ToolReturned(tool) => {
                // What it took is found when it is read.
                let ToolReturn { name, id, empty, error, bytes, took: _ } = &**tool;
                writer.u8(TOOL_RETURNED);
                self.text(writer, name);
                self.text(writer, id);
                writer.bool(*empty);
                writer.bool(*error);
                writer.u64(*bytes);
            }
            What::Guarded(guarded) => {
                writer.u8(GUARDED);
                self.text(writer, &guarded.direction);
                self.text(writer, &guarded.verdict);
                let rules = guarded.rules.get(..GUARD_RULES_MAX).unwrap_or(&guarded.rules);
                writer.u64(rules.len() as u64);
                for rule in rules {
                    self.text(writer, rule);
                }
                writer.u64(micros(guarded.took));
            }
            What::Ended { outcome } => {
                writer.u8(ENDED);
                write_outcome(writer, *outcome);
            }
            What::Arrived
            | What::Identified { .. }
            | What::Accepted { .. }
            | What::Throttled { .. }
            | What::Waited { .. }
            | What::Planned(_)
            | What::Tightened { .. }
            | What::NotHeld { .. }
            | What::CapLowered { .. }
            | What::Held { .. }
            | What::Sent { .. }
            | What::Head { .. }
            | What::TruedUp { .. }
            | What::FirstToken
            | What::Fault { .. }
            | What::BreakerOpened { .. }
            | What::Retry { .. }
            | What::Settled { .. } => {}
        }
    }
}
