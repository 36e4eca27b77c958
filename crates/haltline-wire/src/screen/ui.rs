//! Where text stands in chunks of the AI SDK's UI message stream.
//!
//! A chunk whose text is all held back goes out with an empty text, which pages append to what they
//! have.

use super::place::{Channel, Kind};
use super::walk::Walk;
use super::{Ends, number_of};
use serde_json::{Map, Value};

fn kind(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn place(value: Option<&Value>) -> u64 {
    number_of(value.and_then(Value::as_str).unwrap_or_default())
}

/// The parts that end with a chunk.
pub(super) fn ends(chunk: &Value) -> Ends {
    match kind(chunk.get("type")) {
        "text-end" | "reasoning-end" => Ends::Of(vec![place(chunk.get("id"))]),
        "tool-input-available" | "tool-input-error" => Ends::Of(vec![place(chunk.get("toolCallId"))]),
        "finish-step" | "finish" => Ends::All,
        _ => Ends::None,
    }
}

/// One chunk.
pub(super) fn event(walk: &mut Walk<'_>, object: &mut Map<String, Value>) {
    let kind = kind(object.get("type")).to_owned();
    let part = place(object.get("id"));
    let call = Channel::new(Kind::Arguments, place(object.get("toolCallId")), 0);
    walk.members_of(object, |walk, name, value| match (kind.as_str(), name) {
        ("text-delta", "delta") => {
            walk.text(Channel::new(Kind::Text, part, 0), value);
        }
        ("reasoning-delta", "delta") => {
            walk.text(Channel::new(Kind::Reasoning, part, 0), value);
        }
        ("tool-input-delta", "inputTextDelta") => {
            walk.text(call, value);
        }
        ("tool-input-available" | "tool-input-error", "input") => input(walk, call, value),
        (kind, "input" | "output") if kind.starts_with("tool-") => walk.values(value),
        ("file", "url") if value.as_str().is_some_and(|url| url.starts_with("data:")) => {}
        (_, "providerMetadata") => metadata(walk, value),
        _ => walk.other_member(name, value),
    });
}

/// The input of a call, which came in pieces before.
fn input(walk: &mut Walk<'_>, call: Channel, value: &mut Value) {
    if value.is_string() {
        walk.copy(call, value);
        return;
    }
    if let Some((came, went)) = walk.said(call)
        && serde_json::from_str::<Value>(came).is_ok_and(|came| came == *value)
        && let Ok(went) = serde_json::from_str::<Value>(went)
    {
        walk.replace(value, went);
        return;
    }
    walk.values(value);
}

/// Proofs of thoughts are sealed, whoever's they are.
fn metadata(walk: &mut Walk<'_>, value: &mut Value) {
    match value {
        Value::Object(_) => walk.members(value, |walk, name, value| match name {
            "signature" | "redacted" | "redactedData" | "thoughtSignature" | "reasoningEncryptedContent" => {}
            _ => metadata(walk, value),
        }),
        value => walk.other(value),
    }
}
