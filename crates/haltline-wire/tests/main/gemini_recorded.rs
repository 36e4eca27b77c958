//! Recorded Gemini and Vertex traffic: every case is metered and decoded in random pieces, and
//! must give what its record says, both times alike.

use super::recorded::{fixtures, folders, json, kind};
use bytes::Bytes;
use haltline_types::{FaultKind, Timestamp, Tokens, Usage};
use haltline_wire::Finish;
use haltline_wire::canon::{Answer, Decode, Decoded, Event, Inspect, metered};
use haltline_wire::chunk::{Chunk, Delta, Whole};
use haltline_wire::fault::{BillingRules, classify, classify_inside};
use haltline_wire::gemini::{self, Decoder, Inspector};
use haltline_wire::sse::{self, Splitter};
use serde_json::Value;
use std::path::Path;

#[derive(Debug, Default, PartialEq)]
struct Seen {
    text: String,
    reasoning: String,
    calls: Vec<(String, Value)>,
    model: String,
    finish: Option<Finish>,
    usage: Option<Usage>,
    complete: bool,
    error: Option<FaultKind>,
    retry_after_ms: Option<u128>,
}

#[test]
fn recorded_gemini_traffic_is_read_as_its_records_say() {
    let Some(root) = fixtures() else { return };
    let mut cases = 0;
    let mut wrong = Vec::new();
    for case in folders(&root.join("dev")).iter().flat_map(|provider| folders(provider)) {
        let record = json(&case.join("case.json"));
        let api = record["api"].as_str().unwrap_or_default();
        if !api.starts_with("gemini.") {
            continue;
        }
        cases += 1;
        let body = std::fs::read(case.join("response.body")).expect("a body");
        let expected = &record["expected"];
        let status = record["http_status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
        let difference = match api {
            "gemini.countTokens" => {
                let count = gemini::read_count(&body).expect("a count");
                (Some(count.get()) != expected["input_tokens"].as_u64()).then(|| format!("{count}"))
            }
            "gemini.embedContent" | "gemini.batchEmbedContents" => embedded(&body, expected),
            _ => (0..6).find_map(|seed| {
                let seen = read(&case, status, record["streaming"] == true, &body, seed);
                let wanted = wanted(expected, &record["expected"]["error"]);
                (seen != wanted).then(|| format!("ours {seen:#?}\nrecorded {wanted:#?}"))
            }),
        };
        wrong.extend(difference.map(|difference| format!("{}: {difference}", record["id"])));
    }
    assert!(cases >= 32, "only {cases} cases were found");
    assert!(wrong.is_empty(), "{} of {cases} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn embedded(body: &[u8], expected: &Value) -> Option<String> {
    let Ok(Whole::Complete(delta)) = gemini::inspect_embeddings(body) else { return Some("no embeddings".to_owned()) };
    let input = delta.usage.map(|usage| (usage.input.get(), usage.output.get()));
    let recorded = expected["usage"]["input"].as_u64().map(|input| (input, 0));
    (input != recorded || delta.usage_unreadable).then(|| format!("ours {input:?}, recorded {recorded:?}"))
}

fn read(case: &Path, status: u16, streaming: bool, body: &[u8], seed: u64) -> Seen {
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
    let decoded = gemini::decode_answer(body).expect("an answer");
    let whole = gemini::inspect_answer(body).expect("an answer");
    match (decoded, whole) {
        (Decoded::Answer(answer), Whole::Complete(delta)) => {
            assert_eq!(delta, Delta { only_usage: delta.only_usage, ..metered(&answer.events()) });
            of(&answer)
        }
        (Decoded::Failed(seed), Whole::Error(same)) => {
            assert_eq!(seed, same);
            failed(Seen::default(), &classify_inside(&seed))
        }
        (decoded, whole) => panic!("{decoded:?} against {whole:?}"),
    }
}

fn read_stream(body: &[u8], seed: u64) -> Seen {
    let (mut inspector, mut decoder) = (Inspector::new(), Decoder::new());
    let mut all = Vec::new();
    let mut fault = None;
    for event in events(body, seed) {
        let mut decoded = Vec::new();
        decoder.decode(&event, &mut decoded).expect("a chunk");
        let delta = match inspector.inspect(&event).expect("a chunk") {
            Chunk::Delta(delta) => delta,
            Chunk::Error { seed, delta } => {
                fault = Some(classify_inside(&seed));
                assert!(decoded.contains(&Event::Failed(seed)));
                delta
            }
            Chunk::Done => panic!("Google writes no terminator"),
        };
        assert_eq!(delta, Delta { only_usage: delta.only_usage, ..metered(&decoded) });
        assert!(!delta.usage_unreadable, "a recorded usage report is not understood");
        all.extend(decoded);
    }
    if decoder.is_finished() {
        all.push(Event::Done);
    }
    let seen = of(&Answer::of(all));
    match fault {
        Some(fault) => failed(seen, &fault),
        None => seen,
    }
}

/// The events of `body`, cut into pieces of 1 to 512 bytes.
pub(super) fn events(body: &[u8], seed: u64) -> Vec<sse::Event> {
    let mut random = seed + 1;
    let mut splitter = Splitter::new();
    let mut events = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let size = usize::try_from(random >> 55).expect("nine bits") + 1;
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        splitter.push(&Bytes::copy_from_slice(piece));
        while let Some(event) = splitter.next_event() {
            events.push(event.expect("no event is too large"));
        }
    }
    events
}

fn of(answer: &Answer) -> Seen {
    let arguments = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    Seen {
        text: answer.text(),
        reasoning: answer.reasoning(),
        calls: answer.calls().map(|call| (call.name.clone(), arguments(&call.arguments))).collect(),
        model: answer.model.clone(),
        finish: answer.finish,
        usage: answer.usage,
        complete: answer.done,
        ..Seen::default()
    }
}

fn failed(seen: Seen, fault: &haltline_types::Fault) -> Seen {
    let retry_after_ms = fault.retry.after.map(|after| after.as_millis());
    Seen { error: Some(fault.kind), retry_after_ms, complete: false, ..seen }
}

fn wanted(record: &Value, error: &Value) -> Seen {
    let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
    let calls: Vec<(String, Value)> = record["tool_calls"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|call| {
            let arguments = call["arguments"].as_str().unwrap_or("null");
            (call["name"].as_str().unwrap_or_default().to_owned(), serde_json::from_str(arguments).expect("arguments"))
        })
        .collect();
    Seen {
        text: text("text"),
        reasoning: text("reasoning_text"),
        model: text("model"),
        finish: finish(&record["finish_reason"], !calls.is_empty()),
        calls,
        usage: usage(&record["usage"]),
        complete: record["complete"] == true,
        error: error["class"].as_str().map(kind),
        retry_after_ms: error["retry_after_s"]
            .as_f64()
            .map(|seconds| std::time::Duration::from_secs_f64(seconds).as_millis()),
    }
}

/// The meaning of the words, made here once more, apart from the code under test.
fn finish(word: &Value, called: bool) -> Option<Finish> {
    let word = word.as_str()?;
    Some(match word {
        "STOP" if called => Finish::ToolCalls,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "OTHER" => Finish::Other,
        _ => Finish::ContentFilter,
    })
}

/// The record renames what the provider said; its `output` is candidates and thoughts.
fn usage(record: &Value) -> Option<Usage> {
    let count = |name: &str| Tokens::new(record[name].as_u64().unwrap_or(0));
    record.as_object()?;
    Some(Usage {
        input: count("input").checked_add(count("tool_use_prompt")).expect("small"),
        cached_input: count("cached"),
        output: count("output"),
        reasoning: count("reasoning"),
        ..Usage::default()
    })
}

/// Parts of requests that are refused, as the recorded clients spell them.
const REFUSED: [&str; 6] =
    ["google_search", "code_execution\":", "fileSearch\":", "modelArmorConfig", "\"fileData\"", "\"file_data\""];

#[test]
fn recorded_requests_are_accepted_unless_they_ask_for_what_is_refused() {
    let Some(root) = fixtures() else { return };
    let mut accepted = 0;
    for case in folders(&root.join("dev")).iter().flat_map(|provider| folders(provider)) {
        let record = json(&case.join("case.json"));
        let api = record["api"].as_str().unwrap_or_default();
        let request = json(&case.join("request.json"));
        if !matches!(api, "gemini.generateContent" | "gemini.streamGenerateContent") || !request["body"].is_object() {
            continue;
        }
        let path = request["path"].as_str().unwrap_or_default();
        let (model, method) = gemini::split(path.split('?').next().unwrap_or_default()).expect("an address");
        assert_eq!(method.word(), api.trim_start_matches("gemini."));
        let text = request["body"].to_string();
        let parsed = gemini::GeminiRequest::parse(
            model,
            method == gemini::Method::Stream,
            Bytes::from(text.clone()),
            &haltline_wire::PassFields::none(),
        );
        let refused = REFUSED.iter().any(|word| text.contains(word)) || text.contains("\"mimeType\":\"text/");
        match parsed {
            Err(error) => assert!(refused, "{}: {error}", record["id"]),
            Ok(request) => {
                assert!(!refused, "{}: accepted", record["id"]);
                accepted += 1;
                if let Ok(canonical) = request.canonical() {
                    let target = haltline_wire::canon::Target { model, cap: Tokens::new(9) };
                    gemini::write(&canonical, &target).expect("what crossed can be written");
                }
            }
        }
    }
    assert!(accepted >= 10, "only {accepted} requests were accepted");
}
