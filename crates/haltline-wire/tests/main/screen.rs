//! Screening: whatever the rules say may pass, clients get a stream of their dialect that says
//! exactly that, however a secret was cut into pieces, and no final copy says more.

use bytes::Bytes;
use haltline_types::{NanoUsd, Timestamp};
use haltline_wire::PassFields;
use haltline_wire::assemble::{PartialAnswer, answer_assembler};
use haltline_wire::canon::{Frame, Part};
use haltline_wire::client::{Address, ClientDialect, ClientRequest};
use haltline_wire::openai::ProviderKind;
use haltline_wire::passage::Passage;
use haltline_wire::provider::{ProviderDialect, Shown};
use haltline_wire::screen::{Channel, Flow, Kind, Scan, Screen, Screened, whole};
use haltline_wire::sse;
use serde_json::{Value, json};
use std::collections::HashMap;

const SECRET: &str = "zq-0123456789abcdefghij";
const PUT: &str = "[REDACTED]";
const FORBIDDEN: &str = "forbidden!";
/// More than so many characters of a secret in a row are a leak.
const FRAGMENT: usize = 8;

/// Takes one word out, and cuts at another.
#[derive(Default)]
struct Word {
    held: HashMap<Channel, String>,
    found: u32,
}

impl Word {
    /// What may pass of `all`; keeps what may be the begin of a word, if more can come.
    fn judge(&mut self, channel: Channel, text: &str, out: &mut String, is_last: bool) -> Flow {
        let held = self.held.remove(&channel).unwrap_or_default();
        let all = format!("{held}{text}");
        if let Some(at) = all.find(FORBIDDEN) {
            out.push_str(&all[..at]);
            return Flow::Cut;
        }
        let found = all.matches(SECRET).count();
        if !channel.echo {
            self.found += u32::try_from(found).expect("few");
        }
        let rest = all.replace(SECRET, PUT);
        let begins = |from: usize| [SECRET, FORBIDDEN].iter().any(|word| word.starts_with(&rest[from..]));
        let keep = rest.char_indices().map(|(at, _)| at).find(|at| begins(*at)).filter(|_| !is_last);
        let (passes, keeps) = rest.split_at(keep.unwrap_or(rest.len()));
        out.push_str(passes);
        let same = found == 0 && held.is_empty() && keeps.is_empty();
        if !keeps.is_empty() {
            self.held.insert(channel, keeps.to_owned());
        }
        if same {
            out.clear();
            return Flow::Same;
        }
        Flow::Changed
    }
}

impl Scan for Word {
    fn push(&mut self, channel: Channel, text: &str, out: &mut String) -> Flow {
        self.judge(channel, text, out, false)
    }

    fn finish(&mut self, channel: Channel, out: &mut String) -> Flow {
        self.judge(channel, "", out, true)
    }

    fn whole(&mut self, channel: Channel, text: &str, out: &mut String) -> Flow {
        let alone = Channel { place: u64::MAX, ..channel };
        self.judge(alone, text, out, true)
    }

    fn begun(&mut self, channel: Channel, text: &str, out: &mut String) -> Flow {
        let alone = Channel { place: u64::MAX, ..channel };
        let flow = self.judge(alone, text, out, false);
        self.held.remove(&alone);
        flow
    }
}

/// What a provider says.
#[derive(Clone)]
enum Say {
    Text(String),
    Thought(String),
    Arguments(String),
}

const CLIENTS: [ClientDialect; 5] = [
    ClientDialect::Chat,
    ClientDialect::Responses,
    ClientDialect::Messages,
    ClientDialect::Gemini,
    ClientDialect::UiStream,
];

fn client(dialect: ClientDialect) -> ClientRequest {
    let user = json!([{"role": "user", "content": "hi"}]);
    let body = match dialect {
        ClientDialect::Chat | ClientDialect::Embeddings => json!({"model": "m", "messages": user, "stream": true}),
        ClientDialect::Responses => json!({"model": "m", "input": "hi", "stream": true}),
        ClientDialect::Messages => json!({"model": "m", "messages": user, "max_tokens": 9, "stream": true}),
        ClientDialect::Gemini => json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
        ClientDialect::UiStream => {
            json!({"id": "c", "messages": [{"id": "u", "role": "user", "parts": [{"type": "text", "text": "hi"}]}]})
        }
    };
    let address = Address { model: Some("m".to_owned()), stream: true, ..Address::default() };
    ClientRequest::parse(dialect, &address, Bytes::from(body.to_string()), &PassFields::new(["*"])).expect("a request")
}

/// The stream of a provider that says this, as the client's dialect has it.
fn stream(dialect: ClientDialect, said: &[Say]) -> Vec<Frame> {
    let provider = if dialect == ClientDialect::Chat {
        ProviderDialect::Messages
    } else {
        ProviderDialect::Chat(ProviderKind::OpenAi)
    };
    let shown = Shown { id: "a".to_owned(), trace_id: String::new(), created: Timestamp::from_secs(1_795_000_000) };
    let Passage::Crossing(mut crossing) = client(dialect).passage(provider, &shown) else { panic!("a crossing") };
    let mut frames = Vec::new();
    for data in if dialect == ClientDialect::Chat { as_messages(said) } else { as_chat(said) } {
        let event = sse::Event { data: Bytes::from(data.to_string()), event: None, comment: false };
        crossing.take(&event, &mut frames).expect("an event");
    }
    crossing.finish(NanoUsd::ZERO, &mut frames);
    frames
}

fn as_chat(said: &[Say]) -> Vec<Value> {
    let chunk = |delta: Value, finish: Value| {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
               "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let mut chunks = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    let mut called = false;
    for say in said {
        let delta = match say {
            Say::Text(text) => json!({ "content": text }),
            Say::Thought(text) => json!({ "reasoning_content": text }),
            Say::Arguments(text) if called => json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]}),
            Say::Arguments(text) => {
                called = true;
                let function = json!({"name": "f", "arguments": text});
                json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]})
            }
        };
        chunks.push(chunk(delta, Value::Null));
    }
    chunks.push(chunk(json!({}), json!(if called { "tool_calls" } else { "stop" })));
    chunks
}

fn as_messages(said: &[Say]) -> Vec<Value> {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}});
    let mut events = vec![json!({"type": "message_start", "message": message})];
    let mut open: Option<&str> = None;
    let mut index = -1;
    for say in said {
        let (kind, start, delta) = match say {
            Say::Text(text) => {
                ("text", json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": text}))
            }
            Say::Thought(text) => {
                let start = json!({"type": "thinking", "thinking": "", "signature": ""});
                ("thinking", start, json!({"type": "thinking_delta", "thinking": text}))
            }
            Say::Arguments(text) => {
                let start = json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}});
                ("tool", start, json!({"type": "input_json_delta", "partial_json": text}))
            }
        };
        if open != Some(kind) {
            if open.is_some() {
                events.push(json!({"type": "content_block_stop", "index": index}));
            }
            index += 1;
            events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
            open = Some(kind);
        }
        events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
    }
    events.push(json!({"type": "content_block_stop", "index": index}));
    let reason = if open == Some("tool") { "tool_use" } else { "end_turn" };
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}}));
    events.push(json!({"type": "message_stop"}));
    events
}

/// Screens a stream, and says whether it was cut.
fn screened(dialect: ClientDialect, frames: &[Frame], scan: &mut dyn Scan) -> (Vec<Screened>, bool) {
    let mut screen = Screen::new(dialect);
    let mut out = Vec::new();
    for frame in frames {
        let name = frame.event.map(|name| Bytes::from_static(name.as_bytes()));
        let looked = screen.take(name.as_ref(), &frame.data, scan, &mut out).expect("it can be read");
        if looked.cut {
            return (out, true);
        }
    }
    let looked = screen.end(scan, &mut out);
    (out, looked.cut)
}

fn assembled(dialect: ClientDialect, events: &[Screened]) -> PartialAnswer {
    let mut assembler = answer_assembler(dialect);
    for event in events {
        let name = event.event.as_deref().map(|name| std::str::from_utf8(name).expect("UTF-8"));
        assembler.take(name, &event.data);
    }
    assembler.answer()
}

fn passed(frames: &[Frame]) -> Vec<Screened> {
    let name = |frame: &Frame| frame.event.map(|name| Bytes::from_static(name.as_bytes()));
    frames.iter().map(|frame| Screened { event: name(frame), data: frame.data.clone() }).collect()
}

/// No stretch of the secret may be anywhere.
fn assert_no_leak(events: &[Screened], what: &str) {
    for event in events {
        let text = std::str::from_utf8(&event.data).expect("UTF-8");
        for begin in 0..=SECRET.len() - FRAGMENT {
            let fragment = &SECRET[begin..begin + FRAGMENT];
            assert!(!text.contains(fragment), "{what}: {fragment} in {text}");
        }
    }
}

/// Texts joined by kind: where a part begins is not at issue.
fn says(answer: &PartialAnswer) -> (String, String, String) {
    let (mut text, mut thoughts, mut arguments) = (String::new(), String::new(), String::new());
    for part in &answer.message.parts {
        match part {
            Part::Text(part) => text.push_str(&part.text),
            Part::Reasoning { text, .. } => thoughts.push_str(text),
            Part::Call(call) => {
                let value: Value = serde_json::from_str(&call.arguments).expect("JSON");
                arguments.push_str(&value.to_string());
            }
            _ => {}
        }
    }
    (text, thoughts, arguments)
}

fn cuts(text: &str) -> Vec<Vec<String>> {
    let bytes: Vec<String> = text.chars().map(|c| c.to_string()).collect();
    let mut ways = vec![vec![text.to_owned()], bytes];
    for at in 1..text.len() {
        ways.push(vec![text[..at].to_owned(), text[at..].to_owned()]);
    }
    ways
}

#[test]
fn however_a_secret_is_cut_every_dialect_says_the_same_without_it() {
    type Makes = fn(String) -> Say;
    let kinds: [(&str, Makes, String); 3] = [
        ("text", Say::Text, format!("Your key: {SECRET}, zq- is its begin. zq-01")),
        ("thought", Say::Thought, format!("I know {SECRET} and zq")),
        ("arguments", Say::Arguments, format!("{{\"q\":\"a {SECRET} b\",\"n\":[1,\"zq-\"]}}")),
    ];
    for dialect in CLIENTS {
        for (name, makes, text) in &kinds {
            let redacted = text.replace(SECRET, PUT);
            // A model that only thinks has not answered.
            let and = || (*name == "thought").then(|| Say::Text("Well.".to_owned()));
            let expected: Vec<Say> = [makes(redacted)].into_iter().chain(and()).collect();
            let expected = says(&assembled(dialect, &passed(&stream(dialect, &expected))));
            for way in cuts(text) {
                let what = format!("{dialect:?} {name} {way:?}");
                let said: Vec<Say> = way.into_iter().map(makes).chain(and()).collect();
                let mut scan = Word::default();
                let (events, cut) = screened(dialect, &stream(dialect, &said), &mut scan);
                assert!(!cut, "{what}");
                assert_eq!(says(&assembled(dialect, &events)), expected, "{what}");
                assert_no_leak(&events, &what);
                assert!(scan.found >= 1, "{what}");
                assert!(assembled(dialect, &events).finish.is_some(), "{what}");
                if dialect == ClientDialect::Responses {
                    assert_numbered(&events);
                    assert_eq!(scan.found, 1, "{what}: copies are not found again");
                }
            }
        }
    }
}

/// Numbers count from 0 without gaps.
fn assert_numbered(events: &[Screened]) {
    for (place, event) in events.iter().enumerate() {
        let value: Value = serde_json::from_slice(&event.data).expect("JSON");
        assert_eq!(value["sequence_number"].as_u64(), u64::try_from(place).ok(), "{value}");
    }
}

#[test]
fn what_holds_nothing_passes_as_the_very_same_bytes() {
    for dialect in CLIENTS {
        let said: Vec<Say> = "Nothing \"to\"\nsee here, élan 😀.".chars().map(|c| Say::Text(c.to_string())).collect();
        let frames = stream(dialect, &said);
        let (events, _) = screened(dialect, &frames, &mut Word::default());
        assert_eq!(events.len(), frames.len());
        for (event, frame) in events.iter().zip(&frames) {
            assert_eq!(event.data, frame.data);
            assert!(std::ptr::eq(event.data.as_ptr(), frame.data.as_ptr()), "{dialect:?}: a copy");
        }
    }
}

#[test]
fn after_a_cut_nothing_is_given() {
    for dialect in CLIENTS {
        for way in cuts(&format!("Before. {FORBIDDEN} After.")) {
            let said: Vec<Say> = way.into_iter().map(Say::Text).collect();
            let (events, cut) = screened(dialect, &stream(dialect, &said), &mut Word::default());
            assert!(cut);
            let answer = assembled(dialect, &events);
            assert_eq!(answer.text(), "Before. ", "{dialect:?}");
            assert_eq!(answer.finish, None, "{dialect:?}");
        }
    }
}

#[test]
fn a_stream_that_broke_gives_nothing_of_what_was_held() {
    for dialect in CLIENTS {
        let said = [Say::Text("The key is ".to_owned()), Say::Text(SECRET[..12].to_owned())];
        let frames = stream(dialect, &said);
        let mut screen = Screen::new(dialect);
        let (mut out, mut scan) = (Vec::new(), Word::default());
        for frame in &frames {
            let name = frame.event.map(|name| Bytes::from_static(name.as_bytes()));
            screen.take(name.as_ref(), &frame.data, &mut scan, &mut out).expect("it can be read");
            // Right behind the last piece.
            if assembled(dialect, &out).text() == "The key is " && scan.held.len() == 1 {
                break;
            }
        }
        assert_eq!(assembled(dialect, &out).text(), "The key is ", "{dialect:?}");
        assert_no_leak(&out, &format!("{dialect:?}"));
    }
}

#[test]
fn choices_that_come_in_turn_are_apart() {
    let chunk = |index: u64, delta: Value, finish: Value| {
        let choice = json!({"index": index, "delta": delta, "finish_reason": finish});
        json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], "usage": null})
    };
    let mut frames = Vec::new();
    let mut push = |value: Value| frames.push(Frame { event: None, data: Bytes::from(value.to_string()) });
    for (first, second) in SECRET.chars().zip("zq-0123 is no secret, is it".chars()) {
        push(chunk(0, json!({"content": first.to_string()}), Value::Null));
        push(chunk(1, json!({"content": second.to_string()}), Value::Null));
    }
    push(chunk(1, json!({"content": " zq"}), json!("stop")));
    push(chunk(0, json!({}), json!("stop")));
    frames.push(Frame { event: None, data: Bytes::from_static(b"[DONE]") });
    let (events, _) = screened(ClientDialect::Chat, &frames, &mut Word::default());
    assert_no_leak(&events, "choices");
    let mut texts = [String::new(), String::new()];
    for event in events.iter().filter(|event| event.data.starts_with(b"{")) {
        let value: Value = serde_json::from_slice(&event.data).expect("JSON");
        let choice = &value["choices"][0];
        let index = usize::from(choice["index"] == 1);
        texts[index].push_str(choice["delta"]["content"].as_str().unwrap_or_default());
    }
    assert_eq!(texts, [PUT.to_owned(), "zq-0123 is no secret, i zq".to_owned()]);
}

#[test]
fn what_repeats_or_accompanies_a_text_is_looked_at() {
    let half = &SECRET[..12];
    let streams: [(&str, ClientDialect, Vec<Value>); 6] = [
        (
            "Perplexity repeats all text",
            ClientDialect::Chat,
            (1..=SECRET.len())
                .map(|end| json!({"choices": [{"index": 0, "delta": {"content": &SECRET[end - 1..end]}, "message": {"content": &SECRET[..end]}}]}))
                .collect(),
        ),
        (
            "an extra in pieces",
            ClientDialect::Chat,
            SECRET.chars().map(|c| json!({"choices": [{"index": 0, "delta": {"monologue": c.to_string()}}]})).collect(),
        ),
        (
            "tools that ran",
            ClientDialect::Chat,
            vec![json!({"choices": [{"index": 0, "delta": {"executed_tools": [{"output": SECRET}]}}], "x": {"y": [SECRET]}})],
        ),
        (
            "probabilities",
            ClientDialect::Chat,
            SECRET
                .chars()
                .map(|c| {
                    let token = json!({"token": c.to_string(), "logprob": -0.1, "bytes": [1], "top_logprobs": []});
                    json!({"choices": [{"index": 0, "delta": {"content": c.to_string()}, "logprobs": {"content": [token]}}]})
                })
                .collect(),
        ),
        (
            "Gemini's arguments and keys",
            ClientDialect::Gemini,
            vec![json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {SECRET: [SECRET, {"id": SECRET}]}}}]}}]})],
        ),
        (
            "Mistral's thoughts",
            ClientDialect::Chat,
            [half, &SECRET[12..]]
                .iter()
                .map(|text| json!({"choices": [{"index": 0, "delta": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]}}]}))
                .collect(),
        ),
    ];
    for (what, dialect, events) in streams {
        let frames: Vec<Frame> =
            events.iter().map(|value| Frame { event: None, data: Bytes::from(value.to_string()) }).collect();
        let (events, _) = screened(dialect, &frames, &mut Word::default());
        assert_no_leak(&events, what);
        if what == "probabilities" {
            let tokens = |event: &Screened| {
                let value: Value = serde_json::from_slice(&event.data).expect("JSON");
                value["choices"][0]["logprobs"]["content"].as_array().map_or(0, Vec::len)
            };
            assert_eq!(events.iter().map(tokens).sum::<usize>(), 0, "nothing of what was held");
        }
    }
}

#[test]
fn a_member_that_stands_twice_cannot_hide_a_secret() {
    let data = format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{SECRET}","content":"fine"}}}}]}}"#);
    let frames = [Frame { event: None, data: Bytes::from(data) }];
    let (events, _) = screened(ClientDialect::Chat, &frames, &mut Word::default());
    assert_no_leak(&events, "twice");
}

#[test]
fn what_cannot_be_read_does_not_pass() {
    for dialect in CLIENTS {
        for data in [&b"{\"a\":"[..], b"text", b"[1]", b"{\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}"] {
            let mut out = Vec::new();
            let taken = Screen::new(dialect).take(None, &Bytes::copy_from_slice(data), &mut Word::default(), &mut out);
            assert!(taken.is_err() && out.is_empty(), "{dialect:?} {data:?}");
            if data != b"[1]" {
                assert!(whole(dialect, &Bytes::copy_from_slice(data), &mut Word::default()).is_err(), "{dialect:?}");
            }
        }
    }
}

#[test]
fn whole_answers_are_screened_and_stay_as_they_are_without_a_finding() {
    let text = |text: &str| -> [(ClientDialect, Value); 4] {
        let arguments = json!({ "q": text }).to_string();
        [
            (
                ClientDialect::Chat,
                json!({"id": "c", "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": text, "reasoning": text, "tool_calls": [
                        {"id": "i", "type": "function", "function": {"name": "f", "arguments": arguments}}]},
                     "logprobs": {"content": [{"token": text, "logprob": 0.0}]}, "finish_reason": "stop"},
                    {"index": 1, "message": {"role": "assistant", "content": [{"type": "text", "text": text}], "refusal": text}}],
                    "citations": [text], "usage": {"prompt_tokens": 1}}),
            ),
            (
                ClientDialect::Responses,
                json!({"id": "resp_1", "object": "response", "instructions": SECRET, "output": [
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": text}], "encrypted_content": SECRET},
                    {"type": "message", "content": [{"type": "output_text", "text": text, "annotations": [{"title": text}], "logprobs": [{"token": text}]}]},
                    {"type": "function_call", "arguments": arguments}, {"type": "custom_tool_call", "input": text},
                    {"type": "shell_call", "action": {"commands": [text]}}]}),
            ),
            (
                ClientDialect::Messages,
                json!({"type": "message", "content": [{"type": "thinking", "thinking": text, "signature": SECRET},
                    {"type": "text", "text": text, "citations": [{"cited_text": text}]},
                    {"type": "redacted_thinking", "data": SECRET},
                    {"type": "tool_use", "id": "t", "name": "f", "input": {"q": [text]}}]}),
            ),
            (
                ClientDialect::Gemini,
                json!({"candidates": [{"content": {"parts": [{"text": text, "thought": true, "thoughtSignature": SECRET}, {"text": text},
                    {"functionCall": {"name": "f", "args": {"q": text}}}, {"inlineData": {"mimeType": "image/png", "data": SECRET}}]},
                    "finishReason": "STOP", "groundingMetadata": {"webSearchQueries": [text]}}]}),
            ),
        ]
    };
    let dirty = text(&format!("It is {SECRET}."));
    let clean = text(&format!("It is {PUT}."));
    for ((dialect, dirty), (_, clean)) in dirty.into_iter().zip(clean) {
        let body = Bytes::from(clean.to_string());
        let passed = whole(dialect, &body, &mut Word::default()).expect("it can be read").expect("it may pass");
        assert!(std::ptr::eq(body.as_ptr(), passed.as_ptr()), "{dialect:?}: a copy");
        let screened = whole(dialect, &Bytes::from(dirty.to_string()), &mut Word::default());
        let screened = screened.expect("it can be read").expect("it may pass");
        let mut value: Value = serde_json::from_slice(&screened).expect("JSON");
        // Probabilities say the tokens one by one.
        let mut expected = clean;
        for (value, none) in [("/choices/0/logprobs", Value::Null), ("/output/1/content/0/logprobs", json!([]))] {
            if let Some(place) = expected.pointer_mut(value) {
                *place = none;
            }
        }
        assert_eq!(value.take(), expected, "{dialect:?}");
    }
}

#[test]
fn an_answer_that_is_a_list_of_events_is_one_answer() {
    let part =
        |text: &str| json!({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}]});
    let body = json!([part("a zq-01234"), part("56789abcdefghij b"), part(" zq")]);
    let screened = whole(ClientDialect::Gemini, &Bytes::from(body.to_string()), &mut Word::default());
    let value: Value = serde_json::from_slice(&screened.expect("read").expect("passes")).expect("JSON");
    let text: String = value
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|event| event.pointer("/candidates/0/content/parts/0/text").and_then(Value::as_str))
        .collect();
    assert_eq!(text, format!("a {PUT} b zq"));
}

#[test]
fn a_whole_answer_that_must_not_pass_is_none() {
    let body = Bytes::from(json!({"choices": [{"message": {"content": FORBIDDEN}}]}).to_string());
    assert_eq!(whole(ClientDialect::Chat, &body, &mut Word::default()), Ok(None));
}

#[test]
fn kinds_tell_what_a_text_is() {
    #[derive(Default)]
    struct Kinds(Vec<(Kind, u64, String)>);
    impl Scan for Kinds {
        fn push(&mut self, channel: Channel, text: &str, _: &mut String) -> Flow {
            self.0.push((channel.kind, channel.place, text.to_owned()));
            Flow::Same
        }
        fn finish(&mut self, _: Channel, _: &mut String) -> Flow {
            Flow::Same
        }
        fn whole(&mut self, channel: Channel, text: &str, out: &mut String) -> Flow {
            self.push(channel, text, out)
        }
        fn begun(&mut self, channel: Channel, text: &str, out: &mut String) -> Flow {
            self.push(channel, text, out)
        }
    }
    let data = json!({"id": "c", "choices": [{"index": 2, "delta": {"content": "t", "refusal": "r", "reasoning_content": "h",
        "tool_calls": [{"index": 1, "id": "i", "function": {"name": "f", "arguments": "{}"}}]}, "finish_reason": null}]});
    let mut kinds = Kinds::default();
    let data = Bytes::from(data.to_string());
    Screen::new(ClientDialect::Chat).take(None, &data, &mut kinds, &mut Vec::new()).expect("read");
    let said = |kind: Kind, place: u64, text: &str| (kind, place, text.to_owned());
    let expected = [
        said(Kind::Text, 2, "t"),
        said(Kind::Refusal, 2, "r"),
        said(Kind::Reasoning, 2, "h"),
        said(Kind::Other, 0, "f"),
        said(Kind::Arguments, 2, "{}"),
    ];
    assert_eq!(kinds.0, expected);
}

/// Parts that a client joins to one text may say a secret together, also in one piece.
#[test]
fn a_whole_answer_is_screened_as_its_stream_is() {
    let (first, second) = SECRET.split_at(7);
    let cases = [
        (
            ClientDialect::Gemini,
            json!({"candidates": [{"content": {"parts": [{"text": format!("a {first}")}, {"text": format!("{second} b")}]}}]}),
        ),
        (
            ClientDialect::Chat,
            json!({"choices": [{"index": 0, "message": {"content": [
                {"type": "text", "text": format!("a {first}")}, {"type": "text", "text": format!("{second} b")}]}}]}),
        ),
    ];
    for (dialect, body) in cases {
        let mut word = Word::default();
        let body = Bytes::from(body.to_string());
        let passes = whole(dialect, &body, &mut word).expect("it can be read").expect("it may pass");
        let text = String::from_utf8_lossy(&passes).into_owned();
        assert!(text.contains(PUT) && !text.contains(second) && text.contains(" b"), "{dialect:?}: {text}");
        assert_eq!(word.found, 1);
    }
    // What only begins like one is restored, and the body is what it was, byte for byte.
    let text = &SECRET[..9];
    let body = Bytes::from(format!(
        "{{\"choices\": [{{\"index\":0,\"message\": {{\"content\": \"a {text}\"}}}}], \"x\": 1.50}}"
    ));
    let passes = whole(ClientDialect::Chat, &body, &mut Word::default()).expect("it can be read");
    assert_eq!(passes.as_ref(), Some(&body));
}

#[test]
fn the_name_of_an_event_says_nothing() {
    let data = Bytes::from_static(br#"{"choices":[{"index":0,"delta":{"content":"hi"}}]}"#);
    for (name, passes) in [("message_start", true), ("AKIA0", false), ("zq-0123456789abcdefghij", false)] {
        let (mut screen, mut out) = (Screen::new(ClientDialect::Chat), Vec::new());
        for _ in 0..2 {
            let name = Bytes::from(name);
            screen.take(Some(&name), &data, &mut Word::default(), &mut out).expect("it can be read");
        }
        assert!(out.iter().all(|screened| screened.event.is_some() == passes && screened.data == data), "{name}");
    }
}
