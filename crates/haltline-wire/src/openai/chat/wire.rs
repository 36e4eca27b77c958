//! The shapes in which OpenAI-shaped servers write choices, read just as far as metering needs:
//! how much text, and why it ended. Tolerates what imitators do to them.

use crate::Finish;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// All choices of a chunk or an answer, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Choices {
    /// The member was there and a list.
    pub(super) present: bool,
    pub(super) count: u32,
    /// Bytes of text in `delta`, and in the `text` of old completions.
    pub(super) delta_bytes: usize,
    /// Bytes of text in `message`.
    pub(super) message_bytes: usize,
    /// Some choice had a `delta`.
    pub(super) has_delta: bool,
    /// Choices that have a finish reason.
    pub(super) finished: u32,
    /// The finish reason of the first choice that has one.
    pub(super) finish: Option<Finish>,
    /// Some choice calls a tool.
    pub(super) calls: bool,
    /// Some choice has a picture that the model made.
    pub(super) pictures: bool,
}

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChoicesVisitor)
    }
}

struct ChoicesVisitor;

impl<'de> Visitor<'de> for ChoicesVisitor {
    type Value = Choices;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of choices")
    }

    fn visit_unit<E>(self) -> Result<Choices, E> {
        Ok(Choices::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Choices, A::Error> {
        let mut sum = Choices { present: true, ..Choices::default() };
        while let Some(choice) = seq.next_element::<Choice>()? {
            sum.count = sum.count.saturating_add(1);
            let bytes = |part: &Option<Delta>| part.as_ref().map_or(0, Delta::text_bytes);
            sum.has_delta |= choice.delta.is_some();
            let parts = || choice.delta.iter().chain(&choice.message);
            sum.calls |= parts().any(|part| part.tool_calls.iter().flatten().next().is_some());
            sum.pictures |= parts().any(|part| part.images.0 > 0);
            sum.delta_bytes = sum.delta_bytes.saturating_add(bytes(&choice.delta)).saturating_add(choice.text.0);
            sum.message_bytes = sum.message_bytes.saturating_add(bytes(&choice.message));
            if let Some(finish) = choice.finish_reason.0 {
                sum.finished = sum.finished.saturating_add(1);
                sum.finish = sum.finish.or(Some(finish));
            }
        }
        Ok(sum)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Choice {
    delta: Option<Delta>,
    message: Option<Delta>,
    text: Text,
    finish_reason: Reason,
}

impl Choices {
    /// The text that a chunk of a stream adds. Where both forms are there, `message` repeats all
    /// that came so far (Perplexity).
    pub(super) const fn chunk_bytes(&self) -> usize {
        if self.has_delta { self.delta_bytes } else { self.delta_bytes + self.message_bytes }
    }

    /// The text of a whole answer.
    pub(super) const fn answer_bytes(&self) -> usize {
        if self.message_bytes > 0 { self.message_bytes } else { self.delta_bytes }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Delta {
    content: Text,
    refusal: Text,
    reasoning_content: Text,
    reasoning: Text,
    reasoning_details: Text,
    tool_calls: Option<Vec<ToolCall>>,
    function_call: Option<Function>,
    audio: Text,
    // OpenRouter.
    images: Text,
}

impl Delta {
    fn text_bytes(&self) -> usize {
        // The same reasoning comes under several names at once (OpenRouter).
        let reasoning = self.reasoning_content.0.max(self.reasoning.0).max(self.reasoning_details.0);
        let tools = self.tool_calls.iter().flatten().map(ToolCall::text_bytes).sum::<usize>();
        let function = self.function_call.as_ref().map_or(0, Function::text_bytes);
        self.content.0 + self.refusal.0 + reasoning + tools + function + self.audio.0
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ToolCall {
    function: Option<Function>,
    custom: Option<Function>,
}

impl ToolCall {
    fn text_bytes(&self) -> usize {
        self.function.iter().chain(&self.custom).map(Function::text_bytes).sum()
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Function {
    name: Text,
    arguments: Text,
    input: Text,
}

impl Function {
    fn text_bytes(&self) -> usize {
        self.name.0 + self.arguments.0 + self.input.0
    }
}

/// A finish reason, where there is one. Some servers write an empty word for none.
#[derive(Clone, Copy, Default)]
struct Reason(Option<Finish>);

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReasonVisitor).map(Reason)
    }
}

struct ReasonVisitor;

impl<'de> Visitor<'de> for ReasonVisitor {
    type Value = Option<Finish>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a finish reason")
    }

    fn visit_str<E>(self, word: &str) -> Result<Option<Finish>, E> {
        Ok((!word.is_empty()).then(|| super::finish_from_word(word)))
    }

    fn visit_unit<E>(self) -> Result<Option<Finish>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Option<Finish>, E> {
        Ok(Some(Finish::Other))
    }
}

/// Bytes of text in any value: of a string its own, of lists and objects those within. The
/// members `type`, `id`, `index`, `format`, `signature` and `data` (sealed) of objects are no text.
#[derive(Clone, Copy, Default)]
struct Text(usize);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E>(self, text: &str) -> Result<usize, E> {
        Ok(text.len())
    }

    fn visit_unit<E>(self) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_bool<E>(self, _: bool) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_u64<E>(self, _: u64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_i64<E>(self, _: i64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_f64<E>(self, _: f64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let mut sum = 0_usize;
        while let Some(Text(bytes)) = seq.next_element()? {
            sum = sum.saturating_add(bytes);
        }
        Ok(sum)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let mut sum = 0_usize;
        while let Some(is_text) = map.next_key_seed(IsText)? {
            if is_text {
                sum = sum.saturating_add(map.next_value::<Text>()?.0);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(sum)
    }
}

/// Reads a key, and says whether text stands under it.
struct IsText;

impl<'de> DeserializeSeed<'de> for IsText {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsText {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(!matches!(key, "type" | "id" | "index" | "format" | "signature" | "data"))
    }
}
