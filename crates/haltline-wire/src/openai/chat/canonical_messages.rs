//! Chat messages as canonical turns.

use super::canonical::{cannot_cross, word};
use crate::canon::{Call, Media, MediaSource, Message, Part, Role, Text, ToolResult};
use crate::openai::data_url;
use crate::refusal::RequestError;
use serde_json::Value;

/// A conversation: what stands before all turns, and the turns.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) system: Vec<Text>,
    pub(super) messages: Vec<Message>,
    /// Ids and names of the calls so far: results do not repeat the name.
    calls: Vec<(String, String)>,
}

impl Conversation {
    pub(super) fn read(messages: Option<&Value>) -> Result<Self, RequestError> {
        let mut conversation = Self::default();
        for (index, message) in messages.and_then(Value::as_array).into_iter().flatten().enumerate() {
            conversation.message(message).map_err(|error| error.below(&format!("messages[{index}]")))?;
        }
        Ok(conversation)
    }

    fn message(&mut self, message: &Value) -> Result<(), RequestError> {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        let parts = parts(message.get("content"))?;
        let (role, parts) = match role {
            "system" | "developer" if self.messages.is_empty() => {
                let texts =
                    parts.into_iter().filter_map(|part| if let Part::Text(text) = part { Some(text) } else { None });
                self.system.extend(texts);
                return Ok(());
            }
            "system" | "developer" => (Role::System, parts),
            "user" => (Role::User, parts),
            "assistant" => (Role::Assistant, self.said(message, parts)?),
            "tool" => (Role::User, vec![self.result(message, parts)?]),
            _ => return Err(cannot_cross("role", "A turn of role `function` (send `tool` instead)")),
        };
        self.messages.push(Message { role, name: word(message.get("name")), parts });
        Ok(())
    }

    /// What the model thought, said and called.
    fn said(&mut self, message: &Value, mut parts: Vec<Part>) -> Result<Vec<Part>, RequestError> {
        let thought = ["reasoning_content", "reasoning"]
            .iter()
            .find_map(|name| message.get(*name).and_then(Value::as_str))
            .filter(|text| !text.is_empty());
        if let Some(text) = thought {
            parts.insert(0, Part::Reasoning { text: text.to_owned(), signature: None, redacted: None, id: None });
        }
        if let Some(text) = message.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty()) {
            parts.push(Part::Refusal(text.to_owned()));
        }
        if message.get("function_call").is_some_and(Value::is_object) {
            return Err(cannot_cross("function_call", "The old form of tool calls (send `tool_calls` instead)"));
        }
        for (index, call) in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let path = format!("tool_calls[{index}]");
            let Some(function) = call.get("function") else {
                return Err(cannot_cross(&path, "A call of a `custom` tool"));
            };
            let name = word(function.get("name")).filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| RequestError::invalid(path, "A call names no function."))?;
            let id = word(call.get("id")).filter(|id| !id.is_empty());
            let id = id.unwrap_or_else(|| format!("call_{}", self.calls.len()));
            self.calls.push((id.clone(), name.clone()));
            let arguments = match function.get("arguments") {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            parts.push(Part::Call(Call { id, name, arguments, signature: None, cache: None }));
        }
        Ok(parts)
    }

    fn result(&self, message: &Value, parts: Vec<Part>) -> Result<Part, RequestError> {
        let id = word(message.get("tool_call_id"))
            .ok_or_else(|| RequestError::invalid("tool_call_id", "A tool's result has no `tool_call_id`."))?;
        let name = self.calls.iter().rev().find(|(known, _)| *known == id).map(|(_, name)| name.clone());
        Ok(Part::Result(ToolResult { id, name, parts, is_error: false, cache: None }))
    }
}

fn parts(content: Option<&Value>) -> Result<Vec<Part>, RequestError> {
    match content {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text.clone())]),
        Some(Value::Array(items)) => items
            .iter()
            .enumerate()
            .map(|(index, item)| part(item).map_err(|error| error.below(&format!("content[{index}]"))))
            .collect(),
        Some(_) => Err(RequestError::invalid("content", "`content` must be a string or a list of parts.")),
    }
}

fn part(item: &Value) -> Result<Part, RequestError> {
    let text = |name: &str| word(item.get(name)).unwrap_or_default();
    match item.get("type").and_then(Value::as_str) {
        Some("text") => Ok(Part::text(text("text"))),
        Some("refusal") => Ok(Part::Refusal(text("refusal"))),
        Some("thinking") => {
            let text = match item.get("thinking") {
                Some(Value::Array(pieces)) => pieces.iter().filter_map(|piece| piece.get("text")?.as_str()).collect(),
                other => word(other).unwrap_or_default(),
            };
            Ok(Part::Reasoning { text, signature: None, redacted: None, id: None })
        }
        Some("image_url") => {
            let image = item.get("image_url").unwrap_or(&Value::Null);
            let url =
                word(image.get("url")).ok_or_else(|| RequestError::invalid("image_url", "An image has no `url`."))?;
            let source = match data_url::split(&url) {
                Some((media_type, data)) => {
                    MediaSource::Base64 { media_type: media_type.to_owned(), data: data.to_owned() }
                }
                None => MediaSource::Url(url),
            };
            Ok(Part::Image(Media { source, detail: word(image.get("detail")), name: None, cache: None }))
        }
        _ => Err(RequestError::invalid("type", "This type of part cannot be passed on.")),
    }
}
