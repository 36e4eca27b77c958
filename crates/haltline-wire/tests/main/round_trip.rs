//! Every recorded answer, written for every client dialect and read again: nothing that the client's
//! dialect can say is lost on the way.

use super::traffic::{
    CLIENTS, as_events, counterpart, decode_whole, decoded, decoder, encode_whole, recorded_answers, split, written,
};
use haltline_types::Usage;
use haltline_wire::Finish;
use haltline_wire::canon::{Answer, Call, Decoded, Event, Frame, Part};
use haltline_wire::client::ClientDialect;
use serde_json::Value;

/// Cases that do not come back as they were, each with the client dialect and the reason.
const EXCEPTIONS: [(&str, ClientDialect, &str); 0] = [];

#[test]
fn recorded_answers_survive_every_crossing() {
    let answers = recorded_answers();
    let (mut ways, mut wrong, mut excused) = (0, Vec::new(), Vec::new());
    for recorded in &answers {
        let events = if recorded.streaming {
            decoded(decoder(recorded.dialect), &split(&recorded.body, || usize::MAX)).expect("a stream")
        } else {
            match decode_whole(recorded.dialect, &recorded.body).expect("an answer") {
                Decoded::Answer(answer) => answer.events(),
                Decoded::Failed(_) => continue,
            }
        };
        let said = Answer::of(events.clone());
        for client in CLIENTS {
            ways += 1;
            let mut lost = differences(client, &said, &read_stream(client, &written(client, &events)));
            if !recorded.streaming
                && let Some(own) = counterpart(client)
            {
                let again = decode_whole(own, &encode_whole(client, &said)).expect("an answer of our own");
                let Decoded::Answer(again) = again else { panic!("{}: {client:?}: failed", recorded.id) };
                lost.extend(differences(client, &said, &again).iter().map(|lost| format!("whole: {lost}")));
            }
            if lost.is_empty() {
                continue;
            }
            if EXCEPTIONS.iter().any(|(id, to, _)| *id == recorded.id && *to == client) {
                excused.push((recorded.id.as_str(), client));
                continue;
            }
            wrong.push(format!("{} for {client:?}:\n  {}", recorded.id, lost.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {ways} ways lose something:\n{}", wrong.len(), wrong.join("\n"));
    assert!(answers.is_empty() || ways > 1_000, "only {ways} ways");
    for (id, client, reason) in EXCEPTIONS {
        assert!(answers.is_empty() || excused.contains(&(id, client)), "{id} for {client:?} needs no excuse: {reason}");
    }
}

fn read_stream(client: ClientDialect, frames: &[Frame]) -> Answer {
    match counterpart(client) {
        Some(own) => Answer::of(decoded(decoder(own), &as_events(frames)).expect("a stream of our own")),
        None => read_page(frames),
    }
}

fn differences(client: ClientDialect, said: &Answer, again: &Answer) -> Vec<String> {
    let mut lost = Vec::new();
    let mut compare = |what: &str, before: String, after: String| {
        if before != after {
            lost.push(format!("{what}: {before:?} became {after:?}"));
        }
    };
    // Messages, Gemini and pages have no place for a refusal apart from the text.
    let apart = matches!(client, ClientDialect::Chat | ClientDialect::Responses);
    let refusal = if apart { said.refusal() } else { String::new() };
    let text = if apart { said.text() } else { spoken(said) };
    compare("text", text, again.text());
    compare("refusal", refusal, again.refusal());
    compare("reasoning", said.reasoning(), again.reasoning());
    compare("calls", calls(client, said), calls(client, again));
    let finish = finish(client, said);
    compare("finish", format!("{finish:?}"), format!("{:?}", again.finish));
    let totals = |usage: &Option<Usage>| usage.map(|usage| (usage.input, usage.cached_input, usage.output));
    compare("usage", format!("{:?}", totals(&said.usage)), format!("{:?}", totals(&again.usage)));
    lost
}

/// Text and refusals in the order in which they came.
fn spoken(answer: &Answer) -> String {
    let words = |part: &Part| match part {
        Part::Text(text) => Some(text.text.clone()),
        Part::Refusal(text) => Some(text.clone()),
        _ => None,
    };
    answer.parts.iter().filter_map(words).collect()
}

fn calls(client: ClientDialect, answer: &Answer) -> String {
    let call = |call: &Call| {
        let arguments = match serde_json::from_str::<Value>(&call.arguments) {
            Ok(arguments) => arguments,
            // A call without arguments is one with an empty object.
            Err(_) if call.arguments.trim().is_empty() => Value::Object(serde_json::Map::new()),
            Err(_) => Value::from(call.arguments.as_str()),
        };
        // Google has objects only: anything else stands in one.
        let arguments = match arguments {
            Value::Object(_) => arguments,
            Value::Null if client == ClientDialect::Gemini => serde_json::json!({}),
            other if client == ClientDialect::Gemini => serde_json::json!({ "arguments": other }),
            other => other,
        };
        format!("{} {} {arguments}", call.id, call.name)
    };
    answer.calls().map(call).collect::<Vec<_>>().join("\n")
}

/// What a client reads of why the answer ended, as far as its dialect has the word.
fn finish(client: ClientDialect, said: &Answer) -> Option<Finish> {
    let calls = said.calls().next().is_some();
    let plain = if calls { Finish::ToolCalls } else { Finish::Stop };
    let Some(finish) = said.finish else { return Some(plain) };
    Some(match (client, finish) {
        (_, Finish::Length) => Finish::Length,
        (_, Finish::ToolCalls | Finish::FunctionCall | Finish::Stop) if calls => Finish::ToolCalls,
        (ClientDialect::Messages, Finish::Stop | Finish::Other) if !said.refusal().is_empty() => Finish::Refusal,
        (_, Finish::Stop) => Finish::Stop,
        (ClientDialect::Messages, Finish::ContentFilter) => Finish::Refusal,
        (ClientDialect::Messages, Finish::Other) => plain,
        (ClientDialect::Messages, other) => other,
        (_, Finish::ContentFilter | Finish::Refusal) => Finish::ContentFilter,
        (_, Finish::StopSequence) => Finish::Stop,
        (ClientDialect::Gemini, _) => Finish::Other,
        (ClientDialect::UiStream, Finish::Other) => Finish::Other,
        _ => plain,
    })
}

/// What a page makes of its stream.
fn read_page(frames: &[Frame]) -> Answer {
    let mut answer = Answer::default();
    for frame in frames {
        let Ok(chunk) = serde_json::from_slice::<Value>(&frame.data) else {
            assert_eq!(&frame.data[..], b"[DONE]");
            answer.done = true;
            continue;
        };
        let word = |name: &str| chunk[name].as_str().unwrap_or_default().to_owned();
        match chunk["type"].as_str().expect("a type") {
            "text-delta" => answer.parts.push(Part::text(word("delta"))),
            "reasoning-delta" => {
                let text = word("delta");
                answer.parts.push(Part::Reasoning { text, signature: None, redacted: None, id: None });
            }
            "tool-input-available" | "tool-input-error" => {
                let arguments = match &chunk["input"] {
                    Value::String(text) => text.clone(),
                    input => input.to_string(),
                };
                let (id, name) = (word("toolCallId"), word("toolName"));
                answer.parts.push(Part::Call(Call { id, name, arguments, signature: None, cache: None }));
            }
            "finish" => {
                answer.finish = Some(match chunk["finishReason"].as_str().expect("a reason") {
                    "stop" => Finish::Stop,
                    "length" => Finish::Length,
                    "tool-calls" => Finish::ToolCalls,
                    "content-filter" => Finish::ContentFilter,
                    "error" => Finish::Error,
                    "other" => Finish::Other,
                    word => panic!("no such reason: {word}"),
                });
                let usage = &chunk["messageMetadata"]["usage"];
                let count = |name: &str| haltline_types::Tokens::new(usage[name].as_u64().expect("a count"));
                answer.usage = usage.is_object().then(|| Usage {
                    input: count("inputTokens"),
                    cached_input: count("cachedInputTokens"),
                    output: count("outputTokens"),
                    ..Usage::default()
                });
            }
            _ => {}
        }
    }
    answer
}

#[test]
fn a_crossing_that_loses_something_is_seen() {
    let events = [
        Event::Text("a".to_owned()),
        Event::Call { index: 0, id: "c".to_owned(), name: "f".to_owned(), signature: None },
        Event::Arguments { index: 0, fragment: r#"{"x":1}"#.to_owned() },
        Event::Finished { reason: Finish::ToolCalls, stop_sequence: None },
    ];
    let said = Answer::of(events.clone());
    for client in CLIENTS {
        assert_eq!(differences(client, &said, &read_stream(client, &written(client, &events))), Vec::<String>::new());
        for left_out in 0..3 {
            let mut fewer = events.to_vec();
            fewer.remove(left_out);
            let again = read_stream(client, &written(client, &fewer));
            assert_ne!(differences(client, &said, &again), Vec::<String>::new(), "{client:?} without {left_out}");
        }
    }
}
