//! The bytes of a request's record.

use super::{Reader, Writer};
use haltline_ports::{AttemptRecord, Basis, Blocked, Outcome, RequestRecord};
use haltline_types::{Code, FaultKind, ModelName, NanoUsd, RequestId, Tokens, Usage};
use std::sync::Arc;
use std::time::Duration;

/// Begins the part that few records have.
const MORE: u8 = 1;

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
    // Only where there is something to say: most records have nothing of it, and those that were
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
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<RequestRecord> {
    let record = RequestRecord {
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
    };
    if reader.end().is_some() {
        return Some(record);
    }
    if reader.u8()? != MORE {
        return None;
    }
    let degraded_to = reader.option(Reader::name)?;
    let blocked = reader.option(|reader| {
        let fingerprint = reader.text()?.to_owned();
        Some(Blocked { fingerprint, prompt: reader.option(|reader| reader.text().map(str::to_owned))? })
    })?;
    Some(RequestRecord { degraded_to, blocked, ..record })
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
    writer.u8(match basis {
        Basis::Reported => 0,
        Basis::Ceiling => 1,
        Basis::Released => 2,
    });
    writer.option(*usage, |writer, usage| {
        let Usage { input, cached_input, cache_write, cache_write_long, output, reasoning, stated_cost } = usage;
        for tokens in [input, cached_input, cache_write, cache_write_long, output, reasoning] {
            writer.u64(tokens.get());
        }
        writer.option(stated_cost, |writer, cost| writer.i64(cost.get()));
    });
    writer.option(*status, |writer, status| writer.u64(u64::from(status)));
    // Faults and codes go by their words: those are a contract, the order of an enum is not.
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
        basis: match reader.u8()? {
            0 => Basis::Reported,
            1 => Basis::Ceiling,
            2 => Basis::Released,
            _ => return None,
        },
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
        fault: reader.option(|reader| {
            let word = reader.text()?;
            FaultKind::ALL.into_iter().find(|kind| kind.word() == word)
        })?,
    })
}

fn write_outcome(writer: &mut Writer<'_>, outcome: Outcome) {
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

fn read_outcome(reader: &mut Reader<'_>) -> Option<Outcome> {
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
mod tests {
    use super::super::{Fact, FactRef, read_record, write_record};
    use super::*;
    use haltline_types::{Demand, Name, Subjects, Timestamp};
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = Name> {
        "\\PC{0,12}".prop_map(Name::from)
    }

    fn subjects() -> impl Strategy<Value = Subjects> {
        let one = || proptest::option::of(name());
        let tags = proptest::collection::vec((name(), name()), 0..3);
        ((one(), one(), one(), one()), (one(), one(), one(), one()), tags).prop_map(|(a, b, tags)| Subjects {
            team: a.0,
            tier: a.1,
            key: a.2,
            user: a.3,
            session: b.0,
            model: b.1,
            provider: b.2,
            provider_model: b.3,
            tags,
        })
    }

    fn usage() -> impl Strategy<Value = Usage> {
        (any::<[u64; 6]>(), any::<Option<i64>>()).prop_map(|(tokens, cost)| {
            let [input, cached_input, cache_write, cache_write_long, output, reasoning] = tokens.map(Tokens::new);
            let stated_cost = cost.map(NanoUsd::new);
            Usage { input, cached_input, cache_write, cache_write_long, output, reasoning, stated_cost }
        })
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        let code = || proptest::sample::select(Code::ALL.to_vec());
        prop_oneof![
            Just(Outcome::Answered),
            code().prop_map(Outcome::Refused),
            code().prop_map(Outcome::Failed),
            Just(Outcome::Cancelled),
            Just(Outcome::Lost),
        ]
    }

    fn attempt() -> impl Strategy<Value = AttemptRecord> {
        let basis = proptest::sample::select(vec![Basis::Reported, Basis::Ceiling, Basis::Released]);
        let fault = proptest::option::of(proptest::sample::select(FaultKind::ALL.to_vec()));
        let numbers = any::<(u8, i64, i64, i64, i64, u64, u32)>();
        (numbers, (name(), name()), basis, proptest::option::of(usage()), any::<Option<u16>>(), fault).prop_map(
            |(numbers, endpoint, basis, usage, status, fault)| AttemptRecord {
                number: numbers.0,
                endpoint: ModelName { provider: endpoint.0, model: endpoint.1 },
                started: Timestamp::from_millis(numbers.1),
                ended: Timestamp::from_millis(numbers.2),
                ceiling: Demand {
                    usd: NanoUsd::new(numbers.3),
                    tokens: Tokens::new(numbers.5),
                    requests: numbers.6,
                    retries: 1,
                },
                cost: NanoUsd::new(numbers.4),
                basis,
                usage,
                status,
                fault,
            },
        )
    }

    fn record() -> impl Strategy<Value = RequestRecord> {
        let numbers = any::<(u128, i64, i64, bool, u16)>();
        let options = (any::<Option<u32>>(), any::<Option<u64>>());
        let attempts = proptest::collection::vec(attempt(), 0..4);
        let blocked = ("[0-9a-f]{8}", proptest::option::of("\\PC{0,12}"))
            .prop_map(|(fingerprint, prompt)| Blocked { fingerprint, prompt });
        let more = (proptest::option::of(name()), proptest::option::of(blocked));
        (numbers, "[0-9a-f]{32}", subjects(), (name(), name()), outcome(), options, attempts, more).prop_map(
            |(numbers, trace_id, subjects, names, outcome, options, attempts, more)| RequestRecord {
                id: RequestId::from_u128(numbers.0),
                trace_id,
                started: Timestamp::from_millis(numbers.1),
                ended: Timestamp::from_millis(numbers.2),
                subjects: Arc::new(subjects),
                surface: names.0,
                model: names.1,
                streamed: numbers.3,
                outcome,
                status: numbers.4,
                first_token: options.0.map(|micros| Duration::from_micros(u64::from(micros))),
                cap_lowered_to: options.1.map(Tokens::new),
                degraded_to: more.0,
                blocked: more.1,
                attempts,
            },
        )
    }

    proptest! {
        #[test]
        fn records_survive(record in record()) {
            let mut bytes = Vec::new();
            write_record(&record, &mut bytes);
            prop_assert_eq!(read_record(&bytes), Some(record.clone()));
            let mut payload = Vec::new();
            FactRef::Record(&record).write(&mut payload);
            prop_assert_eq!(Fact::read(&payload), Some(Fact::Record(Box::new(record))));
        }

        #[test]
        fn a_damaged_record_is_read_as_something_or_nothing_and_never_panics(
            record in record(), at: proptest::sample::Index, flip in 1_u8.., cut: proptest::sample::Index,
        ) {
            let mut payload = Vec::new();
            FactRef::Record(&record).write(&mut payload);
            let index = at.index(payload.len());
            payload[index] ^= flip;
            let _ = Fact::read(&payload);
            let _ = Fact::read(&payload[..cut.index(payload.len())]);
            payload.push(0);
            payload[index] ^= flip;
            prop_assert_eq!(Fact::read(&payload), None);
        }
    }
}
