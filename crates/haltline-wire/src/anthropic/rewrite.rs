//! The bytes that a provider of the same dialect gets: the client's bytes with a few members
//! replaced, added or left out. Whatever is not named here survives byte for byte.

use super::MessagesRequest;
use super::fields::Field;
use super::request::Member;
use super::write_options::{TierPin, WriteOptions, budget_below};
use crate::canon::Target;
use crate::edit::{Writer, quoted};
use bytes::Bytes;
use haltline_types::Tokens;

impl MessagesRequest {
    /// The body for `target`: its model, its cap, the service tier pinned to `standard_only`.
    ///
    /// One thing more is changed, and only when it must be: a thinking budget that reaches the cap,
    /// which Anthropic refuses, is lowered, and where the cap leaves no room for the least budget,
    /// `thinking` is left out (see `drops_thinking`).
    #[must_use]
    pub fn rewrite(&self, target: &Target<'_>) -> Bytes {
        self.rewrite_with(target, &WriteOptions::default())
    }

    /// `rewrite` with the tier as `options` say; its other options are for `write`, as a client of
    /// this dialect chose its own fields.
    #[must_use]
    pub fn rewrite_with(&self, target: &Target<'_>, options: &WriteOptions) -> Bytes {
        let mut writer = Writer::new(&self.body);
        let cap = target.cap.get().to_string();
        let (mut has_cap, mut has_tier) = (false, options.tier == TierPin::Absent);
        for member in &self.members {
            match member.field {
                Field::Model => writer.replaced(&member.key, &member.value, &quoted(target.model)),
                Field::MaxTokens => {
                    has_cap = true;
                    writer.replaced(&member.key, &member.value, cap.as_bytes());
                }
                Field::ServiceTier => {
                    if options.tier == TierPin::StandardOnly {
                        has_tier = true;
                        writer.replaced(&member.key, &member.value, STANDARD_ONLY);
                    }
                }
                Field::Thinking => self.write_thinking(member, target.cap, &mut writer),
                _ => writer.kept(&member.key, &member.value),
            }
        }
        if !has_cap {
            writer.added("max_tokens", cap.as_bytes());
        }
        if !has_tier {
            writer.added("service_tier", STANDARD_ONLY);
        }
        writer.finish()
    }

    /// The body for a count of tokens: only the model is another.
    pub(super) fn rewrite_counted(&self, model: &str) -> Bytes {
        let mut writer = Writer::new(&self.body);
        for member in &self.members {
            if member.field == Field::Model {
                writer.replaced(&member.key, &member.value, &quoted(model));
            } else {
                writer.kept(&member.key, &member.value);
            }
        }
        writer.finish()
    }

    /// Does `rewrite` for this cap leave `thinking` out? The client is to be told: `reasoning` was
    /// dropped.
    #[must_use]
    pub fn drops_thinking(&self, cap: Tokens) -> bool {
        self.budget.as_ref().is_some_and(|budget| budget.tokens >= cap && budget_below(cap, budget.tokens).is_none())
    }

    fn write_thinking(&self, member: &Member, cap: Tokens, writer: &mut Writer<'_>) {
        let Some(budget) = self.budget.as_ref().filter(|budget| budget.tokens >= cap) else {
            return writer.kept(&member.key, &member.value);
        };
        let Some(lowered) = budget_below(cap, budget.tokens) else { return };
        let before = self.body.get(member.value.start..budget.at.start).unwrap_or_default();
        let after = self.body.get(budget.at.end..member.value.end).unwrap_or_default();
        let value = [before, lowered.get().to_string().as_bytes(), after].concat();
        writer.replaced(&member.key, &member.value, &value);
    }
}

pub(super) const STANDARD_ONLY: &[u8] = b"\"standard_only\"";
