//! What a model says that must not get out: on every surface, in streams and whole answers, said by
//! a provider of the same dialect or another, and cut anywhere. Nothing of it is left anywhere.

use crate::world::{Node, Said, World, owner};
use bytes::Bytes;
use haltline_gateway::guard::output::{OutputGuard, OutputSettings};
use haltline_gateway::guard::settings::Mode;
use haltline_gateway::settings::ProviderKind;
use haltline_gateway::{CacheMode, Delivery, From, Incoming, Piece, Presented, Problem, Surface};
use haltline_ports::{DocumentQuery, Documents, Shelf};
use haltline_store_embedded::Disk;
use haltline_types::{Code, Name, NanoUsd, RequestId};
use haltline_wire::assemble::{PartialAnswer, answer_assembler, whole_answer};
use haltline_wire::canon::Part;
use haltline_wire::client::{Address, ClientDialect};
use haltline_wire::sse::Splitter;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const FRAGMENT: usize = 8;
const SURFACES: [ClientDialect; 5] = [
    ClientDialect::Chat,
    ClientDialect::Responses,
    ClientDialect::Messages,
    ClientDialect::Gemini,
    ClientDialect::UiStream,
];

/// A credential of nobody, built from parts.
fn secret() -> String {
    format!("{}{}", "AKIA", "QYLPMN5HFIQR7XYA")
}

/// What a model says, in pieces.
#[derive(Clone)]
enum Say {
    Text(Vec<String>),
    Thought(Vec<String>),
    /// The arguments of a call; what is in them is flagged, unless it is strict.
    Arguments(Vec<String>),
}

fn every_byte(text: &str) -> Vec<String> {
    text.chars().map(|c| c.to_string()).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Chat,
    Messages,
}

impl Speaks {
    /// A stream that says this, one piece a chunk.
    fn stream(self, said: &[Say]) -> Said {
        let mut pieces = Vec::new();
        let mut push = |event: &str, data: Value| {
            let name = if event.is_empty() { String::new() } else { format!("event: {event}\n") };
            pieces.push(Bytes::from(format!("{name}data: {data}\n\n")));
        };
        let mut calls = false;
        match self {
            Self::Chat => {
                let chunk = |delta: Value, finish: Value| {
                    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                           "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
                };
                push("", chunk(json!({"role": "assistant", "content": ""}), Value::Null));
                for say in said {
                    let (Say::Text(texts) | Say::Thought(texts) | Say::Arguments(texts)) = say;
                    if matches!(say, Say::Arguments(_)) {
                        calls = true;
                        let function = json!({"name": "f", "arguments": ""});
                        let call = json!({"index": 0, "id": "call_1", "type": "function", "function": function});
                        push("", chunk(json!({ "tool_calls": [call] }), Value::Null));
                    }
                    for text in texts {
                        let delta = match say {
                            Say::Text(_) => json!({ "content": text }),
                            Say::Thought(_) => json!({ "reasoning_content": text }),
                            Say::Arguments(_) => json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]}),
                        };
                        push("", chunk(delta, Value::Null));
                    }
                }
                push("", chunk(json!({}), json!(if calls { "tool_calls" } else { "stop" })));
                push(
                    "",
                    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}),
                );
                pieces.push(Bytes::from_static(b"data: [DONE]\n\n"));
            }
            Self::Messages => {
                let usage = json!({"input_tokens": 10, "output_tokens": 1});
                let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
                    "stop_reason": null, "stop_sequence": null, "usage": usage});
                push("message_start", json!({"type": "message_start", "message": message}));
                for (index, say) in said.iter().enumerate() {
                    let (Say::Text(texts) | Say::Thought(texts) | Say::Arguments(texts)) = say;
                    let block = match say {
                        Say::Text(_) => json!({"type": "text", "text": ""}),
                        Say::Thought(_) => json!({"type": "thinking", "thinking": "", "signature": ""}),
                        Say::Arguments(_) => {
                            calls = true;
                            json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}})
                        }
                    };
                    let start = json!({"type": "content_block_start", "index": index, "content_block": block});
                    push("content_block_start", start);
                    for text in texts {
                        let delta = match say {
                            Say::Text(_) => json!({"type": "text_delta", "text": text}),
                            Say::Thought(_) => json!({"type": "thinking_delta", "thinking": text}),
                            Say::Arguments(_) => json!({"type": "input_json_delta", "partial_json": text}),
                        };
                        let delta = json!({"type": "content_block_delta", "index": index, "delta": delta});
                        push("content_block_delta", delta);
                    }
                    push("content_block_stop", json!({"type": "content_block_stop", "index": index}));
                }
                let reason = json!({"stop_reason": if calls { "tool_use" } else { "end_turn" }, "stop_sequence": null});
                push("message_delta", json!({"type": "message_delta", "delta": reason, "usage": {"output_tokens": 5}}));
                push("message_stop", json!({"type": "message_stop"}));
            }
        }
        Said { pieces, ..Said::default() }
    }

    /// A whole answer that says this.
    fn whole(self, text: &str, arguments: &str) -> Said {
        let body = match self {
            Self::Chat => {
                let call =
                    json!({"id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}});
                let message =
                    json!({"role": "assistant", "content": text, "reasoning_content": text, "tool_calls": [call]});
                json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
                    "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}})
            }
            Self::Messages => {
                let input: Value = serde_json::from_str(arguments).expect("JSON");
                json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
                    "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 5},
                    "content": [{"type": "text", "text": text},
                        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": input}]})
            }
        };
        Said { pieces: vec![Bytes::from(body.to_string())], ..Said::default() }
    }
}

/// A world whose provider speaks so, and whose gateway looks at answers under these settings.
fn world(speaks: Speaks, settings: OutputSettings) -> World {
    let mut world = World::new();
    world.settings.guard.output = OutputGuard::new(settings).expect("rules");
    let provider = world.settings.providers.get_mut(&Name::new("fake")).expect("the provider");
    provider.kind = match speaks {
        Speaks::Chat => ProviderKind::OpenAiCompatible,
        Speaks::Messages => ProviderKind::Anthropic,
    };
    world
}

fn asking(node: &Node, dialect: ClientDialect, stream: bool) -> Incoming {
    let user = json!([{"role": "user", "content": "hi"}]);
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let (endpoint, body) = match dialect {
        ClientDialect::Chat | ClientDialect::Embeddings => {
            ("/v1/chat/completions", json!({"model": "chat", "messages": user, "stream": stream, "tools": tools}))
        }
        ClientDialect::Responses => ("/v1/responses", json!({"model": "chat", "input": "hi", "stream": stream})),
        ClientDialect::Messages => {
            ("/v1/messages", json!({"model": "chat", "messages": user, "max_tokens": 99, "stream": stream}))
        }
        ClientDialect::Gemini => ("", json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})),
        ClientDialect::UiStream => {
            let parts = json!([{"type": "text", "text": "hi"}]);
            ("", json!({"id": "c", "model": "chat", "messages": [{"id": "u", "role": "user", "parts": parts}]}))
        }
    };
    let mut incoming = node.incoming("a", endpoint, &body);
    match dialect {
        ClientDialect::Gemini => {
            incoming.surface = Surface::GenerateContent { array: false };
            incoming.address = Address { model: Some("chat".to_owned()), stream, ..Address::default() };
        }
        ClientDialect::UiStream => incoming.surface = Surface::UiStream,
        _ => {}
    }
    incoming.claims.session = Some(format!("s-{dialect:?}-{stream}"));
    incoming
}

/// A stream as a client has it.
#[derive(Debug, Default)]
struct Got {
    id: Option<RequestId>,
    bytes: Vec<u8>,
    problem: Option<Problem>,
    signs: usize,
}

async fn read(delivery: Delivery) -> Got {
    let (notes, mut watcher) = match delivery {
        Delivery::Stream { notes, watcher } => (notes, watcher),
        Delivery::Whole { notes, body } => {
            return Got { id: Some(notes.request_id), bytes: body.to_vec(), ..Got::default() };
        }
        Delivery::Problem { notes, problem } => {
            return Got { id: Some(notes.request_id), problem: Some(*problem), ..Got::default() };
        }
    };
    let mut got = Got { id: Some(notes.request_id), ..Got::default() };
    while let Some(piece) = watcher.next().await {
        match piece {
            Piece::Events(batch) => got.bytes.extend_from_slice(&batch.bytes),
            Piece::Sign { .. } => got.signs += 1,
            Piece::Problem { problem, .. } => got.problem = Some(*problem),
            Piece::Complete | Piece::Torn => {}
        }
    }
    got
}

impl Got {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).expect("UTF-8")
    }

    fn answer(&self, dialect: ClientDialect) -> PartialAnswer {
        let mut assembler = answer_assembler(dialect);
        let mut splitter = Splitter::new();
        splitter.push(&Bytes::copy_from_slice(&self.bytes));
        while let Some(event) = splitter.next_event() {
            let event = event.expect("an event");
            if !event.comment {
                let name = event.event.as_deref().map(|name| std::str::from_utf8(name).expect("UTF-8"));
                assembler.take(name, &event.data);
            }
        }
        assembler.answer()
    }
}

fn ask(node: &Node, dialect: ClientDialect, stream: bool) -> Got {
    let (gateway, incoming) = (Arc::clone(&node.gateway), asking(node, dialect, stream));
    node.run(async move { read(gateway.submit(incoming).await).await })
}

fn again(node: &Node, id: RequestId) -> Got {
    let gateway = Arc::clone(&node.gateway);
    node.run(async move {
        let presented = Presented::credential("secret-a");
        let watched = gateway.watch(&presented, &haltline_gateway::Claims::default(), id, From::default()).await;
        read(watched.expect("a stream").delivery).await
    })
}

fn assert_clean(text: &str, secret: &str, what: &str) {
    for begin in 0..=secret.len() - FRAGMENT {
        let fragment = &secret[begin..begin + FRAGMENT];
        assert!(!text.contains(fragment), "{what}: {fragment} in {text}");
    }
}

/// Nothing of it is in any document or on the disk.
fn assert_not_kept(world: &World, node: &Node, secret: &str, what: &str) {
    // Sessions are written behind the line.
    std::thread::sleep(Duration::from_millis(50));
    let now = haltline_ports::Clock::now(&crate::world::WallClock);
    for shelf in [
        Shelf::Response,
        Shelf::Session,
        Shelf::Message,
        Shelf::Job,
        Shelf::DeadLetter,
        Shelf::CachedAnswer,
        Shelf::Case,
    ] {
        let kept =
            node.run(async { node.documents.list(DocumentQuery::of(shelf, 1_000), now).await.expect("documents") });
        for document in kept {
            assert_clean(&String::from_utf8_lossy(&document.body), secret, &format!("{what}: {shelf:?}"));
        }
    }
    for name in world.disk.list().expect("files") {
        let bytes = world.disk.read(&name, 0, 64 << 20).expect("a file");
        assert_clean(&String::from_utf8_lossy(&bytes), secret, &format!("{what}: {name}"));
    }
}

fn says(answer: &PartialAnswer) -> (String, String, String) {
    let (mut text, mut thoughts, mut arguments) = (String::new(), String::new(), String::new());
    for part in &answer.message.parts {
        match part {
            Part::Text(part) => text.push_str(&part.text),
            Part::Reasoning { text, .. } => thoughts.push_str(text),
            Part::Call(call) => arguments.push_str(&call.arguments),
            _ => {}
        }
    }
    (text, thoughts, arguments)
}

fn ways(text: &str, secret: &str) -> Vec<Vec<String>> {
    let at = text.find(secret).expect("it is there");
    let mut ways = vec![vec![text.to_owned()], every_byte(text)];
    for cut in [1, 3, 4, 5, 12, secret.len() - 1] {
        let (begin, end) = text.split_at(at + cut);
        ways.push(vec![begin.to_owned(), end.to_owned()]);
    }
    ways
}

/// In arguments, too.
fn everywhere() -> OutputSettings {
    let tool_arguments = haltline_guard::output::InArguments::AsInText;
    OutputSettings { tool_arguments, ..OutputSettings::default() }
}

#[test]
fn streams_say_everything_but_the_secret_on_every_surface() {
    let secret = secret();
    for speaks in [Speaks::Chat, Speaks::Messages] {
        let world = world(speaks, everywhere());
        let node = world.start();
        let text = format!("The key is {secret}, and \"AKIA\" is its begin.");
        let arguments = format!("{{\"q\":\"{secret}\",\"n\":\"é\\n\"}}");
        for dialect in SURFACES {
            for (pieces, of_arguments) in ways(&text, &secret).into_iter().zip(ways(&arguments, &secret)) {
                let what = format!("{speaks:?} {dialect:?} {pieces:?}");
                let said = [Say::Thought(pieces.clone()), Say::Text(pieces), Say::Arguments(of_arguments)];
                world.provider.says.lock().expect("unpoisoned").push_back(speaks.stream(&said));
                let got = ask(&node, dialect, true);
                assert_eq!(got.problem, None, "{what}");
                assert_clean(&got.text(), &secret, &what);
                let answer = got.answer(dialect);
                assert!(answer.complete && !answer.failed, "{what}: {}", got.text());
                let (text, thoughts, arguments) = says(&answer);
                for said in [&text, &thoughts] {
                    assert!(
                        said.starts_with("The key is [REDACTED") && said.ends_with("], and \"AKIA\" is its begin."),
                        "{what}: {said}"
                    );
                }
                let arguments: Value = serde_json::from_str(&arguments).expect("JSON");
                assert!(arguments["q"].as_str().expect("a text").starts_with("[REDACTED"), "{what}: {arguments}");
                assert_eq!(arguments["n"], "é\n", "{what}");
                let shown = again(&node, got.id.expect("an id"));
                assert_eq!(shown.text(), got.text(), "{what}: shown again");
            }
        }
        assert_not_kept(&world, &node, &secret, &format!("{speaks:?}"));
        node.until("nothing is held", || node.account().1 == NanoUsd::ZERO);
    }
}

#[test]
fn whole_answers_say_everything_but_the_secret_on_every_surface() {
    let secret = secret();
    for speaks in [Speaks::Chat, Speaks::Messages] {
        let world = world(speaks, everywhere());
        let node = world.start();
        for dialect in SURFACES.into_iter().filter(|dialect| *dialect != ClientDialect::UiStream) {
            let what = format!("{speaks:?} {dialect:?}");
            let said = speaks.whole(&format!("It is {secret}."), &json!({ "q": secret }).to_string());
            world.provider.says.lock().expect("unpoisoned").push_back(said);
            let got = ask(&node, dialect, false);
            assert_eq!(got.problem, None, "{what}");
            assert_clean(&got.text(), &secret, &what);
            let (text, _, arguments) = says(&whole_answer(dialect, &got.bytes));
            assert!(text.starts_with("It is [REDACTED") && text.ends_with("]."), "{what}: {text}");
            assert!(arguments.contains("[REDACTED"), "{what}: {arguments}");
            if dialect == ClientDialect::Responses {
                let response: Value = serde_json::from_slice(&got.bytes).expect("JSON");
                let id = response["id"].as_str().expect("an id");
                let kept = node.run(node.gateway.kept_response(&owner("a"), id)).expect("kept");
                assert_clean(&String::from_utf8_lossy(&kept), &secret, "the kept response");
            }
        }
        assert_not_kept(&world, &node, &secret, &format!("{speaks:?}"));
    }
}

/// Ends an answer at a credential.
fn cuts() -> OutputSettings {
    OutputSettings { secrets: Mode::Block, ..OutputSettings::default() }
}

#[test]
fn an_answer_that_must_not_go_on_ends_as_filtered_and_is_shown_so_again() {
    let secret = secret();
    for speaks in [Speaks::Chat, Speaks::Messages] {
        let world = world(speaks, cuts());
        let node = world.start();
        for dialect in SURFACES {
            let what = format!("{speaks:?} {dialect:?}");
            let text = format!("Before it. {secret} After it.");
            let said = speaks.stream(&[Say::Text(every_byte(&text))]);
            world.provider.says.lock().expect("unpoisoned").push_back(said);
            let calls = world.provider.calls();
            let got = ask(&node, dialect, true);
            assert_eq!(world.provider.calls(), calls + 1, "{what}: nothing is asked again");
            let problem = got.problem.as_ref().expect(&what);
            assert_eq!(problem.code, Code::ContentBlocked, "{what}");
            assert!(!problem.should_retry(), "{what}");
            assert_clean(&got.text(), &secret, &what);
            assert!(!got.text().contains("After"), "{what}");
            let answer = got.answer(dialect);
            assert_eq!(answer.text(), "Before it. ", "{what}: {}", got.text());
            let sign = match dialect {
                ClientDialect::Chat => "\"finish_reason\":\"content_filter\"",
                ClientDialect::Responses => "\"reason\":\"content_filter\"",
                ClientDialect::Messages => "\"stop_reason\":\"refusal\"",
                ClientDialect::Gemini => "\"finishReason\":\"SAFETY\"",
                _ => "\"finishReason\":\"content-filter\"",
            };
            assert!(got.text().contains(sign), "{what}: {}", got.text());
            assert!(!got.text().contains("[DONE]") && !got.text().contains("message_stop"), "{what}");
            let shown = again(&node, got.id.expect("an id"));
            assert_eq!(
                (shown.text(), shown.problem.map(|problem| problem.code)),
                (got.text(), Some(Code::ContentBlocked)),
                "{what}"
            );
        }
        assert_not_kept(&world, &node, &secret, &format!("{speaks:?}"));
        node.until("nothing is held", || node.account().1 == NanoUsd::ZERO);
    }
}

#[test]
fn what_must_not_be_said_before_anything_is_said_is_a_refusal() {
    let secret = secret();
    for (stream, said) in
        [(true, Speaks::Chat.stream(&[Say::Text(every_byte(&secret))])), (false, Speaks::Chat.whole(&secret, "{}"))]
    {
        let world = world(Speaks::Chat, cuts());
        let node = world.start();
        for dialect in [ClientDialect::Chat, ClientDialect::Responses, ClientDialect::Messages, ClientDialect::Gemini] {
            world.provider.says.lock().expect("unpoisoned").push_back(said.clone());
            let got = ask(&node, dialect, stream);
            let problem = got.problem.as_ref().unwrap_or_else(|| panic!("{dialect:?} {stream}: {}", got.text()));
            assert_eq!((problem.code, problem.code.status()), (Code::ContentBlocked, 400), "{dialect:?}");
            assert_eq!(got.text(), "", "{dialect:?} {stream}");
        }
        // What the provider counted is charged; of a stream that was cut, all that was held.
        node.until("nothing is held", || node.account().1 == NanoUsd::ZERO);
        assert!(node.account().0 >= NanoUsd::new(4 * 60_000));
    }
}

#[test]
fn a_secret_that_two_attempts_say_together_is_found() {
    let secret = secret();
    for cut in [2, 4, 10, 19] {
        let mut world = world(Speaks::Chat, OutputSettings::default());
        world.settings.retry.max_retries = 1;
        world.settings.retry.base = Duration::from_millis(1);
        let node = world.start();
        for dialect in SURFACES {
            let what = format!("{dialect:?} {cut}");
            let mut first =
                Speaks::Chat.stream(&[Say::Text(vec!["The key is".to_owned(), format!(" {}", &secret[..cut])])]);
            first.pieces.truncate(3);
            first.breaks = true;
            let second = Speaks::Chat.stream(&[Say::Text(vec![secret[cut..].to_owned(), ". That is all.".to_owned()])]);
            world.provider.says.lock().expect("unpoisoned").extend([first, second]);
            let mut incoming = asking(&node, dialect, true);
            if dialect == ClientDialect::Chat {
                // Offered tools forbid to go on.
                let body = json!({"model": "chat", "messages": [{"role": "user", "content": "hi"}], "stream": true});
                incoming.body = Bytes::from(body.to_string());
            }
            let gateway = Arc::clone(&node.gateway);
            let got = node.run(async move { read(gateway.submit(incoming).await).await });
            assert_eq!(got.problem, None, "{what}");
            assert_clean(&got.text(), &secret, &what);
            let text = got.answer(dialect).text();
            assert!(text.starts_with("The key is [REDACTED") && text.ends_with("]. That is all."), "{what}: {text}");
        }
    }
}

#[test]
fn a_client_hears_of_a_slow_stream_whose_text_is_held() {
    let secret = secret();
    let mut world = world(Speaks::Chat, OutputSettings::default());
    world.settings.streams.heartbeat = Duration::from_millis(50);
    let node = world.start();
    let mut said = Speaks::Chat.stream(&[Say::Text(vec![secret[..10].to_owned(), secret[10..].to_owned()])]);
    said.pause = Duration::from_millis(600);
    world.provider.says.lock().expect("unpoisoned").push_back(said);
    let got = ask(&node, ClientDialect::Chat, true);
    assert!(got.signs >= 2, "{} signs", got.signs);
    assert_clean(&got.text(), &secret, "slow");
    assert!(got.answer(ClientDialect::Chat).text().starts_with("[REDACTED"));
}

#[test]
fn choices_that_come_in_turn_are_apart() {
    let secret = secret();
    let world = world(Speaks::Chat, OutputSettings::default());
    let node = world.start();
    let chunk = |index: u64, delta: Value, finish: Value| {
        let choice = json!({"index": index, "delta": delta, "finish_reason": finish});
        let data =
            json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
        Bytes::from(format!("data: {data}\n\n"))
    };
    let mut pieces = Vec::new();
    for (first, second) in every_byte(&secret).into_iter().zip(every_byte("Nothing of AKIA here")) {
        pieces.push(chunk(0, json!({ "content": first }), Value::Null));
        pieces.push(chunk(1, json!({ "content": second }), Value::Null));
    }
    pieces.push(chunk(1, json!({}), json!("stop")));
    pieces.push(chunk(0, json!({}), json!("stop")));
    pieces.push(Bytes::from_static(b"data: [DONE]\n\n"));
    world.provider.says.lock().expect("unpoisoned").push_back(Said { pieces, ..Said::default() });
    let mut incoming = asking(&node, ClientDialect::Chat, true);
    let body = json!({"model": "chat", "n": 2, "messages": [{"role": "user", "content": "hi"}], "stream": true});
    incoming.body = Bytes::from(body.to_string());
    let gateway = Arc::clone(&node.gateway);
    let got = node.run(async move { read(gateway.submit(incoming).await).await });
    assert_eq!(got.problem, None);
    assert_clean(&got.text(), &secret, "choices");
    let mut texts: BTreeMap<u64, String> = BTreeMap::new();
    for line in got.text().lines().filter_map(|line| line.strip_prefix("data: {")) {
        let value: Value = serde_json::from_str(&format!("{{{line}")).expect("JSON");
        let choice = &value["choices"][0];
        let text = choice["delta"]["content"].as_str().unwrap_or_default();
        texts.entry(choice["index"].as_u64().unwrap_or(0)).or_default().push_str(text);
    }
    assert!(texts[&0].starts_with("[REDACTED") && texts[&0].ends_with(']'), "{texts:?}");
    assert_eq!(texts[&1], "Nothing of AKIA here");
}

#[test]
fn what_is_remembered_and_what_jobs_keep_is_what_was_said() {
    let secret = secret();
    let world = world(Speaks::Chat, OutputSettings::default());
    let node = world.start();
    let plain = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": format!("It is {secret}.")}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}});
    let whole = Said { pieces: vec![Bytes::from(plain.to_string())], ..Said::default() };
    let streamed = Speaks::Chat.stream(&[Say::Text(every_byte(&format!("It is {secret}.")))]);
    world.provider.says.lock().expect("unpoisoned").extend([whole.clone(), streamed]);
    for stream in [false, true] {
        for round in 0..2 {
            let mut incoming = node.incoming(
                "a",
                "/v1/chat/completions",
                &json!({
                "model": "chat", "messages": [{"role": "user", "content": "hi"}], "stream": stream}),
            );
            incoming.claims.cache.mode = CacheMode::On;
            let gateway = Arc::clone(&node.gateway);
            let got = node.run(async move { read(gateway.submit(incoming).await).await });
            assert_eq!(got.problem, None);
            assert!(got.text().contains("[REDACTED"), "{stream} {round}: {}", got.text());
            assert_clean(&got.text(), &secret, "the cache");
        }
    }
    assert_eq!(world.provider.calls(), 2, "the second of each was remembered");
    world.provider.says.lock().expect("unpoisoned").push_back(whole);
    let job = node.submit("a", "a job");
    let job = node.wait_for("a", &job, "succeeded");
    assert_clean(&job.to_string(), &secret, "the job");
    assert_not_kept(&world, &node, &secret, "remembered");
}

#[test]
fn a_cut_stream_that_is_not_kept_ends_as_filtered_too() {
    let secret = secret();
    let mut world = world(Speaks::Chat, cuts());
    world.settings.streams.kept = false;
    let node = world.start();
    for dialect in SURFACES {
        let said = Speaks::Chat.stream(&[Say::Text(every_byte(&format!("Before. {secret}")))]);
        world.provider.says.lock().expect("unpoisoned").push_back(said);
        let got = ask(&node, dialect, true);
        assert_eq!(got.problem.as_ref().map(|problem| problem.code), Some(Code::ContentBlocked), "{dialect:?}");
        let answer = got.answer(dialect);
        assert_eq!(answer.text(), "Before. ", "{dialect:?}: {}", got.text());
        assert!(answer.finish.is_some(), "{dialect:?}: {}", got.text());
    }
}

#[test]
fn without_rules_nothing_is_touched() {
    let secret = secret();
    let world = world(Speaks::Chat, OutputSettings::off());
    let node = world.start();
    world.provider.says.lock().expect("unpoisoned").push_back(Speaks::Chat.stream(&[Say::Text(vec![secret.clone()])]));
    assert_eq!(ask(&node, ClientDialect::Chat, true).answer(ClientDialect::Chat).text(), secret);
}
