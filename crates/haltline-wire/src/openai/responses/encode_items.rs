//! Output items as JSON, open and closed. Knows nothing of events.

use serde_json::{Value, json};

/// The item that is being written; calls are kept apart.
#[derive(Clone, Debug, Default)]
pub(super) enum Open {
    #[default]
    None,
    Message(Message),
    Reasoning(Reasoning),
}

/// A message that is being written.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) place: usize,
    pub(super) id: String,
    /// Parts that are complete.
    pub(super) parts: Vec<Value>,
    pub(super) part: Option<Part>,
}

/// The part of a message that is being written.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) refusal: bool,
    pub(super) text: String,
    pub(super) annotations: Vec<Value>,
    /// Its text is told as whole already.
    pub(super) told: bool,
}

/// A reasoning item that is being written.
#[derive(Clone, Debug)]
pub(super) struct Reasoning {
    pub(super) place: usize,
    pub(super) id: String,
    pub(super) text: String,
    /// Has the summary part been announced?
    pub(super) part_open: bool,
    pub(super) sealed: Option<String>,
}

/// A call that is being written.
pub(super) struct OpenCall {
    pub(super) index: u32,
    pub(super) place: usize,
    /// The item's id, not the call's.
    pub(super) id: String,
    pub(super) call_id: String,
    pub(super) name: String,
    pub(super) arguments: String,
    /// Takes free text instead of JSON arguments.
    pub(super) custom: bool,
}

impl Open {
    /// Where the open item stands.
    pub(super) const fn place(&self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Message(message) => Some(message.place),
            Self::Reasoning(reasoning) => Some(reasoning.place),
        }
    }
}

impl Message {
    pub(super) fn json(&self, status: &str) -> Value {
        json!({ "id": self.id, "type": "message", "status": status, "role": "assistant", "content": self.parts })
    }
}

impl Part {
    pub(super) fn json(&self) -> Value {
        if self.refusal {
            return json!({ "type": "refusal", "refusal": self.text });
        }
        json!({ "type": "output_text", "text": self.text, "annotations": self.annotations, "logprobs": [] })
    }
}

impl Reasoning {
    pub(super) fn json(&self, status: &str) -> Value {
        let summary = if self.part_open { vec![summary(&self.text)] } else { Vec::new() };
        let mut item = json!({ "id": self.id, "type": "reasoning", "status": status, "summary": summary });
        if let (Some(sealed), Some(item)) = (&self.sealed, item.as_object_mut()) {
            item.insert("encrypted_content".to_owned(), json!(sealed));
        }
        item
    }
}

/// A part of a reasoning summary.
pub(super) fn summary(text: &str) -> Value {
    json!({ "type": "summary_text", "text": text })
}

impl OpenCall {
    pub(super) fn json(&self, status: &str) -> Value {
        if self.custom {
            return json!({
                "id": self.id,
                "type": "custom_tool_call",
                "status": status,
                "call_id": self.call_id,
                "name": self.name,
                "input": self.free_text(),
            });
        }
        json!({
            "id": self.id,
            "type": "function_call",
            "status": status,
            "arguments": self.arguments,
            "call_id": self.call_id,
            "name": self.name,
        })
    }

    /// What a custom tool gets: the one argument of the function that stood for it.
    pub(super) fn free_text(&self) -> String {
        let arguments: Value = serde_json::from_str(&self.arguments).unwrap_or_default();
        match arguments.get("input").and_then(Value::as_str) {
            Some(input) => input.to_owned(),
            None => self.arguments.clone(),
        }
    }

    /// Are the arguments whole?
    pub(super) fn is_whole(&self) -> bool {
        serde_json::from_str::<serde::de::IgnoredAny>(&self.arguments).is_ok()
    }
}

/// A source, at the end of the text so far.
pub(super) fn citation(text: &str, url: &str, title: Option<&str>) -> Value {
    let end = text.chars().count();
    json!({
        "type": "url_citation",
        "url": url,
        "title": title.unwrap_or_default(),
        "start_index": end,
        "end_index": end,
    })
}

/// Adds a source to the last text of items that are closed. Is there one?
pub(super) fn add_to_last_text(output: &mut [Value], url: &str, title: Option<&str>) -> bool {
    let is_text = |part: &&mut Value| part.get("type").and_then(Value::as_str) == Some("output_text");
    let parts = output.iter_mut().rev().filter_map(|item| item.get_mut("content").and_then(Value::as_array_mut));
    let Some(part) = parts.flat_map(|parts| parts.iter_mut().rev()).find(is_text) else { return false };
    let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
    let annotation = citation(text, url, title);
    match part.get_mut("annotations").and_then(Value::as_array_mut) {
        Some(annotations) => annotations.push(annotation),
        None => return false,
    }
    true
}
