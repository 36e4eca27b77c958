//! The bytes that a provider gets: the client's bytes with a few members replaced, added or left
//! out. Whatever is not named survives byte for byte.

use super::ResponsesRequest;
use super::fields::Field;
use crate::PassFields;
use crate::canon::Target;
use crate::edit::{At, Writer, elements, quoted, spliced};
use crate::json::walk;
use crate::refusal::RequestError;
use bytes::Bytes;
use haltline_types::Tokens;
use std::ops::Range;

/// What is changed on the way to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    /// The model's id at the provider.
    pub model: &'a str,
    /// The output cap.
    pub cap: Tokens,
    /// The service tier to pin, or `None` to leave the field out.
    pub service_tier: Option<&'a str>,
    /// Top-level fields to leave out.
    pub drop: &'a [&'a str],
}

impl ResponsesRequest {
    /// The body for a provider of this dialect, with the service tier pinned to `default`.
    #[must_use]
    pub fn rewrite(&self, target: &Target<'_>) -> Bytes {
        self.rewrite_with(&Edit { model: target.model, cap: target.cap, service_tier: Some("default"), drop: &[] })
    }

    /// The body with `edit` applied. Nothing is stored at the provider: `store` is false, and
    /// `background`, `previous_response_id` and `conversation` are left out; so are reasoning
    /// items of the input that only a store could fill, and hosted tools that were to be left out.
    #[must_use]
    pub fn rewrite_with(&self, edit: &Edit<'_>) -> Bytes {
        let mut writer = Writer::new(&self.body);
        let cap = edit.cap.get().to_string();
        let (mut has_cap, mut has_tier, mut has_store) = (false, false, false);
        for member in &self.members {
            let name = walk::name(&self.body, &member.key);
            if edit.drop.iter().any(|dropped| *name == *dropped.as_bytes()) {
                continue;
            }
            match member.field {
                Field::Model => writer.replaced(&member.key, &member.value, &quoted(edit.model)),
                Field::MaxOutputTokens => {
                    has_cap = true;
                    writer.replaced(&member.key, &member.value, cap.as_bytes());
                }
                Field::Store => {
                    has_store = true;
                    writer.replaced(&member.key, &member.value, b"false");
                }
                Field::ServiceTier => {
                    if let Some(tier) = edit.service_tier {
                        has_tier = true;
                        writer.replaced(&member.key, &member.value, &quoted(tier));
                    }
                }
                Field::Background | Field::PreviousResponse | Field::Conversation => {}
                Field::Input if !self.input.hollow.is_empty() => {
                    let kept = without(&self.body, &member.value, &self.input.hollow);
                    writer.replaced(&member.key, &member.value, &kept);
                }
                Field::Tools if !self.hosted.is_empty() => {
                    let kept = without(&self.body, &member.value, &self.hosted);
                    writer.replaced(&member.key, &member.value, &kept);
                }
                _ => writer.kept(&member.key, &member.value),
            }
        }
        if !has_cap {
            writer.added("max_output_tokens", cap.as_bytes());
        }
        if !has_store {
            writer.added("store", b"false");
        }
        if let (false, Some(tier)) = (has_tier, edit.service_tier) {
            writer.added("service_tier", &quoted(tier));
        }
        writer.finish()
    }

    /// The same request with earlier items in its body instead of a reference to them. Each of
    /// `items` is one item as JSON, oldest first. What is measured afterwards holds them.
    ///
    /// # Errors
    /// When the earlier items are not acceptable, with the field's path.
    pub fn with_history(&self, items: &[Bytes], pass: &PassFields) -> Result<Self, RequestError> {
        self.with_items(items, At::Begin, None, pass)
    }

    /// The same request with further items, and with `cap` where the client set one.
    pub(super) fn with_items(
        &self,
        items: &[Bytes],
        at: At,
        cap: Option<Tokens>,
        pass: &PassFields,
    ) -> Result<Self, RequestError> {
        let mut writer = Writer::new(&self.body);
        for member in &self.members {
            let is_null = walk::is_null(&self.body, &member.value);
            match (member.field, cap) {
                (Field::PreviousResponse | Field::Conversation, _) if at == At::Begin => {}
                (Field::Input, _) if !is_null => {
                    writer.replaced(&member.key, &member.value, &self.joined(items, &member.value, at));
                }
                (Field::MaxOutputTokens, Some(cap)) if !is_null => {
                    writer.replaced(&member.key, &member.value, cap.get().to_string().as_bytes());
                }
                _ => writer.kept(&member.key, &member.value),
            }
        }
        Self::parse_with(writer.finish(), pass, self.mode)
    }

    fn joined(&self, items: &[Bytes], input: &Range<usize>, at: At) -> Vec<u8> {
        let own = self.body.get(input.clone()).unwrap_or_default();
        if own.starts_with(b"[") {
            return spliced(&elements(&self.body, input), items, at, 0);
        }
        let said = [br#"{"role":"user","content":"#, own, b"}"].concat();
        spliced(&[&said], items, at, 0)
    }
}

/// The list at `list` without the elements at `left_out`.
fn without(body: &[u8], list: &Range<usize>, left_out: &[Range<usize>]) -> Vec<u8> {
    let mut out = vec![b'['];
    // Both are in the order of the body.
    let mut gone = left_out.iter().peekable();
    for element in walk::elements(body, list.start) {
        if gone.next_if(|range| **range == element).is_some() {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(body.get(element).unwrap_or_default());
    }
    out.push(b']');
    out
}
