//! The bytes that a provider gets: the client's bytes with a few members replaced, added or left
//! out. Whatever is not named in the edit survives byte for byte.

use super::fields::Field;
use super::request::Member;
use super::{CapField, ChatRequest};
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
                Field::Model => writer.replaced(member, &quoted(edit.model)),
                Field::MaxTokens | Field::MaxCompletionTokens => {
                    if member.field == of(cap_field) {
                        has.cap = true;
                        writer.replaced(member, cap.as_bytes());
                    }
                }
                Field::ServiceTier => {
                    if let Some(tier) = edit.service_tier {
                        has.service_tier = true;
                        writer.replaced(member, &quoted(tier));
                    }
                }
                Field::StreamOptions if edit.include_usage && self.stream() => {
                    has.stream_options = true;
                    writer.replaced(member, &self.with_usage(member));
                }
                _ => writer.kept(member),
            }
        }
        if !has.cap {
            writer.added(cap_field.name(), cap.as_bytes());
        }
        if let (false, Some(tier)) = (has.service_tier, edit.service_tier) {
            writer.added("service_tier", &quoted(tier));
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
}

const fn of(cap: CapField) -> Field {
    match cap {
        CapField::MaxTokens => Field::MaxTokens,
        CapField::MaxCompletionTokens => Field::MaxCompletionTokens,
    }
}

/// Writes an object member by member; white space around members stays with them.
struct Writer<'a> {
    body: &'a [u8],
    out: Vec<u8>,
    any: bool,
}

impl<'a> Writer<'a> {
    fn new(body: &'a [u8]) -> Self {
        let mut out = Vec::with_capacity(body.len() + 160);
        let open = body.iter().position(|byte| *byte == b'{').unwrap_or(0);
        out.extend_from_slice(&body[..open]);
        out.push(b'{');
        Self { body, out, any: false }
    }

    fn kept(&mut self, member: &Member) {
        self.replaced(member, &self.body[member.value.clone()]);
    }

    fn replaced(&mut self, member: &Member, value: &[u8]) {
        self.separate();
        let key_at = member.key.start.saturating_sub(1);
        let space = self.space_before(key_at);
        self.out.extend_from_slice(&self.body[space..member.value.start]);
        self.out.extend_from_slice(value);
        let after = &self.body[member.value.end..];
        let space_after = after.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.out.extend_from_slice(&after[..space_after]);
    }

    fn added(&mut self, name: &str, value: &[u8]) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out.extend_from_slice(value);
    }

    fn separate(&mut self) {
        if self.any {
            self.out.push(b',');
        }
        self.any = true;
    }

    /// Where the white space before `at` begins.
    fn space_before(&self, at: usize) -> usize {
        let space = self.body[..at].iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
        at - space
    }

    fn finish(mut self) -> Bytes {
        let close = self.body.iter().rposition(|byte| *byte == b'}').unwrap_or(self.body.len());
        self.out.extend_from_slice(&self.body[close..]);
        Bytes::from(self.out)
    }
}

/// A JSON string that says `text`.
fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).unwrap_or_else(|_| b"\"\"".to_vec())
}
