//! Events of our own: what was held back of a channel, in the shape of that channel's last event.

use super::Screened;
use bytes::Bytes;
use serde_json::{Map, Value};

/// One step from a value to one within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A member of an object.
    Key(String),
    /// An element of a list.
    Index(usize),
}

/// An event that had text of a channel, and where.
#[derive(Clone, Debug)]
pub(super) struct Last {
    pub(super) event: Option<Bytes>,
    pub(super) data: Bytes,
    pub(super) path: Vec<Step>,
}

impl Last {
    /// An event that says `text` in the same place and nothing else: no usage, no end, no text of
    /// others, and no name that clients would join to the one that they have.
    pub(super) fn event_of(&self, text: &str, number: Option<u64>) -> Option<Screened> {
        let value: Value = serde_json::from_slice(&self.data).ok()?;
        let mut value = pruned(&value, &self.path, text, true)?;
        if let (Some(number), Some(own)) = (number, value.get_mut("sequence_number")) {
            *own = Value::from(number);
        }
        Some(Screened { event: self.event.clone(), data: Bytes::from(value.to_string()) })
    }
}

/// What leads to `path`, with what tells what it is.
fn pruned(value: &Value, path: &[Step], text: &str, is_top: bool) -> Option<Value> {
    let Some((step, rest)) = path.split_first() else { return Some(Value::from(text)) };
    match (step, value) {
        (Step::Key(key), Value::Object(members)) => {
            let mut kept = Map::new();
            for (name, member) in members {
                if name == key {
                    kept.insert(name.clone(), pruned(member, rest, text, false)?);
                } else if tells_what_it_is(name, member, is_top) {
                    kept.insert(name.clone(), member.clone());
                } else if is_top && name == "logprobs" && member.is_array() {
                    kept.insert(name.clone(), Value::Array(Vec::new()));
                }
            }
            Some(Value::Object(kept))
        }
        (Step::Index(place), Value::Array(elements)) => {
            Some(Value::Array(vec![pruned(elements.get(*place)?, rest, text, false)?]))
        }
        _ => None,
    }
}

fn tells_what_it_is(name: &str, member: &Value, is_top: bool) -> bool {
    match member {
        Value::Null | Value::Bool(_) | Value::Number(_) => name != "usage",
        // Clients join strings of one name, but for `type`. `model` is Gemini's role.
        Value::String(word) => {
            (is_top && name != "obfuscation") || name == "type" || (name == "role" && word == "model")
        }
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// The value at `path`.
pub(super) fn at<'v>(value: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key.as_str()),
        Step::Index(place) => value.get_mut(*place),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(path: &[&str]) -> Vec<Step> {
        path.iter().map(|step| step.parse().map_or_else(|_| Step::Key((*step).to_owned()), Step::Index)).collect()
    }

    #[test]
    fn an_event_of_what_was_held_says_nothing_else() {
        let data = br#"{"id":"c","created":1,"choices":[{"index":0,"delta":{"content":"zero"}},{"index":1,"delta":{"role":"assistant","content":"x","tool_calls":[{"index":0,"id":"i","function":{"name":"f","arguments":"{"}}]},"logprobs":{"content":[]},"finish_reason":null}],"usage":{"a":1},"obfuscation":"zz"}"#;
        let last = |path: &[&str]| Last { event: None, data: Bytes::from_static(data), path: keys(path) };
        let made = |path: &[&str]| {
            let made = last(path).event_of("rest", None).expect("an event");
            String::from_utf8(made.data.to_vec()).expect("UTF-8")
        };
        assert_eq!(
            made(&["choices", "1", "delta", "content"]),
            r#"{"id":"c","created":1,"choices":[{"index":1,"delta":{"content":"rest"},"finish_reason":null}]}"#
        );
        assert_eq!(
            made(&["choices", "1", "delta", "tool_calls", "0", "function", "arguments"]),
            r#"{"id":"c","created":1,"choices":[{"index":1,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"rest"}}]},"finish_reason":null}]}"#
        );
    }
}
