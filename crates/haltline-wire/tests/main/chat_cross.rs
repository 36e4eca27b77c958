//! Chat answers that cross to another dialect: what is decoded is what the records say, what meters
//! see, and what our own encoder would say again.

use super::recorded::{fixtures, folders, json};
use bytes::{Bytes, BytesMut};
use haltline_types::{Timestamp, Tokens, Usage};
use haltline_wire::Finish;
use haltline_wire::canon::{
    Answer, Call, Decode, Decoded, Encode, Event, Inspect, Media, MediaSource, Part, ReportedUsage, metered,
};
use haltline_wire::chunk::{Chunk, Delta, Whole};
use haltline_wire::openai::chat::{Decoder, Encoder, Inspector, Shown, decode_answer, encode_answer, inspect_answer};
use haltline_wire::sse::{self, Splitter};
use proptest::prelude::*;
use serde_json::Value;

/// Splits `body` into pieces whose sizes `seed` decides, and gives every event that is no comment.
pub(crate) fn events(body: &[u8], seed: u64) -> Vec<sse::Event> {
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
        events.extend(std::iter::from_fn(|| splitter.next_event()).map(|event| event.expect("small")));
    }
    events.retain(|event| !event.comment);
    events
}

fn decoded(body: &[u8], seed: u64) -> Vec<Event> {
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    for event in events(body, seed) {
        decoder.decode(&event, &mut out).expect("a chunk");
    }
    out
}

#[test]
fn recorded_answers_cross_as_their_records_say() {
    let Some(root) = fixtures() else { return };
    let mut cases = 0;
    let mut wrong = Vec::new();
    for case in folders(&root.join("dev")).iter().flat_map(|provider| folders(provider)) {
        let record = json(&case.join("case.json"));
        let chat = record["api"] == "openai.chat" || record["api"] == "openai.completions";
        if !chat || record["http_status"].as_u64().is_some_and(|status| status >= 400) {
            continue;
        }
        cases += 1;
        let body = std::fs::read(case.join("response.body")).expect("a body");
        let whole = || match decode_answer(&body).expect("an answer") {
            Decoded::Answer(answer) => Ok(*answer),
            Decoded::Failed(seed) => Err(seed),
        };
        if record["streaming"] == true {
            for seed in 0..3 {
                let events = decoded(&body, seed);
                let failed = events.iter().any(|event| matches!(event, Event::Failed(_)));
                differences(&record, &Answer::of(events), failed, &mut wrong);
            }
        } else {
            match whole() {
                Ok(answer) => differences(&record, &answer, false, &mut wrong),
                Err(_) => differences(&record, &Answer::default(), true, &mut wrong),
            }
        }
    }
    assert!(cases > 120, "only {cases} cases were found");
    wrong.dedup();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn differences(record: &Value, answer: &Answer, failed: bool, wrong: &mut Vec<String>) {
    let expected = &record["expected"];
    let mut compare = |name: &str, ours: String, theirs: String| {
        if ours != theirs {
            wrong.push(format!("{}: {name}: ours {ours:?}, recorded {theirs:?}", record["id"]));
        }
    };
    let text = |name: &str| expected[name].as_str().unwrap_or_default().to_owned();
    compare("failed", failed.to_string(), (!expected["error"].is_null()).to_string());
    compare("refusal", answer.refusal(), text("refusal"));
    if expected["error"].is_null() {
        compare("text", answer.text(), text("text"));
        // The records leave out summaries of reasoning that stand alone.
        if !(answer.reasoning().len() > text("reasoning_text").len() && text("reasoning_text").is_empty()) {
            compare("reasoning", answer.reasoning(), text("reasoning_text"));
        }
    }
    if expected["finish_reason"] != "function_call" {
        let call = |id: &str, name: &str, arguments: &str| {
            let arguments: Value = serde_json::from_str(arguments).unwrap_or_else(|_| Value::from(arguments));
            format!("{id} {name} {arguments}")
        };
        let ours: Vec<String> = answer.calls().map(|c| call(&c.id, &c.name, &c.arguments)).collect();
        let theirs: Vec<String> = expected["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|c| {
                let word = |name: &str| c[name].as_str().unwrap_or_default();
                call(word("id"), word("name"), word("arguments"))
            })
            .collect();
        compare("calls", ours.join("\n"), theirs.join("\n"));
        let finish = match answer.finish {
            Some(Finish::ToolCalls) if expected["finish_reason"] == "stop" && !theirs.is_empty() => "stop",
            Some(finish) => finish.word(),
            None => "",
        };
        compare("finish", finish.to_owned(), text("finish_reason"));
    }
}

#[test]
fn meters_and_decoders_see_the_same() {
    let Some(root) = fixtures() else { return };
    for case in folders(&root.join("dev")).iter().flat_map(|provider| folders(provider)) {
        let record = json(&case.join("case.json"));
        if record["api"] != "openai.chat" && record["api"] != "openai.completions" {
            continue;
        }
        let body = std::fs::read(case.join("response.body")).expect("a body");
        if record["streaming"] == true {
            agree(&events(&body, 7), &record["id"].to_string());
        } else if let (Ok(Whole::Complete(delta)), Ok(Decoded::Answer(answer))) =
            (inspect_answer(&body), decode_answer(&body))
            && delta.finished < 2
        {
            same(&delta, &metered(&answer.events()), &record["id"].to_string());
        }
    }
}

fn agree(events: &[sse::Event], what: &str) {
    let mut inspector = Inspector::new();
    let mut decoder = Decoder::new();
    for event in events {
        let mut out = Vec::new();
        let decoded = decoder.decode(event, &mut out);
        match inspector.inspect(event) {
            Ok(chunk) => {
                assert_eq!(decoded, Ok(()));
                let failed = out.iter().any(|event| matches!(event, Event::Failed(_)));
                let (delta, fails) = match chunk {
                    Chunk::Done => {
                        assert_eq!(out, [Event::Done]);
                        continue;
                    }
                    Chunk::Delta(delta) => (delta, false),
                    Chunk::Error { delta, .. } => (delta, true),
                };
                assert_eq!(failed, fails, "{what}: {event:?}");
                let several = serde_json::from_slice::<Value>(&event.data).is_ok_and(|chunk| {
                    chunk["choices"]
                        .as_array()
                        .is_some_and(|choices| choices.iter().any(|choice| choice["index"].as_u64().unwrap_or(0) != 0))
                });
                if !several {
                    same(&delta, &metered(&out), &format!("{what}: {event:?}"));
                }
            }
            Err(error) => assert_eq!(decoded, Err(error)),
        }
    }
}

fn same(inspected: &Delta, decoded: &Delta, what: &str) {
    let of = |delta: &Delta| (delta.usage, delta.usage_unreadable, delta.finish, delta.nonempty);
    assert_eq!(of(inspected), of(decoded), "{what}");
}

fn event(data: &str) -> sse::Event {
    sse::Event { data: Bytes::copy_from_slice(data.as_bytes()), event: None, comment: false }
}

fn answer_of(chunks: &[&str]) -> Answer {
    let events: Vec<sse::Event> = chunks.iter().map(|data| event(data)).collect();
    agree(&events, "by hand");
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    for event in &events {
        decoder.decode(event, &mut out).expect("a chunk");
    }
    Answer::of(out)
}

#[test]
fn tool_calls_are_told_apart_however_they_are_numbered() {
    let call = |text: &str| format!(r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":{text}}}}}]}}"#);
    for (pieces, expected) in [
        // No index: ids decide.
        (
            vec![
                r#"[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"g","arguments":"{}"}}]"#,
            ],
            vec![("a", "f", "{}"), ("b", "g", "{}")],
        ),
        // No id and no index: a name begins a call.
        (
            vec![r#"[{"function":{"name":"f","arguments":{"x":1}}}]"#, r#"[{"function":{"name":"g","arguments":{}}}]"#],
            vec![("call_0", "f", r#"{"x":1}"#), ("call_1", "g", "{}")],
        ),
        // Each call whole, all with index 0.
        (
            vec![
                r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]"#,
                r#"[{"index":0,"id":"b","function":{"name":"f","arguments":"{\"y\":2}"}}]"#,
            ],
            vec![("a", "f", "{}"), ("b", "f", r#"{"y":2}"#)],
        ),
        // The id on every piece, and a blank one.
        (
            vec![
                r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}}]"#,
                r#"[{"index":0,"id":"a","function":{"arguments":":"}}]"#,
                r#"[{"index":0,"id":"","function":{"name":null,"arguments":"3}"}}]"#,
            ],
            vec![("a", "f", r#"{"x":3}"#)],
        ),
        // Interleaved pieces.
        (
            vec![
                r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}},{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}]"#,
                r#"[{"index":1,"function":{"arguments":"}"}},{"index":0,"function":{"arguments":"}"}}]"#,
            ],
            vec![("a", "f", "{}"), ("b", "g", "{}")],
        ),
        // Two calls with one id.
        (
            vec![
                r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":1,"id":"a","function":{"name":"f","arguments":"{}"}}]"#,
            ],
            vec![("a", "f", "{}"), ("a_1", "f", "{}")],
        ),
    ] {
        let mut chunks: Vec<String> = pieces.iter().map(|piece| call(piece)).collect();
        chunks.push(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#.to_owned());
        let answer = answer_of(&chunks.iter().map(String::as_str).collect::<Vec<_>>());
        let ours: Vec<_> = answer.calls().map(|c| (c.id.as_str(), c.name.as_str(), c.arguments.as_str())).collect();
        assert_eq!(ours, expected, "{pieces:?}");
        assert_eq!(answer.finish, Some(Finish::ToolCalls), "{pieces:?}");
    }
}

#[test]
fn content_in_other_shapes_is_read() {
    let chunk = |delta: &str| format!(r#"{{"id":"x","choices":[{{"delta":{delta}}}]}}"#);
    for (delta, text, reasoning) in [
        (r#"{"content":null,"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a"}]}"#, "", "a"),
        (r#"{"reasoning_details":[{"type":"reasoning.summary","summary":"s"},{"data":"sealed"}]}"#, "", "s"),
        (
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"x"},{"type":"reference","reference_ids":[1]}]}"#,
            "x",
            "t",
        ),
        (r#"{"content":["a",{"text":"b"}]}"#, "ab", ""),
        (r#"{"content":{"type":"text","text":"o"}}"#, "o", ""),
        (
            r#"{"images":[{"type":"image_url","image_url":{"url":"https://e.com/a.png"}}]}"#,
            "![image](https://e.com/a.png)",
            "",
        ),
    ] {
        let answer = answer_of(&[&chunk(delta)]);
        assert_eq!((answer.text().as_str(), answer.reasoning().as_str()), (text, reasoning), "{delta}");
    }
    let picture =
        answer_of(&[&chunk(r#"{"content":"","images":[{"image_url":{"url":"data:image/png;base64,AA=="}}]}"#)]);
    assert!(matches!(&picture.parts[..], [Part::Image(_)]), "{picture:?}");
    let sources = answer_of(&[
        r#"{"citations":["https://a.com"],"search_results":[{"url":"https://a.com","title":"A"}],"choices":[{"delta":{"content":"x","annotations":[{"type":"url_citation","url_citation":{"url":"https://b.com","title":"B"}}]}}]}"#,
        r#"{"citations":["https://a.com","https://c.com"],"choices":[{"delta":{"content":"y"}}]}"#,
    ]);
    let urls: Vec<_> = sources.sources.iter().map(|(url, title)| (url.as_str(), title.as_deref())).collect();
    assert_eq!(urls, [("https://b.com", Some("B")), ("https://a.com", Some("A")), ("https://c.com", None)]);
}

#[test]
fn errors_in_plain_words_are_errors() {
    let mut inspector = Inspector::new();
    let named = sse::Event { event: Some(Bytes::from_static(b"error")), ..event("no room left") };
    assert!(matches!(inspector.inspect(&named), Ok(Chunk::Error { seed, .. }) if seed.message == "no room left"));
    assert!(inspector.inspect(&event("no room left")).is_err());
}

fn shown(include_usage: bool) -> Shown {
    Shown {
        id: "chatcmpl-1".to_owned(),
        model: "m".to_owned(),
        created: Timestamp::from_secs(1_795_000_000),
        include_usage,
    }
}

fn encoded(events: &[Event], include_usage: bool) -> BytesMut {
    let mut encoder = Encoder::new(shown(include_usage));
    let mut frames = Vec::new();
    for event in events {
        encoder.encode(event, &mut frames);
    }
    let mut body = BytesMut::new();
    for frame in frames {
        sse::write_event(&mut body, None, frame.event, &frame.data);
    }
    body
}

#[test]
fn chunks_are_what_the_sdks_expect() {
    let usage = Usage { input: Tokens::new(9), output: Tokens::new(4), ..Usage::default() };
    let body = encoded(
        &[
            Event::Started { id: String::new(), model: "gpt".to_owned() },
            Event::Usage(ReportedUsage::Read(usage)),
            Event::Call { index: 3, id: "c1".to_owned(), name: "f".to_owned(), signature: None },
            Event::Arguments { index: 3, fragment: "{}".to_owned() },
            Event::Finished { reason: Finish::ToolCalls, stop_sequence: None },
            Event::Done,
            Event::Text("after the end".to_owned()),
        ],
        true,
    );
    let frames: Vec<String> =
        events(&body, 0).iter().map(|event| String::from_utf8_lossy(&event.data).into_owned()).collect();
    let head = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795000000,"model":"gpt","choices":"#;
    let expected = [
        format!(
            r#"{head}[{{"index":0,"delta":{{"role":"assistant","content":null,"tool_calls":[{{"index":0,"id":"c1","type":"function","function":{{"name":"f","arguments":""}}}}]}},"logprobs":null,"finish_reason":null}}],"usage":null}}"#
        ),
        format!(
            r#"{head}[{{"index":0,"delta":{{"tool_calls":[{{"index":0,"function":{{"arguments":"{{}}"}}}}]}},"logprobs":null,"finish_reason":null}}],"usage":null}}"#
        ),
        format!(r#"{head}[{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"tool_calls"}}],"usage":null}}"#),
        format!(
            r#"{head}[],"usage":{{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{{"cached_tokens":0,"cache_write_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0}}}}}}"#
        ),
        "[DONE]".to_owned(),
    ];
    assert_eq!(frames, expected);
}

fn part() -> impl Strategy<Value = Part> {
    let word = "[a-zü\"\\\\\n]{1,12}";
    prop_oneof![
        word.prop_map(Part::text),
        word.prop_map(|text| Part::Reasoning { text, signature: None, redacted: None, id: None }),
        word.prop_map(Part::Refusal),
        (word, "[a-z]{1,8}").prop_map(|(key, name)| {
            let arguments = serde_json::json!({ key: 1 }).to_string();
            Part::Call(Call { id: String::new(), name, arguments, signature: None, cache: None })
        }),
        "[A-Za-z0-9]{4}".prop_map(|data| {
            let source = MediaSource::Base64 { media_type: "image/png".to_owned(), data };
            Part::Image(Media { source, detail: None, name: None, cache: None })
        }),
    ]
}

prop_compose! {
    fn answer()(
        parts in proptest::collection::vec(part(), 0..6),
        sources in proptest::collection::btree_map("https://[a-z]{1,6}\\.com", proptest::option::of("[a-z]{1,5}"), 0..3),
        finish in prop_oneof![Just(Finish::Length), Just(Finish::ContentFilter), Just(Finish::Stop)],
        counts in (1_u64..5_000, 0_u64..1_000, 0_u64..3_000),
    ) -> Answer {
        let mut answer = Answer {
            id: "chatcmpl-9".to_owned(), model: "gpt".to_owned(), sources: sources.into_iter().collect(), done: true,
            ..Answer::default()
        };
        for (index, mut part) in parts.into_iter().enumerate() {
            // Neighbours of one kind would join.
            let joins = answer.parts.last().is_some_and(|last| std::mem::discriminant(last) == std::mem::discriminant(&part));
            if let Part::Call(call) = &mut part {
                call.id = format!("call_{index}");
            } else if joins && !matches!(part, Part::Image(_)) {
                continue;
            }
            answer.parts.push(part);
        }
        let calls = answer.calls().next().is_some();
        answer.finish = Some(if calls && finish == Finish::Stop { Finish::ToolCalls } else { finish });
        answer.usage = Some(Usage {
            input: Tokens::new(counts.0 + counts.1), cached_input: Tokens::new(counts.1),
            output: Tokens::new(counts.2), reasoning: Tokens::new(counts.2 / 2), ..Usage::default()
        });
        answer
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_says_again_what_it_was_made_of(answer in answer(), seed in 0_u64..50) {
        let body = encoded(&answer.events(), true);
        prop_assert_eq!(Answer::of(decoded(&body, seed)), answer);
    }

    #[test]
    fn a_body_says_again_what_it_was_made_of(answer in answer()) {
        let body = encode_answer(&answer, &shown(false));
        let Ok(Decoded::Answer(again)) = decode_answer(&body) else { panic!("an answer") };
        prop_assert_eq!((again.text(), again.reasoning(), again.refusal()), (answer.text(), answer.reasoning(), answer.refusal()));
        prop_assert_eq!(again.calls().collect::<Vec<_>>(), answer.calls().collect::<Vec<_>>());
        prop_assert_eq!(&again.sources, &answer.sources);
        prop_assert_eq!((again.finish, again.usage, again.done), (answer.finish, answer.usage, true));
        prop_assert_eq!((&again.id, &again.model), (&answer.id, &answer.model));
    }

    #[test]
    fn hostile_bytes_are_refused_or_read_alike(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        agree(&[sse::Event { data: Bytes::from(data.clone()), event: None, comment: false }], "bytes");
        let _ = (inspect_answer(&data), decode_answer(&data));
    }

    #[test]
    fn hostile_values_are_refused_or_read_alike(value in value(), place in 0..8_usize) {
        let choice = |text: String| format!(r#"{{"choices":[{{"index":0,{text}}}]}}"#);
        let data = match place {
            0 => choice(format!(r#""delta":{value}"#)),
            1 => choice(format!(r#""delta":{{"content":{value}}}"#)),
            2 => choice(format!(r#""delta":{{"tool_calls":{value}}}"#)),
            3 => choice(format!(r#""delta":{{"tool_calls":[{{"index":0,"function":{value}}}]}}"#)),
            4 => choice(format!(r#""delta":{{"reasoning_details":{value},"images":{value}}}"#)),
            5 => choice(format!(r#""finish_reason":{value}"#)),
            6 => format!(r#"{{"choices":{value},"usage":{value}}}"#),
            _ => format!(r#"{{"id":{value},"error":{value},"x_groq":{value}}}"#),
        };
        let event = event(&data);
        let mut out = Vec::new();
        let decoded = Decoder::new().decode(&event, &mut out);
        prop_assert_eq!(decoded.is_ok(), Inspector::new().inspect(&event).is_ok());
        let _ = (inspect_answer(data.as_bytes()), decode_answer(data.as_bytes()));
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z]{0,4}".prop_map(Value::from),
    ];
    let keys = "text|type|thinking|name|arguments|index|id|url|image_url|function|data|delta|summary";
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((keys, inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[test]
fn short_chunks_mean_what_long_ones_mean() {
    // The first chunk is read in full; a member that says nothing makes the others be read so, too.
    let head = r#"{"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
    for delta in [
        r#"{"content":"a \"b\" é"}"#,
        r#"{"content":null,"reasoning_content":"t"}"#,
        r#"{"content":"a","reasoning_content":"t"}"#,
        r#"{"content":"a","refusal":"n"}"#,
        r#"{"content":[{"type":"text","text":"a"}]}"#,
        r#"{"content":"a","images":[{"image_url":{"url":"https://e.com/a.png"}}]}"#,
        r#"{"reasoning":"t","content":"a"}"#,
        r#"{"content":"a","tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}"#,
        r#"{"content":"a","annotations":[{"url_citation":{"url":"https://b.com"}}]}"#,
    ] {
        for choice in ["", r#","finish_reason":null"#, r#","finish_reason":"stop""#, r#","text":"old""#] {
            let chunk = |more: &str| format!(r#"{{"id":"x","choices":[{{"index":0,"delta":{delta}{choice}}}]{more}}}"#);
            let (short, long) = (chunk(""), chunk(r#","citations":[]"#));
            assert_eq!(answer_of(&[head, &short]), answer_of(&[head, &long]), "{short}");
            assert_ne!(answer_of(&[head, &short]).parts, [], "{short}");
        }
    }
    // Other choices than the one that crosses.
    let other = r#"{"id":"x","choices":[{"index":1,"delta":{"content":"other"}}]}"#;
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    for chunk in [head, other] {
        decoder.decode(&event(chunk), &mut out).expect("a chunk");
    }
    assert_eq!(Answer::of(out).text(), "");
}
