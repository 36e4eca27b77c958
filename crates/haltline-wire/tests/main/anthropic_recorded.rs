//! Recorded traffic of Anthropic: every case is read in random pieces, and must give the text, the
//! calls, the usage, the finish, the completeness and the fault that its record says, on the
//! metering path and on the decoding path alike.

use bytes::Bytes;
use haltline_types::{FaultKind, Timestamp, Tokens, Usage};
use haltline_wire::Finish;
use haltline_wire::anthropic::{Decoder, Encoder, Inspector, decode_answer, encode_answer, inspect_answer};
use haltline_wire::canon::{Answer, Decode, Decoded, Encode, Event, Inspect, metered};
use haltline_wire::chunk::{Chunk, Delta, Whole};
use haltline_wire::fault::{BillingRules, FaultSeed, classify, classify_inside};
use haltline_wire::sse::{self, Splitter};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What was read of a case.
#[derive(Debug, Default)]
struct Seen {
    answer: Answer,
    error: Option<FaultKind>,
    retry_after_ms: Option<u128>,
}

#[test]
fn recorded_traffic_is_read_as_its_records_say() {
    let cases = cases("anthropic.messages");
    let Some(cases) = cases else { return };
    let mut wrong = Vec::new();
    for case in &cases {
        for seed in 0..5 {
            let seen = read(case, seed);
            if let Some(difference) = difference(&seen, &case.record["expected"]) {
                wrong.push(format!("{}: {difference}", case.record["id"]));
                break;
            }
        }
    }
    assert!(cases.len() > 30, "only {} cases were found", cases.len());
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn what_was_recorded_survives_being_encoded() {
    let Some(cases) = cases("anthropic.messages") else { return };
    let mut answers = 0;
    for case in cases.iter().filter(|case| case.status < 400) {
        let seen = read(case, 7);
        if seen.error.is_some() || !seen.answer.done {
            continue;
        }
        answers += 1;
        let expected = Answer { sources: Vec::new(), ..seen.answer.clone() };
        let Decoded::Answer(whole) = decode_answer(&encode_answer(&expected)).expect("an answer") else {
            panic!("{}: an answer became an error", case.record["id"]);
        };
        assert_eq!(*whole, expected, "{}", case.record["id"]);
        let streamed = through_a_stream(&expected);
        assert_eq!(streamed, expected, "{}", case.record["id"]);
    }
    assert!(answers > 20, "only {answers} answers");
}

#[test]
fn recorded_counts_are_read() {
    let Some(cases) = cases("anthropic.count_tokens") else { return };
    assert!(!cases.is_empty());
    for case in cases.iter().filter(|case| case.status == 200) {
        let count = haltline_wire::anthropic::read_count(&case.body).expect("a count");
        assert_eq!(Some(count.get()), case.record["expected"]["input_tokens"].as_u64(), "{}", case.record["id"]);
        let again = haltline_wire::anthropic::encode_count(count);
        assert_eq!(haltline_wire::anthropic::read_count(&again), Ok(count));
    }
}

/// Encodes the answer's events as a stream and reads the stream.
fn through_a_stream(answer: &Answer) -> Answer {
    let mut frames = Vec::new();
    let mut encoder = Encoder::new("unused", "");
    for event in answer.events() {
        encoder.encode(&event, &mut frames);
    }
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for frame in frames {
        let event = sse::Event {
            data: frame.data,
            event: frame.event.map(|name| Bytes::from_static(name.as_bytes())),
            comment: false,
        };
        decoder.decode(&event, &mut events).expect("what we write can be read");
    }
    Answer::of(events)
}

fn read(case: &Case, seed: u64) -> Seen {
    if case.status >= 400 {
        let header = |name: &str| case.headers.get(name).and_then(Value::as_str);
        let now = Timestamp::from_millis(0);
        let fault = classify(case.status, &header, &case.body, BillingRules::Compatible, now);
        return Seen {
            error: Some(fault.kind),
            retry_after_ms: fault.retry.after.map(|after| after.as_millis()),
            ..Seen::default()
        };
    }
    if case.record["streaming"] == true { read_stream(&case.body, seed) } else { read_whole(&case.body) }
}

fn read_whole(body: &[u8]) -> Seen {
    match (inspect_answer(body).expect("an answer"), decode_answer(body).expect("an answer")) {
        (Whole::Complete(delta), Decoded::Answer(answer)) => {
            assert_eq!(metered(&answer.events()), delta, "metering and decoding differ");
            Seen { answer: *answer, ..Seen::default() }
        }
        (Whole::Error(inspected), Decoded::Failed(decoded)) => {
            assert_eq!(inspected, decoded);
            failed(&inspected, Answer::default())
        }
        (whole, decoded) => panic!("metering says {whole:?}, decoding {decoded:?}"),
    }
}

fn read_stream(body: &[u8], seed: u64) -> Seen {
    let mut random = seed + 1;
    let mut splitter = Splitter::new();
    let (mut inspector, mut decoder) = (Inspector::new(), Decoder::new());
    let mut events = Vec::new();
    let mut error = None;
    let mut rest = body;
    while !rest.is_empty() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Pieces of 1 to 512 bytes, so that lines, escapes and characters are cut.
        let size = usize::try_from(random >> 55).expect("nine bits") + 1;
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        splitter.push(&Bytes::copy_from_slice(piece));
        while let Some(event) = splitter.next_event() {
            let event = event.expect("no event is too large");
            if event.comment {
                continue;
            }
            let mut said = Vec::new();
            decoder.decode(&event, &mut said).expect("an event");
            agree(&inspector.inspect(&event).expect("a chunk"), &said);
            for event in said {
                if let Event::Failed(seed) = &event {
                    error = Some(seed.clone());
                }
                events.push(event);
            }
        }
    }
    let answer = Answer::of(events);
    match error {
        Some(seed) => failed(&seed, answer),
        None => Seen { answer, ..Seen::default() },
    }
}

/// Metering and decoding say the same of one event.
pub(crate) fn agree(chunk: &Chunk, events: &[Event]) {
    let done = events.contains(&Event::Done);
    let seed = events.iter().find_map(|event| if let Event::Failed(seed) = event { Some(seed) } else { None });
    match chunk {
        Chunk::Done => {
            assert!(done && seed.is_none());
            assert_eq!(metered(events), Delta::default());
        }
        Chunk::Delta(delta) => {
            assert!(!done && seed.is_none());
            assert_eq!(metered(events), *delta);
        }
        Chunk::Error { seed: inspected, delta } => {
            assert_eq!(Some(inspected), seed);
            assert_eq!(metered(events), *delta);
        }
    }
}

fn failed(seed: &FaultSeed, answer: Answer) -> Seen {
    let fault = classify_inside(seed);
    Seen {
        answer: Answer { done: false, ..answer },
        error: Some(fault.kind),
        retry_after_ms: fault.retry.after.map(|after| after.as_millis()),
    }
}

fn difference(seen: &Seen, expected: &Value) -> Option<String> {
    let mut parts = Vec::new();
    let mut compare = |name: &str, ours: String, theirs: String| {
        if ours != theirs {
            parts.push(format!("{name}: ours {ours}, recorded {theirs}"));
        }
    };
    let word = |name: &str| expected[name].as_str().unwrap_or_default().to_owned();
    let answer = &seen.answer;
    compare("error", format!("{:?}", seen.error), format!("{:?}", expected["error"]["class"].as_str().map(kind)));
    let retry_after = expected["error"]["retry_after_s"].as_f64();
    let retry_after = retry_after.map(|seconds| std::time::Duration::from_secs_f64(seconds).as_millis());
    compare("retry after", format!("{:?}", seen.retry_after_ms), format!("{retry_after:?}"));
    compare("complete", answer.done.to_string(), (expected["complete"] == true).to_string());
    let finish = expected["finish_reason"].as_str().map(finish);
    compare("finish", format!("{:?}", answer.finish), format!("{finish:?}"));
    compare("usage", format!("{:?}", answer.usage), format!("{:?}", usage(&expected["usage"])));
    compare("text", answer.text(), word("text"));
    compare("reasoning", answer.reasoning(), word("reasoning_text"));
    compare("refusal", answer.refusal(), word("refusal"));
    compare("calls", calls(answer), recorded_calls(expected));
    assert!(!answer.usage_unreadable, "a recorded usage report is not understood");
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn calls(answer: &Answer) -> String {
    let calls = answer.calls().map(|call| {
        let arguments: Value = serde_json::from_str(&call.arguments).expect("arguments are JSON");
        format!("{} {} {}", call.id, call.name, sorted(&arguments))
    });
    calls.collect::<Vec<_>>().join("\n")
}

fn recorded_calls(expected: &Value) -> String {
    let calls = expected["tool_calls"].as_array().cloned().unwrap_or_default();
    let calls = calls.iter().map(|call| {
        let arguments: Value =
            serde_json::from_str(call["arguments"].as_str().expect("a string")).expect("arguments are JSON");
        let word = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", word("id"), word("name"), sorted(&arguments))
    });
    calls.collect::<Vec<_>>().join("\n")
}

/// JSON with its keys in order, whatever order they came in.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: std::collections::BTreeMap<&String, String> =
                members.iter().map(|(key, value)| (key, sorted(value))).collect();
            format!("{members:?}")
        }
        other => other.to_string(),
    }
}

fn finish(word: &str) -> Finish {
    match word {
        "end_turn" => Finish::Stop,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "stop_sequence" => Finish::StopSequence,
        "tool_use" => Finish::ToolCalls,
        "pause_turn" => Finish::Pause,
        "refusal" => Finish::Refusal,
        _ => Finish::Other,
    }
}

/// The record renames what Anthropic said, and sums up what is billed; the meaning is made here
/// once more, apart from the code under test.
fn usage(record: &Value) -> Option<Usage> {
    record.as_object()?;
    let of = |value: &Value, name: &str| value[name].as_u64().unwrap_or(0);
    let billed = record["billed"].as_array().cloned().unwrap_or_else(|| vec![record.clone()]);
    let sum = |name: &str| billed.iter().map(|part| of(part, name)).sum::<u64>();
    Some(Usage {
        input: Tokens::new(sum("input") + sum("cached") + sum("cache_write")),
        cached_input: Tokens::new(sum("cached")),
        cache_write: Tokens::new(sum("cache_write")),
        cache_write_long: Tokens::new(of(record, "cache_write_1h")),
        output: Tokens::new(sum("output")),
        reasoning: Tokens::new(of(record, "reasoning")),
        stated_cost: None,
    })
}

fn kind(class: &str) -> FaultKind {
    match class {
        "rate_limit" => FaultKind::RateLimited,
        "quota_exhausted" => FaultKind::QuotaExhausted,
        "overloaded" => FaultKind::Overloaded,
        "server_error" => FaultKind::ServerError,
        "timeout" => FaultKind::FirstTokenTimeout,
        "auth" => FaultKind::Auth,
        "permission" => FaultKind::Permission,
        "not_found" => FaultKind::NotFound,
        "context_length" => FaultKind::ContextLength,
        "content_policy" => FaultKind::ContentPolicy,
        "invalid_request" => FaultKind::InvalidRequest,
        "request_too_large" => FaultKind::RequestTooLarge,
        "request_too_large_for_quota" => FaultKind::RequestTooLargeForQuota,
        "model_output_invalid" => FaultKind::ModelOutputInvalid,
        "unknown" => FaultKind::Unknown,
        other => panic!("no such class: {other}"),
    }
}

struct Case {
    record: Value,
    headers: Value,
    status: u16,
    body: Vec<u8>,
}

/// All cases of one API, of whatever provider. `None` where there are no recordings.
fn cases(api: &str) -> Option<Vec<Case>> {
    let root = fixtures()?;
    let folders = folders(&root.join("dev")).into_iter().flat_map(|provider| folders(&provider));
    let cases = folders.filter_map(|folder| {
        let record = json(&folder.join("case.json"));
        (record["api"] == api).then(|| Case {
            headers: json(&folder.join("response.headers.json")),
            status: record["http_status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200),
            body: std::fs::read(folder.join("response.body")).expect("a body"),
            record,
        })
    });
    Some(cases.collect())
}

/// Where the recordings are. They belong to others and are no part of the project.
pub(crate) fn fixtures() -> Option<PathBuf> {
    let shared = std::env::var_os("HALTLINE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let fixtures = shared.join("data/fixtures");
    if fixtures.is_dir() {
        return Some(fixtures);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "recordings are missing at {}", fixtures.display());
    eprintln!("NOT TESTED: recordings are missing at {}; set HALTLINE_SHARED", fixtures.display());
    None
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root)
        .expect("a readable folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

fn json(path: &Path) -> Value {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        Err(_) => Value::Null,
    }
}
