//! The bytes that a provider gets: the client's bytes with a few members replaced, added or left
//! out. Whatever is not named in the edit survives byte for byte.

use super::fields::Field;
use super::max_price::{MaxPrice, PROVIDER};
use super::request::Member;
use super::{CapField, ChatRequest};
use crate::edit::{Writer, quoted};
use crate::json::walk;
use bytes::Bytes;
use haltline_types::Tokens;

/// What is changed on the way to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    /// The model's id at the provider.
    pub model: &'a str,
    /// The output cap and its field. The other cap field is left out.
    pub cap: (CapField, Tokens),
    /// The service tier to pin, or `None` to leave the field out.
    pub service_tier: Option<&'a str>,
    /// Ask for the usage chunk. Changes nothing when the request is no stream.
    pub include_usage: bool,
    /// The most that the server may charge; written into `provider`. `None` leaves that alone.
    pub max_price: Option<MaxPrice<'a>>,
    /// Top-level fields to leave out.
    pub drop: &'a [&'a str],
}

impl ChatRequest {
    /// The body with `edit` applied.
    #[must_use]
    pub fn rewrite(&self, edit: &Edit<'_>) -> Bytes {
        let mut writer = Writer::new(&self.body);
        let (cap_field, cap) = edit.cap;
        let cap = cap.get().to_string();
        let mut has = Has::default();
        for member in &self.members {
            if edit.drop.iter().any(|name| self.is_named(member, name)) {
                continue;
            }
            match member.field {
                Field::Model => writer.replaced(&member.key, &member.value, &quoted(edit.model)),
                Field::MaxTokens | Field::MaxCompletionTokens => {
                    if member.field == of(cap_field) {
                        has.cap = true;
                        writer.replaced(&member.key, &member.value, cap.as_bytes());
                    }
                }
                Field::ServiceTier => {
                    if let Some(tier) = edit.service_tier {
                        has.service_tier = true;
                        writer.replaced(&member.key, &member.value, &quoted(tier));
                    }
                }
                Field::StreamOptions if edit.include_usage && self.stream() => {
                    has.stream_options = true;
                    writer.replaced(&member.key, &member.value, &self.with_usage(member));
                }
                Field::Vouched if edit.max_price.is_some() && self.is_named(member, PROVIDER) => {
                    if let Some(most) = edit.max_price {
                        has.max_price = true;
                        let own = self.body.get(member.value.clone());
                        writer.replaced(&member.key, &member.value, most.merged(own).to_string().as_bytes());
                    }
                }
                _ => writer.kept(&member.key, &member.value),
            }
        }
        if !has.cap {
            writer.added(cap_field.name(), cap.as_bytes());
        }
        if let (false, Some(tier)) = (has.service_tier, edit.service_tier) {
            writer.added("service_tier", &quoted(tier));
        }
        if let (false, Some(most)) = (has.max_price, edit.max_price) {
            writer.added(PROVIDER, most.merged(None).to_string().as_bytes());
        }
        if edit.include_usage && self.stream() && !has.stream_options {
            writer.added("stream_options", br#"{"include_usage":true}"#);
        }
        writer.finish()
    }

    fn is_named(&self, member: &Member, name: &str) -> bool {
        crate::json::decode(&self.body[member.key.clone()]) == name.as_bytes()
    }

    /// The member's `stream_options` with `include_usage` true and its other members kept.
    fn with_usage(&self, member: &Member) -> Vec<u8> {
        let body = &self.body;
        let value = &body[member.value.clone()];
        if value.first() != Some(&b'{') {
            return br#"{"include_usage":true}"#.to_vec();
        }
        let asked = walk::members(value, 0).find(|inner| *inner.name(value) == *b"include_usage");
        if let Some(asked) = asked {
            return [&value[..asked.value.start], b"true", &value[asked.value.end..]].concat();
        }
        let comma: &[u8] = if walk::members(value, 0).next().is_some() { b"," } else { b"" };
        [b"{\"include_usage\":true", comma, &value[1..]].concat()
    }
}

#[derive(Default)]
struct Has {
    cap: bool,
    service_tier: bool,
    stream_options: bool,
    max_price: bool,
}

const fn of(cap: CapField) -> Field {
    match cap {
        CapField::MaxTokens => Field::MaxTokens,
        CapField::MaxCompletionTokens => Field::MaxCompletionTokens,
    }
}
