//! The UI message stream: what pages send, what they get, and that no stream breaks the client's
//! rules.

use bytes::Bytes;
use haltline_types::{NanoUsd, Tokens, Usage};
use haltline_wire::canon::{Encode, Event, Frame, MediaSource, Part, ReportedUsage, Request, Role};
use haltline_wire::ui_stream::{Encoder, Shown, UiRequest, data_frame, transient_frame};
use haltline_wire::{Finish, PassFields};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashMap;

fn parsed(body: &Value) -> Result<UiRequest, (String, String)> {
    UiRequest::parse(Bytes::from(body.to_string()), &PassFields::none())
        .map_err(|error| (error.param.unwrap_or_default(), error.message))
}

fn canonical(body: &Value) -> Request {
    parsed(body).expect("acceptable").canonical().expect("it crosses")
}

fn body(messages: &Value) -> Value {
    json!({"id": "chat-1", "messages": messages, "trigger": "submit-message"})
}

#[test]
fn what_the_transport_sends_is_understood() {
    // As `DefaultChatTransport` of version 6 writes it, tools run by the page included.
    let sent = json!({
        "model": "fast", "system": "Be brief.", "id": "chat-1", "trigger": "submit-message", "messageId": null,
        "maxOutputTokens": 100, "user": "ann",
        "tools": {"weather": {"description": "d", "inputSchema": {"jsonSchema": {"type": "object"}}}},
        "messages": [
            {"id": "m0", "role": "system", "parts": [{"type": "text", "text": "More."}]},
            {"id": "m1", "role": "user", "metadata": {"a": 1}, "parts": [
                {"type": "text", "text": "Look: "},
                {"type": "file", "mediaType": "image/png", "filename": "a.png", "url": "data:image/png;base64,AAAA"},
                {"type": "data-note", "data": {"x": 1}}]},
            {"id": "m2", "role": "assistant", "parts": [
                {"type": "step-start"},
                {"type": "reasoning", "text": "hm", "state": "done", "providerMetadata": {"haltline": {"signature": "sig"}}},
                {"type": "tool-weather", "toolCallId": "c1", "state": "output-available", "input": {"city": "Rome"}, "output": {"t": 20}},
                {"type": "dynamic-tool", "toolName": "other", "toolCallId": "c2", "state": "output-error", "input": null, "rawInput": "{", "errorText": "no"},
                {"type": "tool-weather", "toolCallId": "c3", "state": "input-available", "input": {}},
                {"type": "step-start"},
                {"type": "text", "text": "It is 20.", "state": "done"},
                {"type": "source-url", "sourceId": "s", "url": "https://e.com"}]},
            {"id": "m3", "role": "user", "parts": [{"type": "text", "text": "Thanks"}]}
        ]
    });
    let request = parsed(&sent).expect("acceptable");
    assert_eq!((request.model(), request.user(), request.chat_id()), ("fast", Some("ann"), Some("chat-1")));
    assert_eq!((request.last_message_id(), request.client_cap()), (Some("m3"), Some(Tokens::new(100))));
    assert_eq!((request.measure().images, request.measure().tools), (1, 1));
    assert!(request.measure().ascii_bytes >= 60, "{:?}", request.measure());
    let canonical = request.canonical().expect("it crosses");
    let system: Vec<&str> = canonical.system.iter().map(|text| text.text.as_str()).collect();
    assert_eq!(system, ["Be brief.", "More."]);
    assert_eq!(canonical.tools[0].schema, Some(json!({"type": "object"})));
    let roles: Vec<Role> = canonical.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User, Role::Assistant, Role::User]);
    assert!(matches!(&canonical.messages[0].parts[1], Part::Image(image)
        if image.source == MediaSource::Base64 { media_type: "image/png".to_owned(), data: "AAAA".to_owned() }));
    let said = &canonical.messages[1].parts;
    assert!(matches!(&said[0], Part::Reasoning { signature: Some(proof), .. } if proof == "sig"));
    assert!(matches!(&said[1], Part::Call(call) if call.arguments == r#"{"city":"Rome"}"#));
    assert!(matches!(&said[2], Part::Call(call) if call.arguments == "{" && call.name == "other"));
    assert_eq!(said.len(), 3);
    let results = &canonical.messages[2].parts;
    assert!(
        matches!(&results[0], Part::Result(result) if result.parts == [Part::text(r#"{"t":20}"#)] && !result.is_error)
    );
    assert!(matches!(&results[1], Part::Result(result) if result.parts == [Part::text("no")] && result.is_error));
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let user = |part: Value| body(&json!([{"id": "m", "role": "user", "parts": [part]}]));
    for (sent, param) in [
        (json!({"messages": []}), "messages"),
        (json!({"messages": [{"role": "user", "parts": []}]}), "messages"),
        (json!({"messages": [{"role": "user", "content": "old form"}]}), "messages[0].parts"),
        (json!({"messages": [{"role": "tool", "parts": []}]}), "messages[0].role"),
        (user(json!({"type": "txt", "text": "x"})), "messages[0].parts[0].type"),
        (user(json!({"type": "text"})), "messages[0].parts[0].text"),
        (
            user(json!({"type": "file", "mediaType": "application/pdf", "url": "data:application/pdf;base64,AA"})),
            "messages[0].parts[0].mediaType",
        ),
        (
            user(json!({"type": "file", "mediaType": "image/png", "url": "file:///etc/passwd"})),
            "messages[0].parts[0].url",
        ),
    ] {
        assert_eq!(parsed(&sent).err().map(|(param, _)| param).as_deref(), Some(param), "{sent}");
    }
    for (name, value) in [
        ("webSearch", json!(true)),
        ("maxOutputTokens", json!(0)),
        ("modle", json!("x")),
        ("tools", json!(3)),
        ("background", json!(true)),
    ] {
        let mut sent = user(json!({"type": "text", "text": "x"}));
        sent[name] = value;
        assert_eq!(parsed(&sent).err().map(|(param, _)| param).as_deref(), Some(name));
    }
    let mut sent = user(json!({"type": "text", "text": "x"}));
    sent["webSearch"] = json!(false);
    assert!(parsed(&sent).is_ok());
    sent["theme"] = json!("dark");
    let vouched = UiRequest::parse(Bytes::from(sent.to_string()), &PassFields::new(["theme"])).expect("vouched for");
    assert_eq!(vouched.vouched_fields().collect::<Vec<_>>(), ["theme"]);
}

fn encoder() -> Encoder {
    Encoder::new(Shown { message_id: "msg-1".to_owned(), trace_id: "t1".to_owned() })
}

fn chunks(frames: &[Frame]) -> Vec<Value> {
    assert!(frames.iter().all(|frame| frame.event.is_none()));
    let json = |frame: &Frame| {
        serde_json::from_slice(&frame.data).unwrap_or_else(|_| json!(String::from_utf8_lossy(&frame.data)))
    };
    frames.iter().map(json).collect()
}

#[test]
fn a_whole_stream_is_what_the_client_expects() {
    let mut encoder = encoder();
    let mut frames = Vec::new();
    encoder.begin(&mut frames);
    frames.push(transient_frame("haltline", &json!({"waiting": true})));
    let usage = Usage { input: Tokens::new(9), output: Tokens::new(4), ..Usage::default() };
    for event in [
        Event::Started { id: "x".to_owned(), model: "m".to_owned() },
        Event::Reasoning("hm".to_owned()),
        Event::ReasoningSignature("sig".to_owned()),
        Event::Text("Hi".to_owned()),
        Event::Call { index: 0, id: "c1".to_owned(), name: "f".to_owned(), signature: None },
        Event::Arguments { index: 0, fragment: "{\"a\"".to_owned() },
        Event::Arguments { index: 0, fragment: ":1}".to_owned() },
        Event::Call { index: 1, id: "c2".to_owned(), name: "g".to_owned(), signature: None },
        Event::Source { url: "https://e.com".to_owned(), title: None },
        Event::File { media_type: "image/png".to_owned(), data: "AA==".to_owned() },
        Event::Finished { reason: Finish::ToolCalls, stop_sequence: None },
        Event::Usage(ReportedUsage::Read(usage)),
    ] {
        encoder.encode(&event, &mut frames);
    }
    encoder.priced(NanoUsd::new(1_500_000));
    encoder.encode(&Event::Done, &mut frames);
    encoder.encode(&Event::Text("late".to_owned()), &mut frames);
    frames.push(data_frame("note", Some("n1"), &json!(1)));
    assert_eq!(
        chunks(&frames),
        [
            json!({"type": "start", "messageId": "msg-1", "messageMetadata": {"traceId": "t1"}}),
            json!({"type": "start-step"}),
            json!({"type": "data-haltline", "data": {"waiting": true}, "transient": true}),
            json!({"type": "reasoning-start", "id": "reasoning-1"}),
            json!({"type": "reasoning-delta", "id": "reasoning-1", "delta": "hm"}),
            json!({"type": "reasoning-end", "id": "reasoning-1", "providerMetadata": {"haltline": {"signature": "sig"}}}),
            json!({"type": "text-start", "id": "text-2"}),
            json!({"type": "text-delta", "id": "text-2", "delta": "Hi"}),
            json!({"type": "text-end", "id": "text-2"}),
            json!({"type": "tool-input-start", "toolCallId": "c1", "toolName": "f"}),
            json!({"type": "tool-input-delta", "toolCallId": "c1", "inputTextDelta": "{\"a\""}),
            json!({"type": "tool-input-delta", "toolCallId": "c1", "inputTextDelta": ":1}"}),
            json!({"type": "tool-input-available", "toolCallId": "c1", "toolName": "f", "input": {"a": 1}}),
            json!({"type": "tool-input-start", "toolCallId": "c2", "toolName": "g"}),
            json!({"type": "source-url", "sourceId": "source-1", "url": "https://e.com"}),
            json!({"type": "file", "url": "data:image/png;base64,AA==", "mediaType": "image/png"}),
            json!({"type": "tool-input-available", "toolCallId": "c2", "toolName": "g", "input": {}}),
            json!({"type": "finish-step"}),
            json!({"type": "finish", "finishReason": "tool-calls", "messageMetadata": {
                "traceId": "t1", "cost": NanoUsd::new(1_500_000).to_decimal(),
                "usage": {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13, "reasoningTokens": 0, "cachedInputTokens": 0}}}),
            json!("[DONE]"),
            json!({"type": "data-note", "data": 1, "id": "n1"}),
        ]
    );
}

#[test]
fn a_stream_that_breaks_says_so_and_ends() {
    for stopped in [false, true] {
        let (mut encoder, mut frames) = (encoder(), Vec::new());
        encoder.encode(&Event::Text("Hel".to_owned()), &mut frames);
        let before = frames.len();
        if stopped {
            encoder.abort(&mut frames);
        } else {
            encoder.error("The provider failed.", &mut frames);
        }
        encoder.error("again", &mut frames);
        let last = if stopped {
            json!({"type": "abort"})
        } else {
            json!({"type": "error", "errorText": "The provider failed."})
        };
        assert_eq!(
            chunks(&frames)[before..],
            [
                json!({"type": "text-end", "id": "text-1"}),
                json!({"type": "message-metadata", "messageMetadata": {"traceId": "t1"}}),
                last,
                json!("[DONE]"),
            ]
        );
    }
}

#[test]
fn arguments_that_are_no_json_are_told_as_such() {
    let (mut encoder, mut frames) = (encoder(), Vec::new());
    for event in [
        Event::Call { index: 0, id: "c".to_owned(), name: "f".to_owned(), signature: None },
        Event::Arguments { index: 0, fragment: "{\"a\":".to_owned() },
        Event::Finished { reason: Finish::Length, stop_sequence: None },
        Event::Done,
    ] {
        encoder.encode(&event, &mut frames);
    }
    let told = chunks(&frames);
    assert!(told.iter().any(|chunk| chunk["type"] == "tool-input-error" && chunk["input"] == "{\"a\":"), "{told:?}");
}

fn event() -> impl Strategy<Value = Event> {
    let word = "[a-z{}\":1]{0,6}";
    prop_oneof![
        word.prop_map(Event::Text),
        word.prop_map(Event::Reasoning),
        word.prop_map(Event::ReasoningSignature),
        word.prop_map(Event::RedactedReasoning),
        word.prop_map(Event::Refusal),
        (0..4_u32).prop_map(|index| Event::Call {
            index,
            id: format!("c{index}"),
            name: "f".to_owned(),
            signature: None
        }),
        (0..4_u32, word).prop_map(|(index, fragment)| Event::Arguments { index, fragment }),
        word.prop_map(|url| Event::Source { url, title: None }),
        Just(Event::Finished { reason: Finish::Other, stop_sequence: None }),
        Just(Event::Usage(ReportedUsage::Unreadable)),
    ]
}

/// The rules of `processUIMessageStream`: no delta and no end without a start, nothing after it.
fn check(chunks: &[Value]) {
    let mut open: HashMap<String, bool> = HashMap::new();
    for chunk in chunks {
        let Some(kind) = chunk["type"].as_str() else { continue };
        let id = chunk["id"].as_str().or(chunk["toolCallId"].as_str()).unwrap_or_default().to_owned();
        match kind {
            "text-start" | "reasoning-start" => assert_eq!(open.insert(id, true), None, "{chunks:?}"),
            "tool-input-start" => {
                open.insert(id, true);
            }
            "text-delta" | "reasoning-delta" | "tool-input-delta" => {
                assert_eq!(open.get(&id), Some(&true), "{chunks:?}");
            }
            "text-end" | "reasoning-end" => assert_eq!(open.insert(id, false), Some(true), "{chunks:?}"),
            "tool-input-available" | "tool-input-error" => {
                assert!(open.contains_key(&id), "{chunks:?}");
            }
            _ => {}
        }
    }
    let open_text = open.iter().filter(|(id, open)| **open && !id.starts_with('c')).count();
    assert_eq!(open_text, 0, "{chunks:?}");
}

proptest! {
    #[test]
    fn no_order_of_events_breaks_the_clients_rules(events in proptest::collection::vec(event(), 0..20), breaks in any::<bool>()) {
        let (mut encoder, mut frames) = (encoder(), Vec::new());
        for event in &events {
            encoder.encode(event, &mut frames);
        }
        if breaks {
            encoder.error("broken", &mut frames);
        } else {
            encoder.encode(&Event::Done, &mut frames);
        }
        let chunks = chunks(&frames);
        check(&chunks);
        prop_assert_eq!(chunks.last(), Some(&json!("[DONE]")));
        prop_assert_eq!(&chunks[0]["type"], "start");
    }

    #[test]
    fn hostile_bytes_are_refused(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(UiRequest::parse(Bytes::from(data), &PassFields::new(["*"])).is_err());
    }

    #[test]
    fn what_a_page_says_is_measured(text in "\\PC{0,40}") {
        let sent = body(&json!([{"role": "user", "parts": [{"type": "text", "text": format!("x{text}")}]}]));
        let request = parsed(&sent).expect("acceptable");
        let bytes = request.measure().ascii_bytes + request.measure().other_bytes;
        prop_assert!(bytes >= u64::try_from(text.len()).expect("short"));
        prop_assert_eq!(canonical(&sent).messages.len(), 1);
    }
}
