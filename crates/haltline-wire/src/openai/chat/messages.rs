//! Messages, their parts, and tools: what is known of them, and how much text they hold.
//!
//! Refuses what brings input or cost that is not in the body: files, audio, hosted tools.

use super::request::{MESSAGES_MAX, RequestError, object, shorten};
use super::{Measure, PassFields};
use crate::json::walk;
use std::ops::Range;

/// Reads `messages` and adds them to `measure`.
pub(super) fn read_messages(
    body: &[u8],
    value: &Range<usize>,
    pass: &PassFields,
    measure: &mut Measure,
) -> Result<(), RequestError> {
    array(body, value, "messages")?;
    for (index, message) in walk::elements(body, value.start).enumerate() {
        if index == MESSAGES_MAX {
            return Err(RequestError::invalid("messages", format!("`messages` holds more than {MESSAGES_MAX}.")));
        }
        measure.messages += 1;
        read_message(body, &message, pass, measure).map_err(|error| error.below(&format!("messages[{index}]")))?;
    }
    Ok(())
}

fn read_message(
    body: &[u8],
    message: &Range<usize>,
    pass: &PassFields,
    measure: &mut Measure,
) -> Result<(), RequestError> {
    object(body, message, "")?;
    let mut role = false;
    for member in walk::members(body, message.start) {
        let name = member.name(body);
        let value = &member.value;
        if walk::is_null(body, value) {
            continue;
        }
        match &*name {
            b"role" => {
                role = true;
                read_role(body, value)?;
            }
            b"content" => read_content(body, value, pass, measure)?,
            b"name" => {
                string(body, value, "name")?;
                measure.names += 1;
                measure.add_value(body, value);
            }
            b"tool_calls" => {
                array(body, value, "tool_calls")?;
                measure.add_value(body, value);
            }
            b"function_call" => {
                object(body, value, "function_call")?;
                measure.add_value(body, value);
            }
            b"tool_call_id" | b"refusal" | b"reasoning_content" => {
                string(body, value, &String::from_utf8_lossy(&name))?;
                measure.add_value(body, value);
            }
            // Clients send an answer's message back as they got it.
            b"reasoning" | b"reasoning_details" | b"annotations" => measure.add_value(body, value),
            b"audio" => {
                return Err(RequestError::invalid("audio", "Earlier audio is input that is not in the body."));
            }
            other => {
                let name = String::from_utf8_lossy(other);
                if !pass.contains(&name) {
                    return Err(RequestError::unknown(shorten(&name), crate::suggest::nearest(&name, MEMBERS)));
                }
                measure.add_value(body, value);
            }
        }
    }
    if role { Ok(()) } else { Err(RequestError::invalid("role", "A message has no `role`.")) }
}

const MEMBERS: [&str; 9] = [
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "function_call",
    "refusal",
    "reasoning_content",
    "annotations",
];

fn read_role(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    match walk::string(body, value).as_deref() {
        Some(b"system" | b"developer" | b"user" | b"assistant" | b"tool" | b"function") => Ok(()),
        _ => Err(RequestError::invalid(
            "role",
            "`role` must be one of system, developer, user, assistant, tool, function.",
        )),
    }
}

fn read_content(
    body: &[u8],
    value: &Range<usize>,
    pass: &PassFields,
    measure: &mut Measure,
) -> Result<(), RequestError> {
    match body.get(value.start) {
        Some(b'"') => measure.add_value(body, value),
        Some(b'[') => {
            for (index, part) in walk::elements(body, value.start).enumerate() {
                read_part(body, &part, pass, measure).map_err(|error| error.below(&format!("content[{index}]")))?;
            }
        }
        _ => return Err(RequestError::invalid("content", "`content` must be a string or a list of parts.")),
    }
    Ok(())
}

fn read_part(body: &[u8], part: &Range<usize>, pass: &PassFields, measure: &mut Measure) -> Result<(), RequestError> {
    object(body, part, "")?;
    let kind = walk::members(body, part.start)
        .find(|member| *member.name(body) == *b"type")
        .and_then(|member| walk::string(body, &member.value));
    let payload: &[u8] = match kind.as_deref() {
        Some(b"text") => b"text",
        Some(b"refusal") => b"refusal",
        Some(b"thinking") => b"thinking",
        Some(b"image_url") => b"image_url",
        Some(b"file") => {
            return Err(RequestError::invalid("file", "Files are input whose size is not in the body."));
        }
        Some(b"input_audio") => {
            return Err(RequestError::invalid("input_audio", "Audio is priced apart from tokens and is not offered."));
        }
        _ => {
            return Err(RequestError::invalid(
                "type",
                "A part's `type` must be one of text, image_url, refusal, thinking.",
            ));
        }
    };
    for member in walk::members(body, part.start) {
        let name = member.name(body);
        if *name == *b"type" || walk::is_null(body, &member.value) {
            continue;
        }
        if *name != *payload {
            let name = String::from_utf8_lossy(&name);
            if !pass.contains(&name) {
                return Err(RequestError::unknown(shorten(&name), None));
            }
            measure.add_value(body, &member.value);
        } else if payload == b"image_url" {
            read_image(body, &member.value)?;
            measure.images += 1;
        } else {
            measure.add_value(body, &member.value);
        }
    }
    Ok(())
}

/// An image is counted, not measured: its tokens come from its size in pixels, and have a cap.
fn read_image(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    object(body, value, "image_url")?;
    for member in walk::members(body, value.start) {
        if walk::is_null(body, &member.value) {
            continue;
        }
        match &*member.name(body) {
            b"url" => string(body, &member.value, "image_url.url")?,
            b"detail" => match walk::string(body, &member.value).as_deref() {
                Some(b"auto" | b"low" | b"high") => {}
                _ => {
                    return Err(RequestError::invalid(
                        "image_url.detail",
                        "`detail` must be auto, low or high: the size of others is not bounded.",
                    ));
                }
            },
            other => {
                let name = shorten(&String::from_utf8_lossy(other));
                return Err(RequestError::unknown(format!("image_url.{name}"), None));
            }
        }
    }
    Ok(())
}

/// Reads `tools` and adds them to `measure`. Only tools that the client runs itself are accepted.
pub(super) fn read_tools(
    body: &[u8],
    value: &Range<usize>,
    pass: &PassFields,
    measure: &mut Measure,
) -> Result<(), RequestError> {
    array(body, value, "tools")?;
    for (index, tool) in walk::elements(body, value.start).enumerate() {
        let path = format!("tools[{index}]");
        object(body, &tool, &path)?;
        let mut kind = None;
        for member in walk::members(body, tool.start) {
            let name = member.name(body);
            match &*name {
                b"type" => kind = walk::string(body, &member.value),
                b"function" | b"custom" => {}
                other => {
                    let name = String::from_utf8_lossy(other);
                    if !walk::is_null(body, &member.value) && !pass.contains(&name) {
                        return Err(RequestError::unknown(format!("{path}.{}", shorten(&name)), None));
                    }
                }
            }
        }
        if !matches!(kind.as_deref(), Some(b"function" | b"custom")) {
            return Err(RequestError::invalid(
                format!("{path}.type"),
                "Only tools of type `function` or `custom` are accepted: tools that the provider runs have fees of their own.",
            ));
        }
        measure.tools += 1;
        measure.add_value(body, &tool);
    }
    Ok(())
}

/// Reads the old `functions` and adds them to `measure`.
pub(super) fn read_functions(body: &[u8], value: &Range<usize>, measure: &mut Measure) -> Result<(), RequestError> {
    array(body, value, "functions")?;
    for function in walk::elements(body, value.start) {
        object(body, &function, "functions")?;
        measure.tools += 1;
        measure.add_value(body, &function);
    }
    Ok(())
}

/// `tool_choice` must not name a tool that the provider runs.
pub(super) fn read_tool_choice(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    if body.get(value.start) == Some(&b'"') {
        return Ok(());
    }
    object(body, value, "tool_choice")?;
    let kind = walk::members(body, value.start)
        .find(|member| *member.name(body) == *b"type")
        .and_then(|member| walk::string(body, &member.value));
    match kind.as_deref() {
        Some(b"function" | b"custom" | b"allowed_tools") => Ok(()),
        _ => Err(RequestError::invalid(
            "tool_choice.type",
            "`tool_choice.type` must be one of function, custom, allowed_tools.",
        )),
    }
}

fn array(body: &[u8], value: &Range<usize>, param: &str) -> Result<(), RequestError> {
    if body.get(value.start) == Some(&b'[') {
        return Ok(());
    }
    Err(RequestError::invalid(param, format!("`{param}` must be a list.")))
}

fn string(body: &[u8], value: &Range<usize>, param: &str) -> Result<(), RequestError> {
    if body.get(value.start) == Some(&b'"') {
        return Ok(());
    }
    Err(RequestError::invalid(param, format!("`{param}` must be a string.")))
}

impl RequestError {
    /// The same error, its field's path put below `parent`.
    fn below(mut self, parent: &str) -> Self {
        self.param = Some(match self.param.as_deref() {
            None | Some("") => parent.to_owned(),
            Some(param) => format!("{parent}.{param}"),
        });
        self
    }
}
