//! Screening with the rules for secrets that are on by default, over streams of the providers' own
//! shapes in which credentials of nobody are cut anywhere.

use crate::anthropic_recorded::fixtures;
use bytes::Bytes;
use haltline_guard::output::{
    ArgumentsFilter, Channel as Place, Filter, InArguments, OutputOptions, OutputRules, Pass,
};
use haltline_wire::client::ClientDialect;
use haltline_wire::screen::{Channel, Flow, Kind, Scan, Screen, Screened};
use serde_json::{Value, json};
use std::collections::HashMap;

struct Secrets {
    rules: OutputRules,
    texts: HashMap<Channel, Filter>,
    arguments: HashMap<Channel, ArgumentsFilter>,
}

fn flow(pass: Pass) -> Flow {
    match pass {
        Pass::Unchanged => Flow::Same,
        Pass::Changed => Flow::Changed,
        Pass::Cut => Flow::Cut,
    }
}

impl Scan for Secrets {
    fn push(&mut self, channel: Channel, text: &str, out: &mut String) -> Flow {
        let rules = &self.rules;
        flow(if channel.kind == Kind::Arguments {
            self.arguments.entry(channel).or_insert_with(|| rules.arguments()).push(rules, text, out, &mut Vec::new())
        } else {
            self.texts.entry(channel).or_insert_with(|| rules.filter(Place::Text)).push(
                rules,
                text,
                out,
                &mut Vec::new(),
            )
        })
    }

    fn finish(&mut self, channel: Channel, out: &mut String) -> Flow {
        let rules = &self.rules;
        let text = self.texts.get_mut(&channel).map(|filter| filter.finish(rules, out, &mut Vec::new()));
        let json = || self.arguments.get_mut(&channel).map(|filter| filter.finish(rules, out, &mut Vec::new()));
        flow(text.or_else(json).expect("a channel that was pushed to"))
    }

    fn whole(&mut self, _: Channel, text: &str, out: &mut String) -> Flow {
        match self.rules.whole(Place::Text, text).text {
            Some(screened) => {
                out.push_str(&screened);
                Flow::Changed
            }
            None => Flow::Same,
        }
    }

    fn begun(&mut self, channel: Channel, text: &str, out: &mut String) -> Flow {
        self.whole(channel, text, out)
    }
}

/// An event that says a piece, in the shape of a style.
fn event(style: &str, text: &str) -> (ClientDialect, Value) {
    let choice = |index: u64, delta: Value| json!({"id": "c", "choices": [{"index": index, "delta": delta, "finish_reason": null}]});
    let block = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    match style {
        "openai_content" => (ClientDialect::Chat, choice(0, json!({ "content": text }))),
        "openai_two_choices" => (ClientDialect::Chat, choice(1, json!({ "content": text }))),
        "openai_reasoning" => (ClientDialect::Chat, choice(0, json!({ "reasoning_content": text }))),
        "openai_tool_args" => {
            (ClientDialect::Chat, choice(0, json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]})))
        }
        "anthropic_text" => (ClientDialect::Messages, block(json!({"type": "text_delta", "text": text}))),
        "anthropic_input_json" => {
            (ClientDialect::Messages, block(json!({"type": "input_json_delta", "partial_json": text})))
        }
        other => panic!("the style {other} is not known"),
    }
}

fn said(events: &[Screened]) -> String {
    const PLACES: [&str; 6] = [
        "/choices/0/delta/content",
        "/choices/0/delta/reasoning_content",
        "/choices/0/delta/tool_calls/0/function/arguments",
        "/delta/text",
        "/delta/partial_json",
        "/choices/0/delta/refusal",
    ];
    let text = |event: &Screened| {
        let value: Value = serde_json::from_slice(&event.data).expect("JSON");
        PLACES.iter().find_map(|place| value.pointer(place)?.as_str().map(str::to_owned)).unwrap_or_default()
    };
    events.iter().map(text).collect()
}

#[test]
fn no_credential_passes_in_any_style_however_it_is_cut() {
    let Some(fixtures) = fixtures() else { return };
    let path = fixtures.parent().expect("a folder").join("guard/dev/secret_streams.jsonl");
    let lines = std::fs::read_to_string(path).expect("streams");
    let mut options = OutputOptions::default();
    options.secrets.in_arguments = InArguments::AsInText;
    options.secrets.rules = haltline_guard::output::RuleSet::All;
    let rules = OutputRules::new(&options).expect("rules");
    let mut count = 0;
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let (id, style) = (line["id"].as_str().expect("an id"), line["style"].as_str().expect("a style"));
        let parts: Vec<&str> = line["parts"].as_array().expect("parts").iter().filter_map(Value::as_str).collect();
        let secret: Vec<usize> = line["secret_parts"]
            .as_array()
            .expect("parts")
            .iter()
            .filter_map(|part| part.as_u64().and_then(|part| usize::try_from(part).ok()))
            .collect();
        let [first, last] = secret[..] else { panic!("{id}: where is it?") };
        let secret: String = parts[first..=last].concat();
        let whole = parts.concat();
        let chars: Vec<String> = whole.chars().map(String::from).collect();
        let ways = [parts.iter().map(|part| (*part).to_owned()).collect(), chars, vec![whole]];
        for pieces in ways {
            let is_json = style.ends_with("args") || style.ends_with("json");
            let written = |text: &String| {
                let quoted = Value::from(text.as_str()).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            };
            let pieces: Vec<String> = if is_json {
                ["{\"q\":\"".to_owned()]
                    .into_iter()
                    .chain(pieces.iter().map(written))
                    .chain(["\"}".to_owned()])
                    .collect()
            } else {
                pieces
            };
            let mut scan = Secrets { rules: rules.clone(), texts: HashMap::new(), arguments: HashMap::new() };
            let (dialect, _) = event(style, "");
            let (mut screen, mut out) = (Screen::new(dialect), Vec::new());
            for piece in &pieces {
                let data = Bytes::from(event(style, piece).1.to_string());
                screen.take(None, &data, &mut scan, &mut out).expect("it can be read");
            }
            screen.end(&mut scan, &mut out);
            let text = said(&out);
            assert!(text.contains("[REDACTED"), "{id} {pieces:?}: {text}");
            let secret: Vec<char> = secret.chars().collect();
            // Placeholders name rules, and beginnings are no secret.
            for stretch in secret.windows(16) {
                let stretch: String = stretch.iter().collect();
                assert!(!text.contains(&stretch), "{id} {pieces:?}: {stretch} in {text}");
            }
            count += 1;
        }
    }
    assert!(count > 400, "{count} streams");
}
