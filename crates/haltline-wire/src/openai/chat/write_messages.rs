//! Canonical turns as chat messages.

use super::write::{ChatTarget, drop_named, thinks};
use crate::canon::{Media, MediaSource, Message, Part, Request, Role, Text, ToolResult};
use crate::openai::{ProviderKind, Quirks, data_url};
use crate::refusal::RequestError;
use serde_json::{Map, Value, json};

/// All messages, the system's first.
pub(super) fn messages(
    request: &Request,
    target: &ChatTarget<'_>,
    quirks: &Quirks,
    dropped: &mut Vec<&'static str>,
) -> Result<Vec<Value>, RequestError> {
    let system = if thinks(target) { "developer" } else { "system" };
    let mut writer = Writer { quirks, kind: target.kind, dropped, system, out: Vec::new() };
    if !request.system.is_empty() {
        let parts: Vec<Value> = request.system.iter().map(|text| writer.text(text)).collect();
        writer.push(system, None, content(parts));
    }
    let mut index = 0;
    // Some dialects have an item for each call and each thought; servers want all calls of a turn
    // in one message, right before their results, and its thoughts with them.
    let is_item = |part: &Part| matches!(part, Part::Call(_) | Part::Reasoning { .. });
    let is_one = |a: &Message, b: &Message| {
        let speaks_on = a.role == Role::Assistant && b.role == a.role && a.name == b.name;
        speaks_on && a.parts.iter().chain(&b.parts).any(is_item)
    };
    for turn in request.messages.chunk_by(is_one) {
        writer.turn(turn).map_err(|error| error.below(&format!("messages[{index}]")))?;
        index += turn.len();
    }
    Ok(writer.out)
}

struct Writer<'a> {
    quirks: &'a Quirks,
    kind: ProviderKind,
    dropped: &'a mut Vec<&'static str>,
    system: &'static str,
    out: Vec<Value>,
}

impl Writer<'_> {
    fn push(&mut self, role: &str, name: Option<&str>, content: Value) {
        let mut message = Map::new();
        message.insert("role".to_owned(), json!(role));
        message.insert("content".to_owned(), content);
        if let Some(name) = name {
            if self.quirks.names {
                message.insert("name".to_owned(), json!(name));
            } else {
                drop_named(self.dropped, "name");
            }
        }
        self.out.push(Value::Object(message));
    }

    fn turn(&mut self, turn: &[Message]) -> Result<(), RequestError> {
        let Some(message) = turn.first() else { return Ok(()) };
        match message.role {
            Role::Assistant => self.assistant(message.name.as_deref(), turn.iter().flat_map(|message| &message.parts)),
            Role::System => {
                let parts = self.parts(&message.parts)?;
                self.push(self.system, message.name.as_deref(), content(parts));
                Ok(())
            }
            Role::User => {
                // Results must stand right behind the calls; what else the user says follows.
                let mut rest = Vec::new();
                for part in &message.parts {
                    match part {
                        Part::Result(result) => self.result(result, &mut rest)?,
                        other => rest.extend(self.part(other)?),
                    }
                }
                let only_results = message.parts.iter().any(|part| matches!(part, Part::Result(_)));
                if !rest.is_empty() || !only_results {
                    self.push("user", message.name.as_deref(), content(rest));
                }
                Ok(())
            }
        }
    }

    fn assistant<'p>(&mut self, name: Option<&str>, parts: impl Iterator<Item = &'p Part>) -> Result<(), RequestError> {
        let (mut said, mut calls, mut thoughts, mut refusal) = (Vec::new(), Vec::new(), String::new(), String::new());
        for part in parts {
            match part {
                Part::Call(call) => {
                    self.cache(call.cache.is_some());
                    // Servers parse them, and an empty text is no JSON.
                    let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                    let function = json!({"name": call.name, "arguments": arguments});
                    calls.push(json!({"id": call.id, "type": "function", "function": function}));
                }
                Part::Reasoning { text, .. } => thoughts.push_str(text),
                Part::Refusal(text) => refusal.push_str(text),
                other => said.extend(self.part(other)?),
            }
        }
        if !self.quirks.takes_reasoning_back {
            thoughts.clear();
        }
        if said.is_empty() && calls.is_empty() && refusal.is_empty() && thoughts.is_empty() {
            return Ok(());
        }
        let nothing = said.is_empty() && (!calls.is_empty() || !refusal.is_empty());
        self.push("assistant", name, if nothing { Value::Null } else { content(said) });
        let Some(Value::Object(written)) = self.out.last_mut() else { return Ok(()) };
        if !refusal.is_empty() {
            written.insert("refusal".to_owned(), json!(refusal));
        }
        if !thoughts.is_empty() {
            written.insert("reasoning_content".to_owned(), json!(thoughts));
        }
        if !calls.is_empty() {
            written.insert("tool_calls".to_owned(), Value::Array(calls));
        }
        Ok(())
    }

    /// A tool's message holds text alone; its pictures and documents go to `rest`, which the user
    /// says after it.
    fn result(&mut self, result: &ToolResult, rest: &mut Vec<Value>) -> Result<(), RequestError> {
        self.cache(result.cache.is_some());
        if result.is_error {
            drop_named(self.dropped, "is_error");
        }
        let mut texts = Vec::new();
        for part in &result.parts {
            let values = self.part(part)?;
            let is_text = |value: &Value| value.get("type").and_then(Value::as_str) == Some("text");
            let (text, other): (Vec<_>, Vec<_>) = values.into_iter().partition(is_text);
            texts.extend(text);
            if !other.is_empty() {
                rest.push(json!({"type": "text", "text": format!("From the tool call {}:", result.id)}));
                rest.extend(other);
            }
        }
        let mut message = Map::new();
        message.insert("role".to_owned(), json!("tool"));
        message.insert("tool_call_id".to_owned(), json!(result.id));
        message.insert("content".to_owned(), content(texts));
        self.out.push(Value::Object(message));
        Ok(())
    }

    fn parts(&mut self, parts: &[Part]) -> Result<Vec<Value>, RequestError> {
        let mut out = Vec::with_capacity(parts.len());
        for part in parts {
            out.extend(self.part(part)?);
        }
        Ok(out)
    }

    fn part(&mut self, part: &Part) -> Result<Option<Value>, RequestError> {
        Ok(match part {
            Part::Text(text) => Some(self.text(text)),
            Part::Refusal(text) => Some(json!({"type": "text", "text": text})),
            Part::Image(media) => Some(self.image(media)?),
            Part::Document(media) => Some(self.document(media)?),
            Part::Audio(_) => return Err(RequestError::invalid("content", "Recordings cannot be passed on.")),
            // Thoughts of a user, and calls and results out of their place, have no meaning.
            Part::Reasoning { .. } | Part::Call(_) | Part::Result(_) => None,
        })
    }

    fn text(&mut self, text: &Text) -> Value {
        self.cache(text.cache.is_some());
        json!({"type": "text", "text": text.text})
    }

    fn image(&mut self, media: &Media) -> Result<Value, RequestError> {
        self.cache(media.cache.is_some());
        let url = match &media.source {
            MediaSource::Base64 { media_type, data } => data_url::join(media_type, data),
            MediaSource::Url(url) if self.quirks.image_urls => url.clone(),
            MediaSource::Url(_) => {
                let message = "This model's provider fetches no pictures: send them as base64.";
                return Err(RequestError::invalid("content", message));
            }
            MediaSource::Text(_) => return Err(RequestError::invalid("content", "A picture cannot be text.")),
        };
        let mut address = Map::new();
        address.insert("url".to_owned(), json!(url));
        if let Some(detail) = &media.detail {
            address.insert("detail".to_owned(), json!(detail));
        }
        Ok(json!({"type": "image_url", "image_url": address}))
    }

    fn document(&mut self, media: &Media) -> Result<Value, RequestError> {
        self.cache(media.cache.is_some());
        match &media.source {
            MediaSource::Text(text) => {
                let text = match &media.name {
                    Some(name) => format!("{name}\n\n{text}"),
                    None => text.clone(),
                };
                Ok(json!({"type": "text", "text": text}))
            }
            MediaSource::Base64 { media_type, data } if self.quirks.documents => {
                let name = media.name.as_deref().unwrap_or("document.pdf");
                let data = data_url::join(media_type, data);
                Ok(json!({"type": "file", "file": {"filename": name, "file_data": data}}))
            }
            MediaSource::Url(url) if self.kind == ProviderKind::OpenRouter => {
                let name = media.name.as_deref().unwrap_or("document.pdf");
                Ok(json!({"type": "file", "file": {"filename": name, "file_data": url}}))
            }
            MediaSource::Base64 { .. } | MediaSource::Url(_) => {
                Err(RequestError::invalid("content", "This model's provider takes no such document."))
            }
        }
    }

    fn cache(&mut self, marked: bool) {
        if marked {
            drop_named(self.dropped, "cache_control");
        }
    }
}

/// A single text as a string, which every server takes.
fn content(mut parts: Vec<Value>) -> Value {
    match parts.as_mut_slice() {
        [] => json!(""),
        [only] if only.get("type").and_then(Value::as_str) == Some("text") => {
            only.get_mut("text").map_or(Value::Null, Value::take)
        }
        _ => Value::Array(parts),
    }
}
