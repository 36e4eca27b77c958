//! Responses as streams and as objects: what is written is read back, and is framed as the SDKs
//! expect it.

use bytes::Bytes;
use haltline_types::{Timestamp, Tokens, Usage};
use haltline_wire::canon::{
    Answer, Call, Decode, Decoded, Effort, Encode, Event, Format, Frame, Inspect, Message, Part, Reasoning, Request,
    Role, Sampling, Target, Text, Tool, ToolChoice, ToolResult, metered,
};
use haltline_wire::chunk::Chunk;
use haltline_wire::openai::responses::{
    Decoder, Encoder, Inspector, ResponsesRequest, Shown, StoredResponse, decode_answer, encode_answer, failure_frames,
    inspect_answer, write,
};
use haltline_wire::{Finish, PassFields, sse};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const TARGET: Target<'_> = Target { model: "up", cap: Tokens::new(77) };

fn shown() -> Shown {
    Shown { id: "resp_1".to_owned(), model: String::new(), created: Timestamp::from_secs(5), echo: Map::new() }
}

fn encode(encoder: &mut Encoder, events: &[Event]) -> Vec<Frame> {
    let mut frames = Vec::new();
    for event in events {
        encoder.encode(event, &mut frames);
    }
    frames
}

fn decode(frames: &[Frame]) -> Vec<Event> {
    let (mut decoder, mut inspector) = (Decoder::new(), Inspector::new());
    let mut all = Vec::new();
    for frame in frames {
        let event = sse::Event {
            data: frame.data.clone(),
            event: frame.event.map(|name| Bytes::from_static(name.as_bytes())),
            comment: false,
        };
        let mut events = Vec::new();
        decoder.decode(&event, &mut events).expect("an event");
        let Chunk::Delta(delta) = inspector.inspect(&event).expect("an event") else { panic!("{events:?}") };
        assert_eq!(metered(&events), delta);
        all.extend(events);
    }
    all
}

fn values(frames: &[Frame]) -> Vec<Value> {
    frames.iter().map(|frame| serde_json::from_slice(&frame.data).expect("JSON")).collect()
}

fn answers() -> impl Strategy<Value = Answer> {
    let words = "[a-zA-Z\"\\\\ üß\u{1F600}]{1,12}";
    let part = prop_oneof![
        words.prop_map(Part::text),
        words.prop_map(Part::Refusal),
        (words, proptest::option::of("[A-Za-z0-9]{1,8}")).prop_map(|(text, signature)| Part::Reasoning {
            text,
            signature,
            redacted: None,
            id: None
        }),
        "[A-Za-z0-9]{1,8}".prop_map(|data| Part::Reasoning {
            text: String::new(),
            signature: None,
            redacted: Some(data),
            id: None
        }),
        "[A-Za-z0-9]{1,8}".prop_map(|sealed| Part::Reasoning {
            text: String::new(),
            signature: Some(sealed),
            redacted: None,
            id: None
        }),
        ("[a-z]{1,6}", "[a-z]{1,6}", words).prop_map(|(id, name, text)| Part::Call(Call {
            id: format!("call_{id}"),
            name,
            arguments: json!({ "a": text }).to_string(),
            signature: None,
            cache: None,
        })),
    ];
    let finish = prop_oneof![Just(Finish::Stop), Just(Finish::Length), Just(Finish::ContentFilter)];
    let usage = proptest::option::of((0_u64..1 << 40, 0_u64..1 << 40));
    (proptest::collection::vec(part, 0..8), finish, usage).prop_map(|(parts, finish, usage)| {
        let mut answer = Answer {
            id: "resp_1".to_owned(),
            model: "m".to_owned(),
            parts,
            finish: Some(finish),
            usage: usage.map(|(input, output)| Usage {
                input: Tokens::new(input),
                cached_input: Tokens::new(input / 3),
                cache_write: Tokens::new(input / 4),
                output: Tokens::new(output),
                reasoning: Tokens::new(output / 2),
                ..Usage::default()
            }),
            done: true,
            ..Answer::default()
        };
        if answer.finish == Some(Finish::Stop) && answer.calls().next().is_some() {
            answer.finish = Some(Finish::ToolCalls);
        }
        // Neighbours of one kind are one.
        Answer { done: true, ..Answer::of(answer.events()) }
    })
}

proptest! {
    #[test]
    fn streams_are_read_as_they_were_written(answer in answers(), chop in any::<bool>()) {
        let events = if chop { chopped(&answer) } else { answer.events() };
        let mut encoder = Encoder::new(shown());
        let frames = encode(&mut encoder, &events);
        let read = Answer::of(decode(&frames));
        prop_assert_eq!(&read, &answer);
        for (number, (value, frame)) in values(&frames).iter().zip(&frames).enumerate() {
            prop_assert_eq!(&value["sequence_number"], &json!(number));
            prop_assert_eq!(value["type"].as_str(), frame.event);
        }
        let last = frames.last().map(|frame| frame.data.clone()).expect("an end");
        let stored = StoredResponse::of_event(&last).expect("a response");
        prop_assert_eq!(stored.id(), "resp_1");
        prop_assert!(stored.output().iter().all(|item| item["id"].is_string() && item["type"].is_string()));
    }

    #[test]
    fn objects_are_read_as_they_were_written(answer in answers()) {
        let body = encode_answer(&answer, shown());
        let Ok(Decoded::Answer(read)) = decode_answer(&body) else { panic!("an answer") };
        prop_assert_eq!(&*read, &answer);
        prop_assert!(inspect_answer(&body).is_ok());
    }

    #[test]
    fn no_bytes_are_too_strange(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = ResponsesRequest::parse(Bytes::from(data.clone()), &PassFields::new(["*"]));
        let _ = decode_answer(&data);
        let _ = inspect_answer(&data);
        let event = sse::Event { data: Bytes::from(data), event: None, comment: false };
        let _ = Inspector::new().inspect(&event);
        let _ = Decoder::new().decode(&event, &mut Vec::new());
    }

    #[test]
    fn no_json_is_too_strange(events in proptest::collection::vec(strange_events(), 0..12)) {
        let (mut decoder, mut inspector) = (Decoder::new(), Inspector::new());
        for data in events {
            let event = sse::Event { data: Bytes::from(data.to_string()), event: None, comment: false };
            let mut decoded = Vec::new();
            decoder.decode(&event, &mut decoded).expect("an object");
            let delta = match inspector.inspect(&event).expect("an object") {
                Chunk::Delta(delta) => delta,
                Chunk::Error { seed, delta } => {
                    prop_assert!(decoded.contains(&Event::Failed(seed)));
                    delta
                }
                Chunk::Done => panic!("no [DONE] was sent"),
            };
            prop_assert_eq!(metered(&decoded), delta, "{:?}", decoded);
            let _ = decode_answer(&event.data);
        }
    }

    #[test]
    fn requests_are_read_as_they_were_written(request in requests()) {
        let written = write(&request, &TARGET).expect("nothing is lost");
        prop_assert!(written.dropped.is_empty());
        let read = ResponsesRequest::parse(written.body.clone(), &PassFields::none()).expect("acceptable to ourselves");
        prop_assert_eq!((read.model(), read.client_cap(), read.store()), ("up", Some(Tokens::new(77)), Some(false)));
        let mut canonical = read.canonical().expect("canonical");
        canonical.model.clone_from(&request.model);
        canonical.cap = request.cap;
        prop_assert_eq!(merged(&canonical), merged(&request));
    }
}

/// The same events with texts and arguments in small pieces.
fn chopped(answer: &Answer) -> Vec<Event> {
    let mut out = Vec::new();
    for event in answer.events() {
        let pieces = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        match event {
            Event::Text(text) => out.extend(pieces(&text).into_iter().map(Event::Text)),
            Event::Reasoning(text) if !text.is_empty() => out.extend(pieces(&text).into_iter().map(Event::Reasoning)),
            Event::Arguments { index, fragment } => {
                out.extend(pieces(&fragment).into_iter().map(|fragment| Event::Arguments { index, fragment }));
            }
            other => out.push(other),
        }
    }
    out
}

fn strange_events() -> impl Strategy<Value = Value> {
    let kinds = prop_oneof![
        Just("response.created"),
        Just("response.output_text.delta"),
        Just("response.output_text.done"),
        Just("response.output_item.added"),
        Just("response.output_item.done"),
        Just("response.function_call_arguments.delta"),
        Just("response.function_call_arguments.done"),
        Just("response.reasoning_summary_text.delta"),
        Just("response.content_part.done"),
        Just("response.completed"),
        Just("response.incomplete"),
        Just("response.failed"),
        Just("error"),
        Just("response.what_is_this"),
    ];
    let odd = || {
        prop_oneof![
            Just(Value::Null),
            Just(json!(-5)),
            Just(json!("x")),
            Just(json!(1e300)),
            Just(json!([])),
            Just(json!({})),
            Just(json!(0)),
            Just(json!({ "type": "message", "content": [{ "type": "output_text", "text": "hi" }, 5, null] })),
            Just(json!({ "type": "function_call", "call_id": "c", "name": "f", "arguments": { "a": 1 } })),
            Just(json!({ "type": "reasoning", "summary": "?", "encrypted_content": "withheld:x" })),
            Just(
                json!({ "id": 7, "status": "completed", "output": [{ "type": "message", "content": "?" }], "usage": { "input_tokens": -1, "output_tokens": 2 } })
            ),
            Just(
                json!({ "status": "completed", "output": [{ "type": "function_call", "name": "f" }], "usage": { "input_tokens": 1, "output_tokens": 2 } })
            ),
            Just(json!({ "status": "incomplete", "incomplete_details": null, "usage": [] })),
            Just(json!({ "status": "failed", "error": { "code": "server_error" } })),
        ]
    };
    (kinds, odd(), odd(), odd(), odd()).prop_map(|(kind, delta, item, response, index)| {
        json!({ "type": kind, "delta": delta, "text": delta, "arguments": delta, "item": item, "part": item,
                "response": response, "output_index": index, "sequence_number": index })
    })
}

fn requests() -> impl Strategy<Value = Request> {
    let words = "[a-zA-Z\"ü ]{1,10}";
    let part = words.prop_map(Part::text);
    let user = proptest::collection::vec(part, 1..3).prop_map(|parts| Message { role: Role::User, name: None, parts });
    let turn = (words, "[a-z]{1,5}", words, any::<bool>()).prop_map(|(thought, name, result, refuses)| {
        let call = Call {
            id: "call_1".to_owned(),
            name: name.clone(),
            arguments: "{\"a\":1}".to_owned(),
            signature: None,
            cache: None,
        };
        let reasoning = Part::Reasoning {
            text: thought.clone(),
            signature: Some("gAAAAx".to_owned()),
            redacted: None,
            id: Some("rs_1".to_owned()),
        };
        let said = if refuses { Part::Refusal(thought) } else { Part::text(thought) };
        let result = ToolResult {
            id: "call_1".to_owned(),
            name: Some(name),
            parts: vec![Part::text(result)],
            is_error: false,
            cache: None,
        };
        [
            Message { role: Role::Assistant, name: None, parts: vec![reasoning, said, Part::Call(call)] },
            Message { role: Role::User, name: None, parts: vec![Part::Result(result)] },
        ]
    });
    let tool = Tool {
        name: "f".to_owned(),
        description: Some("d".to_owned()),
        schema: Some(json!({ "type": "object" })),
        strict: Some(true),
        cache: None,
    };
    let schema =
        Format::JsonSchema { name: Some("n".to_owned()), description: None, schema: json!({}), strict: Some(false) };
    let format = prop_oneof![Just(Format::Text), Just(Format::JsonObject), Just(schema)];
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::Required),
        Just(ToolChoice::Named("f".to_owned())),
        Just(ToolChoice::AnyOf { names: vec!["f".to_owned()], required: false }),
    ];
    (words, user, proptest::collection::vec(turn, 0..3), format, choice, any::<bool>()).prop_map(
        move |(system, user, turns, format, choice, stream)| Request {
            model: "m".to_owned(),
            system: vec![Text { text: system, cache: None }],
            messages: std::iter::once(user).chain(turns.into_iter().flatten()).collect(),
            tools: vec![tool.clone()],
            tool_choice: Some(choice),
            parallel_tool_calls: Some(false),
            format,
            sampling: Sampling { temperature: serde_json::Number::from_f64(0.5), ..Sampling::default() },
            reasoning: Some(Reasoning { effort: Some(Effort::Low), budget: None, enabled: Some(true), show: true }),
            cap: None,
            stream,
            user: Some("u".to_owned()),
            lost: Vec::new(),
        },
    )
}

/// Neighbours of one role are one turn.
fn merged(request: &Request) -> Request {
    let mut messages: Vec<Message> = Vec::new();
    for message in &request.messages {
        match messages.last_mut() {
            Some(last) if last.role == message.role => last.parts.extend(message.parts.clone()),
            _ => messages.push(message.clone()),
        }
    }
    Request { messages, ..request.clone() }
}

#[test]
fn a_stream_is_framed_as_the_sdks_expect_it() {
    let mut encoder = Encoder::new(shown());
    let usage = Usage { input: Tokens::new(9), output: Tokens::new(5), reasoning: Tokens::new(2), ..Usage::default() };
    let frames = encode(
        &mut encoder,
        &[
            Event::Started { id: "theirs".to_owned(), model: "m-1".to_owned() },
            Event::Reasoning("hm".to_owned()),
            Event::ReasoningSignature("S".to_owned()),
            Event::Text("he".to_owned()),
            Event::Text("y".to_owned()),
            Event::Source { url: "https://x".to_owned(), title: None },
            Event::Call { index: 0, id: "call_9".to_owned(), name: "f".to_owned(), signature: None },
            Event::Arguments { index: 0, fragment: "{}".to_owned() },
            Event::Finished { reason: Finish::ToolCalls, stop_sequence: None },
            Event::Usage(haltline_wire::canon::ReportedUsage::Read(usage)),
            Event::Done,
        ],
    );
    let names: Vec<_> = frames.iter().filter_map(|frame| frame.event).collect();
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.reasoning_summary_part.added",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.done",
            "response.reasoning_summary_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.annotation.added",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let values = values(&frames);
    assert_eq!(values[0]["response"]["status"], "in_progress");
    assert_eq!(values[0]["response"]["usage"], Value::Null);
    let response = &values[20]["response"];
    assert_eq!(response["id"], "resp_1");
    assert_eq!(
        (&response["model"], &response["status"], &response["created_at"]),
        (&json!("m-1"), &json!("completed"), &json!(5))
    );
    assert_eq!(
        response["usage"],
        json!({ "input_tokens": 9, "input_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0 },
                "output_tokens": 5, "output_tokens_details": { "reasoning_tokens": 2 }, "total_tokens": 14 })
    );
    let items = response["output"].as_array().expect("items");
    let kinds: Vec<_> = items
        .iter()
        .map(|item| (item["type"].as_str().unwrap_or_default(), item["id"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(kinds, [("reasoning", "rs_hl_1_0"), ("message", "msg_1_1"), ("function_call", "fc_1_2")]);
    assert_eq!(items[0]["encrypted_content"], "S");
    assert_eq!(items[1]["content"][0]["annotations"][0]["url"], "https://x");
    assert_eq!(items[2]["call_id"], "call_9");
    for required in [
        "object",
        "error",
        "incomplete_details",
        "instructions",
        "metadata",
        "parallel_tool_calls",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
    ] {
        assert!(response.get(required).is_some(), "{required}");
    }
}

#[test]
fn a_response_repeats_its_request_and_turns_custom_calls_back() {
    let body = json!({
        "model": "m", "input": "x", "instructions": "i", "temperature": 0.25, "metadata": { "k": "v" }, "user": null,
        "previous_response_id": "resp_0",
        "tools": [{ "type": "custom", "name": "apply_patch" }, { "type": "function", "name": "f", "parameters": {} }],
    });
    let request = ResponsesRequest::parse(Bytes::from(body.to_string()), &PassFields::none()).expect("accepted");
    let shown = Shown { echo: request.echo(), model: "shown".to_owned(), ..shown() };
    let call = |id: &str, name: &str, arguments: &str| {
        Part::Call(Call {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            signature: None,
            cache: None,
        })
    };
    let answer = Answer {
        model: "theirs".to_owned(),
        parts: vec![call("c1", "apply_patch", "{\"input\":\"*** Begin\\n\"}"), call("c2", "f", "")],
        finish: Some(Finish::ToolCalls),
        done: true,
        ..Answer::default()
    };
    let response: Value = serde_json::from_slice(&encode_answer(&answer, shown)).expect("JSON");
    assert_eq!((&response["instructions"], &response["temperature"]), (&json!("i"), &json!(0.25)));
    assert_eq!((&response["model"], &response["previous_response_id"]), (&json!("shown"), &json!("resp_0")));
    assert_eq!(response["tools"], body["tools"]);
    assert_eq!(response["metadata"], json!({ "k": "v" }));
    let output = &response["output"];
    assert_eq!((&output[0]["type"], &output[0]["input"]), (&json!("custom_tool_call"), &json!("*** Begin\n")));
    assert_eq!((&output[1]["type"], &output[1]["arguments"]), (&json!("function_call"), &json!("{}")));
}

#[test]
fn ends_that_are_no_success_are_told() {
    for (finish, kind, reason) in [
        (Finish::Length, "response.incomplete", json!("max_output_tokens")),
        (Finish::ContentFilter, "response.incomplete", json!("content_filter")),
        (Finish::Refusal, "response.incomplete", json!("content_filter")),
        (Finish::Error, "response.failed", Value::Null),
    ] {
        let mut encoder = Encoder::new(shown());
        let events =
            [Event::Text("a".to_owned()), Event::Finished { reason: finish, stop_sequence: None }, Event::Done];
        let frames = encode(&mut encoder, &events);
        let last = values(&frames).pop().expect("an end");
        assert_eq!(last["type"], kind);
        assert_eq!(last["response"]["incomplete_details"]["reason"], reason);
    }
    let error = json!({ "type": "insufficient_quota", "code": "budget_exceeded", "message": "no", "param": null });
    let mut encoder = Encoder::new(shown());
    let mut frames = encode(&mut encoder, &[Event::Text("a".to_owned())]);
    encoder.fail(&error, &mut frames);
    encoder.encode(&Event::Done, &mut frames);
    let told = values(&frames);
    let numbers: Vec<_> = told.iter().filter_map(|value| value["sequence_number"].as_u64()).collect();
    assert_eq!(numbers, (0..7).collect::<Vec<_>>());
    assert_eq!(told[5]["type"], "error");
    assert_eq!(
        (&told[5]["code"], &told[5]["error"]["type"]),
        (&json!("budget_exceeded"), &json!("insufficient_quota"))
    );
    assert_eq!(
        (&told[6]["type"], &told[6]["response"]["error"]["code"]),
        (&json!("response.failed"), &json!("budget_exceeded"))
    );
    let alone = values(&failure_frames(&shown(), 41, &error));
    assert_eq!((&alone[0]["sequence_number"], &alone[1]["sequence_number"]), (&json!(41), &json!(42)));
}

#[test]
fn servers_that_repeat_themselves_are_counted_once() {
    let read = |events: &[&str]| {
        let mut inspector = Inspector::new();
        let (mut bytes, mut finish, mut done) = (0, None, false);
        for data in events {
            let event = sse::Event { data: Bytes::copy_from_slice(data.as_bytes()), event: None, comment: false };
            match inspector.inspect(&event).expect("an event") {
                Chunk::Delta(delta) => {
                    bytes += delta.text_bytes;
                    finish = finish.or(delta.finish);
                }
                Chunk::Done => done = true,
                Chunk::Error { .. } => panic!("{data}"),
            }
        }
        (bytes, finish, done, inspector.next_sequence_number())
    };
    let message = r#"{"type":"message","content":[{"type":"output_text","text":"hey"}]}"#;
    let delta = r#"{"type":"response.output_text.delta","delta":"hey","output_index":0,"sequence_number":7}"#;
    let item = format!(r#"{{"type":"response.output_item.done","item":{message}}}"#);
    let end = format!(
        r#"{{"type":"response.completed","response":{{"status":"completed","output":[{{"type":"reasoning"}},{message}]}}}}"#
    );
    let stop = Some(Finish::Stop);
    assert_eq!(read(&[delta, &item, &end, "[DONE]"]), (3, stop, true, 8));
    assert_eq!(read(&[&item, &end]), (3, stop, false, 0), "a server that streams items only");
    assert_eq!(read(&[&end]), (3, stop, false, 0), "a server that streams nothing");
    assert_eq!(read(&["", delta]), (3, None, false, 8), "a keep-alive, and a cut");
    let call = r#"{"type":"function_call","id":"fc_1","call_id":"c1","name":"ab","arguments":"{}"}"#;
    let added = format!(r#"{{"type":"response.output_item.added","output_index":0,"item":{call}}}"#);
    let arguments = r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{}"}"#;
    let ended = format!(r#"{{"type":"response.completed","response":{{"status":"completed","output":[{call}]}}}}"#);
    let tools = Some(Finish::ToolCalls);
    assert_eq!(read(&[&added, arguments, &ended]), (4, tools, false, 0));
    assert_eq!(read(&[&added, &ended]), (4, tools, false, 0));
    assert_eq!(read(&[&ended]), (4, tools, false, 0));
    // Two calls with one id are two calls.
    let twice =
        format!(r#"{{"type":"response.completed","response":{{"status":"completed","output":[{call},{call}]}}}}"#);
    assert_eq!(read(&[&twice]), (8, tools, false, 0));
}

#[test]
fn what_cannot_be_written_is_refused_or_named() {
    let mut request = Request {
        messages: vec![Message { role: Role::User, name: Some("n".to_owned()), parts: vec![Part::text("a")] }],
        ..Request::default()
    };
    request.sampling.top_k = Some(5.into());
    request.reasoning = Some(Reasoning { enabled: Some(false), ..Reasoning::default() });
    let written = write(&request, &TARGET).expect("written");
    assert_eq!(written.dropped, ["name", "reasoning", "top_k"]);
    // Thoughts with another provider's seal are left out, never said as text.
    let thought = |signature: Option<&str>| Part::Reasoning {
        text: "t".to_owned(),
        signature: signature.map(str::to_owned),
        redacted: None,
        id: None,
    };
    request.messages.push(Message {
        role: Role::Assistant,
        name: None,
        parts: vec![thought(Some("EqRk")), thought(None), Part::text("b")],
    });
    let body: Value = serde_json::from_slice(&write(&request, &TARGET).expect("written").body).expect("JSON");
    assert_eq!(body["input"].as_array().map(Vec::len), Some(2));
    assert_eq!(body["store"], false);
    request.sampling.stop = vec!["x".to_owned()];
    assert_eq!(write(&request, &TARGET).expect_err("stop").param.as_deref(), Some("stop"));
}

#[test]
fn hostile_sizes_are_no_panic() {
    let deep = format!(r#"{{"type":"response.completed","response":{}"#, "[".repeat(1_000_000));
    let event = sse::Event { data: Bytes::from(deep.clone()), event: None, comment: false };
    assert!(Inspector::new().inspect(&event).is_err());
    assert!(decode_answer(deep.as_bytes()).is_err());
    assert!(ResponsesRequest::parse(Bytes::from(deep), &PassFields::none()).is_err());
    let huge = r#"{"object":"response","status":"completed","output":[],"usage":{"input_tokens":99999999999999999999,"output_tokens":1}}"#;
    let Ok(Decoded::Answer(answer)) = decode_answer(huge.as_bytes()) else { panic!("an answer") };
    assert!(answer.usage.is_none() && answer.usage_unreadable, "an absurd count is no count");
}
