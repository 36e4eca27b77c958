//! From a canonical answer to a whole message as Anthropic's own SDKs read it.

use super::encode::{call_id, message_id};
use super::stop::stop_word_for;
use super::usage::Written;
use super::write_blocks::{Block, input_of};
use crate::canon::{Answer, Part};
use bytes::Bytes;
use serde::Serialize;
use std::borrow::Cow;

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    usage: Written,
}

/// Writes a whole answer. Sources and files have no place in this dialect and are left out; so are
/// texts that are empty, which Anthropic would not take back. Give it the answer's id and the model
/// to show before: an id without Anthropic's prefix gets it, a missing one is not made up.
#[must_use]
pub fn encode_answer(answer: &Answer) -> Bytes {
    let id = message_id(&answer.id);
    let mut calls = 0;
    let content: Vec<Block<'_>> = answer.parts.iter().filter_map(|part| block(part, &id, &mut calls)).collect();
    let has_refusal = answer.parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    let message = Message {
        id: &id,
        kind: "message",
        role: "assistant",
        model: &answer.model,
        content,
        stop_reason: stop_word_for(answer.finish, calls > 0, has_refusal),
        stop_sequence: answer.stop_sequence.as_deref(),
        usage: Written::of(answer.usage),
    };
    // Only maps with keys that are no strings fail, and there are none.
    Bytes::from(serde_json::to_vec(&message).unwrap_or_default())
}

fn block<'a>(part: &'a Part, message: &str, calls: &mut u32) -> Option<Block<'a>> {
    match part {
        Part::Text(text) if !text.text.is_empty() => Some(Block::text(&text.text)),
        Part::Refusal(text) if !text.is_empty() => Some(Block::text(text)),
        Part::Reasoning { redacted: Some(data), .. } => Some(Block::RedactedThinking { data }),
        Part::Reasoning { text, signature, .. } => {
            Some(Block::Thinking { thinking: text, signature: signature.as_deref().unwrap_or_default() })
        }
        Part::Call(call) => {
            let index = *calls;
            *calls = calls.saturating_add(1);
            Some(Block::ToolUse {
                id: Cow::Owned(call_id(&call.id, message, index)),
                name: Cow::Borrowed(&call.name),
                input: input_of(&call.arguments),
                cache_control: None,
            })
        }
        Part::Text(_) | Part::Refusal(_) | Part::Image(_) | Part::Document(_) | Part::Audio(_) | Part::Result(_) => {
            None
        }
    }
}
