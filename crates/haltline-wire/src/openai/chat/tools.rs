//! Tools: only those that the client runs itself, and how much text their definitions hold.

use super::values::{array, object};
use crate::json::walk;
use crate::refusal::{RequestError, shorten};
use crate::{Measure, PassFields};
use std::ops::Range;

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
