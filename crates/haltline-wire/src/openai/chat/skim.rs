//! The chunk that a stream mostly consists of: one choice with a piece of text. Most of a crossing's
//! time would go into reading these as whole JSON values.

use crate::canon::Event;
use crate::word::Word;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    object: Word<'a>,
    #[serde(borrow)]
    choices: [Choice<'a>; 1],
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    x_groq: Option<&'a RawValue>,
    #[serde(borrow, default)]
    citations: Option<&'a RawValue>,
    #[serde(borrow, default)]
    search_results: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow)]
    delta: Delta<'a>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
    #[serde(borrow)]
    images: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow)]
    citations: Option<&'a RawValue>,
    #[serde(borrow)]
    search_results: Option<&'a RawValue>,
}

/// The text, or the thought, of a chunk of choice `index` that holds nothing else; `None` for any
/// other chunk, which must be read in full.
pub(super) fn piece(data: &[u8], index: u64) -> Option<Event> {
    let Chunk {
        object: Word(object),
        choices: [choice],
        usage: None,
        error: None,
        x_groq: None,
        citations: None,
        search_results: None,
    } = serde_json::from_slice(data).ok()?
    else {
        return None;
    };
    let Choice { index: own, delta, message: None, text: None, finish_reason: None } = choice else { return None };
    let Delta {
        content,
        reasoning_content,
        reasoning: None,
        reasoning_details: None,
        refusal: None,
        tool_calls: None,
        function_call: None,
        audio: None,
        images: None,
        annotations: None,
        citations: None,
        search_results: None,
    } = delta
    else {
        return None;
    };
    if own.unwrap_or(0) != index || object.as_deref() == Some("error") {
        return None;
    }
    let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok().filter(|text| !text.is_empty());
    match (content, reasoning_content) {
        (Some(content), None) => text(content).map(Event::Text),
        (None, Some(thought)) => text(thought).map(Event::Reasoning),
        _ => None,
    }
}
