//! Where text stands in events of a Responses stream and in response objects. A text is told three
//! times and more: in pieces, when it ends, with its part, its item and the response.
//!
//! An event whose text is all held back goes out with an empty text: events are numbered without
//! gaps, and clients resume by these numbers. What is put in moves the numbers after it.

use super::Ends;
use super::place::{Channel, Kind};
use super::walk::Walk;
use bytes::Bytes;
use serde_json::{Map, Value, json};

const SUMMARIES: u64 = 1 << 20;
const TOKENS: u64 = 1 << 42;

/// What an event is about: its name without `response.` and its last word, and that word.
fn kind(event: Option<&Bytes>, kind: Option<&Value>) -> (String, String) {
    let named = || event.map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
    let kind = kind.and_then(Value::as_str).map_or_else(named, str::to_owned);
    let kind = kind.strip_prefix("response.").unwrap_or(&kind);
    let (about, word) = kind.rsplit_once('.').unwrap_or(("", kind));
    (about.to_owned(), word.to_owned())
}

/// The channels that end with an event.
pub(super) fn ends(event: Option<&Bytes>, value: &Value) -> Ends {
    let (about, word) = kind(event, value.get("type"));
    let place = Place::of(|name| value.get(name));
    match (about.as_str(), word.as_str()) {
        ("content_part", "done") => Ends::Part(place.item, place.content),
        ("reasoning_summary_part", "done") => Ends::Part(place.item, SUMMARIES | place.summary),
        ("output_item", "done") => Ends::Of(vec![place.item]),
        ("", "completed" | "incomplete" | "done") => Ends::All,
        ("", _) => Ends::None,
        (about, "done" | "completed") => Ends::One(place.channel(about)),
        _ => Ends::None,
    }
}

/// Where the text of an event belongs.
#[derive(Clone, Copy)]
struct Place {
    item: u64,
    content: u64,
    summary: u64,
}

impl Place {
    fn of<'v>(member: impl Fn(&'static str) -> Option<&'v Value>) -> Self {
        let number = |name| member(name).and_then(Value::as_u64).unwrap_or(0);
        Self { item: number("output_index"), content: number("content_index"), summary: number("summary_index") }
    }

    /// The channel of what an event is about.
    fn channel(self, about: &str) -> Channel {
        let (kind, part) = match about {
            "output_text" => (Kind::Text, self.content),
            "refusal" => (Kind::Refusal, self.content),
            "reasoning_text" | "reasoning" => (Kind::Reasoning, self.content),
            "reasoning_summary_text" | "reasoning_summary" => (Kind::Reasoning, SUMMARIES | self.summary),
            "function_call_arguments" | "mcp_call_arguments" => (Kind::Arguments, 0),
            "custom_tool_call_input" | "code_interpreter_call_code" => (Kind::Value, 0),
            other => (Kind::Other, super::number_of(other)),
        };
        Channel::new(kind, self.item, part)
    }
}

/// How the texts of an item are told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// The first piece.
    Begun,
    /// Once more.
    Again,
}

/// One event.
pub(super) fn event(walk: &mut Walk<'_>, event: Option<&Bytes>, object: &mut Map<String, Value>) {
    let (about, word) = kind(event, object.get("type"));
    let place = Place::of(|name| object.get(name));
    let told = if word == "added" { Told::Begun } else { Told::Again };
    let is_text = !about.is_empty() && !about.contains("annotation");
    let channel = place.channel(&about);
    walk.members_of(object, |walk, name, value| match name {
        "response" => response(walk, value),
        "item" => item(walk, place.item, value, told),
        "part" => {
            let index = if about == "reasoning_summary_part" { SUMMARIES | place.summary } else { place.content };
            let is_thought = about.starts_with("reasoning");
            part(walk, place.item, index, is_thought, value, told);
        }
        "logprobs" if told == Told::Again && word != "delta" => walk.whole_probabilities(value),
        "logprobs" => walk.probabilities(place.item, TOKENS | place.content, value, json!([])),
        // Pictures, and sound.
        "partial_image_b64" => {}
        "delta" if about == "audio" => {}
        "delta" if value.is_string() => {
            walk.text(channel, value);
        }
        "text" | "refusal" | "arguments" | "input" | "code" | "transcript" if is_text && value.is_string() => {
            walk.copy(channel, value);
        }
        _ => walk.other_member(name, value),
    });
}

/// A response object on its own.
pub(super) fn answer(walk: &mut Walk<'_>, object: &mut Map<String, Value>) {
    walk.members_of(object, response_member);
}

fn response(walk: &mut Walk<'_>, value: &mut Value) {
    walk.members(value, response_member);
}

fn response_member(walk: &mut Walk<'_>, name: &str, value: &mut Value) {
    match name {
        "output" => walk.elements(value, |walk, place, value| {
            item(walk, u64::try_from(place).unwrap_or(0), value, Told::Again);
        }),
        "output_text" => {
            walk.copy(Channel::new(Kind::Text, 0, 0).echoing(), value);
        }
        "usage" => {}
        // What the client itself has sent.
        "instructions" | "input" | "tools" | "tool_choice" | "metadata" | "prompt" | "user" | "text" | "reasoning"
        | "conversation" | "safety_identifier" | "prompt_cache_key" | "truncation" => {}
        _ => walk.other_member(name, value),
    }
}

fn item(walk: &mut Walk<'_>, place: u64, value: &mut Value, told: Told) {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_thought = kind == "reasoning";
    walk.members(value, |walk, name, value| match (kind.as_str(), name) {
        ("image_generation_call", "result") => {}
        (_, "content") if value.is_array() => walk.elements(value, |walk, index, value| {
            part(walk, place, u64::try_from(index).unwrap_or(0), is_thought, value, told);
        }),
        (_, "summary") if value.is_array() => walk.elements(value, |walk, index, value| {
            part(walk, place, SUMMARIES | u64::try_from(index).unwrap_or(0), true, value, told);
        }),
        (_, "arguments") if value.is_string() => tell(walk, Channel::new(Kind::Arguments, place, 0), value, told),
        (_, "input" | "code") if value.is_string() => tell(walk, Channel::new(Kind::Value, place, 0), value, told),
        (_, "arguments" | "input" | "action" | "operation") => walk.values(value),
        _ => walk.other_member(name, value),
    });
}

fn part(walk: &mut Walk<'_>, item: u64, index: u64, is_thought: bool, value: &mut Value, told: Told) {
    let kind = if is_thought { Kind::Reasoning } else { Kind::Text };
    walk.members(value, |walk, name, value| match name {
        "text" => tell(walk, Channel::new(kind, item, index), value, told),
        "refusal" => tell(walk, Channel::new(Kind::Refusal, item, index), value, told),
        // In pieces they were judged with their text; here they would be judged without.
        "logprobs" => walk.whole_probabilities(value),
        _ => walk.other_member(name, value),
    });
}

fn tell(walk: &mut Walk<'_>, channel: Channel, value: &mut Value, told: Told) {
    match told {
        Told::Begun => walk.text(channel, value),
        Told::Again => walk.copy(channel, value),
    };
}
