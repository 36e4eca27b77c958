//! Canonical parts as this dialect's blocks.

use crate::canon::{Call, Media, MediaSource, Part, ToolResult};
use crate::refusal::RequestError;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A block of content as it is written.
#[derive(Serialize, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a Value>,
    },
    Image {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a Value>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a Value>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Box<RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a Value>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Block<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a Value>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
}

/// Where a medium's bytes are.
#[derive(Serialize, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
    Text { media_type: &'static str, data: &'a str },
}

impl<'a> Block<'a> {
    /// A plain text.
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text { text: Cow::Borrowed(text), cache_control: None }
    }
}

/// Pictures that Anthropic takes.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// A text that says something: Anthropic refuses blocks that are empty or white.
pub(super) fn text_block<'a>(text: &'a str, cache: Option<&'a Value>) -> Option<Block<'a>> {
    let white = text.chars().all(char::is_whitespace);
    (!white).then_some(Block::Text { text: Cow::Borrowed(text), cache_control: cache })
}

pub(super) fn image_block<'a>(media: &'a Media, path: &str) -> Result<Block<'a>, RequestError> {
    let cannot = |why: &str| Err(RequestError::invalid(path, why));
    let source = match &media.source {
        MediaSource::Base64 { media_type, data } if IMAGES.contains(&media_type.as_str()) => {
            Source::Base64 { media_type, data }
        }
        MediaSource::Base64 { .. } => {
            return cannot("The provider takes images as image/jpeg, image/png, image/gif or image/webp.");
        }
        MediaSource::Url(url) => match data_url(url) {
            Some((media_type, data)) if IMAGES.contains(&media_type) => Source::Base64 { media_type, data },
            None if url.starts_with("https://") || url.starts_with("http://") => Source::Url { url },
            _ => return cannot("The provider takes images from an https address, or as base64 of a usual type."),
        },
        MediaSource::Text(_) => return cannot("An image cannot be a text."),
    };
    Ok(Block::Image { source, cache_control: media.cache.as_ref() })
}

pub(super) fn document_block<'a>(media: &'a Media, path: &str) -> Result<Block<'a>, RequestError> {
    const PDF: &str = "application/pdf";
    let source = match &media.source {
        MediaSource::Base64 { media_type, data } if media_type == PDF => Source::Base64 { media_type, data },
        MediaSource::Text(data) => Source::Text { media_type: "text/plain", data },
        MediaSource::Url(url) => match data_url(url) {
            Some((media_type @ PDF, data)) => Source::Base64 { media_type, data },
            None if url.starts_with("https://") || url.starts_with("http://") => Source::Url { url },
            _ => return Err(unreadable_document(path)),
        },
        MediaSource::Base64 { .. } => return Err(unreadable_document(path)),
    };
    let title = media.name.as_deref().filter(|title| !title.is_empty());
    Ok(Block::Document { source, title, cache_control: media.cache.as_ref() })
}

fn unreadable_document(path: &str) -> RequestError {
    RequestError::invalid(path, "The provider reads documents that are PDFs or plain text.")
}

/// `data:image/png;base64,…`: type and data.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    Some((media_type.split(';').next().unwrap_or_default(), data))
}

pub(super) fn call_block<'a>(call: &'a Call, position: usize) -> Block<'a> {
    Block::ToolUse {
        id: tool_id(&call.id, position),
        name: clean(&call.name),
        input: input_of(&call.arguments),
        cache_control: call.cache.as_ref(),
    }
}

pub(super) fn result_block<'a>(result: &'a ToolResult, path: &str) -> Result<Block<'a>, RequestError> {
    let mut content = Vec::new();
    for part in &result.parts {
        match part {
            Part::Text(text) => content.extend(text_block(&text.text, text.cache.as_ref())),
            Part::Refusal(text) => content.extend(text_block(text, None)),
            Part::Image(media) => content.push(image_block(media, path)?),
            Part::Document(media) => content.push(document_block(media, path)?),
            Part::Audio(_) | Part::Call(_) | Part::Result(_) | Part::Reasoning { .. } => {
                return Err(RequestError::invalid(path, "A tool's result can hold text, images and documents."));
            }
        }
    }
    Ok(Block::ToolResult {
        tool_use_id: clean(&result.id),
        content,
        is_error: result.is_error,
        cache_control: result.cache.as_ref(),
    })
}

/// The input that `arguments` stand for. Anthropic takes objects only; what is none is wrapped as
/// its documentation of fine-grained tool streaming proposes.
pub(super) fn input_of(arguments: &str) -> Box<RawValue> {
    let text = arguments.trim();
    let text = if text.is_empty() { "{}" } else { text };
    let object = if text.starts_with('{') { RawValue::from_string(text.to_owned()).ok() } else { None };
    object
        .or_else(|| {
            let wrapped = serde_json::json!({"INVALID_JSON": arguments}).to_string();
            RawValue::from_string(wrapped).ok()
        })
        .unwrap_or_else(|| RawValue::NULL.to_owned())
}

fn tool_id(id: &str, position: usize) -> Cow<'_, str> {
    if id.is_empty() { Cow::Owned(format!("toolu_{position}")) } else { clean(id) }
}

/// Ids and names of tools are letters, digits, `_` and `-` here; other dialects know more. The same
/// id is always changed in the same way, so that calls and results stay together.
fn clean(name: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.chars().all(fits) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().map(|c| if fits(c) { c } else { '_' }).collect())
}

/// Can a tool have this name here? A definition is never renamed: the client would not know its
/// own tool in the answer.
pub(super) fn is_tool_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'))
}
