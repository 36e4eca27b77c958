//! Conversations, turn by turn: joined, stripped of what must not be sent twice, and compared.

use super::{MediaSource, Message, Part};
use crate::json::sorted;
use serde_json::{Value, json};

impl Message {
    /// What a message says, in bytes that are the same however it was sent: to be hashed, so that
    /// a client's copy of a conversation can be compared with ours, message by message (joined by
    /// `joined` first, as some dialects have a message for each call).
    ///
    /// Left out is what a client need not send back as it got it: ids of calls, marks for caches,
    /// proofs, thoughts, the tool's name at its result, `detail: auto`. Neighbouring texts are one,
    /// a refusal is a text, and arguments of calls are the same whatever the order of their keys.
    #[must_use]
    pub fn fingerprint_material(&self) -> Vec<u8> {
        let value = json!({"role": self.role.word(), "name": self.name, "parts": said(&self.parts)});
        serde_json::to_vec(&value).unwrap_or_default()
    }

    /// The message without marks for caches: a history is not written to a provider's cache again
    /// unasked, as that has a price of its own.
    #[must_use]
    pub fn without_marks(&self) -> Self {
        let mut message = self.clone();
        unmark(&mut message.parts);
        message
    }
}

/// The same conversation in as few messages as there are turns: neighbours of one role and name
/// are one message.
#[must_use]
pub fn joined(messages: &[Message]) -> Vec<Message> {
    let mut out: Vec<Message> = Vec::with_capacity(messages.len());
    for message in messages {
        match out.last_mut() {
            Some(last) if last.role == message.role && last.name == message.name => {
                last.parts.extend(message.parts.iter().cloned());
            }
            _ => out.push(message.clone()),
        }
    }
    out
}

fn unmark(parts: &mut [Part]) {
    for part in parts {
        match part {
            Part::Text(text) => text.cache = None,
            Part::Image(media) | Part::Document(media) | Part::Audio(media) => media.cache = None,
            Part::Call(call) => call.cache = None,
            Part::Result(result) => {
                result.cache = None;
                unmark(&mut result.parts);
            }
            Part::Reasoning { .. } | Part::Refusal(_) => {}
        }
    }
}

fn said(parts: &[Part]) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::with_capacity(parts.len());
    let mut text = String::new();
    let flush = |text: &mut String, out: &mut Vec<Value>| {
        if !text.is_empty() {
            out.push(Value::String(std::mem::take(text)));
        }
    };
    for part in parts {
        let value = match part {
            Part::Text(more) => {
                text.push_str(&more.text);
                continue;
            }
            Part::Refusal(more) => {
                text.push_str(more);
                continue;
            }
            Part::Reasoning { .. } => continue,
            Part::Image(media) | Part::Document(media) | Part::Audio(media) => {
                let detail = media.detail.as_deref().filter(|detail| *detail != "auto");
                let source = match &media.source {
                    MediaSource::Base64 { media_type, data } => json!({"media_type": media_type, "data": data}),
                    MediaSource::Url(url) => json!({"url": url}),
                    MediaSource::Text(text) => json!({"text": text}),
                };
                json!({"media": source, "detail": detail})
            }
            Part::Call(call) => {
                // What is no JSON stays as the model wrote it; none is an empty object.
                let arguments = call.arguments.trim();
                let arguments = if arguments.is_empty() { "{}" } else { arguments };
                let arguments = serde_json::from_str(arguments).map_or_else(|_| json!(arguments), sorted);
                json!({"call": call.name, "arguments": arguments})
            }
            Part::Result(result) => json!({"result": said(&result.parts), "is_error": result.is_error}),
        };
        flush(&mut text, &mut out);
        out.push(value);
    }
    flush(&mut text, &mut out);
    out
}
