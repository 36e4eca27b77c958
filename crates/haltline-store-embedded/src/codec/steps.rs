//! The bytes of a record's steps. Times are distances from the step before; names that the record
//! or an earlier step has are not written again.

use super::record::{read_basis, read_fault_kind, read_outcome, write_basis, write_outcome};
use super::{Reader, Writer};
use haltline_ports::{By, PLANNED_MAX, Planned, RequestRecord, STEPS_MAX, Step, ToolReturn, WaitedFor, What, Word};
use haltline_types::{ModelName, Name, NanoUsd, RequestId, Tokens};
use std::borrow::Cow;
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

pub(super) fn read(reader: &mut Reader<'_>, record: &RequestRecord) -> Option<Vec<Step>> {
    let mut from = From { known: known(record).cloned().collect() };
    let count = usize::try_from(reader.u64()?).ok().filter(|count| *count <= STEPS_MAX)?;
    let mut steps = Vec::with_capacity(count);
    let mut at = 0_u64;
    for _ in 0..count {
        at = at.checked_add(reader.u64()?)?;
        steps.push(Step { at: Duration::from_micros(at), what: from.what(reader)? });
    }
    Some(steps)
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

struct From {
    known: Vec<Name>,
}

impl From {
    fn name(&mut self, reader: &mut Reader<'_>) -> Option<Name> {
        let number = usize::try_from(reader.u64()?).ok()?;
        if let Some(index) = number.checked_sub(1) {
            return self.known.get(index).cloned();
        }
        let name = reader.name()?;
        if self.known.len() < KNOWN_MAX {
            self.known.push(name.clone());
        }
        Some(name)
    }

    fn word(&mut self, reader: &mut Reader<'_>) -> Option<Word> {
        self.name(reader).map(|name| Cow::Owned(name.as_str().to_owned()))
    }

    #[expect(clippy::option_option, reason = "the outer says whether it could be read, the inner is the value")]
    fn option(&mut self, reader: &mut Reader<'_>) -> Option<Option<Name>> {
        if reader.bool()? { self.name(reader).map(Some) } else { Some(None) }
    }

    fn endpoint(&mut self, reader: &mut Reader<'_>) -> Option<ModelName> {
        Some(ModelName { provider: self.name(reader)?, model: self.name(reader)? })
    }

    fn planned(&mut self, reader: &mut Reader<'_>) -> Option<Vec<Planned>> {
        let count = usize::try_from(reader.u64()?).ok().filter(|count| *count <= PLANNED_MAX)?;
        let mut endpoints = Vec::with_capacity(count);
        for _ in 0..count {
            let endpoint = self.endpoint(reader)?;
            endpoints.push(Planned { endpoint, used: reader.bool()?, why: self.word(reader)? });
        }
        Some(endpoints)
    }

    fn what(&mut self, reader: &mut Reader<'_>) -> Option<What> {
        Some(match reader.u8()? {
            ARRIVED => What::Arrived,
            IDENTIFIED => What::Identified { key: self.name(reader)?, user: self.option(reader)? },
            ACCEPTED => What::Accepted { model: self.name(reader)?, surface: self.word(reader)?, bytes: reader.u64()? },
            THROTTLED => What::Throttled { limit: self.name(reader)?, retry_after: duration(reader)? },
            WAITED => {
                let word = self.name(reader)?;
                let on = WaitedFor::ALL.into_iter().find(|on| on.word() == &*word)?;
                What::Waited { on, took: duration(reader)? }
            }
            PLANNED => What::Planned(self.planned(reader)?),
            TIGHTENED => What::Tightened { ceiling: money(reader)? },
            NOT_HELD => {
                let attempt = reader.u8()?;
                What::NotHeld { attempt, budget: self.option(reader)?, why: self.word(reader)? }
            }
            CAP_LOWERED => What::CapLowered { to: Tokens::new(reader.u64()?) },
            HELD => {
                let attempt = reader.u8()?;
                What::Held { attempt, endpoint: self.endpoint(reader)?, ceiling: money(reader)? }
            }
            SENT => What::Sent { attempt: reader.u8()?, endpoint: self.endpoint(reader)? },
            HEAD => What::Head { attempt: reader.u8()?, status: reader.u16()? },
            TRUED_UP => What::TruedUp { attempt: reader.u8()?, ceiling: money(reader)? },
            FIRST_TOKEN => What::FirstToken,
            CHECKPOINT => What::Checkpoint { events: reader.u64()? },
            FAULT => What::Fault {
                attempt: reader.u8()?,
                kind: read_fault_kind(reader)?,
                status: reader.option(Reader::u16)?,
                may_have_cost: reader.bool()?,
                detail: reader.text()?.into(),
            },
            BREAKER_OPENED => What::BreakerOpened { endpoint: self.endpoint(reader)?, open_for: duration(reader)? },
            BREAKER_REFUSED => What::BreakerRefused { endpoint: self.endpoint(reader)? },
            RETRY => What::Retry { wait: duration(reader)?, why: read_fault_kind(reader)? },
            GAVE_UP => What::GaveUp { why: self.word(reader)? },
            FALLBACK => What::Fallback { to: self.endpoint(reader)? },
            DEGRADED => What::Degraded { to: self.name(reader)? },
            SETTLED => What::Settled {
                attempt: reader.u8()?,
                basis: read_basis(reader)?,
                cost: money(reader)?,
                input: reader.option(|reader| reader.u64().map(Tokens::new))?,
                output: reader.option(|reader| reader.u64().map(Tokens::new))?,
            },
            mark => return self.rest(reader, mark),
        })
    }

    fn rest(&mut self, reader: &mut Reader<'_>, mark: u8) -> Option<What> {
        Some(match mark {
            WATCHER_CAME => What::WatcherCame { event: reader.u64()? },
            WATCHER_LEFT => What::WatcherLeft { event: reader.u64()? },
            RESUMED => {
                let after = reader.u64()?;
                What::Resumed { after, by: if reader.bool()? { By::Another } else { By::Same } }
            }
            STOPPED => What::Stopped { by: self.word(reader)? },
            CONTINUED => What::Continued { after: reader.u64()?, how: self.word(reader)? },
            CUT => What::Cut { why: self.word(reader)? },
            CACHED => {
                let age = duration(reader)?;
                What::Cached { how: self.word(reader)?, age }
            }
            ATTACHED => What::Attached { to: RequestId::from_u128(reader.u128()?) },
            TOOL_CALLED => What::ToolCalled { name: self.name(reader)?, id: self.name(reader)? },
            TOOL_RETURNED => What::ToolReturned(Box::new(ToolReturn {
                name: self.name(reader)?,
                id: self.name(reader)?,
                empty: reader.bool()?,
                error: reader.bool()?,
                bytes: reader.u64()?,
                took: None,
            })),
            LEFT_OUT => What::LeftOut { steps: reader.u64()? },
            ENDED => What::Ended { outcome: read_outcome(reader)? },
            _ => return None,
        })
    }
}

fn duration(reader: &mut Reader<'_>) -> Option<Duration> {
    reader.u64().map(Duration::from_micros)
}

fn money(reader: &mut Reader<'_>) -> Option<NanoUsd> {
    reader.i64().map(NanoUsd::new)
}
