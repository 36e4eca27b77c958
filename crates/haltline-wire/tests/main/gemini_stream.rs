//! Gemini's answers: what is not among the recordings, and properties of reading and writing.

use bytes::{Bytes, BytesMut};
use haltline_types::{FaultKind, Timestamp, Tokens, Usage};
use haltline_wire::canon::{
    Answer, Call, Decode, Decoded, Encode, Event, Frame, Inspect, Part, ReportedUsage, Request, Role, Target, metered,
};
use haltline_wire::chunk::{Chunk, Delta, Whole};
use haltline_wire::fault::{BillingRules, classify};
use haltline_wire::gemini::{self, ArrayFrames, Decoder, Encoder, GeminiRequest, Inspector};
use haltline_wire::{Finish, PassFields, sse};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

fn event(data: impl Into<Bytes>) -> sse::Event {
    sse::Event { data: data.into(), event: None, comment: false }
}

fn decode_all(chunks: &[Value]) -> Vec<Event> {
    let (mut decoder, mut inspector) = (Decoder::new(), Inspector::new());
    let mut all = Vec::new();
    for chunk in chunks {
        let mut events = Vec::new();
        decoder.decode(&event(chunk.to_string()), &mut events).expect("a chunk");
        let delta = match inspector.inspect(&event(chunk.to_string())).expect("a chunk") {
            Chunk::Delta(delta) | Chunk::Error { delta, .. } => delta,
            Chunk::Done => panic!("no end"),
        };
        assert_eq!(delta, Delta { only_usage: delta.only_usage, ..metered(&events) });
        all.extend(events);
    }
    all
}

fn one(parts: Value, finish: Value) -> Value {
    let mut chunk = json!({"candidates": [{"content": {"role": "model"}}]});
    chunk["candidates"][0]["content"]["parts"] = parts;
    chunk["candidates"][0]["finishReason"] = finish;
    chunk
}

#[test]
fn ends_are_read_as_words_and_as_numbers() {
    let call = json!([{"functionCall": {"name": "f"}}]);
    for (chunk, expected) in [
        (one(json!([]), json!("STOP")), Some(Finish::Stop)),
        (one(json!([]), json!(1)), Some(Finish::Stop)),
        (one(call.clone(), json!("STOP")), Some(Finish::ToolCalls)),
        (one(call.clone(), json!("MAX_TOKENS")), Some(Finish::Length)),
        (one(json!(null), json!(2)), Some(Finish::Length)),
        (one(json!([]), json!("FINISH_REASON_UNSPECIFIED")), None),
        (one(json!([]), json!(null)), None),
        (one(json!([]), json!("MALFORMED_FUNCTION_CALL")), Some(Finish::Other)),
        (json!({"promptFeedback": {"blockReason": "SAFETY"}}), Some(Finish::ContentFilter)),
        (json!({"promptFeedback": {"blockReason": 1}}), Some(Finish::ContentFilter)),
        (json!({"promptFeedback": {"safetyRatings": []}, "candidates": []}), None),
    ] {
        let answer = Answer::of(decode_all(std::slice::from_ref(&chunk)));
        assert_eq!(answer.finish, expected, "{chunk}");
        let Whole::Complete(delta) = gemini::inspect_answer(chunk.to_string().as_bytes()).expect("an answer") else {
            panic!("an error")
        };
        assert_eq!((delta.finish, delta.finished), (expected, u32::from(expected.is_some())), "{chunk}");
    }
    // A call in an earlier chunk names the end of a later one; one end is counted once.
    let chunks = [one(call, json!("STOP")), one(json!([{"text": "b"}]), json!("STOP"))];
    let events = decode_all(&chunks);
    let ends = events.iter().filter(|event| matches!(event, Event::Finished { .. })).count();
    assert_eq!((Answer::of(events).finish, ends), (Some(Finish::ToolCalls), 1));
    let later = [one(json!([{"functionCall": {"name": "f"}}]), json!(null)), one(json!([]), json!("STOP"))];
    assert_eq!(Answer::of(decode_all(&later)).finish, Some(Finish::ToolCalls));
}

#[test]
fn parts_become_events_and_unknown_ones_nothing() {
    let parts = json!([
        {"text": "a", "thought": true, "thoughtSignature": "czE="},
        {"text": "b", "thoughtSignature": "czI="},
        {"executableCode": {"code": "1"}},
        {"functionCall": {"name": "f", "args": {"x": " y\" "}}, "thought_signature": "czM="},
        {"function_call": {"name": "g", "id": "own"}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"newPart": [1, {"a": 2}], "text": null}
    ]);
    let mut chunk = one(parts, json!(null));
    chunk["candidates"][0]["groundingMetadata"] =
        json!({"groundingChunks": [{"web": {"uri": "u", "title": "t"}}, {"web": {"uri": "u"}}, {"odd": 1}]});
    let events = decode_all(&[chunk]);
    let call = |index, id: &str, name: &str, signature: Option<&str>| Event::Call {
        index,
        id: id.to_owned(),
        name: name.to_owned(),
        signature: signature.map(str::to_owned),
    };
    let arguments = |index, fragment: &str| Event::Arguments { index, fragment: fragment.to_owned() };
    assert_eq!(
        events,
        [
            Event::Started { id: String::new(), model: String::new() },
            Event::Reasoning("a".to_owned()),
            Event::ReasoningSignature("czE=".to_owned()),
            Event::Text("b".to_owned()),
            call(0, "call_0", "f", Some("czM=")),
            arguments(0, r#"{"x":" y\" "}"#),
            call(1, "own", "g", None),
            arguments(1, "{}"),
            Event::File { media_type: "image/png".to_owned(), data: "AAAA".to_owned() },
            Event::Source { url: "u".to_owned(), title: Some("t".to_owned()) },
        ]
    );
}

#[test]
fn errors_are_found_in_streams_and_in_good_answers() {
    let error = json!({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}});
    for data in [error.to_string(), json!([error]).to_string()] {
        let mut inspector = Inspector::new();
        assert!(matches!(inspector.inspect(&event(data.clone())), Ok(Chunk::Error { .. })), "{data}");
        let mut events = Vec::new();
        Decoder::new().decode(&event(data.clone()), &mut events).expect("an error");
        assert!(matches!(&events[..], [Event::Failed(_)]), "{events:?}");
        assert!(matches!(gemini::inspect_answer(data.as_bytes()), Ok(Whole::Error(_))));
        assert!(matches!(gemini::decode_answer(data.as_bytes()), Ok(Decoded::Failed(_))));
    }
    for nothing in ["{}", "[]", "null", "[null]", "\"x\"", ""] {
        assert!(gemini::inspect_answer(nothing.as_bytes()).is_err(), "{nothing}");
        assert!(gemini::decode_answer(nothing.as_bytes()).is_err(), "{nothing}");
    }
}

#[test]
fn usage_alone_and_unreadable_usage_are_reported() {
    let usage = json!({"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2}});
    let Ok(Chunk::Delta(delta)) = Inspector::new().inspect(&event(usage.to_string())) else { panic!("no chunk") };
    assert!(delta.only_usage && delta.usage.is_some());
    let bad = json!({"candidates": [], "usageMetadata": {"promptTokenCount": -3}});
    let events = decode_all(&[bad]);
    assert!(events.contains(&Event::Usage(ReportedUsage::Unreadable)));
}

#[test]
fn a_json_array_is_an_answer_too() {
    let chunks = [one(json!([{"text": "a"}]), json!(null)), one(json!([{"text": "b"}]), json!("STOP"))];
    let body = json!(chunks).to_string();
    let Ok(Decoded::Answer(answer)) = gemini::decode_answer(body.as_bytes()) else { panic!("no answer") };
    assert_eq!((answer.text().as_str(), answer.finish, answer.done), ("ab", Some(Finish::Stop), true));
    let Ok(Whole::Complete(delta)) = gemini::inspect_answer(body.as_bytes()) else { panic!("no answer") };
    assert_eq!((delta.text_bytes, delta.finished), (2, 1));
}

#[test]
fn googles_details_decide_the_fault() {
    use FaultKind as K;
    let rpc = |kind: &str, more: Value| {
        let mut detail = json!({"@type": format!("type.googleapis.com/google.rpc.{kind}")});
        for (name, value) in more.as_object().expect("an object") {
            detail[name] = value.clone();
        }
        detail
    };
    let daily = rpc("QuotaFailure", json!({"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}));
    let minute = rpc("QuotaFailure", json!({"violations": [{"quotaId": "GenerateTokensPerMinutePerProject"}]}));
    let wait = rpc("RetryInfo", json!({"retryDelay": "34.074824224s"}));
    let zero = rpc("RetryInfo", json!({"retryDelay": "0s"}));
    let expired = rpc("ErrorInfo", json!({"reason": "API_KEY_EXPIRED"}));
    for (status, word, details, kind, after) in [
        (429, "RESOURCE_EXHAUSTED", json!([minute, wait]), K::RateLimited, Some(34_075)),
        (429, "RESOURCE_EXHAUSTED", json!([zero]), K::RateLimited, None),
        (429, "RESOURCE_EXHAUSTED", json!([]), K::RateLimited, None),
        (429, "RESOURCE_EXHAUSTED", json!([daily]), K::RateLimited, None),
        (429, "RESOURCE_EXHAUSTED", json!([daily, wait]), K::RateLimited, Some(34_075)),
        (400, "INVALID_ARGUMENT", json!([expired]), K::Auth, None),
        (400, "INVALID_ARGUMENT", json!(null), K::InvalidRequest, None),
        (400, "FAILED_PRECONDITION", json!({}), K::InvalidRequest, None),
        (500, "INTERNAL", json!([]), K::ServerError, None),
        (504, "DEADLINE_EXCEEDED", json!([]), K::FirstTokenTimeout, None),
    ] {
        let error = json!({"error": {"code": status, "message": "m", "status": word, "details": details}});
        for body in [error.to_string(), json!([error]).to_string()] {
            let fault =
                classify(status, &|_| None, body.as_bytes(), BillingRules::Compatible, Timestamp::from_millis(0));
            assert_eq!((fault.kind, fault.retry.after), (kind, after.map(Duration::from_millis)), "{body}");
        }
    }
}

#[test]
fn a_written_stream_is_what_googles_sdks_expect() {
    let mut encoder = Encoder::new("r1", "shown");
    let mut frames: Vec<Frame> = Vec::new();
    let usage = Usage { input: Tokens::new(9), output: Tokens::new(5), reasoning: Tokens::new(2), ..Usage::default() };
    for event in [
        Event::Started { id: String::new(), model: "theirs".to_owned() },
        Event::Usage(ReportedUsage::Read(Usage { input: Tokens::new(9), ..Usage::default() })),
        Event::Text("hé".to_owned()),
        Event::Call { index: 0, id: "c".to_owned(), name: "f".to_owned(), signature: None },
        Event::Arguments { index: 0, fragment: "{\"a\":".to_owned() },
        Event::Arguments { index: 0, fragment: " 1}".to_owned() },
        Event::Finished { reason: Finish::ToolCalls, stop_sequence: None },
        Event::Usage(ReportedUsage::Read(usage)),
        Event::Done,
    ] {
        encoder.encode(&event, &mut frames);
    }
    let chunks: Vec<Value> = frames.iter().map(|frame| serde_json::from_slice(&frame.data).expect("JSON")).collect();
    let chunk = |parts: Value| {
        json!({
            "candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}],
            "modelVersion": "shown", "responseId": "r1"
        })
    };
    let mut last = chunk(json!([{"text": ""}]));
    last["candidates"][0]["finishReason"] = json!("STOP");
    last["usageMetadata"] =
        json!({"promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 14});
    let call = json!([{"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}}]);
    assert_eq!(chunks, [chunk(json!([{"text": "hé"}])), chunk(call), last]);
}

const BASE64: &str = "[A-Za-z0-9+/]{4,12}";

fn part() -> impl Strategy<Value = Part> {
    let name = "[a-z_]{1,8}";
    prop_oneof![
        ".{1,20}".prop_map(Part::text),
        (".{0,20}", proptest::option::of(Just("c2lnbmVk".to_owned())))
            .prop_filter("something", |(text, signature)| !text.is_empty() || signature.is_some())
            .prop_map(|(text, signature)| Part::Reasoning { text, signature, redacted: None, id: None }),
        ("[a-z]{1,8}", name, proptest::option::of(Just("c2lnbmVk".to_owned())), -9_i32..9).prop_map(
            |(id, name, signature, number)| {
                let arguments = json!({ "a": number, "b": [" x\n", {}] }).to_string();
                Part::Call(Call { id, name, arguments, signature, cache: None })
            }
        ),
    ]
}

/// Neighbours that events would join are joined.
fn canonical(parts: &[Part]) -> Vec<Part> {
    let events = Answer { parts: parts.to_vec(), ..Answer::default() }.events();
    Answer::of(events).parts
}

fn answer() -> impl Strategy<Value = Answer> {
    let finish =
        prop_oneof![Just(Finish::Length), Just(Finish::ContentFilter), Just(Finish::Other), Just(Finish::Stop)];
    let usage = (0_u64..1 << 40, 0_u64..1 << 40, 0_u64..100, 0_u64..100);
    (BASE64, "[a-z0-9.-]{1,9}", proptest::collection::vec(part(), 0..6), finish, proptest::option::of(usage)).prop_map(
        |(id, model, parts, finish, usage)| {
            let called = parts.iter().any(|part| matches!(part, Part::Call(_)));
            let finish = if called && finish == Finish::Stop { Finish::ToolCalls } else { finish };
            let usage = usage.map(|(input, output, cached, reasoning)| Usage {
                input: Tokens::new(input),
                cached_input: Tokens::new(cached.min(input)),
                output: Tokens::new(output),
                reasoning: Tokens::new(reasoning.min(output)),
                ..Usage::default()
            });
            let parts = canonical(&parts);
            Answer { id, model, parts, finish: Some(finish), usage, done: true, ..Answer::default() }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(answer in answer(), seed in 0_u64..1_000) {
        // As one answer.
        let Ok(Decoded::Answer(read)) = gemini::decode_answer(&gemini::encode_answer(&answer)) else {
            panic!("no answer")
        };
        prop_assert_eq!(&*read, &answer);
        // As a stream, however it is cut, and as an array.
        let mut encoder = Encoder::new("none", "");
        let (mut frames, mut stream, mut array) = (Vec::new(), BytesMut::new(), ArrayFrames::new());
        for event in answer.events() {
            encoder.encode(&event, &mut frames);
        }
        let mut elements = BytesMut::new();
        for frame in &frames {
            sse::write_event(&mut stream, None, frame.event, &frame.data);
            elements.extend_from_slice(&array.element(&frame.data));
        }
        elements.extend_from_slice(&array.close());
        let mut decoder = Decoder::new();
        let mut events = Vec::new();
        for event in super::gemini_recorded::events(&stream, seed) {
            decoder.decode(&event, &mut events).expect("a chunk");
        }
        prop_assert!(decoder.is_finished());
        events.push(Event::Done);
        prop_assert_eq!(&Answer::of(events), &answer);
        let Ok(Decoded::Answer(read)) = gemini::decode_answer(&elements) else { panic!("no answer") };
        prop_assert_eq!(&*read, &answer);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic_and_alike(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        alike(&data);
    }

    #[test]
    fn any_json_in_the_shape_of_an_answer_is_read_alike(
        text in any::<Option<String>>(), thought in any::<bool>(), index in 0..3, finish in "[A-Z_]{0,4}|STOP|SAFETY",
        counts in proptest::collection::vec(any::<i64>(), 3), call in any::<bool>(),
    ) {
        let mut part = json!({"text": text, "thought": thought});
        if call {
            part["functionCall"] = json!({"name": text, "args": {"a": text}});
        }
        let chunk = json!({
            "candidates": [{"content": {"parts": [part]}, "finishReason": finish, "index": index}],
            "usageMetadata": {"promptTokenCount": counts[0], "candidatesTokenCount": counts[1], "totalTokenCount": counts[2]}
        });
        if index == 0 {
            alike(chunk.to_string().as_bytes());
        }
    }

    #[test]
    fn requests_come_back_from_the_canonical_form(
        texts in proptest::collection::vec(".{1,12}", 1..4), temperature in 0_i32..16, seed in any::<i32>(),
        stop in proptest::collection::vec("[a-z]{1,4}", 0..5), json in any::<bool>(),
    ) {
        let messages = texts.iter().enumerate().map(|(index, text)| haltline_wire::canon::Message {
            role: if index % 2 == 0 { Role::User } else { Role::Assistant },
            name: None,
            parts: vec![Part::text(text.as_str())],
        });
        let mut request = Request {
            model: "gemini-2.5-flash".to_owned(),
            messages: messages.collect(),
            cap: Some(Tokens::new(9)),
            ..Request::default()
        };
        request.sampling.temperature = serde_json::Number::from_f64(f64::from(temperature) / 8.0);
        request.sampling.seed = Some(seed.into());
        request.sampling.stop = stop;
        if json {
            let schema = json!({"type": "object", "properties": {"type": {"enum": ["A"]}}});
            request.format = haltline_wire::canon::Format::JsonSchema { name: None, description: None, schema, strict: None };
        }
        let target = Target { model: &request.model, cap: Tokens::new(9) };
        let written = gemini::write(&request, &target).expect("written");
        prop_assert!(written.dropped.is_empty());
        let read = GeminiRequest::parse(&request.model, false, written.body, &PassFields::none()).expect("accepted");
        prop_assert_eq!(read.canonical().expect("crosses"), request);
    }
}

/// Metering and decoding say the same of `data`, as a chunk and as a body.
fn alike(data: &[u8]) {
    let _ = (gemini::inspect_embeddings(data), gemini::read_count(data));
    let _ = GeminiRequest::parse("m", true, Bytes::copy_from_slice(data), &PassFields::new(["*"]));
    let event = event(Bytes::copy_from_slice(data));
    let mut events = Vec::new();
    match (Inspector::new().inspect(&event), Decoder::new().decode(&event, &mut events)) {
        (Ok(Chunk::Delta(delta)), Ok(())) => {
            assert_eq!(delta, Delta { only_usage: delta.only_usage, ..metered(&events) });
        }
        (Ok(Chunk::Error { seed, .. }), Ok(())) => assert!(events.contains(&Event::Failed(seed))),
        (Ok(Chunk::Done), Ok(())) => assert_eq!(events, [Event::Done]),
        (Err(_), Err(_)) => {}
        (inspected, decoded) => panic!("{inspected:?} against {decoded:?}"),
    }
    match (gemini::inspect_answer(data), gemini::decode_answer(data)) {
        (Ok(Whole::Complete(delta)), Ok(Decoded::Answer(answer))) => {
            assert_eq!((delta.usage, delta.finish), (answer.usage, answer.finish));
        }
        (Ok(Whole::Error(seed)), Ok(Decoded::Failed(same))) => assert_eq!(seed, same),
        (Err(_), Err(_)) => {}
        (inspected, decoded) => panic!("{inspected:?} against {decoded:?}"),
    }
}
