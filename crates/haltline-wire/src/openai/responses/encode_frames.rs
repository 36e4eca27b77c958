//! Frames: an event's JSON with its number, and the end of a stream that broke.

use super::Shown;
use crate::canon::Frame;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The end of a stream that broke, from `sequence_number` on: an `error` event, which the SDKs
/// raise, and `response.failed`, which Codex reads. `error` is the error object with `type`,
/// `code`, `message` and `param`.
#[must_use]
pub fn failure_frames(shown: &Shown, sequence_number: u64, error: &Value) -> Vec<Frame> {
    failure(shown.response("", "failed"), sequence_number, error).into()
}

pub(super) fn failure(mut response: Map<String, Value>, number: u64, error: &Value) -> [Frame; 2] {
    let part = |name: &str| error.get(name).cloned().unwrap_or_default();
    let told = json!({ "code": part("code"), "message": part("message"), "param": part("param"), "error": error });
    response.insert("error".to_owned(), json!({ "code": part("code"), "message": part("message") }));
    [frame("error", number, told), frame("response.failed", number.saturating_add(1), json!({ "response": response }))]
}

pub(super) fn frame(kind: &'static str, number: u64, fields: Value) -> Frame {
    let mut event = Map::new();
    event.insert("type".to_owned(), json!(kind));
    event.insert("sequence_number".to_owned(), json!(number));
    if let Value::Object(fields) = fields {
        event.extend(fields);
    }
    Frame { event: Some(kind), data: Bytes::from(serde_json::to_vec(&event).unwrap_or_default()) }
}
