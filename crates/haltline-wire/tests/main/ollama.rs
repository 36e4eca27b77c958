//! Ollama's own API: recorded answers in random pieces, errors, counts that are none, hostile bytes.

use super::recorded::{fixtures, folders, json};
use bytes::Bytes;
use haltline_types::{Tokens, Usage};
use haltline_wire::Finish;
use haltline_wire::canon::{Answer, Decode, Decoded, Event, Inspect, metered};
use haltline_wire::chunk::{Chunk, Whole};
use haltline_wire::ollama::{Decoder, Inspector, Lines, decode_answer, inspect_answer};
use haltline_wire::sse;
use proptest::prelude::*;
use serde_json::Value;

fn lines(body: &[u8], size: usize) -> Vec<sse::Event> {
    let mut lines = Lines::new();
    let mut events = Vec::new();
    for piece in body.chunks(size) {
        lines.push(piece);
        events.extend(std::iter::from_fn(|| lines.next_event()).map(|event| event.expect("small")));
    }
    events.extend(lines.last_event());
    events
}

fn decoded(events: &[sse::Event]) -> Vec<Event> {
    let (mut decoder, mut inspector) = (Decoder::new(), Inspector::new());
    let mut all = Vec::new();
    for event in events {
        let mut out = Vec::new();
        decoder.decode(event, &mut out).expect("a line");
        match inspector.inspect(event).expect("a line") {
            Chunk::Delta(delta) => {
                let seen = metered(&out);
                assert_eq!((delta.usage, delta.finish, delta.text_bytes), (seen.usage, seen.finish, seen.text_bytes));
            }
            Chunk::Error { .. } => assert!(matches!(&out[..], [Event::Failed(_)])),
            Chunk::Done => panic!("no line is that"),
        }
        all.extend(out);
    }
    all
}

#[test]
fn recorded_answers_are_read_as_their_records_say() {
    let Some(root) = fixtures() else { return };
    let mut cases = 0;
    for case in folders(&root.join("dev")).iter().flat_map(|provider| folders(provider)) {
        let record = json(&case.join("case.json"));
        if !record["api"].as_str().is_some_and(|api| api.starts_with("ollama.")) {
            continue;
        }
        cases += 1;
        let body = std::fs::read(case.join("response.body")).expect("a body");
        if record["streaming"] == true {
            for size in [1, 7, 100, body.len()] {
                check(&record, &Answer::of(decoded(&lines(&body, size))));
            }
        } else if let Decoded::Answer(answer) = decode_answer(&body).expect("an answer") {
            check(&record, &answer);
            let Ok(Whole::Complete(delta)) = inspect_answer(&body) else { panic!("an answer") };
            assert_eq!(delta.usage, answer.usage);
        } else {
            panic!("{} is no error", record["id"]);
        }
    }
    assert!(cases >= 8, "only {cases} cases were found");
}

fn check(record: &Value, answer: &Answer) {
    let (id, expected) = (&record["id"], &record["expected"]);
    let text = |name: &str| expected[name].as_str().unwrap_or_default();
    assert_eq!(
        (answer.text(), answer.reasoning()),
        (text("text").to_owned(), text("reasoning_text").to_owned()),
        "{id}"
    );
    let calls: Vec<Value> = answer
        .calls()
        .map(|call| serde_json::json!({"name": call.name, "arguments": arguments(&call.arguments)}))
        .collect();
    let recorded: Vec<Value> = expected["tool_calls"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|call| serde_json::json!({"name": call["name"], "arguments": arguments(call["arguments"].as_str().expect("text"))}))
        .collect();
    assert_eq!(calls, recorded, "{id}");
    let finish = match answer.finish {
        Some(Finish::ToolCalls) => "stop",
        Some(finish) => finish.word(),
        None => "",
    };
    assert_eq!((finish, answer.done), (text("finish_reason"), expected["complete"] == true), "{id}");
    let count = |name: &str| Tokens::new(expected["usage"][name].as_u64().unwrap_or(0));
    let usage = Usage { input: count("input"), output: count("output"), ..Usage::default() };
    assert_eq!(answer.usage, Some(usage), "{id}");
}

fn arguments(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn an_error_in_the_middle_is_an_error() {
    let body = b"{\"model\":\"m\",\"message\":{\"content\":\"hi\"},\"done\":false}\n\n{\"error\":\"an error was encountered while running the model\"}\n";
    let events = decoded(&lines(body, 5));
    assert!(matches!(events.last(), Some(Event::Failed(seed)) if seed.message.contains("running the model")));
    assert!(matches!(decode_answer(br#"{"error":"model 'x' not found"}"#), Ok(Decoded::Failed(_))));
    assert!(decode_answer(b"[]").is_err() && decode_answer(br#"{"models":[]}"#).is_err());
}

#[test]
fn counts_that_are_none_are_no_report() {
    for counts in [r#""prompt_eval_count":-1,"eval_count":3"#, r#""prompt_eval_count":3"#, r#""eval_count":2.5"#] {
        let body = format!(r#"{{"response":"x","done":true,{counts}}}"#);
        let Ok(Whole::Complete(delta)) = inspect_answer(body.as_bytes()) else { panic!("an answer") };
        assert!(delta.usage_unreadable && delta.usage.is_none(), "{counts}");
    }
}

#[test]
fn a_line_without_an_end_does_not_grow_for_ever() {
    let mut lines = Lines::new();
    lines.push(&Bytes::from(vec![b'x'; sse::EVENT_BYTES_MAX + 1]));
    assert!(matches!(lines.next_event(), Some(Err(_))));
    lines.push(b"{}\n");
    assert_eq!(lines.next_event(), None);
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused_or_read(data in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..20) {
        for event in lines(&data, size) {
            let mut out = Vec::new();
            let decoded = Decoder::new().decode(&event, &mut out);
            prop_assert_eq!(decoded.is_ok(), Inspector::new().inspect(&event).is_ok());
        }
        let _ = (decode_answer(&data), inspect_answer(&data));
    }
}
