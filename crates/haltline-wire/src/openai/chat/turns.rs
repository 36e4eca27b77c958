//! A chat request with further turns in its body, and its own turns alone.

use super::canonical_messages::Conversation;
use super::fields::Field;
use super::write::ChatTarget;
use super::write_messages::messages;
use super::{CapField, ChatRequest};
use crate::PassFields;
use crate::canon::{Message, Part, Request, Role, Target};
use crate::edit::{At, Writer, elements, spliced};
use crate::json::walk;
use crate::openai::ProviderKind;
use crate::refusal::RequestError;
use bytes::Bytes;
use haltline_types::Tokens;
use serde_json::Value;

impl ChatRequest {
    /// The same request with `turns` among its messages, and with `cap` where the client set one.
    pub(crate) fn with_turns(
        &self,
        turns: &[Message],
        at: At,
        cap: Option<Tokens>,
        pass: &PassFields,
    ) -> Result<Self, RequestError> {
        let new = written(turns)?;
        let cap = cap.zip(self.client_cap()).map(|(cap, (field, _))| (field, cap.get().to_string()));
        let mut writer = Writer::new(&self.body);
        for member in &self.members {
            let (key, value) = (&member.key, &member.value);
            match (member.field, &cap) {
                (Field::Messages, _) if !walk::is_null(&self.body, value) => {
                    let own = elements(&self.body, value);
                    let leading = own.iter().take_while(|message| is_of_operator(message)).count();
                    writer.replaced(key, value, &spliced(&own, &new, at, leading));
                }
                (Field::MaxTokens, Some((CapField::MaxTokens, cap)))
                | (Field::MaxCompletionTokens, Some((CapField::MaxCompletionTokens, cap))) => {
                    writer.replaced(key, value, cap.as_bytes());
                }
                _ => writer.kept(key, value),
            }
        }
        Self::parse(writer.finish(), pass)
    }

    /// The turns of the request alone, to be kept: without what the operator says before them.
    ///
    /// # Errors
    /// When they hold what only Chat Completions has.
    pub fn new_messages(&self) -> Result<Vec<Message>, RequestError> {
        let body: Value = serde_json::from_slice(&self.body)
            .map_err(|error| RequestError::invalid("messages", format!("The body cannot be read: {error}.")))?;
        Conversation::read(body.get("messages")).map(|conversation| conversation.messages)
    }
}

fn is_of_operator(message: &[u8]) -> bool {
    let role = walk::members(message, 0).find(|member| *member.name(message) == *b"role");
    let role = role.and_then(|role| walk::string(message, &role.value));
    matches!(role.as_deref(), Some(b"system" | b"developer"))
}

/// Turns as chat messages, each as JSON. Thoughts stand only in turns that called tools: servers
/// that want thoughts back want those, and others refuse the field.
fn written(turns: &[Message]) -> Result<Vec<Bytes>, RequestError> {
    let mut kept = Vec::with_capacity(turns.len());
    for turn in turns.chunk_by(|a, b| a.role == Role::Assistant && b.role == a.role) {
        let called = turn.iter().any(|message| message.parts.iter().any(|part| matches!(part, Part::Call(_))));
        kept.extend(turn.iter().map(|message| {
            let mut message = message.clone();
            message.parts.retain(|part| called || !matches!(part, Part::Reasoning { .. }));
            message
        }));
    }
    let request = Request { messages: kept, ..Request::default() };
    let (kind, target) = (ProviderKind::Compatible, Target { model: "", cap: Tokens::ZERO });
    let quirks = crate::openai::Quirks { takes_reasoning_back: true, ..kind.quirks() };
    let target = ChatTarget { target, kind, max_price: None };
    let messages = messages(&request, &target, &quirks, &mut Vec::new());
    let messages = messages.map_err(|error| error.below("history"))?;
    Ok(messages.iter().map(|message| Bytes::from(message.to_string())).collect())
}
