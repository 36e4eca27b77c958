//! An answer that broke off and was gone on with is one answer: for every client dialect, from
//! every provider dialect, cut after every frame.

use super::assemble::{assembled, client_of, take};
use super::traffic::{CLIENTS, as_events, counterpart, parse, recorded_answers, shown, smallest, split, written};
use haltline_types::{NanoUsd, Tokens, Usage};
use haltline_wire::assemble::{PartialAnswer, answer_assembler};
use haltline_wire::canon::{Event, Frame, Message, Part, ReportedUsage, Role, Target};
use haltline_wire::client::{ClientDialect, ClientRequest};
use haltline_wire::continuation::{Continue, PLEASE, Terms};
use haltline_wire::openai::ProviderKind;
use haltline_wire::passage::Passage;
use haltline_wire::provider::ProviderDialect;
use haltline_wire::{Finish, PassFields};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PIECES: [&str; 6] = ["The quick ", "brown fox", " jumps", " over the ", "lazy", " dog."];

fn usage(input: u64, output: u64) -> Usage {
    Usage { input: Tokens::new(input), output: Tokens::new(output), ..Usage::default() }
}

/// What a model says: thoughts, these texts, an end and a count.
fn answer(pieces: &[&str], thinks: bool, counted: Usage) -> Vec<Event> {
    let mut events = vec![Event::Started { id: format!("id-{}", pieces.len()), model: "model-x".to_owned() }];
    if thinks {
        events.push(Event::Reasoning("Let me think.".to_owned()));
    }
    events.extend(pieces.iter().map(|piece| Event::Text((*piece).to_owned())));
    events.push(Event::Usage(ReportedUsage::Read(counted)));
    events.push(Event::Finished { reason: Finish::Stop, stop_sequence: None });
    events
}

/// The stream of a provider that says `events`: that of the client dialect which is its own.
fn provider_stream(provider: ClientDialect, events: &[Event]) -> Vec<Frame> {
    written(provider, events)
}

fn driven(passage: &mut Passage, stream: &[Frame]) -> Vec<Frame> {
    let mut out = Vec::new();
    let Passage::Crossing(crossing) = passage else { return stream.to_vec() };
    let mut ended = false;
    for event in as_events(stream) {
        ended |= crossing.take(&event, &mut out).expect("a stream").done;
    }
    let _ = ended;
    crossing.finish(NanoUsd::new(1), &mut out);
    out
}

const PROVIDERS: [ClientDialect; 4] =
    [ClientDialect::Chat, ClientDialect::Responses, ClientDialect::Messages, ClientDialect::Gemini];

fn terms(how: Continue, pass: &PassFields) -> Terms<'_> {
    Terms { how, given: Tokens::ZERO, with_tools: false, pass }
}

#[test]
fn every_client_gets_one_answer_wherever_the_first_attempt_broke() {
    let (pass, mut ways) = (PassFields::none(), 0);
    let full: String = PIECES.concat();
    for client in CLIENTS {
        let request = smallest(client);
        for provider in PROVIDERS {
            for thinks in [false, true] {
                let dialect = counterpart(provider).expect("a provider's");
                let stream = provider_stream(provider, &answer(&PIECES, thinks, usage(10, 6)));
                let first = driven(&mut request.passage(dialect, &shown()), &stream);
                for cut in 1..first.len() {
                    let sent = first.get(..cut).expect("within");
                    let before = assembled(client, sent);
                    let partial = before.answer();
                    let text = partial.text();
                    if partial.complete || text.is_empty() {
                        continue;
                    }
                    for how in [Continue::Turn, Continue::Prefix] {
                        let next = request.continuation(&partial, &terms(how, &pass)).expect("text alone");
                        // The model goes on, and in a turn repeats its last word.
                        let rest = full.get(text.len()..).expect("a prefix");
                        let word = text.trim_end().rsplit(' ').next().unwrap_or_default();
                        let again = if how == Continue::Turn && text.trim_end() == text && word.len() > 1 {
                            format!("{word}{rest}")
                        } else {
                            rest.to_owned()
                        };
                        let second = provider_stream(provider, &answer(&[&again], thinks, usage(15, 4)));
                        let from = before.resumption().with_usage(Some(usage(10, 2)));
                        let mut passage = next.request.continued_passage(dialect, &shown(), &from, how);
                        let frames = [sent, &driven(&mut passage, &second)].concat();
                        let name = format!("{client:?} of {provider:?} at {cut}, {how:?}, thinks: {thinks}");
                        is_one_answer(client, &frames, &full, &name);
                        ways += 1;
                    }
                }
            }
        }
    }
    assert!(ways > 200, "only {ways} ways");
}

fn values(frames: &[Frame]) -> Vec<Value> {
    frames.iter().filter_map(|frame| serde_json::from_slice(&frame.data).ok()).collect()
}

fn is_one_answer(client: ClientDialect, frames: &[Frame], full: &str, name: &str) {
    let answer = assembled(client, frames).answer();
    assert_eq!(answer.text(), full, "{name}");
    assert!(answer.complete, "{name}");
    let texts = answer.message.parts.iter().filter(|part| matches!(part, Part::Text(_))).count();
    assert_eq!(texts, 1, "{name}: {:?}", answer.message);
    let counted = answer.usage.expect("a count");
    assert_eq!((counted.input.get(), counted.output.get()), (25, 6), "{name}");
    let values = values(frames);
    let of = |kind: &str| values.iter().filter(|value| value["type"] == kind).count();
    match client {
        ClientDialect::Chat => {
            for member in ["id", "model", "created"] {
                let all: BTreeSet<String> = values.iter().map(|value| value[member].to_string()).collect();
                assert_eq!(all.len(), 1, "{name}: {member} {all:?}");
            }
            let choices = || values.iter().filter_map(|value| value["choices"].get(0));
            assert_eq!(choices().filter(|choice| choice["delta"]["role"].is_string()).count(), 1, "{name}");
            assert_eq!(choices().filter(|choice| !choice["finish_reason"].is_null()).count(), 1, "{name}");
            assert_eq!(frames.iter().filter(|frame| &frame.data[..] == b"[DONE]").count(), 1, "{name}");
        }
        ClientDialect::Responses => {
            let numbers: Vec<u64> =
                values.iter().map(|value| value["sequence_number"].as_u64().expect("a number")).collect();
            assert_eq!(numbers, (0..u64::try_from(numbers.len()).expect("few")).collect::<Vec<_>>(), "{name}");
            assert_eq!((of("response.created"), of("response.completed")), (1, 1), "{name}");
            assert_eq!((of("response.output_text.done"), of("response.content_part.added")), (1, 1), "{name}");
            let done = values.iter().find(|value| value["type"] == "response.output_text.done").expect("done");
            assert_eq!(done["text"], full, "{name}");
            let last = values.last().expect("an end");
            let ids: BTreeSet<String> = values
                .iter()
                .filter_map(|value| value.get("response"))
                .map(|response| response["id"].to_string())
                .collect();
            assert_eq!(ids.len(), 1, "{name}");
            let output = last["response"]["output"].as_array().expect("output");
            let message = output.iter().find(|item| item["type"] == "message").expect("a message");
            assert_eq!(message["content"][0]["text"], full, "{name}");
            assert_eq!(message["id"], done["item_id"], "{name}");
        }
        ClientDialect::Messages => {
            for kind in ["message_start", "message_delta", "message_stop"] {
                assert_eq!(of(kind), 1, "{name}: {kind}");
            }
            assert_eq!(of("content_block_start"), of("content_block_stop"), "{name}");
            let mut open = None;
            for value in &values {
                match value["type"].as_str().expect("a type") {
                    "content_block_start" => assert_eq!(open.replace(value["index"].clone()), None, "{name}"),
                    "content_block_delta" => assert_eq!(open.as_ref(), Some(&value["index"]), "{name}"),
                    "content_block_stop" => assert_eq!(open.take(), Some(value["index"].clone()), "{name}"),
                    _ => {}
                }
            }
        }
        ClientDialect::Gemini => {
            for member in ["responseId", "modelVersion"] {
                let all: BTreeSet<String> = values.iter().map(|value| value[member].to_string()).collect();
                assert_eq!(all.len(), 1, "{name}: {member} {all:?}");
            }
            let finished = values.iter().filter(|value| value["candidates"][0]["finishReason"].is_string()).count();
            assert_eq!(finished, 1, "{name}");
        }
        ClientDialect::UiStream => {
            for kind in ["start", "start-step", "text-start", "text-end", "finish-step", "finish"] {
                assert_eq!(of(kind), 1, "{name}: {kind}");
            }
            let ids: BTreeSet<String> = values
                .iter()
                .filter(|value| value["type"].as_str().is_some_and(|kind| kind.starts_with("text-")))
                .map(|value| value["id"].to_string())
                .collect();
            assert_eq!(ids.len(), 1, "{name}");
        }
        ClientDialect::Embeddings => panic!("no answer"),
    }
}

#[test]
fn an_answer_that_broke_before_any_text_is_made_again_in_the_same_stream() {
    let (mut ways, full) = (0, PIECES.concat());
    for client in CLIENTS {
        let request = smallest(client);
        for provider in PROVIDERS {
            let dialect = counterpart(provider).expect("a provider's");
            let stream = provider_stream(provider, &answer(&PIECES, true, usage(10, 6)));
            let first = driven(&mut request.passage(dialect, &shown()), &stream);
            for cut in 0..first.len() {
                let sent = first.get(..cut).expect("within");
                let before = assembled(client, sent);
                if !before.answer().text().is_empty() {
                    break;
                }
                let second = provider_stream(provider, &answer(&PIECES, true, usage(15, 4)));
                let from = before.resumption().with_usage(Some(usage(10, 2)));
                let mut passage = request.continued_passage(dialect, &shown(), &from, Continue::Turn);
                let frames = [sent, &driven(&mut passage, &second)].concat();
                is_one_answer(client, &frames, &full, &format!("{client:?} of {provider:?} at {cut}"));
                ways += 1;
            }
        }
    }
    assert!(ways > 40, "only {ways} ways");
}

#[test]
fn recorded_streams_that_break_are_gone_on_with_by_another_provider() {
    let (pass, mut ways, mut streams) = (PassFields::none(), 0, 0);
    for recorded in recorded_answers().into_iter().filter(|recorded| recorded.streaming) {
        streams += 1;
        let client = client_of(&recorded);
        let events = split(&recorded.body, || usize::MAX);
        for quarter in 1..4 {
            let mut assembler = answer_assembler(client);
            events.iter().take(events.len() * quarter / 4).for_each(|event| take(&mut *assembler, event));
            let partial = assembler.answer();
            let request = smallest(client);
            let Ok(next) = request.continuation(&partial, &terms(Continue::Turn, &pass)) else { continue };
            ways += 1;
            let provider = ProviderDialect::Chat(ProviderKind::Compatible);
            let second = provider_stream(ClientDialect::Chat, &answer(&[" §42 and", " the end."], true, usage(1, 2)));
            let from = assembler.resumption().with_usage(Some(usage(3, 4)));
            let mut passage = next.request.continued_passage(provider, &shown(), &from, Continue::Turn);
            let frames = driven(&mut passage, &second);
            frames.iter().for_each(|frame| assembler.take(frame.event, &frame.data));
            let whole = assembler.answer();
            let name = format!("{} at {quarter}/4", recorded.id);
            let expected = format!("{} §42 and the end.", partial.text());
            // A space that the text so far ends with is not written twice.
            let expected = if partial.text().ends_with(' ') { expected.replace("  §42", " §42") } else { expected };
            assert_eq!(whole.text(), expected, "{name}");
            assert!(whole.complete && whole.finish == Some(Finish::Stop), "{name}: {:?}", whole.finish);
            let counted = whole.usage.map(|usage| (usage.input.get(), usage.output.get()));
            assert_eq!(counted, Some((4, 6)), "{name}");
            if client == ClientDialect::Responses {
                let last: Value = serde_json::from_slice(&frames.last().expect("an end").data).expect("JSON");
                let output = last["response"]["output"].as_array().expect("output");
                let message = output.iter().rev().find(|item| item["type"] == "message").expect("a message");
                let text = message["content"].as_array().and_then(|parts| parts.last()).expect("a part");
                assert!(text["text"].as_str().is_some_and(|text| text.ends_with("the end.")), "{name}: {last}");
                assert!(!last["response"]["id"].as_str().expect("an id").contains("own"), "{name}");
            }
        }
    }
    assert!(streams == 0 || ways > 100, "only {ways} ways of {streams} streams");
}

fn partial(text: &str) -> PartialAnswer {
    let message = Message { role: Role::Assistant, name: None, parts: vec![Part::text(text)] };
    PartialAnswer {
        message,
        finish: None,
        usage: None,
        open_call: false,
        complete: false,
        failed: false,
        choices: 1,
        cut: false,
    }
}

fn outgoing(request: &ClientRequest, provider: ProviderDialect) -> Value {
    let target = Target { model: "m", cap: Tokens::new(10) };
    serde_json::from_slice(&request.outgoing(provider, &target).expect("it can be sent").body).expect("JSON")
}

#[test]
fn every_server_is_asked_in_its_own_way() {
    let pass = PassFields::none();
    let chat = ProviderDialect::Chat;
    for client in CLIENTS {
        let request = smallest(client);
        let going_on = |how| request.continuation(&partial("Hello wor \n"), &terms(how, &pass)).expect("text");
        let prefix = going_on(Continue::Prefix);
        assert_eq!(prefix.boundary, 9);
        assert!(prefix.request.open_ended() && !request.open_ended());
        assert!(prefix.request.measure().ascii_bytes > request.measure().ascii_bytes);
        for kind in [ProviderKind::Mistral, ProviderKind::DeepSeek] {
            let body = outgoing(&prefix.request, chat(kind));
            let last = body["messages"].as_array().and_then(|messages| messages.last()).expect("messages");
            assert_eq!(*last, json!({"role": "assistant", "content": "Hello wor", "prefix": true}), "{client:?}");
        }
        for kind in [ProviderKind::Vllm, ProviderKind::LlamaCpp] {
            let body = outgoing(&prefix.request, chat(kind));
            assert_eq!(
                (&body["continue_final_message"], &body["add_generation_prompt"]),
                (&json!(true), &json!(false))
            );
            let last = body["messages"].as_array().and_then(|messages| messages.last()).expect("messages");
            assert_eq!(*last, json!({"role": "assistant", "content": "Hello wor"}), "{client:?}");
        }
        let body = outgoing(&prefix.request, ProviderDialect::Messages);
        let last = body["messages"].as_array().and_then(|messages| messages.last()).expect("messages");
        assert_eq!(
            (&last["role"], &last["content"][0]["text"]),
            (&json!("assistant"), &json!("Hello wor")),
            "{client:?}"
        );

        let turn = going_on(Continue::Turn);
        assert_eq!(turn.boundary, 11);
        for provider in [chat(ProviderKind::Mistral), ProviderDialect::Messages, ProviderDialect::Gemini] {
            let body = outgoing(&turn.request, provider).to_string();
            let (said, asked) = (body.find("Hello wor"), body.find(PLEASE.get(..40).expect("long")));
            assert!(said.is_some() && said < asked, "{client:?}: {body}");
            assert!(!body.contains("\"prefix\""), "{client:?}");
        }
    }
}

#[test]
fn a_prefix_is_for_those_who_take_it() {
    use Continue::{Prefix, Turn};
    let chat = ProviderDialect::Chat;
    for (provider, base, model, thinking, best) in [
        (ProviderDialect::Messages, "", "claude-sonnet-4-5-20250929", false, Prefix),
        (ProviderDialect::Messages, "", "claude-sonnet-4-5-20250929", true, Turn),
        (ProviderDialect::Messages, "", "claude-opus-4-6", false, Turn),
        (ProviderDialect::Messages, "", "claude-sonnet-5", false, Turn),
        (ProviderDialect::Messages, "", "some-model", false, Turn),
        (chat(ProviderKind::Mistral), "https://api.mistral.ai/v1", "m", false, Prefix),
        (chat(ProviderKind::DeepSeek), "https://api.deepseek.com", "m", false, Turn),
        (chat(ProviderKind::DeepSeek), "https://api.deepseek.com/beta/", "m", false, Prefix),
        (chat(ProviderKind::Vllm), "", "m", false, Prefix),
        (chat(ProviderKind::LlamaCpp), "", "m", true, Turn),
        (chat(ProviderKind::OpenAi), "", "gpt-5", false, Turn),
        (chat(ProviderKind::Compatible), "", "m", false, Turn),
        (ProviderDialect::Responses(ProviderKind::OpenAi), "", "gpt-5", false, Turn),
        (ProviderDialect::Gemini, "", "gemini-3-pro", false, Turn),
    ] {
        assert_eq!(Continue::best(provider, base, model, thinking), best, "{provider:?} {base} {model} {thinking}");
    }
    let asked = parse(
        ClientDialect::Chat,
        br#"{"model":"m","messages":[{"role":"user","content":"a"}],"reasoning_effort":"low"}"#,
    );
    let asked = asked.expect("acceptable");
    assert_eq!(asked.best_continuation(&partial("a"), chat(ProviderKind::Vllm), "", "m"), Turn);
    assert_eq!(
        smallest(ClientDialect::Chat).best_continuation(&partial("a"), chat(ProviderKind::Vllm), "", "m"),
        Prefix
    );
}

#[test]
fn the_cap_is_lowered_by_what_was_given() {
    let pass = PassFields::none();
    for (client, body) in [
        (
            ClientDialect::Chat,
            r#"{"model":"m","max_completion_tokens":100,"messages":[{"role":"user","content":"a"}]}"#,
        ),
        (ClientDialect::Chat, r#"{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"a"}]}"#),
        (ClientDialect::Responses, r#"{"model":"m","max_output_tokens":100,"input":"a"}"#),
        (ClientDialect::Messages, r#"{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"a"}]}"#),
        (
            ClientDialect::Gemini,
            r#"{"contents":[{"parts":[{"text":"a"}]}],"generation_config":{"temperature":1,"max_output_tokens":100}}"#,
        ),
        (
            ClientDialect::UiStream,
            r#"{"maxOutputTokens":100,"messages":[{"role":"user","parts":[{"type":"text","text":"a"}]}]}"#,
        ),
    ] {
        let request = parse(client, body.as_bytes()).expect("acceptable");
        for (given, cap) in [(0, 100), (40, 60), (100, 1), (1_000, 1)] {
            let terms = Terms { given: Tokens::new(given), ..terms(Continue::Turn, &pass) };
            let next = request.continuation(&partial("Hello"), &terms).expect("text");
            assert_eq!(next.request.client_cap(), Some(Tokens::new(cap)), "{client:?} {given}");
        }
    }
    let next = smallest(ClientDialect::Chat).continuation(&partial("Hello"), &terms(Continue::Turn, &pass));
    assert_eq!(next.expect("text").request.client_cap(), None);
}

#[test]
fn what_cannot_be_gone_on_with_is_refused_with_the_reason() {
    let pass = PassFields::none();
    let plain = smallest(ClientDialect::Chat);
    let refused = |request: &ClientRequest, partial: &PartialAnswer, why: &str| {
        let error = request.continuation(partial, &terms(Continue::Prefix, &pass)).expect_err(why);
        assert!(error.message.contains(why), "{error}");
    };
    refused(&plain, &PartialAnswer { complete: true, ..partial("a") }, "complete");
    refused(&plain, &PartialAnswer { open_call: true, ..partial("a") }, "a tool was called");
    refused(&plain, &PartialAnswer { choices: 2, ..partial("a") }, "more than one choice");
    refused(&plain, &PartialAnswer { cut: true, ..partial("a") }, "larger");
    refused(&plain, &partial(" \n"), "no text yet");
    let mut declined = partial("a");
    declined.message.parts.push(Part::Refusal("no".to_owned()));
    refused(&plain, &declined, "declined");
    for (more, why) in [
        (r#""tools":[{"type":"function","function":{"name":"f"}}]"#, "tools are offered"),
        (r#""response_format":{"type":"json_object"}"#, "form other than text"),
        (r#""n":2"#, "cannot cross"),
        (r#""logprobs":true"#, "cannot cross"),
    ] {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"a"}}],{more}}}"#);
        refused(&parse(ClientDialect::Chat, body.as_bytes()).expect("acceptable"), &partial("a"), why);
    }
    let open = br#"{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#;
    let open = parse(ClientDialect::Chat, open).expect("acceptable");
    refused(&open, &partial("c"), "ends with the begin of an answer");
    open.continuation(&partial("c"), &terms(Continue::Turn, &pass)).expect("a turn is possible");
    let tools = br#"{"model":"m","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"f"}}]}"#;
    let tools = parse(ClientDialect::Chat, tools).expect("acceptable");
    tools.continuation(&partial("c"), &Terms { with_tools: true, ..terms(Continue::Turn, &pass) }).expect("allowed");
}
