//! Responses that a gateway keeps: what a stored one says, and lists of items for the endpoints
//! that read them back. Keeps nothing itself.

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// A response object that was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredResponse {
    object: Map<String, Value>,
}

impl StoredResponse {
    /// Reads a response object. `None` when it is none.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let Ok(Value::Object(object)) = serde_json::from_slice(body) else { return None };
        let is_response = object.get("object").and_then(Value::as_str) == Some("response");
        (is_response || object.get("output").is_some_and(Value::is_array)).then_some(Self { object })
    }

    /// Reads it from the last event of a stream (`response.completed` and its like).
    #[must_use]
    pub fn of_event(data: &[u8]) -> Option<Self> {
        let Ok(Value::Object(mut event)) = serde_json::from_slice(data) else { return None };
        let kind = event.get("type").and_then(Value::as_str)?;
        if !matches!(kind, "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled") {
            return None;
        }
        let Some(Value::Object(object)) = event.remove("response") else { return None };
        Some(Self { object })
    }

    /// Its id; empty when it has none.
    #[must_use]
    pub fn id(&self) -> &str {
        self.word("id")
    }

    /// `completed`, `incomplete`, `failed`, `in_progress`, `queued`, `cancelled`; empty when it
    /// does not say.
    #[must_use]
    pub fn status(&self) -> &str {
        self.word("status")
    }

    /// Its output items.
    #[must_use]
    pub fn output(&self) -> &[Value] {
        self.object.get("output").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Its output items as they are sent back in the `input` of the next turn: without those that
    /// say nothing to a provider that has stored nothing.
    #[must_use]
    pub fn history(&self) -> Vec<Bytes> {
        let says_something = |item: &&Value| {
            let has = |name: &str| match item.get(name) {
                Some(Value::String(text)) => !text.is_empty(),
                Some(Value::Array(items)) => !items.is_empty(),
                _ => false,
            };
            item.get("type").and_then(Value::as_str) != Some("reasoning") || has("encrypted_content") || has("content")
        };
        self.output()
            .iter()
            .filter(says_something)
            .filter_map(|item| serde_json::to_vec(item).ok().map(Bytes::from))
            .collect()
    }

    /// The object under another id, as bytes: a provider's id means nothing at this gateway.
    #[must_use]
    pub fn under_id(mut self, id: &str) -> Bytes {
        self.object.insert("id".to_owned(), json!(id));
        Bytes::from(serde_json::to_vec(&self.object).unwrap_or_default())
    }

    fn word(&self, name: &str) -> &str {
        self.object.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// The `input` of a request as items with ids, for `GET /v1/responses/{id}/input_items`. A string
/// becomes a message of the user. Items without an id get one made of `suffix` and their place.
#[must_use]
pub fn input_items(input: &Value, suffix: &str) -> Vec<Value> {
    let message = |content: Value| json!({ "type": "message", "role": "user", "content": content });
    let items = match input {
        Value::String(text) => vec![message(json!([{ "type": "input_text", "text": text }]))],
        Value::Array(items) => items.clone(),
        _ => Vec::new(),
    };
    items.into_iter().enumerate().map(|(place, item)| with_id(item, suffix, place)).collect()
}

fn with_id(item: Value, suffix: &str, place: usize) -> Value {
    let Value::Object(fields) = item else { return item };
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("message").to_owned();
    let prefix = match kind.as_str() {
        "message" => "msg",
        "function_call" => "fc",
        "function_call_output" => "fco",
        "custom_tool_call" => "ctc",
        "custom_tool_call_output" => "ctco",
        "reasoning" => "rs",
        _ => "item",
    };
    let id = match fields.get("id").and_then(Value::as_str) {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => format!("{prefix}_{suffix}_in{place}"),
    };
    let is_assistant = fields.get("role").and_then(Value::as_str) == Some("assistant");
    let mut made = Map::new();
    made.insert("id".to_owned(), json!(id));
    made.insert("type".to_owned(), json!(kind));
    for (name, value) in fields {
        if !matches!(name.as_str(), "id" | "type") {
            let text = value.as_str().filter(|_| kind == "message" && name == "content");
            let part = if is_assistant { "output_text" } else { "input_text" };
            let value = text.map(|text| json!([{ "type": part, "text": text }])).unwrap_or(value);
            made.insert(name, value);
        }
    }
    if kind == "message" || kind.ends_with("_call") || kind.ends_with("_output") {
        made.entry("status").or_insert_with(|| json!("completed"));
    }
    Value::Object(made)
}

/// A page of a list: `{object:"list", data, first_id, last_id, has_more}`. `after` is the id of
/// the last item of the page before; unknown ids begin at the start.
#[must_use]
pub fn list_page(items: &[Value], after: Option<&str>, limit: usize) -> Value {
    let id = |item: &Value| item.get("id").cloned().unwrap_or_default();
    let begin = after
        .and_then(|after| items.iter().position(|item| item.get("id").and_then(Value::as_str) == Some(after)))
        .map_or(0, |at| at + 1);
    let rest = items.get(begin..).unwrap_or_default();
    let page = rest.get(..limit.min(rest.len())).unwrap_or_default();
    json!({
        "object": "list",
        "data": page,
        "first_id": page.first().map(id),
        "last_id": page.last().map(id),
        "has_more": rest.len() > page.len(),
    })
}
