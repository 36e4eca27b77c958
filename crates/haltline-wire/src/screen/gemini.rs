//! Where text stands in Gemini's responses: a chunk of a stream and a whole answer alike.
//!
//! An event whose text is all held back goes out with an empty text, which Google itself writes, and
//! without which google-genai for Python would take the chunk for an invalid answer.

use super::Ends;
use super::place::{Channel, Kind};
use super::walk::Walk;
use serde_json::{Map, Value};

const TOKENS: u64 = 1 << 42;

/// The candidates that end with a response.
pub(super) fn ends(response: &Value) -> Ends {
    let candidates = response.get("candidates").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let reason = |candidate: &Value| candidate.get("finishReason").or_else(|| candidate.get("finish_reason")).cloned();
    let ended: Vec<u64> = candidates
        .iter()
        .filter(|candidate| match reason(candidate) {
            Some(Value::String(word)) => !matches!(word.as_str(), "" | "FINISH_REASON_UNSPECIFIED"),
            Some(Value::Number(number)) => number.as_u64() != Some(0),
            _ => false,
        })
        .map(index)
        .collect();
    if ended.is_empty() { Ends::None } else { Ends::Of(ended) }
}

/// Google leaves the index 0 out.
fn index(candidate: &Value) -> u64 {
    candidate.get("index").and_then(Value::as_u64).unwrap_or(0)
}

/// A response.
pub(super) fn answer(walk: &mut Walk<'_>, object: &mut Map<String, Value>) {
    walk.members_of(object, |walk, name, value| match name {
        "candidates" => walk.elements(value, |walk, _, value| {
            let index = index(value);
            walk.members(value, |walk, name, value| candidate(walk, index, name, value));
        }),
        "usageMetadata" | "usage_metadata" => {}
        _ => walk.other_member(name, value),
    });
}

fn candidate(walk: &mut Walk<'_>, index: u64, name: &str, value: &mut Value) {
    match name {
        "content" => walk.members(value, |walk, name, value| match name {
            "parts" => walk.elements(value, |walk, _, value| part(walk, index, value)),
            _ => walk.other_member(name, value),
        }),
        "logprobsResult" | "logprobs_result" => walk.probabilities(index, TOKENS, value, Value::Null),
        _ => walk.other_member(name, value),
    }
}

fn part(walk: &mut Walk<'_>, index: u64, value: &mut Value) {
    let is_thought = value.get("thought").and_then(Value::as_bool) == Some(true);
    let kind = if is_thought { Kind::Reasoning } else { Kind::Text };
    walk.members(value, |walk, name, value| match name {
        "text" => {
            walk.text(Channel::new(kind, index, 0), value);
        }
        "functionCall" | "function_call" => walk.members(value, |walk, name, value| match name {
            "args" | "partialArgs" | "partial_args" => walk.values(value),
            _ => walk.other_member(name, value),
        }),
        "inlineData" | "inline_data" => walk.members(value, |walk, name, value| {
            if name != "data" {
                walk.other_member(name, value);
            }
        }),
        _ => walk.beside(index, name, value),
    });
}
