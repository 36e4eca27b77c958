//! The shape of a `GenerateContentResponse`: one chunk of a stream, or a whole answer. Read once
//! for metering and for decoding, so that the two cannot disagree. Text is borrowed where it
//! holds no escapes. Decides nothing.

use super::usage::{Count, Report};
use super::{finish_from_number, finish_from_word};
use crate::Finish;
use crate::chunk::Malformed;
use crate::fault::FaultSeed;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What a chunk, or a body, is.
pub(super) enum Read<'a> {
    /// The end that some proxies write.
    Done,
    /// A response; perhaps one that also reports a failure.
    Response(Box<Response<'a>>, Option<Box<FaultSeed>>),
}

/// Reads one response.
///
/// # Errors
/// When it is no JSON object in the shape of a response or an error.
pub(super) fn read(data: &[u8]) -> Result<Read<'_>, Malformed> {
    match data.trim_ascii() {
        b"[DONE]" => return Ok(Read::Done),
        b"" => return Ok(Read::Response(Box::default(), None)),
        text if text.starts_with(b"{") => {}
        // An error can stand alone in an array.
        text if text.starts_with(b"[") => {
            return match FaultSeed::read(text) {
                Some(seed) => Ok(Read::Response(Box::default(), Some(Box::new(seed)))),
                None => Err(Malformed { detail: "a stream's data is an array without an error".to_owned() }),
            };
        }
        _ => return Err(Malformed { detail: "the data is no JSON object".to_owned() }),
    }
    let response: Response<'_> = serde_json::from_slice(data)
        .map_err(|error| Malformed { detail: format!("not in the shape of a Gemini response: {error}") })?;
    let failed = response.error.is_some_and(|error| !matches!(error.get(), "false" | "\"\"" | "{}"));
    let seed = if failed || response.says_nothing() { FaultSeed::read(data) } else { None };
    Ok(Read::Response(Box::new(response), seed.map(Box::new)))
}

/// The responses of a whole body: one, or the elements of an array.
///
/// # Errors
/// When the body is neither.
pub(super) fn responses(body: &[u8]) -> Result<Vec<Read<'_>>, Malformed> {
    if !body.trim_ascii_start().starts_with(b"[") {
        return Ok(vec![read(body)?]);
    }
    let elements: Vec<&RawValue> = serde_json::from_slice(body)
        .map_err(|error| Malformed { detail: format!("the answer is no array of objects: {error}") })?;
    elements.iter().map(|element| read(element.get().as_bytes())).collect()
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(alias = "prompt_feedback")]
    prompt_feedback: Option<Feedback>,
    #[serde(borrow, alias = "usage_metadata")]
    usage_metadata: Option<&'a RawValue>,
    #[serde(borrow, alias = "model_version")]
    pub(super) model_version: Word<'a>,
    #[serde(borrow, alias = "response_id")]
    pub(super) response_id: Word<'a>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl Response<'_> {
    /// Was the prompt kept from the model?
    pub(super) fn is_blocked(&self) -> bool {
        self.prompt_feedback.as_ref().is_some_and(|feedback| feedback.block_reason.0)
    }

    pub(super) fn report(&self) -> Report {
        self.usage_metadata.map_or(Report::Absent, |usage| super::usage::read(usage.get()))
    }

    /// Is there nothing in it that a response has?
    pub(super) fn says_nothing(&self) -> bool {
        self.candidates.is_none()
            && self.prompt_feedback.is_none()
            && self.usage_metadata.is_none()
            && self.model_version.0.is_none()
            && self.response_id.0.is_none()
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Feedback {
    #[serde(alias = "block_reason")]
    block_reason: Blocked,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(alias = "finish_reason")]
    pub(super) finish_reason: Reason,
    index: Option<Count>,
    #[serde(borrow, alias = "grounding_metadata")]
    pub(super) grounding_metadata: Option<&'a RawValue>,
}

impl<'a> Candidate<'a> {
    pub(super) fn parts(&self) -> &[Part<'a>] {
        self.content.as_ref().and_then(|content| content.parts.as_deref()).unwrap_or_default()
    }

    /// Its number; zero is left out by Google.
    pub(super) fn index(&self) -> u64 {
        self.index.and_then(Count::required).unwrap_or(0)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(borrow)]
    pub(super) text: Word<'a>,
    thought: Flag,
    #[serde(borrow, alias = "thought_signature")]
    pub(super) thought_signature: Word<'a>,
    #[serde(borrow, alias = "function_call")]
    pub(super) function_call: Option<Call<'a>>,
    #[serde(borrow, alias = "inline_data")]
    pub(super) inline_data: Option<Blob<'a>>,
}

impl Part<'_> {
    pub(super) const fn is_thought(&self) -> bool {
        self.thought.0
    }

    /// Is there nothing in it that has a canonical form?
    pub(super) fn is_empty(&self) -> bool {
        self.text.said().is_none()
            && self.thought_signature.said().is_none()
            && self.function_call.is_none()
            && self.inline_data.is_none()
    }

    /// Bytes of what the canonical form counts as text.
    pub(super) fn text_bytes(&self) -> usize {
        let text = self.text.0.as_deref().map_or(0, str::len);
        let call = self.function_call.as_ref().map_or(0, Call::text_bytes);
        text.saturating_add(call)
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    pub(super) id: Word<'a>,
    #[serde(borrow)]
    pub(super) name: Word<'a>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    /// Arguments in pieces, which come only to who asked with `streamFunctionCallArguments`.
    #[serde(borrow, alias = "partial_args")]
    partial_args: Option<&'a RawValue>,
    #[serde(alias = "will_continue")]
    will_continue: Flag,
}

impl Call<'_> {
    /// The arguments without white space around their tokens; an object without members when
    /// there are none.
    pub(super) fn arguments(&self) -> Cow<'_, str> {
        match self.args.map(RawValue::get) {
            None | Some("null") => Cow::Borrowed("{}"),
            Some(args) if !args.bytes().any(|byte| byte.is_ascii_whitespace()) => Cow::Borrowed(args),
            Some(args) => Cow::Owned(compact(args).collect()),
        }
    }

    pub(super) fn is_in_pieces(&self) -> bool {
        self.will_continue.0 || self.partial_args.is_some()
    }

    fn text_bytes(&self) -> usize {
        let name = self.name.0.as_deref().map_or(0, str::len);
        let arguments = match self.args.map(RawValue::get) {
            None | Some("null") => 2,
            Some(args) => compact(args).map(char::len_utf8).sum(),
        };
        let pieces = self.partial_args.map_or(0, |args| args.get().len());
        name.saturating_add(arguments).saturating_add(pieces)
    }
}

/// JSON that parses, without the white space between its tokens.
pub(super) fn compact(json: &str) -> impl Iterator<Item = char> + '_ {
    let (mut inside, mut escaped) = (false, false);
    json.chars().filter(move |c| {
        let keep = inside || !c.is_ascii_whitespace();
        if escaped {
            escaped = false;
        } else if inside && *c == '\\' {
            escaped = true;
        } else if *c == '"' {
            inside = !inside;
        }
        keep
    })
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    #[serde(borrow, alias = "mime_type")]
    pub(super) mime_type: Word<'a>,
    #[serde(borrow)]
    pub(super) data: Word<'a>,
}

/// A value of any kind, of which one kind is wanted.
enum Any<'a> {
    Text(Cow<'a, str>),
    Flag(bool),
    Number(u64),
    Other,
}

impl<'de> Deserialize<'de> for Any<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Any::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Any::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Any::Other)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Any::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Any::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Any::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Any::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Any::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Any::Other)
    }
}

/// A text; anything else reads as none.
#[derive(Default)]
pub(super) struct Word<'a>(pub(super) Option<Cow<'a, str>>);

impl Word<'_> {
    /// What it says, when it says anything.
    pub(super) fn said(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Any::deserialize(deserializer).map(|value| Self(if let Any::Text(text) = value { Some(text) } else { None }))
    }
}

#[derive(Default)]
struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Any::deserialize(deserializer).map(|value| Self(matches!(value, Any::Flag(true))))
    }
}

/// A finish reason as word or number, where there is one.
#[derive(Default)]
pub(super) struct Reason(pub(super) Option<Finish>);

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let finish = match Any::deserialize(deserializer)? {
            Any::Text(word) => finish_from_word(&word),
            Any::Number(number) => finish_from_number(number),
            Any::Flag(_) | Any::Other => None,
        };
        Ok(Self(finish))
    }
}

/// Is there a reason for blocking the prompt?
#[derive(Default)]
struct Blocked(bool);

impl<'de> Deserialize<'de> for Blocked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let blocked = match Any::deserialize(deserializer)? {
            Any::Text(word) => !matches!(&*word, "" | "BLOCKED_REASON_UNSPECIFIED" | "BLOCK_REASON_UNSPECIFIED"),
            Any::Number(number) => number > 0,
            Any::Flag(_) | Any::Other => false,
        };
        Ok(Self(blocked))
    }
}
