//! The bytes of a request's record.

use super::{Reader, Writer, steps};
use haltline_ports::{AttemptRecord, Basis, Blocked, Outcome, RequestRecord};
use haltline_types::{Code, FaultKind, ModelName, NanoUsd, RequestId, Tokens, Usage};
use std::sync::Arc;
use std::time::Duration;

/// Begins the part that few records have.
const MORE: u8 = 1;
/// Begins the steps.
const STEPS: u8 = 2;

pub(super) fn write(writer: &mut Writer<'_>, record: &RequestRecord) {
    let RequestRecord {
        id,
        trace_id,
        started,
        ended,
        subjects,
        surface,
        model,
        streamed,
        outcome,
        status,
        first_token,
        cap_lowered_to,
        degraded_to,
        blocked,
        attempts,
        steps,
    } = record;
    writer.u128(id.as_u128());
    writer.text(trace_id);
    writer.time(*started);
    writer.time(*ended);
    writer.subjects(subjects);
    writer.name(surface);
    writer.name(model);
    writer.bool(*streamed);
    write_outcome(writer, *outcome);
    writer.u64(u64::from(*status));
    writer.option(*first_token, |writer, wait| writer.u64(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)));
    writer.option(*cap_lowered_to, |writer, tokens| writer.u64(tokens.get()));
    writer.list(attempts, write_attempt);
    // Parts follow, each with its mark, only where there is something to say: records that were
    // written before there was such a part end here.
    if degraded_to.is_some() || blocked.is_some() {
        writer.u8(MORE);
        writer.option(degraded_to.as_ref(), Writer::name);
        writer.option(blocked.as_ref(), |writer, blocked| {
            let Blocked { fingerprint, prompt } = blocked;
            writer.text(fingerprint);
            writer.option(prompt.as_deref(), Writer::text);
        });
    }
    if !steps.is_empty() {
        writer.u8(STEPS);
        steps::write(writer, record);
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<RequestRecord> {
    let mut record = RequestRecord {
        id: RequestId::from_u128(reader.u128()?),
        trace_id: reader.text()?.to_owned(),
        started: reader.time()?,
        ended: reader.time()?,
        subjects: Arc::new(reader.subjects()?),
        surface: reader.name()?,
        model: reader.name()?,
        streamed: reader.bool()?,
        outcome: read_outcome(reader)?,
        status: reader.u16()?,
        first_token: reader.option(|reader| reader.u64().map(Duration::from_micros))?,
        cap_lowered_to: reader.option(|reader| reader.u64().map(Tokens::new))?,
        attempts: reader.list(read_attempt)?,
        degraded_to: None,
        blocked: None,
        steps: Vec::new(),
    };
    let mut before = 0;
    while reader.end().is_none() {
        let part = reader.u8()?;
        // Each part once, in order.
        if part <= before {
            return None;
        }
        before = part;
        match part {
            MORE => {
                record.degraded_to = reader.option(Reader::name)?;
                record.blocked = reader.option(|reader| {
                    let fingerprint = reader.text()?.to_owned();
                    Some(Blocked { fingerprint, prompt: reader.option(|reader| reader.text().map(str::to_owned))? })
                })?;
            }
            STEPS => record.steps = steps::read(reader, &record)?,
            _ => return None,
        }
    }
    Some(record)
}

fn write_attempt(writer: &mut Writer<'_>, attempt: &AttemptRecord) {
    let AttemptRecord { number, endpoint, started, ended, ceiling, cost, basis, usage, status, fault } = attempt;
    writer.u8(*number);
    writer.name(&endpoint.provider);
    writer.name(&endpoint.model);
    writer.time(*started);
    writer.time(*ended);
    writer.demand(ceiling);
    writer.i64(cost.get());
    write_basis(writer, *basis);
    writer.option(*usage, |writer, usage| {
        let Usage { input, cached_input, cache_write, cache_write_long, output, reasoning, stated_cost } = usage;
        for tokens in [input, cached_input, cache_write, cache_write_long, output, reasoning] {
            writer.u64(tokens.get());
        }
        writer.option(stated_cost, |writer, cost| writer.i64(cost.get()));
    });
    writer.option(*status, |writer, status| writer.u64(u64::from(status)));
    writer.option(*fault, |writer, fault| writer.text(fault.word()));
}

fn read_attempt(reader: &mut Reader<'_>) -> Option<AttemptRecord> {
    Some(AttemptRecord {
        number: reader.u8()?,
        endpoint: ModelName { provider: reader.name()?, model: reader.name()? },
        started: reader.time()?,
        ended: reader.time()?,
        ceiling: reader.demand()?,
        cost: NanoUsd::new(reader.i64()?),
        basis: read_basis(reader)?,
        usage: reader.option(|reader| {
            let mut tokens = || reader.u64().map(Tokens::new);
            Some(Usage {
                input: tokens()?,
                cached_input: tokens()?,
                cache_write: tokens()?,
                cache_write_long: tokens()?,
                output: tokens()?,
                reasoning: tokens()?,
                stated_cost: reader.option(|reader| reader.i64().map(NanoUsd::new))?,
            })
        })?,
        status: reader.option(Reader::u16)?,
        fault: reader.option(read_fault_kind)?,
    })
}

/// Faults and codes go by their words: those are a contract, the order of an enum is not.
pub(super) fn read_fault_kind(reader: &mut Reader<'_>) -> Option<FaultKind> {
    let word = reader.text()?;
    FaultKind::ALL.into_iter().find(|kind| kind.word() == word)
}

pub(super) fn write_basis(writer: &mut Writer<'_>, basis: Basis) {
    writer.u8(match basis {
        Basis::Reported => 0,
        Basis::Ceiling => 1,
        Basis::Released => 2,
    });
}

pub(super) fn read_basis(reader: &mut Reader<'_>) -> Option<Basis> {
    Some(match reader.u8()? {
        0 => Basis::Reported,
        1 => Basis::Ceiling,
        2 => Basis::Released,
        _ => return None,
    })
}

pub(super) fn write_outcome(writer: &mut Writer<'_>, outcome: Outcome) {
    writer.u8(match outcome {
        Outcome::Answered => 0,
        Outcome::Refused(_) => 1,
        Outcome::Failed(_) => 2,
        Outcome::Cancelled => 3,
        Outcome::Lost => 4,
    });
    if let Some(code) = outcome.code() {
        writer.text(code.word());
    }
}

pub(super) fn read_outcome(reader: &mut Reader<'_>) -> Option<Outcome> {
    Some(match reader.u8()? {
        0 => Outcome::Answered,
        1 => Outcome::Refused(Code::from_word(reader.text()?)?),
        2 => Outcome::Failed(Code::from_word(reader.text()?)?),
        3 => Outcome::Cancelled,
        4 => Outcome::Lost,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
