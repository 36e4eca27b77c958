//! Answers of the Messages API: how their streams are framed, that reading what was written gives
//! the same, and what broken or hostile bytes do.

use super::anthropic_recorded::agree;
use bytes::Bytes;
use haltline_types::{Billing, FaultKind, Timestamp, Tokens, Usage};
use haltline_wire::Finish;
use haltline_wire::anthropic::{Decoder, Encoder, Inspector, decode_answer, encode_answer, identify, inspect_answer};
use haltline_wire::canon::{
    Answer, Call, Decode, Decoded, Encode, Event, Frame, Inspect, Part, ReportedUsage, metered,
};
use haltline_wire::chunk::Whole;
use haltline_wire::fault::{BillingRules, classify, classify_inside};
use haltline_wire::sse;
use proptest::prelude::*;
use serde_json::{Value, json};

fn event(data: &str) -> sse::Event {
    sse::Event { data: Bytes::copy_from_slice(data.as_bytes()), event: None, comment: false }
}

/// Both readers of a stream; they must agree.
fn read(data: &[&str]) -> Vec<Event> {
    let (mut inspector, mut decoder) = (Inspector::new(), Decoder::new());
    let mut events = Vec::new();
    for data in data {
        let mut said = Vec::new();
        let decoded = decoder.decode(&event(data), &mut said);
        match inspector.inspect(&event(data)) {
            Ok(chunk) => agree(&chunk, &said),
            Err(_) => assert!(decoded.is_err()),
        }
        events.extend(said);
    }
    events
}

fn encoded(events: &[Event]) -> Vec<Frame> {
    let mut encoder = Encoder::new("made-up", "shown");
    let mut frames = Vec::new();
    for event in events {
        encoder.encode(event, &mut frames);
    }
    frames
}

/// Reads frames, after checking that they are framed as Anthropic's own SDKs want.
fn read_frames(frames: &[Frame]) -> Answer {
    let mut open = None;
    let mut next = 0;
    for (at, frame) in frames.iter().enumerate() {
        let data: Value = serde_json::from_slice(&frame.data).expect("JSON");
        assert_eq!(data["type"].as_str(), frame.event);
        let index = data["index"].as_u64();
        match frame.event {
            Some("message_start") => assert_eq!(at, 0),
            Some("content_block_start") => {
                assert_eq!((open, index), (None, Some(next)), "blocks follow each other");
                open = index;
                next += 1;
            }
            Some("content_block_delta") => assert!(open.is_some() && open == index),
            Some("content_block_stop") => {
                assert!(open.is_some() && open == index);
                open = None;
            }
            Some("message_delta") => assert_eq!((open, at), (None, frames.len() - 2)),
            Some("message_stop") => assert_eq!(at, frames.len() - 1),
            other => panic!("{other:?}"),
        }
    }
    let data: Vec<&str> = frames.iter().map(|frame| std::str::from_utf8(&frame.data).expect("text")).collect();
    Answer::of(read(&data))
}

fn call(index: u32, id: &str) -> Event {
    Event::Call { index, id: id.to_owned(), name: "f".to_owned(), signature: None }
}

fn arguments(index: u32, fragment: &str) -> Event {
    Event::Arguments { index, fragment: fragment.to_owned() }
}

#[test]
fn a_stream_is_written_as_anthropic_writes_it() {
    let usage = Usage {
        input: Tokens::new(30),
        cached_input: Tokens::new(20),
        output: Tokens::new(7),
        reasoning: Tokens::new(2),
        ..Usage::default()
    };
    let frames = encoded(&[
        Event::Started { id: "chatcmpl-1".to_owned(), model: "other".to_owned() },
        Event::Reasoning("Hm".to_owned()),
        Event::ReasoningSignature("c2".to_owned()),
        Event::ReasoningSignature("ln".to_owned()),
        Event::Text("Hi ".to_owned()),
        Event::Text("é\n".to_owned()),
        call(0, "call_1"),
        arguments(0, "{\"a\""),
        arguments(0, ":1}"),
        Event::Finished { reason: Finish::ToolCalls, stop_sequence: None },
        Event::Usage(ReportedUsage::Read(usage)),
        Event::Done,
    ]);
    let frames: Vec<String> = frames
        .iter()
        .map(|frame| format!("{} {}", frame.event.unwrap_or_default(), String::from_utf8_lossy(&frame.data)))
        .collect();
    let expected = [
        r#"message_start {"type":"message_start","message":{"id":"msg_chatcmpl-1","type":"message","role":"assistant","model":"shown","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}"#,
        r#"content_block_start {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}"#,
        r#"content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}"#,
        r#"content_block_stop {"type":"content_block_stop","index":0}"#,
        r#"content_block_start {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
        r#"content_block_delta {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi "}}"#,
        r#"content_block_delta {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"é\n"}}"#,
        r#"content_block_stop {"type":"content_block_stop","index":1}"#,
        r#"content_block_start {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"call_1","name":"f","input":{}}}"#,
        r#"content_block_delta {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}}"#,
        r#"content_block_delta {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":":1}"}}"#,
        r#"content_block_stop {"type":"content_block_stop","index":2}"#,
        r#"message_delta {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":10,"cache_creation_input_tokens":0,"cache_read_input_tokens":20,"output_tokens":7,"output_tokens_details":{"thinking_tokens":2}}}"#,
        r#"message_stop {"type":"message_stop"}"#,
    ];
    assert_eq!(frames, expected);
}

#[test]
fn an_answer_without_a_word_is_still_a_message() {
    let answer = read_frames(&encoded(&[Event::Done, Event::Done]));
    assert_eq!((answer.id.as_str(), answer.model.as_str()), ("msg_made-up", "shown"));
    assert_eq!((answer.finish, answer.done, answer.parts.len()), (Some(Finish::Stop), true, 0));
    // Calls make clients run tools, whatever word the provider chose; a refusal is one.
    let stop = Event::Finished { reason: Finish::Stop, stop_sequence: None };
    let called = read_frames(&encoded(&[call(0, ""), stop.clone(), Event::Done]));
    assert_eq!(called.finish, Some(Finish::ToolCalls));
    let called: Vec<&Call> = called.calls().collect();
    assert_eq!((called[0].id.as_str(), called[0].arguments.as_str()), ("toolu_made-up_0", "{}"));
    let refused = read_frames(&encoded(&[Event::Refusal("no".to_owned()), stop, Event::Done]));
    assert_eq!((refused.finish, refused.text().as_str()), (Some(Finish::Refusal), "no"));
}

#[test]
fn a_stream_that_was_cut_has_no_end() {
    let frames = encoded(&[Event::Text("a".to_owned()), Event::Failed(Box::default())]);
    assert!(frames.iter().all(|frame| !matches!(frame.event, Some("message_delta" | "message_stop"))));
}

#[test]
fn imitators_are_understood() {
    let answer = Answer::of(read(&[
        r#"{"type":"message_start","message":{"id":"m","model":"x","usage":{"input_tokens":5,"output_tokens":0}}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"from_the_future","index":{},"delta":"x","message":7}"#,
        // All input in the begin of the block; no index; numbers as strings.
        r#"{"type":"content_block_start","content_block":{"type":"tool_use","id":"","name":"f","input":{"a": 1}}}"#,
        r#"{"type":"content_block_stop"}"#,
        r#"{"type":"content_block_start","index":"1","content_block":{"type":"tool_use","id":"t","name":"g","input":{"b":2}}}"#,
        r#"{"type":"content_block_delta","index":"1","delta":{"type":"input_json_delta","partial_json":"{\"c\":3}"}}"#,
        r#"{"type":"content_block_stop","index":"1"}"#,
        r#"{"type":"content_block_delta","index":9,"delta":{"type":"text_delta","text":"late"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":null}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"input_tokens":0,"output_tokens":"9"}}"#,
        "[DONE]",
    ]));
    let calls: Vec<_> = answer.calls().map(|call| (call.id.as_str(), call.arguments.as_str())).collect();
    assert_eq!(calls, [("toolu_m_0", r#"{"a": 1}"#), ("t", r#"{"c":3}"#)]);
    assert_eq!((answer.text().as_str(), answer.finish, answer.done), ("late", Some(Finish::ToolCalls), true));
    assert_eq!(answer.usage.map(|usage| (usage.input.get(), usage.output.get())), Some((5, 9)));
}

#[test]
fn a_report_that_cannot_be_relied_on_is_said_to_be_so() {
    let events = read(&[
        r#"{"type":"message_start","message":{"usage":{"input_tokens":5,"output_tokens":1}}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":-3}}"#,
    ]);
    let delta = metered(&events);
    assert_eq!((delta.usage, delta.usage_unreadable, delta.finish), (None, true, Some(Finish::Stop)));
    for body in [
        r#"{"content":[],"stop_reason":"end_turn","usage":{"input_tokens":1e400,"output_tokens":1}}"#,
        r#"{"content":[],"stop_reason":"end_turn","usage":{"input_tokens":99999999999999999999,"output_tokens":1}}"#,
        r#"{"content":[],"stop_reason":"end_turn","usage":[1]}"#,
    ] {
        match inspect_answer(body.as_bytes()) {
            Ok(Whole::Complete(delta)) => assert!(delta.usage_unreadable && delta.usage.is_none(), "{body}"),
            Ok(other) => panic!("{other:?}"),
            Err(_) => {}
        }
    }
}

#[test]
fn errors_are_told_apart_wherever_they_come() {
    use FaultKind as K;
    let body = |kind: &str, message: &str| {
        json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).to_string()
    };
    for (status, kind, message, expected, billing) in [
        (400, "invalid_request_error", "messages: at least one", K::InvalidRequest, Billing::Rejected),
        (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", K::ContextLength, Billing::Rejected),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000",
            K::ContextLength,
            Billing::Rejected,
        ),
        (
            400,
            "invalid_request_error",
            "Your credit balance is too low to access",
            K::QuotaExhausted,
            Billing::Rejected,
        ),
        (
            400,
            "invalid_request_error",
            "You have reached your specified API usage limits.",
            K::QuotaExhausted,
            Billing::Rejected,
        ),
        (
            400,
            "invalid_request_error",
            "Output blocked by content filtering policy",
            K::ContentPolicy,
            Billing::Unknown,
        ),
        (401, "authentication_error", "invalid x-api-key", K::Auth, Billing::Rejected),
        (402, "billing_error", "m", K::QuotaExhausted, Billing::Rejected),
        (403, "permission_error", "m", K::Permission, Billing::Rejected),
        (404, "not_found_error", "model: x", K::NotFound, Billing::Rejected),
        (409, "conflict_error", "m", K::ServerError, Billing::Unknown),
        (413, "request_too_large", "m", K::RequestTooLarge, Billing::Rejected),
        (429, "rate_limit_error", "m", K::RateLimited, Billing::Rejected),
        (500, "api_error", "Internal server error", K::ServerError, Billing::Unknown),
        (504, "timeout_error", "m", K::FirstTokenTimeout, Billing::Unknown),
        (529, "overloaded_error", "Overloaded", K::Overloaded, Billing::Rejected),
    ] {
        let body = body(kind, message);
        let fault = classify(status, &|_| None, body.as_bytes(), BillingRules::Compatible, Timestamp::from_millis(0));
        assert_eq!((fault.kind, fault.billing), (expected, billing), "{body}");
        // The same inside a stream, where the status is 200 and the money may be gone.
        let events = read(&[&body]);
        let [Event::Failed(seed)] = events.as_slice() else { panic!("{events:?}") };
        let inside = classify_inside(seed);
        assert_eq!(inside.billing, Billing::Unknown);
        if !matches!(status, 409) {
            assert_eq!(inside.kind, expected, "{body}");
        }
        let Ok(Decoded::Failed(whole)) = decode_answer(body.as_bytes()) else { panic!("{body}") };
        assert_eq!(whole, *seed);
    }
    let spent = r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    let fault = classify(429, &|_| None, spent.as_bytes(), BillingRules::Compatible, Timestamp::from_millis(0));
    assert_eq!(fault.kind, K::QuotaExhausted);
    // An error whose data is no JSON, under its event's name.
    let mut named = event("Internal failure");
    named.event = Some(Bytes::from_static(b"error"));
    let mut said = Vec::new();
    Decoder::new().decode(&named, &mut said).expect("an error");
    assert!(matches!(said.as_slice(), [Event::Failed(seed)] if seed.message == "Internal failure"));
}

#[test]
fn what_the_providers_own_tools_say_is_no_part_of_the_answer_but_sources_are() {
    let body = json!({"id": "msg_1", "model": "c", "type": "message", "stop_reason": "end_turn", "content": [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "https://b", "title": "B"}]},
        {"type": "text", "text": "So.", "citations": [{"type": "web_search_result_location", "url": "https://a", "title": "A"}]},
        {"type": "compaction", "content": "long"},
    ], "usage": {"input_tokens": 1, "output_tokens": 2, "service_tier": "standard"}});
    let Ok(Decoded::Answer(answer)) = decode_answer(body.to_string().as_bytes()) else { panic!("an answer") };
    assert_eq!((answer.text().as_str(), answer.calls().count()), ("So.", 0));
    assert_eq!(answer.sources, [("https://a".to_owned(), Some("A".to_owned()))]);
    let identity = identify(body.to_string().as_bytes());
    assert_eq!((identity.id.as_deref(), identity.service_tier.as_deref()), (Some("msg_1"), Some("standard")));
    let start = json!({"type": "message_start", "message": body}).to_string();
    assert_eq!(identify(start.as_bytes()), identity);
}

#[test]
fn arguments_that_are_no_object_are_wrapped_and_long_numbers_stay() {
    let part = |arguments: &str| {
        Part::Call(Call {
            id: "t".to_owned(),
            name: "f".to_owned(),
            arguments: arguments.to_owned(),
            signature: None,
            cache: None,
        })
    };
    for (arguments, input) in [
        ("", "{}"),
        (r#"{"n":12345678901234567890123.5}"#, r#"{"n":12345678901234567890123.5}"#),
        ("[1]", r#"{"INVALID_JSON":"[1]"}"#),
        (r#"{"a":"#, r#"{"INVALID_JSON":"{\"a\":"}"#),
    ] {
        let body = encode_answer(&Answer { parts: vec![part(arguments)], ..Answer::default() });
        let body = std::str::from_utf8(&body).expect("text");
        assert!(body.contains(&format!("\"input\":{input}")), "{body}");
    }
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let text = "[a-zé\" \\\\]{1,8}";
    let json = prop::collection::vec(("[a-z]{1,3}", any::<i32>()), 0..3)
        .prop_map(|members| {
            let members = members.into_iter().map(|(name, value)| (name, Value::from(value)));
            Value::Object(members.collect()).to_string()
        })
        .boxed();
    let part = prop_oneof![
        text.prop_map(Part::text),
        (text, "[a-z]{1,5}").prop_map(|(text, signature)| Part::Reasoning {
            text,
            signature: Some(signature),
            redacted: None,
            id: None
        }),
        "[a-z]{1,5}".prop_map(|data| Part::Reasoning {
            text: String::new(),
            signature: None,
            redacted: Some(data),
            id: None
        }),
        ("[a-z]{1,5}", "[a-z]{1,5}", json).prop_map(|(id, name, arguments)| Part::Call(Call {
            id,
            name,
            arguments,
            signature: None,
            cache: None
        })),
    ];
    prop::collection::vec(part, 0..6)
}

fn usages() -> impl Strategy<Value = Usage> {
    (0_u64..9_000, 0_u64..900, 0_u64..900, 0_u64..900, 0_u64..900, 0_u64..90).prop_map(
        |(fresh, read, short, long, output, reasoning)| Usage {
            input: Tokens::new(fresh + read + short + long),
            cached_input: Tokens::new(read),
            cache_write: Tokens::new(short + long),
            cache_write_long: Tokens::new(long),
            output: Tokens::new(output + reasoning),
            reasoning: Tokens::new(reasoning),
            stated_cost: None,
        },
    )
}

fn answers() -> impl Strategy<Value = Answer> {
    let finishes = vec![Finish::StopSequence, Finish::Length, Finish::ToolCalls, Finish::Refusal, Finish::Pause];
    (parts(), usages(), prop::sample::select(finishes), prop::option::of("[a-z]{1,4}")).prop_map(
        |(parts, usage, finish, stop_sequence)| {
            let answer = Answer {
                id: "msg_1".to_owned(),
                model: "shown".to_owned(),
                parts,
                finish: Some(finish),
                stop_sequence,
                usage: Some(usage),
                done: true,
                ..Answer::default()
            };
            // Neighbouring texts are one.
            Answer::of(answer.events())
        },
    )
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_as_it_was(answer in answers()) {
        prop_assert_eq!(&read_frames(&encoded(&answer.events())), &answer);
        let whole = encode_answer(&answer);
        prop_assert_eq!(decode_answer(&whole), Ok(Decoded::Answer(Box::new(answer.clone()))));
        let Ok(Whole::Complete(delta)) = inspect_answer(&whole) else { panic!("an answer") };
        prop_assert_eq!(delta, metered(&answer.events()));
    }

    /// The arguments of several calls come in turns, cut anywhere, with text between.
    #[test]
    fn calls_that_come_in_turns_leave_one_after_the_other(
        values in prop::collection::vec("[a-z{}\"]{0,6}", 1..4),
        turns in prop::collection::vec((0_usize..5, 1_usize..4), 0..40),
    ) {
        let mut rest: Vec<String> = values.iter().map(|value| json!({"v": value}).to_string()).collect();
        let whole = rest.clone();
        let mut events: Vec<Event> = Vec::new();
        let mut begun = vec![false; rest.len()];
        let mut text = String::new();
        let everything = (0..rest.len()).map(|index| (index, usize::MAX));
        for (index, size) in turns.into_iter().chain(everything) {
            let Some(arguments_left) = rest.get_mut(index) else {
                text.push('x');
                events.push(Event::Text("x".to_owned()));
                continue;
            };
            let of = u32::try_from(index).expect("small");
            if !std::mem::replace(&mut begun[index], true) {
                events.push(call(of, &format!("t{index}")));
            }
            let size = size.min(arguments_left.len());
            let fragment: String = arguments_left.drain(..size).collect();
            events.push(arguments(of, &fragment));
        }
        events.push(Event::Finished { reason: Finish::ToolCalls, stop_sequence: None });
        events.push(Event::Done);
        let answer = read_frames(&encoded(&events));
        prop_assert_eq!(answer.text(), text);
        for (index, arguments) in whole.iter().enumerate() {
            let id = format!("t{index}");
            let found: Vec<&str> =
                answer.calls().filter(|call| call.id == id).map(|call| call.arguments.as_str()).collect();
            prop_assert_eq!(found, vec![arguments.as_str()]);
        }
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (inspect_answer(&bytes), decode_answer(&bytes), identify(&bytes));
        let event = sse::Event { data: Bytes::from(bytes), event: None, comment: false };
        let mut said = Vec::new();
        let decoded = Decoder::new().decode(&event, &mut said);
        match Inspector::new().inspect(&event) {
            Ok(chunk) => agree(&chunk, &said),
            Err(error) => prop_assert_eq!(decoded, Err(error)),
        }
    }
}

#[test]
fn deep_nesting_is_no_answer_and_no_panic() {
    let deep = format!("{{\"content\":{}", "[".repeat(100_000));
    assert!(inspect_answer(deep.as_bytes()).is_err());
    let deep = format!(
        r#"{{"type":"content_block_start","content_block":{{"type":"tool_use","input":{}{}}}}}"#,
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let _ = read(&[&deep]);
}
