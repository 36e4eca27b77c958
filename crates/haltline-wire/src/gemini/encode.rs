//! Canonical events as Gemini's answers: chunks that Google's SDKs take for a
//! `GenerateContentResponse` each.

use super::finish::finish_word;
use super::usage::written;
use super::wire::compact;
use crate::Finish;
use crate::assemble::{Resumption, Standing};
use crate::canon::{Answer, Encode, Event, Frame, ReportedUsage};
use crate::edit::quoted;
use bytes::Bytes;
use haltline_types::Usage;
use serde::de::IgnoredAny;

/// Writes one stream; each frame is the `data` of an event, or an element of `ArrayFrames`.
///
/// A call is written whole, as its arguments are an object here: it waits for what comes after
/// its arguments. Sources, finish and usage come in one last chunk, at `Event::Done`: a stream
/// without that is one that was cut, and shows no `finishReason`. Reasoning that only its own
/// provider can read has no place in this dialect.
#[derive(Debug, Default)]
pub struct Encoder {
    pub(super) id: String,
    shown: String,
    pub(super) model: String,
    calls: Vec<Open>,
    /// Ready `groundingChunks`.
    sources: Vec<String>,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

/// A call whose arguments may go on.
#[derive(Debug)]
struct Open {
    index: u32,
    id: String,
    name: String,
    signature: Option<String>,
    arguments: String,
}

impl Encoder {
    /// `id` is the `responseId` to use when the provider gives none. `model` is the
    /// `modelVersion` to show; when it is empty, the provider's own word is shown.
    #[must_use]
    pub fn new(id: impl Into<String>, model: impl Into<String>) -> Self {
        Self { id: id.into(), shown: model.into(), ..Self::default() }
    }

    /// Takes `event`, and appends the parts that are ready.
    fn take(&mut self, event: &Event, parts: &mut Vec<String>) {
        if !matches!(event, Event::Call { .. } | Event::Arguments { .. } | Event::Usage(_)) {
            parts.extend(std::mem::take(&mut self.calls).iter().map(Open::part));
        }
        match event {
            Event::Started { id, model } => {
                if !id.is_empty() {
                    self.id.clone_from(id);
                }
                self.model.clone_from(model);
            }
            Event::Text(text) | Event::Refusal(text) => parts.extend(said(text, "")),
            Event::Reasoning(text) => parts.extend(said(text, ",\"thought\":true")),
            Event::ReasoningSignature(signature) => {
                if is_base64(signature) {
                    // A proof of Google's own never comes here, and stands on texts; others on thoughts.
                    parts.push(format!("{{\"text\":\"\",\"thought\":true,\"thoughtSignature\":\"{signature}\"}}"));
                }
            }
            Event::Call { index, id, name, signature } => self.calls.push(Open {
                index: *index,
                id: id.clone(),
                name: name.clone(),
                signature: signature.clone(),
                arguments: String::new(),
            }),
            Event::Arguments { index, fragment } => {
                if let Some(call) = self.calls.iter_mut().rev().find(|call| call.index == *index) {
                    call.arguments.push_str(fragment);
                }
            }
            Event::File { media_type, data } => parts.push(inline(media_type, data)),
            Event::Source { url, title } => {
                let title = title.as_deref().map(|title| format!(",\"title\":{}", json(title))).unwrap_or_default();
                self.sources.push(format!("{{\"web\":{{\"uri\":{}{title}}}}}", json(url)));
            }
            Event::Usage(ReportedUsage::Read(usage)) => self.usage = Some(*usage),
            Event::Usage(ReportedUsage::Unreadable) => self.usage = None,
            Event::Finished { reason, .. } => self.finish = self.finish.or(Some(*reason)),
            Event::RedactedReasoning(_) | Event::Failed(_) | Event::Done => {}
        }
    }

    /// A response with these parts; the last one also says how it ended and what it used.
    fn response(&self, parts: &[String], place: Place) -> Bytes {
        let mut out = String::with_capacity(parts.iter().map(String::len).sum::<usize>() + 160);
        out.push_str("{\"candidates\":[{\"content\":{\"parts\":[");
        out.push_str(&parts.join(","));
        out.push_str("],\"role\":\"model\"}");
        if place == Place::Last {
            // Clients take an answer without a reason for a broken one.
            out.push_str(&format!(",\"finishReason\":\"{}\"", finish_word(self.finish.unwrap_or(Finish::Stop))));
        }
        if place == Place::Last && !self.sources.is_empty() {
            out.push_str(&format!(",\"groundingMetadata\":{{\"groundingChunks\":[{}]}}", self.sources.join(",")));
        }
        out.push_str(",\"index\":0}]");
        if let (Place::Last, Some(usage)) = (place, self.usage) {
            out.push_str(&format!(",\"usageMetadata\":{}", written(&usage)));
        }
        let model = if self.shown.is_empty() { &self.model } else { &self.shown };
        for (name, text) in [("modelVersion", model), ("responseId", &self.id)] {
            if !text.is_empty() {
                out.push_str(&format!(",\"{name}\":{}", json(text)));
            }
        }
        out.push('}');
        Bytes::from(out)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Within,
    Last,
}

/// google-genai for Python takes a chunk without parts for an invalid answer, and then forgets
/// the turn; an empty text is what Google itself writes.
const NOTHING: &str = "{\"text\":\"\"}";

impl Encode for Encoder {
    fn primed(&mut self, from: &Resumption) {
        if let Standing::Gemini(told) = &from.place {
            self.go_on(told);
        }
    }

    fn encode(&mut self, event: &Event, out: &mut Vec<Frame>) {
        let mut parts = Vec::new();
        self.take(event, &mut parts);
        if !parts.is_empty() {
            out.push(Frame { event: None, data: self.response(&parts, Place::Within) });
        }
        if *event == Event::Done {
            out.push(Frame { event: None, data: self.response(&[NOTHING.to_owned()], Place::Last) });
        }
    }
}

/// Writes a whole answer.
#[must_use]
pub fn encode_answer(answer: &Answer) -> Bytes {
    let mut encoder = Encoder::default();
    let mut parts = Vec::new();
    for event in answer.events().iter().chain([&Event::Done]) {
        encoder.take(event, &mut parts);
    }
    if parts.is_empty() {
        parts.push(NOTHING.to_owned());
    }
    encoder.response(&parts, Place::Last)
}

impl Open {
    fn part(&self) -> String {
        let id = if self.id.is_empty() { String::new() } else { format!("\"id\":{},", json(&self.id)) };
        let signature = self.signature.as_deref().filter(|signature| is_base64(signature));
        let signature = signature.map(|text| format!(",\"thoughtSignature\":\"{text}\"")).unwrap_or_default();
        let (name, arguments) = (json(&self.name), arguments(&self.arguments));
        format!("{{\"functionCall\":{{{id}\"name\":{name},\"args\":{arguments}}}{signature}}}")
    }
}

/// The arguments as the object that this dialect wants, as the model wrote it. What is no object
/// stands under the key `arguments` of one.
pub(super) fn arguments(text: &str) -> String {
    let text = text.trim_ascii();
    if text.is_empty() || text == "null" {
        return "{}".to_owned();
    }
    match (serde_json::from_str::<IgnoredAny>(text), text.starts_with('{')) {
        (Ok(_), true) => compact(text).collect(),
        (Ok(_), false) => format!("{{\"arguments\":{text}}}"),
        (Err(_), _) => format!("{{\"arguments\":{}}}", json(text)),
    }
}

/// A part with text; none for an empty one.
fn said(text: &str, more: &str) -> Option<String> {
    (!text.is_empty()).then(|| format!("{{\"text\":{}{more}}}", json(text)))
}

fn inline(media_type: &str, data: &str) -> String {
    format!("{{\"inlineData\":{{\"mimeType\":{},\"data\":{}}}}}", json(media_type), json(data))
}

/// `text` as a JSON string.
fn json(text: &str) -> String {
    String::from_utf8(quoted(text)).unwrap_or_else(|_| "\"\"".to_owned())
}

/// A signature is bytes in this dialect: SDKs fail on what is no base64. Those of other
/// providers mostly are.
pub(super) fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let whole = if body.len() == text.len() { body.len() % 4 != 1 } else { text.len().is_multiple_of(4) };
    whole
        && text.len() - body.len() <= 2
        && !body.is_empty()
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_object_and_stay_as_they_were_written() {
        for (text, expected) in [
            ("", "{}"),
            (" null ", "{}"),
            ("{ \"b\": 1.50, \"a\": \" x\\\" \" }", "{\"b\":1.50,\"a\":\" x\\\" \"}"),
            ("[1]", "{\"arguments\":[1]}"),
            ("{\"cut", "{\"arguments\":\"{\\\"cut\"}"),
        ] {
            assert_eq!(arguments(text), expected, "{text}");
        }
    }

    #[test]
    fn only_base64_is_shown_as_a_signature() {
        for good in ["YWJj", "YWI", "YWI=", "YQ==", "-_-_", "+/+/"] {
            assert!(is_base64(good), "{good}");
        }
        for bad in ["", "=", "Y", "YWJj=", "YWJ=j", "a b c", "YWJjZ", "Y==="] {
            assert!(!is_base64(bad), "{bad}");
        }
    }
}
