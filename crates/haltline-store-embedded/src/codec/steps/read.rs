//! Steps from their bytes. What makes no sense is none.

use super::*;
use crate::codec::Reader;
use crate::codec::record::{read_basis, read_fault_kind, read_outcome};
use haltline_ports::{GUARD_RULES_MAX, Guarded, STEPS_MAX, Step, WaitedFor, Word};
use haltline_types::{NanoUsd, RequestId, Tokens};
use std::borrow::Cow;

pub(in crate::codec) fn read(reader: &mut Reader<'_>, record: &RequestRecord) -> Option<Vec<Step>> {
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
            GUARDED => What::Guarded(Box::new(self.guarded(reader)?)),
            LEFT_OUT => What::LeftOut { steps: reader.u64()? },
            ENDED => What::Ended { outcome: read_outcome(reader)? },
            _ => return None,
        })
    }

    fn guarded(&mut self, reader: &mut Reader<'_>) -> Option<Guarded> {
        let (direction, verdict) = (self.word(reader)?, self.word(reader)?);
        let count = usize::try_from(reader.u64()?).ok().filter(|count| *count <= GUARD_RULES_MAX)?;
        let rules = (0..count).map(|_| self.name(reader)).collect::<Option<Vec<_>>>()?;
        Some(Guarded { direction, verdict, rules, took: duration(reader)? })
    }
}

fn duration(reader: &mut Reader<'_>) -> Option<Duration> {
    reader.u64().map(Duration::from_micros)
}

fn money(reader: &mut Reader<'_>) -> Option<NanoUsd> {
    reader.i64().map(NanoUsd::new)
}
