//! Canonical turns as this dialect's: user and assistant in turns, the user first, results of
//! tools at the begin of the user's turn.

use super::write_blocks::{Block, call_block, document_block, image_block, result_block, text_block};
use crate::canon::{Message, OPENAI_SEAL, Part, Request, Role};
use crate::refusal::RequestError;
use serde::Serialize;
use std::borrow::Cow;

/// A turn as it is written.
#[derive(Serialize, Debug)]
pub(super) struct Turn<'a> {
    pub(super) role: &'static str,
    pub(super) content: Vec<Block<'a>>,
}

/// System prompt and turns.
pub(super) struct Turns<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
}

/// Stands where a conversation begins with the assistant: the first turn must be the user's.
const BEGIN: &str = "(The conversation begins with the assistant.)";

const USER: &str = "user";
const ASSISTANT: &str = "assistant";

/// Writes the turns of `request`; notes in `dropped` what they cannot say.
///
/// System messages before all others join the system prompt. Those in the middle are said by the
/// user, in `<system>` tags: only the newest models know the role there, and none lets the user's
/// words be taken for the operator's so.
pub(super) fn turns_of<'a>(request: &'a Request, dropped: &mut Dropped) -> Result<Turns<'a>, RequestError> {
    let mut system: Vec<Block<'a>> =
        request.system.iter().filter_map(|text| text_block(&text.text, text.cache.as_ref())).collect();
    let leading = request.messages.iter().take_while(|message| message.role == Role::System).count();
    let (before, rest) = request.messages.split_at(leading);
    for part in before.iter().flat_map(|message| &message.parts) {
        match part {
            Part::Text(text) => system.extend(text_block(&text.text, text.cache.as_ref())),
            _ => return Err(RequestError::invalid("messages", "A system message can hold text only.")),
        }
    }
    let mut turns = Vec::<Turn<'a>>::new();
    let mut results = 0;
    for (index, message) in rest.iter().enumerate() {
        if message.name.is_some() {
            dropped.add("name");
        }
        let role = if message.role == Role::Assistant { ASSISTANT } else { USER };
        let path = format!("messages[{}].content", index + leading);
        if turns.last().is_none_or(|turn| turn.role != role) {
            turns.push(Turn { role, content: Vec::new() });
            results = 0;
        }
        let Some(turn) = turns.last_mut() else { continue };
        write_message(message, &path, &mut turn.content, &mut results, dropped)?;
        // A turn that says nothing is none, and its neighbours meet.
        if turn.content.is_empty() {
            turns.pop();
            results = turns.last().map_or(0, count_results);
        }
    }
    if turns.is_empty() {
        return Err(RequestError::invalid("messages", "`messages` holds nothing that the provider could read."));
    }
    if turns.first().is_some_and(|turn| turn.role == ASSISTANT) {
        turns.insert(0, Turn { role: USER, content: vec![Block::text(BEGIN)] });
    }
    trim_end(&mut turns);
    Ok(Turns { system, turns })
}

/// The turns of a conversation as JSON each, to stand among those of a client's request: ids of
/// calls stay as they are, and whoever begins is not asked.
pub(super) fn history(messages: &[Message]) -> Result<Vec<bytes::Bytes>, RequestError> {
    let mut dropped = Dropped::default();
    let mut out = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        let role = if message.role == Role::Assistant { ASSISTANT } else { USER };
        let mut turn = Turn { role, content: Vec::new() };
        write_message(message, &format!("history[{index}].content"), &mut turn.content, &mut 0, &mut dropped)?;
        keep_ids(message, &mut turn.content);
        if !turn.content.is_empty() {
            out.push(bytes::Bytes::from(serde_json::to_vec(&turn).unwrap_or_default()));
        }
    }
    Ok(out)
}

/// A client sends results under the ids that it got, whatever characters are in them.
fn keep_ids<'a>(message: &'a Message, content: &mut [Block<'a>]) {
    let calls = message.parts.iter().filter_map(|part| if let Part::Call(call) = part { Some(call) } else { None });
    let results =
        message.parts.iter().filter_map(|part| if let Part::Result(result) = part { Some(result) } else { None });
    let (mut calls, mut results) = (calls, results);
    for block in content {
        match block {
            Block::ToolUse { id, name, .. } => {
                if let Some(call) = calls.next() {
                    if !call.id.is_empty() {
                        *id = Cow::Borrowed(&call.id);
                    }
                    *name = Cow::Borrowed(&call.name);
                }
            }
            Block::ToolResult { tool_use_id, .. } => {
                if let Some(result) = results.next() {
                    *tool_use_id = Cow::Borrowed(&result.id);
                }
            }
            _ => {}
        }
    }
}

fn count_results(turn: &Turn<'_>) -> usize {
    turn.content.iter().take_while(|block| matches!(block, Block::ToolResult { .. })).count()
}

/// Appends what `message` says to `content`, whose first `results` blocks are results.
fn write_message<'a>(
    message: &'a Message,
    path: &str,
    content: &mut Vec<Block<'a>>,
    results: &mut usize,
    dropped: &mut Dropped,
) -> Result<(), RequestError> {
    let from_assistant = message.role == Role::Assistant;
    for part in &message.parts {
        match part {
            Part::Text(text) if message.role == Role::System => {
                let said = format!("<system>\n{}\n</system>", text.text);
                content.push(Block::Text { text: Cow::Owned(said), cache_control: text.cache.as_ref() });
            }
            Part::Text(text) => content.extend(text_block(&text.text, text.cache.as_ref())),
            Part::Refusal(text) => content.extend(text_block(text, None)),
            Part::Image(_) | Part::Document(_) if from_assistant => {
                return Err(RequestError::invalid(path, "The provider takes no images or documents of the assistant."));
            }
            Part::Image(media) => {
                if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
                    dropped.add("detail");
                }
                content.push(image_block(media, path)?);
            }
            Part::Document(media) => content.push(document_block(media, path)?),
            Part::Audio(_) => return Err(RequestError::invalid(path, "The provider takes no audio.")),
            Part::Call(call) if from_assistant => {
                if call.signature.is_some() {
                    dropped.add("reasoning");
                }
                content.push(call_block(call, content.len()));
            }
            Part::Result(result) if !from_assistant => {
                content.insert(*results, result_block(result, path)?);
                *results += 1;
            }
            Part::Call(_) | Part::Result(_) => {
                return Err(RequestError::invalid(path, "Calls are the assistant's, and results the user's."));
            }
            Part::Reasoning { .. } => content.extend(reasoning_block(part, from_assistant, dropped)),
        }
    }
    Ok(())
}

/// Only thinking that carries Anthropic's own proof goes back to it. An OpenAI reasoning item has
/// an id, and its proof is for OpenAI.
fn reasoning_block<'a>(part: &'a Part, from_assistant: bool, dropped: &mut Dropped) -> Option<Block<'a>> {
    let block = match part {
        Part::Reasoning { redacted: Some(data), id: None, .. } => Some(Block::RedactedThinking { data }),
        Part::Reasoning { text, signature: Some(signature), id: None, .. }
            if !signature.is_empty() && !signature.starts_with(OPENAI_SEAL) =>
        {
            Some(Block::Thinking { thinking: text, signature })
        }
        _ => None,
    };
    let block = block.filter(|_| from_assistant);
    if block.is_none() {
        dropped.add("reasoning");
    }
    block
}

/// Anthropic refuses an assistant's last turn that ends with white space.
fn trim_end(turns: &mut [Turn<'_>]) {
    let Some(last) = turns.last_mut().filter(|turn| turn.role == ASSISTANT) else { return };
    if let Some(Block::Text { text, .. }) = last.content.last_mut() {
        let length = text.trim_end().len();
        match text {
            Cow::Borrowed(text) => *text = text.get(..length).unwrap_or(text),
            Cow::Owned(text) => text.truncate(length),
        }
    }
}

/// Is the model in the middle of a round of tools whose first step did not begin with thinking?
/// Anthropic then refuses to think in the rest of it.
pub(super) fn is_mid_round_without_thinking(turns: &[Turn<'_>]) -> bool {
    let [.., asked, answered] = turns else { return false };
    answered.role == USER
        && count_results(answered) > 0
        && !matches!(asked.content.first(), Some(Block::Thinking { .. } | Block::RedactedThinking { .. }))
}

/// Canonical names of what was dropped, each once.
#[derive(Debug, Default)]
pub(super) struct Dropped(pub(super) Vec<&'static str>);

impl Dropped {
    pub(super) fn add(&mut self, name: &'static str) {
        if !self.0.contains(&name) {
            self.0.push(name);
        }
    }
}
