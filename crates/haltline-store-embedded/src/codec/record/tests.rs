//! Records of every kind there and back, and damaged ones.

use super::super::{Fact, FactRef, read_record, write_record};
use super::*;
use haltline_ports::{By, Guarded, Planned, Step, ToolReturn, WaitedFor, What};
use haltline_types::{Demand, Name, Subjects, Timestamp};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = Name> {
    "\\PC{0,12}".prop_map(Name::from)
}

fn subjects() -> impl Strategy<Value = Subjects> {
    let one = || proptest::option::of(name());
    let tags = proptest::collection::vec((name(), name()), 0..3);
    ((one(), one(), one(), one()), (one(), one(), one(), one(), one()), tags).prop_map(|(a, b, tags)| Subjects {
        team: a.0,
        tier: a.1,
        key: a.2,
        user: a.3,
        session: b.0,
        model: b.1,
        provider: b.2,
        provider_model: b.3,
        browser_token: b.4,
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

fn endpoint() -> impl Strategy<Value = ModelName> {
    (name(), name()).prop_map(|(provider, model)| ModelName { provider, model })
}

/// In whole microseconds, as they are kept.
fn span() -> impl Strategy<Value = Duration> {
    (0..1_u64 << 40).prop_map(Duration::from_micros)
}

fn what() -> impl Strategy<Value = What> {
    let word = || "[a-z_]{1,12}".prop_map(std::borrow::Cow::<'static, str>::Owned);
    let money = || any::<i64>().prop_map(NanoUsd::new);
    let tokens = || any::<Option<u64>>().prop_map(|count| count.map(Tokens::new));
    let kind = || proptest::sample::select(FaultKind::ALL.to_vec());
    let basis = proptest::sample::select(vec![Basis::Reported, Basis::Ceiling, Basis::Released]);
    let planned = (endpoint(), any::<bool>(), word()).prop_map(|(endpoint, used, why)| Planned { endpoint, used, why });
    let by = proptest::sample::select(vec![By::Same, By::Another]);
    let beginning = prop_oneof![
        Just(What::Arrived),
        Just(What::FirstToken),
        (name(), proptest::option::of(name())).prop_map(|(key, user)| What::Identified { key, user }),
        (name(), word(), any::<u64>()).prop_map(|(model, surface, bytes)| What::Accepted { model, surface, bytes }),
        (name(), span()).prop_map(|(limit, retry_after)| What::Throttled { limit, retry_after }),
        (proptest::sample::select(WaitedFor::ALL.to_vec()), span()).prop_map(|(on, took)| What::Waited { on, took }),
        proptest::collection::vec(planned, 0..4).prop_map(What::Planned),
        money().prop_map(|ceiling| What::Tightened { ceiling }),
        (any::<u8>(), proptest::option::of(name()), word()).prop_map(|(attempt, budget, why)| What::NotHeld {
            attempt,
            budget,
            why
        }),
        any::<u64>().prop_map(|to| What::CapLowered { to: Tokens::new(to) }),
    ];
    let attempts = prop_oneof![
        (any::<u8>(), endpoint(), money()).prop_map(|(attempt, endpoint, ceiling)| What::Held {
            attempt,
            endpoint,
            ceiling
        }),
        (any::<u8>(), endpoint()).prop_map(|(attempt, endpoint)| What::Sent { attempt, endpoint }),
        any::<(u8, u16)>().prop_map(|(attempt, status)| What::Head { attempt, status }),
        (any::<u8>(), money()).prop_map(|(attempt, ceiling)| What::TruedUp { attempt, ceiling }),
        any::<u64>().prop_map(|events| What::Checkpoint { events }),
        (any::<(u8, Option<u16>, bool)>(), kind(), "\\PC{0,40}").prop_map(|(numbers, kind, detail)| What::Fault {
            attempt: numbers.0,
            kind,
            status: numbers.1,
            may_have_cost: numbers.2,
            detail: detail.into(),
        }),
        (endpoint(), span()).prop_map(|(endpoint, open_for)| What::BreakerOpened { endpoint, open_for }),
        endpoint().prop_map(|endpoint| What::BreakerRefused { endpoint }),
        (span(), kind()).prop_map(|(wait, why)| What::Retry { wait, why }),
        word().prop_map(|why| What::GaveUp { why }),
        endpoint().prop_map(|to| What::Fallback { to }),
        name().prop_map(|to| What::Degraded { to }),
        (any::<u8>(), basis, money(), tokens(), tokens()).prop_map(|(attempt, basis, cost, input, output)| {
            What::Settled { attempt, basis, cost, input, output }
        }),
    ];
    let streams = prop_oneof![
        any::<u64>().prop_map(|event| What::WatcherCame { event }),
        any::<u64>().prop_map(|event| What::WatcherLeft { event }),
        (any::<u64>(), by).prop_map(|(after, by)| What::Resumed { after, by }),
        word().prop_map(|by| What::Stopped { by }),
        (any::<u64>(), word()).prop_map(|(after, how)| What::Continued { after, how }),
        word().prop_map(|why| What::Cut { why }),
        (word(), span()).prop_map(|(how, age)| What::Cached { how, age }),
        any::<u128>().prop_map(|to| What::Attached { to: RequestId::from_u128(to) }),
        (name(), name()).prop_map(|(name, id)| What::ToolCalled { name, id }),
        (name(), name(), any::<(bool, bool, u64)>()).prop_map(|(name, id, (empty, error, bytes))| {
            What::ToolReturned(Box::new(ToolReturn { name, id, empty, error, bytes, took: None }))
        }),
        (word(), word(), proptest::collection::vec(name(), 0..4), span()).prop_map(
            |(direction, verdict, rules, took)| What::Guarded(Box::new(Guarded { direction, verdict, rules, took }))
        ),
        any::<u64>().prop_map(|steps| What::LeftOut { steps }),
        outcome().prop_map(|outcome| What::Ended { outcome }),
    ];
    prop_oneof![beginning, attempts, streams]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec((0..1_u64 << 40, what()), 0..24).prop_map(|steps| {
        let mut at = 0;
        let step = |(after, what): (u64, What)| {
            at += after;
            Step { at: Duration::from_micros(at), what }
        };
        steps.into_iter().map(step).collect()
    })
}

fn record() -> impl Strategy<Value = RequestRecord> {
    let numbers = any::<(u128, i64, i64, bool, u16)>();
    let options = (any::<Option<u32>>(), any::<Option<u64>>());
    let attempts = proptest::collection::vec(attempt(), 0..4);
    let blocked = ("[0-9a-f]{8}", proptest::option::of("\\PC{0,12}"))
        .prop_map(|(fingerprint, prompt)| Blocked { fingerprint, prompt });
    let more = (proptest::option::of(name()), proptest::option::of(blocked), steps());
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
            steps: more.2,
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

/// As a version wrote it that knew no steps: nothing behind the attempts.
#[test]
fn records_from_before_there_were_steps_are_read() {
    let with = crate::testing::record(7, "alice", Timestamp::from_millis(5), &[("openai", 70)]);
    let without = RequestRecord { steps: Vec::new(), ..with.clone() };
    let (mut new, mut old) = (Vec::new(), Vec::new());
    write_record(&with, &mut new);
    write_record(&without, &mut old);
    assert_eq!(new.get(..old.len()), Some(&old[..]), "steps only follow");
    assert_eq!(read_record(&old), Some(without));
    assert_eq!(read_record(&new), Some(with));
    // A part that was read twice would overwrite the first.
    let steps = new[old.len()..].to_vec();
    new.extend(steps);
    assert_eq!(read_record(&new), None);
}

#[test]
fn usual_steps_take_few_bytes() {
    let endpoint = || ModelName { provider: "openai".into(), model: "m".into() };
    let mut record = crate::testing::record(7, "alice", Timestamp::from_millis(5), &[("openai", 70)]);
    record.steps.clear();
    let mut bare = Vec::new();
    write_record(&record, &mut bare);
    let steps = [
        What::Arrived,
        What::Identified { key: "app".into(), user: Some("alice".into()) },
        What::Accepted { model: "chat".into(), surface: "chat.completions".into(), bytes: 812 },
        What::Planned(vec![Planned { endpoint: endpoint(), used: true, why: "chosen".into() }]),
        What::Held { attempt: 1, endpoint: endpoint(), ceiling: NanoUsd::new(4_000_000) },
        What::Sent { attempt: 1, endpoint: endpoint() },
        What::Head { attempt: 1, status: 200 },
        What::FirstToken,
        What::TruedUp { attempt: 1, ceiling: NanoUsd::new(3_000_000) },
        What::Settled {
            attempt: 1,
            basis: Basis::Reported,
            cost: NanoUsd::new(70),
            input: Some(Tokens::new(100)),
            output: Some(Tokens::new(10)),
        },
        What::Ended { outcome: Outcome::Answered },
    ];
    record.steps =
        (0..).step_by(90_000).zip(steps).map(|(at, what)| Step { at: Duration::from_micros(at), what }).collect();
    let mut bytes = Vec::new();
    write_record(&record, &mut bytes);
    let more = bytes.len() - bare.len();
    assert!(more < 120, "{more} bytes for {} steps", record.steps.len());
    assert_eq!(read_record(&bytes), Some(record));
}
