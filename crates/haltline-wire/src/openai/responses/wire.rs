//! The shapes of events, items and parts, read lazily: each member is a piece of JSON that is only
//! looked at where its event needs it. So nothing that a server puts there can break the rest.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A value as it came; `None` when missing or null.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// One event of a stream.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Raw<'a>,
    #[serde(borrow)]
    pub(super) sequence_number: Raw<'a>,
    #[serde(borrow)]
    pub(super) delta: Raw<'a>,
    #[serde(borrow)]
    pub(super) text: Raw<'a>,
    #[serde(borrow)]
    pub(super) refusal: Raw<'a>,
    #[serde(borrow)]
    pub(super) arguments: Raw<'a>,
    #[serde(borrow)]
    pub(super) input: Raw<'a>,
    #[serde(borrow)]
    pub(super) output_index: Raw<'a>,
    #[serde(borrow)]
    pub(super) content_index: Raw<'a>,
    #[serde(borrow)]
    pub(super) summary_index: Raw<'a>,
    #[serde(borrow)]
    pub(super) item: Raw<'a>,
    #[serde(borrow)]
    pub(super) part: Raw<'a>,
    #[serde(borrow)]
    pub(super) annotation: Raw<'a>,
    #[serde(borrow)]
    pub(super) response: Raw<'a>,
    #[serde(borrow)]
    pub(super) error: Raw<'a>,
}

/// An output item.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Item<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Raw<'a>,
    #[serde(borrow)]
    pub(super) id: Raw<'a>,
    #[serde(borrow)]
    pub(super) call_id: Raw<'a>,
    #[serde(borrow)]
    pub(super) name: Raw<'a>,
    #[serde(borrow)]
    pub(super) arguments: Raw<'a>,
    #[serde(borrow)]
    pub(super) input: Raw<'a>,
    #[serde(borrow)]
    pub(super) content: Raw<'a>,
    #[serde(borrow)]
    pub(super) summary: Raw<'a>,
    #[serde(borrow)]
    pub(super) encrypted_content: Raw<'a>,
    #[serde(borrow)]
    pub(super) action: Raw<'a>,
    #[serde(borrow)]
    pub(super) operation: Raw<'a>,
    #[serde(borrow)]
    pub(super) environment: Raw<'a>,
    #[serde(borrow)]
    pub(super) result: Raw<'a>,
    #[serde(borrow)]
    pub(super) output_format: Raw<'a>,
    #[serde(borrow)]
    pub(super) execution: Raw<'a>,
}

/// A part of a message or of a reasoning item; an annotation; an execution environment.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Part<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Raw<'a>,
    #[serde(borrow)]
    pub(super) text: Raw<'a>,
    #[serde(borrow)]
    pub(super) refusal: Raw<'a>,
    #[serde(borrow)]
    pub(super) annotations: Raw<'a>,
    #[serde(borrow)]
    pub(super) url: Raw<'a>,
    #[serde(borrow)]
    pub(super) title: Raw<'a>,
}

/// A response object.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) object: Raw<'a>,
    #[serde(borrow)]
    pub(super) id: Raw<'a>,
    #[serde(borrow)]
    pub(super) model: Raw<'a>,
    #[serde(borrow)]
    pub(super) status: Raw<'a>,
    #[serde(borrow)]
    pub(super) output: Raw<'a>,
    #[serde(borrow)]
    pub(super) usage: Raw<'a>,
    #[serde(borrow)]
    pub(super) error: Raw<'a>,
    #[serde(borrow)]
    pub(super) incomplete_details: Raw<'a>,
}

/// What is in `incomplete_details`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Incomplete<'a> {
    #[serde(borrow)]
    pub(super) reason: Raw<'a>,
}

/// What a string says; `None` for any other value. Lone surrogates become replacement characters.
pub(super) fn text<'a>(raw: Raw<'a>) -> Option<Cow<'a, str>> {
    let inside = raw?.get().strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inside.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inside));
    }
    let decoded = crate::json::decode(inside.as_bytes());
    Some(Cow::Owned(String::from_utf8_lossy(&decoded).into_owned()))
}

/// A string that says something.
pub(super) fn word<'a>(raw: Raw<'a>) -> Option<Cow<'a, str>> {
    text(raw).filter(|word| !word.is_empty())
}

/// A string's text, or any other value as JSON: some servers send arguments as an object.
pub(super) fn text_or_json<'a>(raw: Raw<'a>) -> Option<Cow<'a, str>> {
    text(raw).or_else(|| raw.map(|raw| Cow::Borrowed(raw.get())))
}

/// An index; 0 where there is none.
pub(super) fn index(raw: Raw<'_>) -> u64 {
    raw.and_then(|raw| raw.get().trim_matches('"').parse().ok()).unwrap_or(0)
}

/// The elements of a list; none for any other value.
pub(super) fn list<'a>(raw: Raw<'a>) -> Vec<&'a RawValue> {
    raw.filter(|raw| raw.get().starts_with('['))
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

/// An object; all its members missing for any other value.
pub(super) fn object<'a, T: Deserialize<'a> + Default>(raw: Raw<'a>) -> T {
    raw.filter(|raw| raw.get().starts_with('{'))
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}
