//! Recorded provider traffic: every OpenAI-shaped chat or completion case is read in random pieces, and must
//! give the usage, the finish, the completeness and the fault that its record says.

use bytes::Bytes;
use haltline_types::{FaultKind, Timestamp, Usage};
use haltline_wire::Finish;
use haltline_wire::chunk::Chunk;
use haltline_wire::fault::{BillingRules, FaultSeed, classify, classify_inside};
use haltline_wire::openai::chat::response::{self, Answer};
use haltline_wire::openai::chat::stream;
use haltline_wire::sse::Splitter;
use serde_json::Value;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    text_bytes: usize,
    choices: u32,
    finish: Option<Finish>,
    usage: Option<Usage>,
    complete: bool,
    error: Option<FaultKind>,
    retry_after_ms: Option<u128>,
}

#[test]
fn recorded_chat_traffic_is_read_as_its_records_say() {
    let Some(root) = fixtures() else { return };
    let mut cases = 0;
    let mut wrong = Vec::new();
    for case in folders(&root.join("dev")).iter().flat_map(|provider| folders(provider)) {
        let record = json(&case.join("case.json"));
        if record["api"] != "openai.chat" && record["api"] != "openai.completions" {
            continue;
        }
        cases += 1;
        let body = std::fs::read(case.join("response.body")).expect("a body");
        let expected = expected(&record["expected"], &body);
        let status = record["http_status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
        for seed in 0..5 {
            let seen = read(&case, status, record["streaming"] == true, &body, seed);
            if let Some(difference) = difference(&seen, &expected, &record["expected"]) {
                wrong.push(format!("{}: {difference}", record["id"]));
                break;
            }
        }
    }
    assert!(cases > 150, "only {cases} cases were found");
    assert!(wrong.is_empty(), "{} of {cases} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn read(case: &Path, status: u16, streaming: bool, body: &[u8], seed: u8) -> Seen {
    if status >= 400 {
        let headers = json(&case.join("response.headers.json"));
        let header = |name: &str| headers.get(name).and_then(Value::as_str);
        let fault = classify(status, &header, body, BillingRules::Compatible, Timestamp::from_millis(0));
        return Seen {
            error: Some(fault.kind),
            retry_after_ms: fault.retry.after.map(|after| after.as_millis()),
            ..Seen::default()
        };
    }
    if streaming { read_stream(body, seed) } else { read_whole(body) }
}

fn read_whole(body: &[u8]) -> Seen {
    match response::inspect(body).expect("an answer") {
        Answer::Complete(answer) => Seen {
            text_bytes: answer.text_bytes,
            choices: answer.choices,
            finish: answer.finish,
            usage: answer.usage,
            complete: answer.finish.is_some(),
            ..Seen::default()
        },
        Answer::Error(seed) => failed(&seed, Seen::default()),
    }
}

fn read_stream(body: &[u8], seed: u8) -> Seen {
    let mut random = u64::from(seed) + 1;
    let mut splitter = Splitter::new();
    let mut seen = Seen::default();
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
            match stream::inspect(&event.data).expect("a chunk") {
                Chunk::Done => seen.complete = true,
                Chunk::Delta(delta) => add(&mut seen, &delta),
                Chunk::Error { seed, delta } => {
                    add(&mut seen, &delta);
                    seen = failed(&seed, seen);
                }
            }
        }
    }
    seen.complete |= seen.finish.is_some();
    seen.complete &= seen.error.is_none();
    seen
}

fn add(seen: &mut Seen, delta: &haltline_wire::chunk::Delta) {
    seen.text_bytes += delta.text_bytes;
    seen.choices += delta.finished;
    seen.finish = delta.finish.or(seen.finish);
    seen.usage = delta.usage.or(seen.usage);
    assert!(!delta.usage_unreadable, "a recorded usage report is not understood");
}

fn failed(seed: &FaultSeed, seen: Seen) -> Seen {
    let fault = classify_inside(seed);
    let retry_after_ms = fault.retry.after.map(|after| after.as_millis());
    Seen { error: Some(fault.kind), retry_after_ms, complete: false, ..seen }
}

fn difference(seen: &Seen, expected: &Expected, record: &Value) -> Option<String> {
    let mut parts = Vec::new();
    let mut compare = |name: &str, ours: String, theirs: String| {
        if ours != theirs {
            parts.push(format!("{name}: ours {ours}, recorded {theirs}"));
        }
    };
    compare("error", format!("{:?}", seen.error), format!("{:?}", expected.error));
    compare("complete", seen.complete.to_string(), expected.complete.to_string());
    compare("finish", format!("{:?}", seen.finish.map(Finish::word)), format!("{:?}", expected.finish));
    compare("retry after", format!("{:?}", seen.retry_after_ms), format!("{:?}", expected.retry_after_ms));
    // The records have a cost only where it is a plain number.
    let cost = record["usage"]["cost"].is_number();
    let usage = seen.usage.map(|usage| Usage { stated_cost: usage.stated_cost.filter(|_| cost), ..usage });
    compare("usage", format!("{usage:?}"), format!("{:?}", expected.usage));
    // The records hold the text of the first choice only, and leave out old function calls and
    // summaries of reasoning.
    let all_text = seen.choices < 2 && expected.finish.as_deref() != Some("function_call") && !expected.summaries;
    if record["error"].is_null() && all_text {
        compare("text bytes", seen.text_bytes.to_string(), expected.text_bytes.to_string());
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

#[derive(Debug)]
struct Expected {
    text_bytes: usize,
    finish: Option<String>,
    summaries: bool,
    usage: Option<Usage>,
    complete: bool,
    error: Option<FaultKind>,
    retry_after_ms: Option<u128>,
}

fn expected(record: &Value, body: &[u8]) -> Expected {
    let length = |value: &Value| value.as_str().map_or(0, str::len);
    let tools = record["tool_calls"]
        .as_array()
        .map_or(0, |calls| calls.iter().map(|call| length(&call["name"]) + length(&call["arguments"])).sum());
    Expected {
        text_bytes: length(&record["text"]) + length(&record["reasoning_text"]) + length(&record["refusal"]) + tools,
        summaries: String::from_utf8_lossy(body).contains("\"reasoning.summary\""),
        finish: record["finish_reason"].as_str().map(str::to_owned),
        usage: usage(&record["usage"]),
        complete: record["complete"] == true,
        error: record["error"]["class"].as_str().map(kind),
        retry_after_ms: record["error"]["retry_after_s"]
            .as_f64()
            .map(|seconds| std::time::Duration::from_secs_f64(seconds).as_millis()),
    }
}

/// The record renames what the provider said; the meaning is made here once more, apart from the
/// code under test.
pub(crate) fn usage(record: &Value) -> Option<Usage> {
    use haltline_types::Tokens;
    let count = |name: &str| record[name].as_u64().unwrap_or(0);
    record.as_object()?;
    let beside = count("reasoning") > 0 && count("input") + count("output") + count("reasoning") == count("total");
    let outside = count("cached") + count("cache_write") > count("input");
    let output = count("output") + if beside { count("reasoning") } else { 0 };
    Some(Usage {
        input: Tokens::new(count("input") + if outside { count("cached") + count("cache_write") } else { 0 }),
        cached_input: Tokens::new(count("cached")),
        cache_write: Tokens::new(count("cache_write")),
        output: Tokens::new(output),
        reasoning: Tokens::new(count("reasoning").min(output)),
        stated_cost: record["cost"].as_f64().map(nano),
        ..Usage::default()
    })
}

/// No recorded cost has more than nine digits behind the point.
fn nano(dollars: f64) -> haltline_types::NanoUsd {
    let digits = format!("{dollars:.9}").replace('.', "");
    haltline_types::NanoUsd::new(digits.parse().expect("digits"))
}

pub(crate) fn kind(class: &str) -> FaultKind {
    match class {
        "rate_limit" => FaultKind::RateLimited,
        "request_too_large_for_quota" => FaultKind::RequestTooLargeForQuota,
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
        "model_output_invalid" => FaultKind::ModelOutputInvalid,
        "unknown" => FaultKind::Unknown,
        other => panic!("no such class: {other}"),
    }
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

pub(crate) fn folders(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root)
        .expect("a readable folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

pub(crate) fn json(path: &Path) -> Value {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        Err(_) => Value::Null,
    }
}
