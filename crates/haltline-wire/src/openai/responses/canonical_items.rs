//! Items of `input` as canonical turns.

use super::{FOREIGN_REASONING, WITHHELD};
use crate::canon::{Call, Media, MediaSource, Message, Part, Role, ToolResult};
use crate::refusal::{RequestError, shorten};
use serde_json::{Value, json};

/// A field that cannot cross, and why.
pub(super) fn error(param: &str, why: &str) -> RequestError {
    RequestError::invalid(param, format!("`{param}` {why}; it cannot be sent to the model that was chosen."))
}

/// What a string says.
pub(super) fn string(value: Option<&Value>) -> Option<String> {
    value?.as_str().map(str::to_owned)
}

/// All turns, one for each item.
pub(super) fn messages(input: Option<&Value>, lost: &mut Vec<&'static str>) -> Result<Vec<Message>, RequestError> {
    let items = match input {
        Some(Value::String(text)) => {
            return Ok(vec![Message { role: Role::User, name: None, parts: vec![Part::text(text.as_str())] }]);
        }
        Some(Value::Array(items)) => items.as_slice(),
        _ => &[],
    };
    let mut turns: Vec<Message> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let path = format!("input[{index}]");
        let (role, parts) = turn(item, &path, &turns, lost)?;
        turns.push(Message { role, name: None, parts });
    }
    Ok(turns)
}

fn turn(
    item: &Value,
    path: &str,
    before: &[Message],
    lost: &mut Vec<&'static str>,
) -> Result<(Role, Vec<Part>), RequestError> {
    let word = |name: &str| string(item.get(name)).unwrap_or_default();
    match item.get("type").and_then(Value::as_str).unwrap_or("message") {
        "message" => {
            let role = match item.get("role").and_then(Value::as_str) {
                Some("assistant") => Role::Assistant,
                Some("system" | "developer") => Role::System,
                _ => Role::User,
            };
            Ok((role, parts(item.get("content"), &format!("{path}.content"), lost)?))
        }
        "function_call" => Ok((Role::Assistant, vec![call(word("call_id"), word("name"), word("arguments"))])),
        "custom_tool_call" => {
            let arguments = json!({ "input": word("input") }).to_string();
            Ok((Role::Assistant, vec![call(word("call_id"), word("name"), arguments)]))
        }
        "function_call_output" | "custom_tool_call_output" => {
            let id = word("call_id");
            let called = |part: &Part| match part {
                Part::Call(call) if call.id == id => Some(call.name.clone()),
                _ => None,
            };
            let name = before.iter().rev().flat_map(|message| &message.parts).find_map(called);
            let parts = parts(item.get("output"), &format!("{path}.output"), lost)?;
            let is_error = item.get("status").and_then(Value::as_str) == Some("failed");
            Ok((Role::User, vec![Part::Result(ToolResult { id, name, parts, is_error, cache: None })]))
        }
        "reasoning" => Ok((Role::Assistant, vec![thoughts(item)])),
        other => {
            Err(error(path, &format!("is an item of type `{}`, which only the Responses API has", shorten(other))))
        }
    }
}

fn call(id: String, name: String, arguments: String) -> Part {
    Part::Call(Call { id, name, arguments, signature: None, cache: None })
}

fn thoughts(item: &Value) -> Part {
    let joined = |name: &str| -> String {
        let parts = item.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
    };
    let summary = joined("summary");
    let text = if summary.is_empty() { joined("content") } else { summary };
    let sealed = string(item.get("encrypted_content")).filter(|sealed| !sealed.is_empty());
    // Only thoughts of a Responses provider keep their id: it tells whose seal it is.
    let id = string(item.get("id")).filter(|id| !id.starts_with(FOREIGN_REASONING));
    match sealed.as_deref().and_then(|sealed| sealed.strip_prefix(WITHHELD)) {
        Some(data) => Part::Reasoning { text, signature: None, redacted: Some(data.to_owned()), id },
        None => Part::Reasoning { text, signature: sealed, redacted: None, id },
    }
}

fn parts(content: Option<&Value>, path: &str, lost: &mut Vec<&'static str>) -> Result<Vec<Part>, RequestError> {
    match content {
        Some(Value::String(text)) => Ok(vec![Part::text(text.as_str())]),
        Some(Value::Array(parts)) => {
            parts.iter().enumerate().map(|(index, value)| part(value, &format!("{path}[{index}]"), lost)).collect()
        }
        None | Some(Value::Null) => Ok(Vec::new()),
        // Imitators take results as they are.
        Some(other) => Ok(vec![Part::text(other.to_string())]),
    }
}

fn part(value: &Value, path: &str, lost: &mut Vec<&'static str>) -> Result<Part, RequestError> {
    if value.get("prompt_cache_breakpoint").is_some_and(|mark| !mark.is_null())
        && !lost.contains(&"prompt_cache_breakpoint")
    {
        lost.push("prompt_cache_breakpoint");
    }
    let text = |name: &str| string(value.get(name)).unwrap_or_default();
    match value.get("type").and_then(Value::as_str) {
        Some("input_text" | "output_text" | "text" | "summary_text" | "reasoning_text") => Ok(Part::text(text("text"))),
        Some("refusal") => Ok(Part::Refusal(text("refusal"))),
        Some("input_image") => {
            let source = source(&text("image_url")).ok_or_else(|| error(path, "holds no image that can be read"))?;
            Ok(Part::Image(Media { source, detail: string(value.get("detail")), name: None, cache: None }))
        }
        Some("input_file") => match source(&text("file_data")) {
            Some(source @ MediaSource::Base64 { .. }) => {
                Ok(Part::Document(Media { source, detail: None, name: string(value.get("filename")), cache: None }))
            }
            _ => Err(error(path, "holds no `data:` URL in base64")),
        },
        _ => Err(error(path, "is a part that only the Responses API has")),
    }
}

/// From a `data:` URL in base64, or an address.
fn source(url: &str) -> Option<MediaSource> {
    let Some(data) = url.strip_prefix("data:") else {
        let is_address = url.starts_with("https://") || url.starts_with("http://");
        return is_address.then(|| MediaSource::Url(url.to_owned()));
    };
    let (head, data) = data.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?.split(';').next().unwrap_or_default();
    Some(MediaSource::Base64 { media_type: media_type.to_owned(), data: data.to_owned() })
}
