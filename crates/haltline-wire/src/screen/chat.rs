//! Where text stands in chunks and answers of Chat Completions, with what imitators add.
//!
//! An event whose text is all held back goes out with an empty text: OpenAI's own first chunk has
//! one, and usage, roles and names of calls in the same chunk are not lost.

use super::Ends;
use super::place::{Channel, Kind};
use super::walk::{Mode, Walk};
use serde_json::{Map, Value};

/// Parts of a choice that have more than one text of a kind.
const DETAILS: u64 = 1 << 20;
const SUMMARIES: u64 = 1 << 21;
const THOUGHTS: u64 = 1 << 22;
const LEGACY: u64 = 1 << 40;
const AUDIO: u64 = 1 << 41;
const TOKENS: u64 = 1 << 42;
const CUSTOM: u64 = 1 << 43;

/// The choices that end with a chunk.
pub(super) fn ends(chunk: &Value) -> Ends {
    let choices = chunk.get("choices").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let ended: Vec<u64> = choices
        .iter()
        .filter(|choice| match choice.get("finish_reason") {
            Some(Value::String(word)) => !word.is_empty(),
            Some(Value::Number(_)) => true,
            _ => false,
        })
        .map(|choice| number(choice.get("index"), 0))
        .collect();
    if ended.is_empty() { Ends::None } else { Ends::Of(ended) }
}

/// A chunk or a whole answer.
pub(super) fn answer(walk: &mut Walk<'_>, object: &mut Map<String, Value>) {
    walk.members_of(object, |walk, name, value| match name {
        "choices" => walk.elements(value, |walk, place, value| choice(walk, place, value)),
        "usage" => {}
        _ => walk.other_member(name, value),
    });
}

fn choice(walk: &mut Walk<'_>, place: usize, value: &mut Value) {
    let index = number(value.get("index"), if walk.mode == Mode::Whole { place } else { 0 });
    // Where both are there, `message` repeats all that came so far (Perplexity).
    let repeats = walk.mode == Mode::Stream && value.get("delta").is_some_and(Value::is_object);
    walk.members(value, |walk, name, value| match name {
        "index" | "finish_reason" => {}
        "text" => {
            walk.text(Channel::new(Kind::Text, index, LEGACY), value);
        }
        "delta" => message(walk, index, value),
        "message" if repeats => repeated(walk, value),
        "message" => message(walk, index, value),
        "logprobs" => walk.probabilities(index, TOKENS, value, Value::Null),
        _ => walk.other_member(name, value),
    });
}

fn message(walk: &mut Walk<'_>, index: u64, value: &mut Value) {
    let says_thoughts =
        ["reasoning_content", "reasoning"].iter().any(|name| value.get(*name).is_some_and(Value::is_string));
    walk.members(value, |walk, name, value| match name {
        "content" => content(walk, index, value),
        "refusal" => {
            walk.text(Channel::new(Kind::Refusal, index, 0), value);
        }
        "reasoning_content" => {
            walk.text(Channel::new(Kind::Reasoning, index, 0), value);
        }
        "reasoning" => {
            walk.text(Channel::new(Kind::Reasoning, index, 1), value);
        }
        "reasoning_details" => {
            walk.elements(value, |walk, place, value| detail(walk, index, place, says_thoughts, value));
        }
        "tool_calls" => walk.elements(value, |walk, place, value| call(walk, index, place, value)),
        "function_call" => function(walk, Channel::new(Kind::Arguments, index, LEGACY), value),
        "audio" => walk.members(value, |walk, name, value| match name {
            "transcript" => {
                walk.text(Channel::new(Kind::Text, index, AUDIO), value);
            }
            "data" => {}
            _ => walk.other_member(name, value),
        }),
        "images" => walk.elements(value, |walk, _, value| picture(walk, value)),
        _ => walk.beside(index, name, value),
    });
}

/// A text, or a list of parts.
fn content(walk: &mut Walk<'_>, index: u64, value: &mut Value) {
    let text = Channel::new(Kind::Text, index, 0);
    if !value.is_array() && !value.is_object() {
        walk.text(text, value);
        return;
    }
    let part = |walk: &mut Walk<'_>, value: &mut Value| {
        if value.is_string() {
            walk.text(text, value);
            return;
        }
        walk.members(value, |walk, name, value| match name {
            "text" => {
                walk.text(text, value);
            }
            "refusal" => {
                walk.text(Channel::new(Kind::Refusal, index, 0), value);
            }
            "thinking" => thinking(walk, index, value),
            "image_url" => picture(walk, value),
            _ => walk.other_member(name, value),
        });
    };
    match value {
        Value::Array(_) => walk.elements(value, |walk, _, value| part(walk, value)),
        value => part(walk, value),
    }
}

/// Mistral's thoughts: a text, or parts with one.
fn thinking(walk: &mut Walk<'_>, index: u64, value: &mut Value) {
    let channel = Channel::new(Kind::Reasoning, index, THOUGHTS);
    if !value.is_array() {
        walk.text(channel, value);
        return;
    }
    walk.elements(value, |walk, _, value| {
        walk.members(value, |walk, name, value| {
            if name == "text" {
                walk.text(channel, value);
            } else {
                walk.other_member(name, value);
            }
        });
    });
}

/// OpenRouter's form of thoughts; where they stand in plain as well, it repeats them.
fn detail(walk: &mut Walk<'_>, index: u64, place: usize, repeats: bool, value: &mut Value) {
    let own = number(value.get("index"), place);
    let channel = |part: u64| {
        let channel = Channel::new(Kind::Reasoning, index, part.saturating_add(own.min(DETAILS - 1)));
        if repeats { channel.echoing() } else { channel }
    };
    walk.members(value, |walk, name, value| match name {
        "text" => {
            walk.text(channel(DETAILS), value);
        }
        "summary" => {
            walk.text(channel(SUMMARIES), value);
        }
        // Sealed.
        "data" | "format" => {}
        _ => walk.other_member(name, value),
    });
}

fn call(walk: &mut Walk<'_>, index: u64, place: usize, value: &mut Value) {
    let own = number(value.get("index"), place).min(LEGACY - 1);
    walk.members(value, |walk, name, value| match name {
        "function" => function(walk, Channel::new(Kind::Arguments, index, own), value),
        "custom" => function(walk, Channel::new(Kind::Value, index, CUSTOM + own), value),
        _ => walk.other_member(name, value),
    });
}

fn function(walk: &mut Walk<'_>, channel: Channel, value: &mut Value) {
    walk.members(value, |walk, name, value| match name {
        "arguments" | "input" if value.is_string() => {
            walk.text(channel, value);
        }
        "arguments" | "input" => walk.values(value),
        _ => walk.other_member(name, value),
    });
}

/// A picture: its address, unless that is the picture itself.
fn picture(walk: &mut Walk<'_>, value: &mut Value) {
    match value {
        Value::String(url) if url.starts_with("data:") => {}
        Value::Object(_) => walk.members(value, |walk, name, value| match name {
            "image_url" | "url" => picture(walk, value),
            "b64_json" => {}
            _ => walk.other_member(name, value),
        }),
        value => walk.other(value),
    }
}

/// What a chunk repeats of all chunks before it.
fn repeated(walk: &mut Walk<'_>, value: &mut Value) {
    match value {
        Value::String(_) => {
            walk.begun(Channel::new(Kind::Text, 0, 0).echoing(), value);
        }
        Value::Array(_) => walk.elements(value, |walk, _, value| repeated(walk, value)),
        Value::Object(_) => walk.members(value, |walk, name, value| {
            if !(value.is_string() && super::walk::is_word(name)) {
                repeated(walk, value);
            }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn number(value: Option<&Value>, otherwise: impl TryInto<u64>) -> u64 {
    value.and_then(Value::as_u64).unwrap_or_else(|| otherwise.try_into().unwrap_or(0))
}
