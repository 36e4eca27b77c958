//! Where text stands in events and answers of Anthropic Messages.
//!
//! An event whose text is all held back goes out with an empty text: SDKs append it to what they
//! have. Proofs of thoughts pass as they are, also of thoughts that were changed: Anthropic then
//! refuses those thoughts in a later request, as it refuses all that were tampered with.

use super::Ends;
use super::place::{Channel, Kind};
use super::walk::Walk;
use bytes::Bytes;
use serde_json::{Map, Value};

/// The blocks that end with an event.
pub(super) fn ends(event: Option<&Bytes>, value: &Value) -> Ends {
    match kind(event, value.get("type")).as_str() {
        "content_block_stop" => Ends::Of(vec![index(value.get("index"))]),
        "message_delta"
            if value.get("delta").and_then(|delta| delta.get("stop_reason")).is_some_and(Value::is_string) =>
        {
            Ends::All
        }
        "message_stop" => Ends::All,
        _ => Ends::None,
    }
}

fn kind(event: Option<&Bytes>, kind: Option<&Value>) -> String {
    match kind.and_then(Value::as_str) {
        Some(kind) if !kind.is_empty() => kind.to_owned(),
        _ => event.map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default(),
    }
}

fn index(value: Option<&Value>) -> u64 {
    value.and_then(Value::as_u64).unwrap_or(0)
}

/// One event.
pub(super) fn event(walk: &mut Walk<'_>, event: Option<&Bytes>, object: &mut Map<String, Value>) {
    let kind = kind(event, object.get("type"));
    let index = index(object.get("index"));
    walk.members_of(object, |walk, name, value| match (kind.as_str(), name) {
        ("message_start", "message") => walk.members(value, |walk, name, value| member(walk, name, value)),
        ("content_block_start", "content_block") => block(walk, index, value),
        ("content_block_delta", "delta") => change(walk, index, value),
        (_, "usage") => {}
        _ => walk.other_member(name, value),
    });
}

/// A whole answer.
pub(super) fn answer(walk: &mut Walk<'_>, object: &mut Map<String, Value>) {
    walk.members_of(object, member);
}

fn member(walk: &mut Walk<'_>, name: &str, value: &mut Value) {
    match name {
        "content" => walk.elements(value, |walk, place, value| block(walk, u64::try_from(place).unwrap_or(0), value)),
        "usage" => {}
        _ => walk.other_member(name, value),
    }
}

/// A block, whole or as it begins: what follows it is a part of the same text.
fn block(walk: &mut Walk<'_>, index: u64, value: &mut Value) {
    let is_sealed = value.get("type").and_then(Value::as_str) == Some("redacted_thinking");
    walk.members(value, |walk, name, value| match name {
        "text" => {
            walk.text(Channel::new(Kind::Text, index, 0), value);
        }
        "thinking" => {
            walk.text(Channel::new(Kind::Reasoning, index, 0), value);
        }
        "input" => walk.values(value),
        "data" if is_sealed => {}
        _ => walk.other_member(name, value),
    });
}

fn change(walk: &mut Walk<'_>, index: u64, value: &mut Value) {
    walk.members(value, |walk, name, value| match name {
        "text" => {
            walk.text(Channel::new(Kind::Text, index, 0), value);
        }
        "thinking" => {
            walk.text(Channel::new(Kind::Reasoning, index, 0), value);
        }
        "partial_json" => {
            walk.text(Channel::new(Kind::Arguments, index, 0), value);
        }
        _ => walk.beside(index, name, value),
    });
}
