//! One message as it is kept: what was said, by which request, and of an answer what it cost.

use haltline_types::{NanoUsd, Timestamp};
use haltline_wire::canon::{MediaSource, Message, Part};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The most bytes of one message.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Of more parts than these, none is shortened: nothing but the mark is kept.
const PARTS_MAX: usize = 10_000;
const CUT: &str = " [… cut by Haltline: longer than a session keeps]";

/// A message. Members that are added later must have a default.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// `canon::Message` as JSON; none where no content is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<Box<RawValue>>,
    role: String,
    /// Milliseconds since 1970.
    at: i64,
    /// The request that brought it, or made it.
    request: String,
    /// A part of it was too long to be kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) cut: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Facts>,
}

/// What is known of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Facts {
    /// `answered`, `stopped`, `failed` or `lost`.
    pub(crate) outcome: String,
    pub(crate) code: Option<String>,
    pub(crate) surface: String,
    pub(crate) model: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) attempts: u8,
    /// Nanodollars.
    pub(crate) cost: i64,
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
    pub(crate) finish: Option<String>,
    /// Not all of it reached the session: a call of a tool was broken off, or it was too long.
    pub(crate) partial: bool,
}

impl Kept {
    /// `None` for a message that cannot be written as JSON, which none is.
    pub(crate) fn new(message: &Message, at: Timestamp, request: String, content: bool, answer: Option<Facts>) -> Self {
        let (message_json, cut) = if content { fitting(message) } else { (None, false) };
        Self { message: message_json, role: message.role.word().to_owned(), at: at.as_millis(), request, cut, answer }
    }

    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The request that brought it, or made it.
    pub(crate) fn request(self) -> String {
        self.request
    }

    /// What was said.
    pub(crate) fn message(&self) -> Option<Message> {
        Message::from_json(self.message.as_ref()?.get().as_bytes()).ok()
    }

    /// As its owner sees it.
    pub(crate) fn shown(&self, number: u64) -> Value {
        let message: Option<Value> = self.message.as_ref().and_then(|message| serde_json::from_str(message.get()).ok());
        let parts = message.as_ref().and_then(|message| message.get("parts")).cloned();
        let answer = self.answer.as_ref().map(|facts| {
            json!({
                "outcome": facts.outcome,
                "code": facts.code,
                "surface": facts.surface,
                "model": facts.model,
                "endpoint": facts.endpoint,
                "attempts": facts.attempts,
                "cost": NanoUsd::new(facts.cost).to_decimal(),
                "input_tokens": facts.input_tokens,
                "output_tokens": facts.output_tokens,
                "finish": facts.finish,
                "partial": facts.partial,
            })
        });
        json!({
            "object": "session.message",
            "id": number.to_string(),
            "role": self.role,
            "at": Timestamp::from_millis(self.at).to_string(),
            "request": self.request,
            "parts": parts,
            "cut": self.cut,
            "answer": answer,
        })
    }
}

/// The message as JSON of at most `MESSAGE_BYTES_MAX`: media go first, then the ends of long texts.
fn fitting(message: &Message) -> (Option<Box<RawValue>>, bool) {
    let raw = |message: &Message| {
        String::from_utf8(message.to_json().to_vec()).ok().and_then(|json| RawValue::from_string(json).ok())
    };
    let fits = |json: &RawValue| json.get().len() <= MESSAGE_BYTES_MAX;
    if let Some(whole) = raw(message).filter(|json| fits(json)) {
        return (Some(whole), false);
    }
    let nothing = || Message { role: message.role, name: None, parts: vec![Part::text(CUT.trim().to_owned())] };
    if message.parts.len() > PARTS_MAX {
        return (raw(&nothing()), true);
    }
    let mut shorter = message.clone();
    without_media(&mut shorter.parts);
    for most in [usize::MAX, MESSAGE_BYTES_MAX / 2, MESSAGE_BYTES_MAX / 16, MESSAGE_BYTES_MAX / 128, 512] {
        shorten(&mut shorter.parts, most);
        if let Some(json) = raw(&shorter).filter(|json| fits(json)) {
            return (Some(json), true);
        }
    }
    (raw(&nothing()), true)
}

fn without_media(parts: &mut [Part]) {
    for part in parts {
        match part {
            Part::Image(media) | Part::Document(media) | Part::Audio(media) => {
                let MediaSource::Base64 { media_type, data } = &media.source else { continue };
                let told = format!("[{media_type} of {} bytes in base64, not kept in the session]", data.len());
                *part = Part::text(told);
            }
            Part::Result(result) => without_media(&mut result.parts),
            Part::Text(_) | Part::Call(_) | Part::Reasoning { .. } | Part::Refusal(_) => {}
        }
    }
}

fn shorten(parts: &mut [Part], most: usize) {
    for part in parts {
        match part {
            Part::Text(text) => cut(&mut text.text, most),
            Part::Refusal(text) => cut(text, most),
            // A thought that is not whole proves nothing.
            Part::Reasoning { text, signature, redacted, .. } => {
                if text.len() + signature.as_ref().map_or(0, String::len) + redacted.as_ref().map_or(0, String::len)
                    > most
                {
                    *part = Part::text(String::new());
                }
            }
            Part::Call(call) if call.arguments.len() > most => {
                call.arguments = json!({"cut": call.arguments.len()}).to_string();
            }
            Part::Call(_) => {}
            Part::Result(result) => shorten(&mut result.parts, most),
            Part::Image(media) | Part::Document(media) | Part::Audio(media) => match &mut media.source {
                MediaSource::Text(text) | MediaSource::Url(text) => cut(text, most),
                MediaSource::Base64 { .. } => {}
            },
        }
    }
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let mut end = most.saturating_sub(CUT.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(CUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_wire::canon::{Media, Role, ToolResult};

    fn kept(parts: Vec<Part>) -> Kept {
        let message = Message { role: Role::User, name: None, parts };
        let kept = Kept::new(&message, Timestamp::from_secs(1), "req_1".to_owned(), true, None);
        let bytes = kept.write();
        assert!(bytes.len() <= MESSAGE_BYTES_MAX + 1024, "{}", bytes.len());
        Kept::read(&bytes).expect("readable")
    }

    #[test]
    fn a_message_comes_back_as_it_was() {
        let parts = vec![Part::text("hello".to_owned()), Part::Refusal("no".to_owned())];
        let read = kept(parts.clone());
        assert_eq!((read.message().expect("kept").parts, read.cut), (parts, false));
    }

    #[test]
    fn what_is_too_long_is_cut_with_a_mark() {
        let data = "A".repeat(MESSAGE_BYTES_MAX);
        let source = MediaSource::Base64 { media_type: "image/png".to_owned(), data };
        let picture = Part::Image(Media { source, detail: None, name: None, cache: None });
        let long = Part::text("é\"".repeat(MESSAGE_BYTES_MAX));
        let result = ToolResult {
            id: "c".to_owned(),
            name: None,
            parts: vec![Part::text("\u{1}".repeat(MESSAGE_BYTES_MAX))],
            is_error: false,
            cache: None,
        };
        let read = kept(vec![Part::text("short".to_owned()), picture, long, Part::Result(result)]);
        assert!(read.cut);
        let parts = read.message().expect("kept").parts;
        assert_eq!(parts[0], Part::text("short".to_owned()));
        let Part::Text(told) = &parts[1] else { panic!("{:?}", parts[1]) };
        assert!(told.text.contains("image/png of 1048576 bytes"), "{}", told.text);
        let Part::Text(text) = &parts[2] else { panic!("not a text") };
        assert!(text.text.ends_with(CUT) && text.text.starts_with("é\"é"));
        let many = kept(vec![Part::text("x".repeat(40)); 100_000]);
        assert!(many.cut && many.message().expect("kept").parts.len() == 1);
    }

    #[test]
    fn without_content_there_is_none() {
        let message = Message { role: Role::User, name: None, parts: vec![Part::text("secret".to_owned())] };
        let kept = Kept::new(&message, Timestamp::from_secs(1), "req_1".to_owned(), false, None);
        assert!(!String::from_utf8_lossy(&kept.write()).contains("secret"));
        assert_eq!(kept.message(), None);
    }
}
