//! A Responses request with further turns in its body, and its own turns alone.

use super::ResponsesRequest;
use super::canonical_items::messages;
use super::write::items;
use crate::PassFields;
use crate::canon::{Message, Role};
use crate::edit::At;
use crate::refusal::RequestError;
use haltline_types::Tokens;
use serde_json::Value;

impl ResponsesRequest {
    /// The same request with `turns` among its items, and with `cap` where the client set one. What
    /// refers to earlier turns is left out when they are put before its own.
    pub(crate) fn with_turns(
        &self,
        turns: &[Message],
        at: At,
        cap: Option<Tokens>,
        pass: &PassFields,
    ) -> Result<Self, RequestError> {
        self.with_items(&items(turns)?, at, cap, pass)
    }

    /// The turns of the request alone, to be kept: without what the operator says before them, and
    /// without those that it refers to.
    ///
    /// # Errors
    /// When they hold what only the Responses API has.
    pub fn new_messages(&self) -> Result<Vec<Message>, RequestError> {
        let body: Value = serde_json::from_slice(&self.body)
            .map_err(|error| RequestError::invalid("input", format!("The body cannot be read: {error}.")))?;
        let turns = messages(body.get("input"), &mut Vec::new())?;
        Ok(turns.into_iter().skip_while(|message| message.role == Role::System).collect())
    }
}
