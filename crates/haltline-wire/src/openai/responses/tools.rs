//! Tools: only those that the client runs itself, and how much text their definitions hold.

use super::request::HostedTools;
use super::values::{array, member, object};
use crate::json::walk;
use crate::refusal::{RequestError, shorten};
use crate::{Measure, PassFields};
use std::ops::Range;

/// Members of the tools that are accepted, by the types of openai-python 3.57.
const MEMBERS: [&str; 12] = [
    "allowed_callers",
    "defer_loading",
    "description",
    "environment",
    "execution",
    "format",
    "name",
    "output_schema",
    "parameters",
    "strict",
    "tools",
    "type",
];

/// Reads `tools` and adds them to `measure`. Gives the places of hosted tools to leave out.
pub(super) fn read_tools(
    body: &[u8],
    value: &Range<usize>,
    pass: &PassFields,
    hosted: HostedTools,
    measure: &mut Measure,
) -> Result<Vec<Range<usize>>, RequestError> {
    array(body, value, "tools")?;
    let mut left_out = Vec::new();
    for (index, tool) in walk::elements(body, value.start).enumerate() {
        let path = format!("tools[{index}]");
        object(body, &tool, &path)?;
        match read_tool(body, &tool, pass, &path, measure) {
            Ok(Runs::AtTheClient) => {}
            Ok(Runs::AtTheProvider(_)) if hosted == HostedTools::LeaveOut => left_out.push(tool),
            Ok(Runs::AtTheProvider(kind)) => return Err(refused(&format!("{path}.type"), &kind)),
            Err(error) => return Err(error),
        }
    }
    Ok(left_out)
}

enum Runs {
    AtTheClient,
    /// Holds the type.
    AtTheProvider(String),
}

fn read_tool(
    body: &[u8],
    tool: &Range<usize>,
    pass: &PassFields,
    path: &str,
    measure: &mut Measure,
) -> Result<Runs, RequestError> {
    let kind = member(body, tool, "type")
        .ok_or_else(|| RequestError::invalid(format!("{path}.type"), "A tool has no `type`."))?;
    let at_the_client = match kind.as_str() {
        "function" | "custom" | "local_shell" | "apply_patch" | "namespace" => true,
        // Without an environment a shell runs at the client.
        "shell" => environment(body, tool).is_none_or(|environment| environment == "local"),
        // The provider's own search makes further passes over the input.
        "tool_search" => member(body, tool, "execution").as_deref() == Some("client"),
        _ => false,
    };
    if !at_the_client {
        return Ok(Runs::AtTheProvider(kind));
    }
    for member in walk::members(body, tool.start) {
        let name = member.name(body);
        let name = String::from_utf8_lossy(&name);
        if walk::is_null(body, &member.value) {
            continue;
        }
        if !MEMBERS.contains(&&*name) && !pass.contains(&name) {
            return Err(RequestError::unknown(format!("{path}.{}", shorten(&name)), None));
        }
        if name == "tools" {
            for (index, inner) in walk::elements(body, member.value.start).enumerate() {
                let path = format!("{path}.tools[{index}]");
                // Counted with the whole; only what it is matters here.
                let mut counted = Measure::default();
                if let Runs::AtTheProvider(kind) = read_tool(body, &inner, pass, &path, &mut counted)? {
                    return Err(refused(&format!("{path}.type"), &kind));
                }
                measure.tools = measure.tools.saturating_add(1);
            }
        }
    }
    measure.tools = measure.tools.saturating_add(1);
    measure.add_value(body, tool);
    Ok(Runs::AtTheClient)
}

fn environment(body: &[u8], tool: &Range<usize>) -> Option<String> {
    let environment = walk::members(body, tool.start).find(|member| *member.name(body) == *b"environment")?;
    if walk::is_null(body, &environment.value) {
        return None;
    }
    Some(member(body, &environment.value, "type").unwrap_or_default())
}

fn refused(param: &str, kind: &str) -> RequestError {
    RequestError::invalid(
        param,
        format!(
            "A tool of type `{}` is not accepted: the provider runs it, with fees and passes of its own that a \
             budget cannot hold. Tools that the client runs are accepted.",
            shorten(kind)
        ),
    )
}

/// `tool_choice` must not name a tool that the provider runs, not even where those are left out:
/// the client relies on it.
pub(super) fn read_tool_choice(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    if body.get(value.start) == Some(&b'"') {
        return Ok(());
    }
    object(body, value, "tool_choice")?;
    match member(body, value, "type").as_deref() {
        Some("function" | "custom" | "local_shell" | "shell" | "apply_patch") => Ok(()),
        Some("allowed_tools") => allowed_tools(body, value),
        _ => Err(RequestError::invalid(
            "tool_choice.type",
            "`tool_choice.type` must be one of function, custom, allowed_tools, shell, local_shell, apply_patch.",
        )),
    }
}

fn allowed_tools(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    let Some(tools) = walk::members(body, value.start).find(|member| *member.name(body) == *b"tools") else {
        return Ok(());
    };
    for (index, tool) in walk::elements(body, tools.value.start).enumerate() {
        match member(body, &tool, "type").as_deref() {
            Some("function" | "custom" | "local_shell" | "shell" | "apply_patch" | "namespace") => {}
            other => return Err(refused(&format!("tool_choice.tools[{index}].type"), other.unwrap_or_default())),
        }
    }
    Ok(())
}
