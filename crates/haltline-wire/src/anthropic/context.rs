//! `context_management` and `thinking`: what they may ask for without raising the price.

use super::request::Budget;
use super::values::{array, is_string, object, one_of, unknown_unless_passed, whole_number};
use crate::PassFields;
use crate::json::walk;
use crate::refusal::RequestError;
use haltline_types::Tokens;
use std::ops::Range;

/// Edits that only take something out of the context (SDK 2.12.0). Compaction is none of them: its
/// pass reads the whole context once more and writes a summary, and neither is bounded by
/// `max_tokens`.
const EDITS: [&[u8]; 2] = [b"clear_tool_uses_", b"clear_thinking_"];

pub(super) fn read_context_management(
    body: &[u8],
    value: &Range<usize>,
    pass: &PassFields,
) -> Result<(), RequestError> {
    object(body, value, "context_management")?;
    for member in walk::members(body, value.start) {
        if walk::is_null(body, &member.value) {
            continue;
        }
        match &*member.name(body) {
            b"edits" => read_edits(body, &member.value)?,
            other => unknown_unless_passed(other, "context_management", pass)?,
        }
    }
    Ok(())
}

fn read_edits(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    array(body, value, "context_management.edits")?;
    for (index, edit) in walk::elements(body, value.start).enumerate() {
        let path = format!("context_management.edits[{index}]");
        object(body, &edit, &path)?;
        let kind = walk::members(body, edit.start)
            .find(|member| *member.name(body) == *b"type")
            .and_then(|member| walk::string(body, &member.value))
            .unwrap_or_default();
        if !EDITS.iter().any(|known| kind.starts_with(known)) {
            return Err(RequestError::invalid(
                format!("{path}.type"),
                "Of `context_management` only edits that clear tool uses or thinking are accepted: \
                 compaction is billed beyond what `max_tokens` bounds.",
            ));
        }
    }
    Ok(())
}

/// Reads `thinking`, and returns the budget in it.
pub(super) fn read_thinking(
    body: &[u8],
    value: &Range<usize>,
    pass: &PassFields,
) -> Result<Option<Budget>, RequestError> {
    object(body, value, "thinking")?;
    let mut budget = None;
    let mut kind = None;
    for member in walk::members(body, value.start) {
        if walk::is_null(body, &member.value) {
            continue;
        }
        match &*member.name(body) {
            b"type" => {
                let words = ["enabled", "adaptive", "disabled", "between_tools"];
                one_of(body, &member.value, "thinking.type", &words)?;
                kind = walk::string(body, &member.value);
            }
            b"budget_tokens" => {
                let Some(tokens) = whole_number(body, &member.value) else {
                    return Err(RequestError::invalid(
                        "thinking.budget_tokens",
                        "`thinking.budget_tokens` must be a whole number.",
                    ));
                };
                budget = Some(Budget { at: member.value, tokens: Tokens::new(tokens) });
            }
            b"display" => is_string(body, &member.value, "thinking.display")?,
            b"block_binding" => object(body, &member.value, "thinking.block_binding")?,
            other => unknown_unless_passed(other, "thinking", pass)?,
        }
    }
    match (kind.as_deref(), &budget) {
        (None, _) => Err(RequestError::invalid("thinking.type", "`thinking.type` is missing.")),
        (Some(b"enabled"), None) => {
            Err(RequestError::invalid("thinking.budget_tokens", "`thinking.budget_tokens` is missing."))
        }
        _ => Ok(budget),
    }
}
