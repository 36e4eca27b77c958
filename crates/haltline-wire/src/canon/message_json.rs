//! Canonical messages as JSON, to be kept: what one version writes, later ones must read.
//!
//! A message is `{"role": "system" | "user" | "assistant", "name"?, "parts": [part]}`. A part has
//! a `type`, and what it says; members that say nothing are left out:
//!
//! | `type` | members |
//! |---|---|
//! | `text` | `text`, `cache`? |
//! | `image`, `document`, `audio` | `media_type` and `data` in base64, or `url`, or `text`; `detail`?, `name`?, `cache`? |
//! | `call` | `id`, `name`, `arguments` as the model wrote them, `signature`?, `cache`? |
//! | `result` | `id`, `name`?, `parts`, `is_error`?, `cache`? |
//! | `reasoning` | `text`, `signature`?, `redacted`?, `id`? |
//! | `refusal` | `text` |
//!
//! Read tolerantly: members that are not known are left out, and so are parts of a type that is
//! not known, so that a version can be taken back. A `cache` mark that is JSON `null` is none.

use super::{Call, Media, MediaSource, Message, Part, Role, Text, ToolResult};
use crate::chunk::Malformed;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    role: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(default)]
    parts: Vec<WirePart<'a>>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct WirePart<'a> {
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redacted: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<Vec<WirePart<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_error: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<Cow<'a, Value>>,
}

impl Message {
    /// The message as JSON.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        let parts = self.parts.iter().map(WirePart::of).collect();
        let wire = Wire { role: Cow::Borrowed(self.role.word()), name: borrowed(self.name.as_ref()), parts };
        // Only maps with keys that are no strings fail, and there are none.
        Bytes::from(serde_json::to_vec(&wire).unwrap_or_default())
    }

    /// A message that was written by `to_json`, by this version or another.
    ///
    /// # Errors
    /// When it is no JSON in the shape of a message.
    pub fn from_json(json: &[u8]) -> Result<Self, Malformed> {
        let malformed = |detail: String| Malformed { detail: format!("a kept message cannot be read: {detail}") };
        let wire: Wire<'_> = serde_json::from_slice(json).map_err(|error| malformed(error.to_string()))?;
        let role = Role::from_word(&wire.role).ok_or_else(|| malformed("nobody knows its role".to_owned()))?;
        let parts = wire.parts.into_iter().filter_map(WirePart::read).collect();
        Ok(Self { role, name: owned(wire.name), parts })
    }
}

impl Role {
    /// The word for it in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }

    /// From the word in JSON.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::System, Self::User, Self::Assistant].into_iter().find(|role| role.word() == word)
    }
}

impl<'a> WirePart<'a> {
    fn of(part: &'a Part) -> Self {
        let blank = |kind: &'static str| Self { kind: Cow::Borrowed(kind), ..Self::default() };
        match part {
            Part::Text(text) => Self { text: some(&text.text), cache: mark(text.cache.as_ref()), ..blank("text") },
            Part::Image(media) => Self { kind: Cow::Borrowed("image"), ..Self::media(media) },
            Part::Document(media) => Self { kind: Cow::Borrowed("document"), ..Self::media(media) },
            Part::Audio(media) => Self { kind: Cow::Borrowed("audio"), ..Self::media(media) },
            Part::Call(call) => Self {
                id: some(&call.id),
                name: some(&call.name),
                arguments: some(&call.arguments),
                signature: borrowed(call.signature.as_ref()),
                cache: mark(call.cache.as_ref()),
                ..blank("call")
            },
            Part::Result(result) => Self {
                id: some(&result.id),
                name: borrowed(result.name.as_ref()),
                parts: Some(result.parts.iter().map(Self::of).collect()),
                is_error: result.is_error.then_some(true),
                cache: mark(result.cache.as_ref()),
                ..blank("result")
            },
            Part::Reasoning { text, signature, redacted, id } => Self {
                id: borrowed(id.as_ref()),
                text: some(text),
                signature: borrowed(signature.as_ref()),
                redacted: borrowed(redacted.as_ref()),
                ..blank("reasoning")
            },
            Part::Refusal(text) => Self { text: some(text), ..blank("refusal") },
        }
    }

    fn media(media: &'a Media) -> Self {
        let about = Self {
            detail: borrowed(media.detail.as_ref()),
            name: borrowed(media.name.as_ref()),
            cache: mark(media.cache.as_ref()),
            ..Self::default()
        };
        match &media.source {
            MediaSource::Base64 { media_type, data } => {
                Self { media_type: some(media_type), data: some(data), ..about }
            }
            MediaSource::Url(url) => Self { url: some(url), ..about },
            MediaSource::Text(text) => Self { text: some(text), ..about },
        }
    }

    /// `None` for a type that is not known, and for a medium without its bytes.
    fn read(self) -> Option<Part> {
        Some(match &*self.kind {
            "text" => Part::Text(Text { text: said(self.text), cache: self.cache.map(Cow::into_owned) }),
            "image" => Part::Image(self.read_media()?),
            "document" => Part::Document(self.read_media()?),
            "audio" => Part::Audio(self.read_media()?),
            "call" => Part::Call(Call {
                id: said(self.id),
                name: said(self.name),
                arguments: said(self.arguments),
                signature: owned(self.signature),
                cache: self.cache.map(Cow::into_owned),
            }),
            "result" => Part::Result(ToolResult {
                id: said(self.id),
                name: owned(self.name),
                parts: self.parts.unwrap_or_default().into_iter().filter_map(Self::read).collect(),
                is_error: self.is_error == Some(true),
                cache: self.cache.map(Cow::into_owned),
            }),
            "reasoning" => Part::Reasoning {
                text: said(self.text),
                signature: owned(self.signature),
                redacted: owned(self.redacted),
                id: owned(self.id),
            },
            "refusal" => Part::Refusal(said(self.text)),
            _ => return None,
        })
    }

    fn read_media(self) -> Option<Media> {
        let source = match (self.data, self.url, self.text) {
            (Some(data), _, _) => MediaSource::Base64 { media_type: said(self.media_type), data: data.into_owned() },
            (None, Some(url), _) => MediaSource::Url(url.into_owned()),
            (None, None, Some(text)) => MediaSource::Text(text.into_owned()),
            (None, None, None) => return None,
        };
        Some(Media {
            source,
            detail: owned(self.detail),
            name: owned(self.name),
            cache: self.cache.map(Cow::into_owned),
        })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "all members may be missing")]
const fn some(text: &str) -> Option<Cow<'_, str>> {
    Some(Cow::Borrowed(text))
}

fn borrowed(text: Option<&String>) -> Option<Cow<'_, str>> {
    text.map(|text| Cow::Borrowed(text.as_str()))
}

fn mark(cache: Option<&Value>) -> Option<Cow<'_, Value>> {
    cache.map(Cow::Borrowed)
}

fn owned(text: Option<Cow<'_, str>>) -> Option<String> {
    text.map(Cow::into_owned)
}

fn said(text: Option<Cow<'_, str>>) -> String {
    text.map(Cow::into_owned).unwrap_or_default()
}
