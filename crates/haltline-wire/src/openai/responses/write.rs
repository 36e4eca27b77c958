//! A canonical request in this dialect's bytes, for a Responses provider.
//!
//! Dropped as preferences: cache markers, names of participants, `top_k`, penalties, `seed`,
//! sampling of models that think, thinking of models that do not. Refused, as the client would miss it: stop sequences,
//! audio, pictures made by the model.

use crate::canon::{
    Effort, Format, Media, MediaSource, Message, OPENAI_SEAL, Part, Reasoning, Request, Role, Target, Tool, ToolChoice,
    ToolResult, Written,
};
use crate::openai::{ProviderKind, effort};
use crate::refusal::RequestError;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Writes `request` for `target` at OpenAI; see `write_for`.
///
/// # Errors
/// As `write_for`.
pub fn write(request: &Request, target: &Target<'_>) -> Result<Written, RequestError> {
    write_for(request, target, ProviderKind::OpenAi)
}

/// Writes `request` for `target` at a server of this kind. Nothing is stored at the provider, and
/// the tier is pinned where it is known.
///
/// # Errors
/// When it holds what this dialect cannot say and what the client would miss.
pub fn write_for(request: &Request, target: &Target<'_>, kind: ProviderKind) -> Result<Written, RequestError> {
    let mut writer = Writer { dropped: Vec::new(), sealed: false };
    if !request.sampling.stop.is_empty() {
        return Err(refused("stop", "stop sequences are not known there"));
    }
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    set("model", json!(target.model));
    let system: Vec<&str> = request.system.iter().map(|text| text.text.as_str()).collect();
    if !system.is_empty() {
        set("instructions", json!(system.join("\n\n")));
    }
    if request.system.iter().any(|text| text.cache.is_some()) {
        writer.drop("cache_control");
    }
    let mut items = Vec::new();
    for (index, message) in request.messages.iter().enumerate() {
        writer.message(message, &mut items).map_err(|error| error.below(&format!("messages[{index}]")))?;
    }
    set("input", Value::Array(items));
    set("max_output_tokens", json!(target.cap.get()));
    set("store", json!(false));
    if let Some(tier) = kind.quirks().service_tier {
        set("service_tier", json!(tier));
    }
    if request.stream {
        set("stream", json!(true));
    }
    if !request.tools.is_empty() {
        set("tools", request.tools.iter().map(|tool| writer.tool(tool)).collect());
        if let Some(choice) = &request.tool_choice {
            set("tool_choice", tool_choice(choice));
        }
        if let Some(parallel) = request.parallel_tool_calls {
            set("parallel_tool_calls", json!(parallel));
        }
    }
    if let Some(format) = format(&request.format) {
        set("text", json!({ "format": format }));
    }
    // OpenAI's reasoning models answer 400 to any but the default.
    let fixed = effort::thinks(kind, target.model);
    for (name, number) in [("temperature", &request.sampling.temperature), ("top_p", &request.sampling.top_p)] {
        match number {
            Some(_) if fixed => writer.drop(name),
            Some(number) => set(name, Value::Number(number.clone())),
            None => {}
        }
    }
    let reasoning = writer.reasoning(request.reasoning.as_ref(), target.model, kind);
    let thinks = reasoning.is_some();
    if let Some(reasoning) = reasoning {
        set("reasoning", reasoning);
    }
    if writer.sealed || thinks && request.reasoning.is_some_and(|reasoning| reasoning.show) {
        set("include", json!(["reasoning.encrypted_content"]));
    }
    if let Some(user) = &request.user {
        set("user", json!(user));
    }
    for (name, number) in [
        ("top_k", &request.sampling.top_k),
        ("frequency_penalty", &request.sampling.frequency_penalty),
        ("presence_penalty", &request.sampling.presence_penalty),
        ("seed", &request.sampling.seed),
    ] {
        if number.is_some() {
            writer.drop(name);
        }
    }
    let body = serde_json::to_vec(&body)
        .map_err(|error| RequestError::invalid("", format!("The request cannot be written: {error}.")))?;
    Ok(Written { body: Bytes::from(body), dropped: writer.dropped })
}

/// Turns as items of `input`, each as JSON. What this dialect cannot say of them is left out.
pub(super) fn items(messages: &[Message]) -> Result<Vec<Bytes>, RequestError> {
    let mut writer = Writer { dropped: Vec::new(), sealed: false };
    let mut items = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        writer.message(message, &mut items).map_err(|error| error.below(&format!("history[{index}]")))?;
    }
    Ok(items.iter().map(|item| Bytes::from(item.to_string())).collect())
}

fn refused(param: &str, why: &str) -> RequestError {
    RequestError::invalid(param, format!("`{param}` cannot be sent to the model that was chosen: {why}."))
}

struct Writer {
    dropped: Vec<&'static str>,
    /// Are there sealed thoughts among the items?
    sealed: bool,
}

impl Writer {
    fn drop(&mut self, name: &'static str) {
        if !self.dropped.contains(&name) {
            self.dropped.push(name);
        }
    }

    fn message(&mut self, message: &Message, items: &mut Vec<Value>) -> Result<(), RequestError> {
        if message.name.is_some() {
            self.drop("name");
        }
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let mut content = Vec::new();
        let flush = |content: &mut Vec<Value>, items: &mut Vec<Value>| {
            if !content.is_empty() {
                let content = std::mem::take(content);
                items.push(json!({ "type": "message", "role": role, "content": content }));
            }
        };
        for (index, part) in message.parts.iter().enumerate() {
            let item = match part {
                Part::Call(call) => {
                    self.mark(call.cache.as_ref());
                    let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                    json!({ "type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments })
                }
                Part::Result(result) => self.result(result)?,
                Part::Reasoning { text, signature, id, .. } => {
                    match self.thoughts(text, signature.as_ref(), id.as_ref()) {
                        Some(item) => item,
                        None => continue,
                    }
                }
                other => {
                    let value = self
                        .part(other, message.role == Role::Assistant)
                        .map_err(|error| error.below(&format!("content[{index}]")))?;
                    content.push(value);
                    continue;
                }
            };
            flush(&mut content, items);
            items.push(item);
        }
        flush(&mut content, items);
        Ok(())
    }

    fn mark(&mut self, cache: Option<&Value>) {
        if cache.is_some() {
            self.drop("cache_control");
        }
    }

    /// Thoughts that the provider can read, as their seal is its own; others are left out.
    fn thoughts(&mut self, text: &str, signature: Option<&String>, id: Option<&String>) -> Option<Value> {
        let sealed = signature.filter(|sealed| id.is_some() || sealed.starts_with(OPENAI_SEAL))?;
        self.sealed = true;
        let summary = if text.is_empty() { json!([]) } else { json!([{ "type": "summary_text", "text": text }]) };
        let mut item = json!({ "type": "reasoning", "summary": summary, "encrypted_content": sealed });
        if let (Some(id), Some(item)) = (id, item.as_object_mut()) {
            item.insert("id".to_owned(), json!(id));
        }
        Some(item)
    }

    fn part(&mut self, part: &Part, by_assistant: bool) -> Result<Value, RequestError> {
        let text_kind = if by_assistant { "output_text" } else { "input_text" };
        match part {
            Part::Text(text) => {
                self.mark(text.cache.as_ref());
                Ok(json!({ "type": text_kind, "text": text.text }))
            }
            Part::Refusal(text) if by_assistant => Ok(json!({ "type": "refusal", "refusal": text })),
            Part::Refusal(text) => Ok(json!({ "type": text_kind, "text": text })),
            Part::Image(_) | Part::Document(_) if by_assistant => {
                Err(refused("type", "files made by the model cannot be sent back there"))
            }
            Part::Image(media) => self.image(media),
            Part::Document(media) => Ok(self.document(media)),
            Part::Audio(_) => Err(refused("type", "audio cannot be sent there")),
            // Taken apart before.
            Part::Call(_) | Part::Result(_) | Part::Reasoning { .. } => {
                Err(refused("type", "a call cannot stand inside a result"))
            }
        }
    }

    fn image(&mut self, media: &Media) -> Result<Value, RequestError> {
        self.mark(media.cache.as_ref());
        let url = match &media.source {
            MediaSource::Base64 { media_type, data } => format!("data:{media_type};base64,{data}"),
            MediaSource::Url(url) => url.clone(),
            MediaSource::Text(_) => return Err(refused("source", "an image cannot be text")),
        };
        Ok(json!({ "type": "input_image", "image_url": url, "detail": media.detail.as_deref().unwrap_or("auto") }))
    }

    fn document(&mut self, media: &Media) -> Value {
        self.mark(media.cache.as_ref());
        match &media.source {
            MediaSource::Base64 { media_type, data } => {
                let name = media.name.as_deref().unwrap_or(if media_type == "application/pdf" {
                    "document.pdf"
                } else {
                    "document"
                });
                let data = format!("data:{media_type};base64,{data}");
                json!({ "type": "input_file", "filename": name, "file_data": data })
            }
            MediaSource::Url(url) => json!({ "type": "input_file", "file_url": url }),
            MediaSource::Text(text) => {
                let text = match &media.name {
                    Some(name) => format!("{name}\n\n{text}"),
                    None => text.clone(),
                };
                json!({ "type": "input_text", "text": text })
            }
        }
    }

    fn result(&mut self, result: &ToolResult) -> Result<Value, RequestError> {
        self.mark(result.cache.as_ref());
        if result.is_error {
            // The text says it, and there is no other place for it.
            self.drop("is_error");
        }
        let text = |part: &Part| if let Part::Text(text) = part { Some(text.text.clone()) } else { None };
        let texts: Option<Vec<String>> = result.parts.iter().map(text).collect();
        let output = match texts {
            Some(texts) if texts.len() < 2 => json!(texts.concat()),
            _ => {
                let parts: Result<Vec<Value>, RequestError> =
                    result.parts.iter().map(|part| self.part(part, false)).collect();
                Value::Array(parts?)
            }
        };
        Ok(json!({ "type": "function_call_output", "call_id": result.id, "output": output }))
    }

    fn tool(&mut self, tool: &Tool) -> Value {
        self.mark(tool.cache.as_ref());
        let empty = || json!({ "type": "object", "properties": {} });
        let mut value = json!({
            "type": "function",
            "name": tool.name,
            "parameters": tool.schema.clone().unwrap_or_else(empty),
            // Left out it would mean true.
            "strict": tool.strict.unwrap_or(false),
        });
        if let (Some(description), Some(value)) = (&tool.description, value.as_object_mut()) {
            value.insert("description".to_owned(), json!(description));
        }
        value
    }

    fn reasoning(&mut self, reasoning: Option<&Reasoning>, model: &str, kind: ProviderKind) -> Option<Value> {
        let reasoning = reasoning?;
        let off = reasoning.enabled == Some(false) && reasoning.effort.is_none();
        // OpenAI's models that do not think refuse the field, and of others it is not known whether
        // they can be told not to.
        if effort::is_plain(kind, model) || off && !effort::thinks(kind, model) {
            self.drop("reasoning");
            return None;
        }
        let effort = effort::effort(kind, model, reasoning);
        let mut value = Map::new();
        if let Some(effort) = effort {
            value.insert("effort".to_owned(), json!(effort.word()));
        }
        if reasoning.show && effort != Some(Effort::None) {
            value.insert("summary".to_owned(), json!("auto"));
        }
        (!value.is_empty()).then_some(Value::Object(value))
    }
}

fn tool_choice(choice: &ToolChoice) -> Value {
    let named = |name: &String| json!({ "type": "function", "name": name });
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => named(name),
        ToolChoice::AnyOf { names, required } => json!({
            "type": "allowed_tools",
            "mode": if *required { "required" } else { "auto" },
            "tools": names.iter().map(named).collect::<Vec<_>>(),
        }),
    }
}

fn format(format: &Format) -> Option<Value> {
    match format {
        Format::Text => None,
        Format::JsonObject => Some(json!({ "type": "json_object" })),
        Format::JsonSchema { name, description, schema, strict } => {
            let mut value = json!({
                "type": "json_schema",
                "name": name.as_deref().unwrap_or("answer"),
                "schema": schema,
                "strict": strict.unwrap_or(false),
            });
            if let (Some(description), Some(value)) = (description, value.as_object_mut()) {
                value.insert("description".to_owned(), json!(description));
            }
            Some(value)
        }
    }
}
