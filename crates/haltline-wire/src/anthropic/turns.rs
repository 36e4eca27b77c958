//! A Messages request with further turns in its body.

use super::MessagesRequest;
use super::fields::Field;
use super::write_turns::history;
use crate::PassFields;
use crate::canon::Message;
use crate::edit::{At, Writer, elements, spliced};
use crate::json::walk;
use crate::refusal::RequestError;
use haltline_types::Tokens;

impl MessagesRequest {
    /// The same request with `turns` among its messages, and with `cap` where the client set one.
    pub(crate) fn with_turns(
        &self,
        turns: &[Message],
        at: At,
        cap: Option<Tokens>,
        pass: &PassFields,
    ) -> Result<Self, RequestError> {
        let new = history(turns)?;
        let mut writer = Writer::new(&self.body);
        for member in &self.members {
            let (key, value) = (&member.key, &member.value);
            let is_null = walk::is_null(&self.body, value);
            match (member.field, cap) {
                (Field::Messages, _) if !is_null => {
                    writer.replaced(key, value, &spliced(&elements(&self.body, value), &new, at, 0));
                }
                (Field::MaxTokens, Some(cap)) if !is_null => {
                    writer.replaced(key, value, cap.get().to_string().as_bytes());
                }
                _ => writer.kept(key, value),
            }
        }
        Self::parse(writer.finish(), pass)
    }
}
