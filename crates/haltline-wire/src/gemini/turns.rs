//! A request with further turns in its body.

use super::GeminiRequest;
use super::fields::Field;
use super::write::contents;
use crate::PassFields;
use crate::canon::Message;
use crate::edit::{At, Writer, elements, spliced};
use crate::refusal::RequestError;
use haltline_types::Tokens;

impl GeminiRequest {
    /// The same request with `turns` among its contents, and with `cap` where the client set one.
    pub(crate) fn with_turns(
        &self,
        turns: &[Message],
        at: At,
        cap: Option<Tokens>,
        pass: &PassFields,
    ) -> Result<Self, RequestError> {
        let new = contents(turns, self.model())?;
        let cap = cap.filter(|_| self.client_cap().is_some());
        let mut writer = Writer::new(&self.body);
        for known in &self.members {
            let (key, value) = (&known.member.key, &known.member.value);
            match (known.field, cap) {
                (Field::Contents, _) if !known.is_null => {
                    writer.replaced(key, value, &spliced(&elements(&self.body, value), &new, at, 0));
                }
                (Field::Config, Some(cap)) if !known.is_null => {
                    writer.replaced(key, value, &self.capped(value, &cap.get().to_string()));
                }
                _ => writer.kept(key, value),
            }
        }
        Self::parse(self.model(), self.stream(), writer.finish(), pass)
    }
}
