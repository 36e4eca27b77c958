//! Tools: only those that the client runs itself, and how much text their definitions hold.

use super::messages::Reader;
use super::values::{array, is_string, object, one_of, unknown_unless_passed};
use crate::json::walk;
use crate::refusal::{RequestError, shorten};
use std::ops::Range;

/// Tools that Anthropic defines and the client runs; a date follows (`bash_20250124`).
const CLIENT_TOOLS: [&[u8]; 4] = [b"bash_", b"text_editor_", b"memory_", b"computer_"];

/// Stands for the definition of such a tool, which the provider adds to the prompt and which is
/// not in our bytes: computer use, the longest, was reported at 735 tokens and 499 more for the
/// prompt around it. Counted as ASCII text, so that the bound stays above it even at one token a
/// byte.
const CLIENT_TOOL_BYTES: u64 = 2_000;

/// Is `kind` a tool that Anthropic defines and the client runs?
pub(super) fn is_client_tool(kind: &[u8]) -> bool {
    CLIENT_TOOLS.iter().any(|prefix| {
        let date = kind.strip_prefix(*prefix);
        date.is_some_and(|date| date.len() == 8 && date.iter().all(u8::is_ascii_digit))
    })
}

/// Reads `tools` and adds them to what `reader` measures.
pub(super) fn read_tools(body: &[u8], value: &Range<usize>, reader: &mut Reader<'_>) -> Result<(), RequestError> {
    array(body, value, "tools")?;
    for (index, tool) in walk::elements(body, value.start).enumerate() {
        read_tool(body, &tool, reader).map_err(|error| error.below(&format!("tools[{index}]")))?;
    }
    Ok(())
}

fn read_tool(body: &[u8], tool: &Range<usize>, reader: &mut Reader<'_>) -> Result<(), RequestError> {
    object(body, tool, "")?;
    let kind = walk::members(body, tool.start)
        .find(|member| *member.name(body) == *b"type")
        .filter(|member| !walk::is_null(body, &member.value))
        .map(|member| walk::string(body, &member.value).unwrap_or_default());
    let client_tool = match kind.as_deref() {
        None | Some(b"custom") => false,
        Some(kind) if is_client_tool(kind) => true,
        Some(kind) => {
            let kind = shorten(&String::from_utf8_lossy(kind));
            return Err(RequestError::invalid(
                "type",
                format!(
                    "Tools of type `{kind}` are not accepted: a tool that the provider runs has fees of its own and \
                     reads the whole context again in every round."
                ),
            ));
        }
    };
    for member in walk::members(body, tool.start) {
        if walk::is_null(body, &member.value) {
            continue;
        }
        match &*member.name(body) {
            b"type" | b"input_examples" | b"eager_input_streaming" | b"defer_loading" | b"strict" => {}
            b"name" => is_string(body, &member.value, "name")?,
            b"description" => is_string(body, &member.value, "description")?,
            b"input_schema" => object(body, &member.value, "input_schema")?,
            b"cache_control" => reader.read_cache(body, &member.value)?,
            b"allowed_callers" => {
                array(body, &member.value, "allowed_callers")?;
                for caller in walk::elements(body, member.value.start) {
                    one_of(body, &caller, "allowed_callers", &["direct"])?;
                }
            }
            b"display_width_px" | b"display_height_px" | b"display_number" | b"enable_zoom" | b"max_characters"
                if client_tool => {}
            other => unknown_unless_passed(other, "", reader.pass)?,
        }
    }
    reader.add_tool(body, tool);
    if client_tool {
        reader.measure.ascii_bytes = reader.measure.ascii_bytes.saturating_add(CLIENT_TOOL_BYTES);
        reader.client_tools = true;
    }
    Ok(())
}

/// `tool_choice` is one of four.
pub(super) fn read_tool_choice(body: &[u8], value: &Range<usize>, reader: &Reader<'_>) -> Result<(), RequestError> {
    object(body, value, "tool_choice")?;
    let mut kind = false;
    for member in walk::members(body, value.start) {
        match &*member.name(body) {
            b"type" => {
                kind = true;
                one_of(body, &member.value, "tool_choice.type", &["auto", "any", "tool", "none"])?;
            }
            b"name" | b"disable_parallel_tool_use" => {}
            _ if walk::is_null(body, &member.value) => {}
            other => unknown_unless_passed(other, "tool_choice", reader.pass)?,
        }
    }
    if kind { Ok(()) } else { Err(RequestError::invalid("tool_choice.type", "`tool_choice.type` is missing.")) }
}
