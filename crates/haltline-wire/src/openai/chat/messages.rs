//! Messages and their parts: what is known of them, and how much text they hold.
//!
//! Refuses what brings input or cost that is not in the body: files, audio.

use super::request::MESSAGES_MAX;
use super::values::{array, is_string, object};
use crate::json::walk::{self, Cursor, Member};
use crate::refusal::{RequestError, shorten};
use crate::{Measure, PassFields};
use std::ops::Range;

/// Reads the `messages` at which `cursor` stands, steps over them, and adds them to `measure`.
pub(super) fn read_messages(
    body: &[u8],
    cursor: &mut Cursor<'_>,
    pass: &PassFields,
    measure: &mut Measure,
) -> Result<(), RequestError> {
    if cursor.peek() != Some(b'[') {
        return Err(RequestError::invalid("messages", "`messages` must be a list."));
    }
    cursor.enter();
    let mut index = 0;
    while cursor.next_element() {
        if index == MESSAGES_MAX {
            return Err(RequestError::invalid("messages", format!("`messages` holds more than {MESSAGES_MAX}.")));
        }
        measure.messages += 1;
        read_message(body, cursor, pass, measure).map_err(|error| error.below(&format!("messages[{index}]")))?;
        index += 1;
    }
    Ok(())
}

fn read_message(
    body: &[u8],
    cursor: &mut Cursor<'_>,
    pass: &PassFields,
    measure: &mut Measure,
) -> Result<(), RequestError> {
    if cursor.peek() != Some(b'{') {
        return Err(RequestError::invalid("", "A message must be an object."));
    }
    cursor.enter();
    let mut role = false;
    while let Some(key) = cursor.next_key() {
        let name = walk::name(body, &key);
        if cursor.peek() == Some(b'n') {
            cursor.skip();
            continue;
        }
        if *name == *b"content" && cursor.peek() == Some(b'[') {
            read_parts(body, cursor, pass, measure)?;
            continue;
        }
        let value = cursor.skip();
        match &*name {
            b"role" => {
                role = true;
                read_role(body, &value)?;
                continue;
            }
            b"content" => is_string(body, &value, "content", "`content` must be a string or a list of parts.")?,
            b"name" => {
                is_string(body, &value, "name", "`name` must be a string.")?;
                measure.names += 1;
            }
            b"tool_calls" => array(body, &value, "tool_calls")?,
            b"function_call" => object(body, &value, "function_call")?,
            b"tool_call_id" => is_string(body, &value, "tool_call_id", "`tool_call_id` must be a string.")?,
            // Clients send an answer's message back as they got it.
            b"refusal" | b"reasoning_content" | b"reasoning" | b"reasoning_details" | b"annotations" => {}
            b"audio" => {
                return Err(RequestError::invalid("audio", "Earlier audio is input that is not in the body."));
            }
            other => {
                let name = String::from_utf8_lossy(other);
                if !pass.contains(&name) {
                    return Err(RequestError::unknown(shorten(&name), crate::suggest::nearest(&name, MEMBERS)));
                }
            }
        }
        measure.add_value(body, &value);
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

fn read_parts(
    body: &[u8],
    cursor: &mut Cursor<'_>,
    pass: &PassFields,
    measure: &mut Measure,
) -> Result<(), RequestError> {
    cursor.enter();
    let mut index = 0;
    // One list for all parts of the message.
    let mut members = Vec::with_capacity(4);
    while cursor.next_element() {
        let path = |error: RequestError| error.below(&format!("content[{index}]"));
        if cursor.peek() != Some(b'{') {
            return Err(path(RequestError::invalid("", "A part must be an object.")));
        }
        cursor.enter();
        members.clear();
        while let Some(key) = cursor.next_key() {
            members.push(Member { key, value: cursor.skip() });
        }
        read_part(body, &members, pass, measure).map_err(path)?;
        index += 1;
    }
    Ok(())
}

fn read_part(body: &[u8], members: &[Member], pass: &PassFields, measure: &mut Measure) -> Result<(), RequestError> {
    let kind = members.iter().find(|member| *member.name(body) == *b"type");
    let payload = payload_of(kind.and_then(|kind| walk::string(body, &kind.value)).as_deref())?;
    for member in members {
        let name = member.name(body);
        if *name == *b"type" || walk::is_null(body, &member.value) {
            continue;
        }
        if *name == *payload && payload == b"image_url" {
            read_image(body, &member.value)?;
            measure.images += 1;
            continue;
        }
        if *name != *payload {
            let name = String::from_utf8_lossy(&name);
            if !pass.contains(&name) {
                return Err(RequestError::unknown(shorten(&name), None));
            }
        }
        measure.add_value(body, &member.value);
    }
    Ok(())
}

/// The member that holds what a part of this type has to say.
fn payload_of(kind: Option<&[u8]>) -> Result<&'static [u8], RequestError> {
    match kind {
        Some(b"text") => Ok(b"text"),
        Some(b"refusal") => Ok(b"refusal"),
        Some(b"thinking") => Ok(b"thinking"),
        Some(b"image_url") => Ok(b"image_url"),
        Some(b"file") => Err(RequestError::invalid("file", "Files are input whose size in tokens is not in the body.")),
        Some(b"input_audio") => {
            Err(RequestError::invalid("input_audio", "Audio is priced apart from tokens and is not offered."))
        }
        _ => Err(RequestError::invalid("type", "A part's `type` must be one of text, image_url, refusal, thinking.")),
    }
}

/// An image is counted, not measured: its tokens come from its size in pixels, and have a cap.
fn read_image(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    object(body, value, "image_url")?;
    for member in walk::members(body, value.start) {
        if walk::is_null(body, &member.value) {
            continue;
        }
        match &*member.name(body) {
            b"url" => is_string(body, &member.value, "image_url.url", "`url` must be a string.")?,
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
