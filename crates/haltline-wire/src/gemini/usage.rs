//! `usageMetadata` in the one meaning of `haltline_types::Usage`, and back.

use haltline_types::{Tokens, Usage};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What became of a usage report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// None was sent, or one without counts (Vertex writes `trafficType` alone in early chunks).
    Absent,
    /// It was read.
    Read(Usage),
    /// It was sent and cannot be relied on: the prompt's count is missing, or some count is
    /// negative or no whole number.
    Unreadable,
}

/// Reads a `usageMetadata` object.
///
/// `promptTokenCount` includes the cached part; what tools add to the prompt
/// (`toolUsePromptTokenCount`) does not stand in it and is billed as input; thoughts do not stand
/// in `candidatesTokenCount` and are billed as output. A count that is zero is left out by
/// Google. What `totalTokenCount` has above their sum is output, the dearer reading; a total
/// below the sum is not believed. More from the cache than there is prompt comes on top of it.
pub(super) fn read(json: &str) -> Report {
    if json == "null" {
        return Report::Absent;
    }
    let Ok(wire) = serde_json::from_str::<Wire>(json) else {
        return Report::Unreadable;
    };
    if wire.is_empty() {
        return Report::Absent;
    }
    wire.usage().map_or(Report::Unreadable, Report::Read)
}

/// The `usageMetadata` that says `usage`.
pub(super) fn written(usage: &Usage) -> serde_json::Value {
    let (input, output) = (usage.input.get(), usage.output.get());
    let reasoning = usage.reasoning.get().min(output);
    let mut map = serde_json::Map::new();
    let mut put = |name: &str, count: u64| map.insert(name.to_owned(), count.into());
    put("promptTokenCount", input);
    put("candidatesTokenCount", output - reasoning);
    put("totalTokenCount", input.saturating_add(output));
    if usage.cached_input > Tokens::ZERO {
        put("cachedContentTokenCount", usage.cached_input.get());
    }
    if reasoning > 0 {
        put("thoughtsTokenCount", reasoning);
    }
    map.into()
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    #[serde(alias = "prompt_token_count")]
    prompt_token_count: Count,
    #[serde(alias = "cached_content_token_count")]
    cached_content_token_count: Count,
    #[serde(alias = "candidates_token_count")]
    candidates_token_count: Count,
    #[serde(alias = "thoughts_token_count")]
    thoughts_token_count: Count,
    #[serde(alias = "tool_use_prompt_token_count")]
    tool_use_prompt_token_count: Count,
    #[serde(alias = "total_token_count")]
    total_token_count: Count,
}

impl Wire {
    fn is_empty(&self) -> bool {
        [
            self.prompt_token_count,
            self.cached_content_token_count,
            self.candidates_token_count,
            self.thoughts_token_count,
            self.tool_use_prompt_token_count,
            self.total_token_count,
        ]
        .iter()
        .all(|count| *count == Count::Absent)
    }

    fn usage(&self) -> Option<Usage> {
        let prompt = self.prompt_token_count.required()?;
        let cached = self.cached_content_token_count.optional()?;
        let tools = self.tool_use_prompt_token_count.optional()?;
        let reasoning = self.thoughts_token_count.optional()?;
        let prompt = if cached > prompt { prompt.checked_add(cached)? } else { prompt };
        let input = prompt.checked_add(tools)?;
        let output = self.candidates_token_count.optional()?.checked_add(reasoning)?;
        let output = output.max(self.total_token_count.optional()?.saturating_sub(input));
        input.checked_add(output)?;
        Some(Usage {
            input: Tokens::new(input),
            cached_input: Tokens::new(cached),
            output: Tokens::new(output),
            reasoning: Tokens::new(reasoning),
            ..Usage::default()
        })
    }
}

/// A count as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Count {
    #[default]
    Absent,
    Tokens(u64),
    /// Something that is no count of tokens.
    Bad,
}

impl Count {
    pub(super) const fn required(self) -> Option<u64> {
        match self {
            Self::Tokens(count) => Some(count),
            Self::Absent | Self::Bad => None,
        }
    }

    /// Zero when absent, `None` when bad.
    const fn optional(self) -> Option<u64> {
        match self {
            Self::Tokens(count) => Some(count),
            Self::Absent => Some(0),
            Self::Bad => None,
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count of tokens")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Count, E> {
        Ok(Count::Tokens(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Count, E> {
        Ok(u64::try_from(value).map_or(Count::Bad, Count::Tokens))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Count, E> {
        let exact = value.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&value);
        Ok(if exact { format!("{value:.0}").parse().map_or(Count::Bad, Count::Tokens) } else { Count::Bad })
    }

    /// Protocol buffers write 64-bit numbers as strings.
    fn visit_str<E>(self, text: &str) -> Result<Count, E> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        Ok(if digits { text.parse().map_or(Count::Bad, Count::Tokens) } else { Count::Bad })
    }

    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
        Ok(Count::Bad)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count::Bad)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Count::Bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(json: &str) -> Option<(u64, u64, u64, u64)> {
        match read(json) {
            Report::Read(u) => Some((u.input.get(), u.cached_input.get(), u.output.get(), u.reasoning.get())),
            Report::Absent | Report::Unreadable => None,
        }
    }

    #[test]
    fn reports_are_read_in_one_meaning_and_the_dearer_one() {
        for (json, expected) in [
            (r#"{"promptTokenCount":9,"candidatesTokenCount":5,"totalTokenCount":14}"#, (9, 0, 5, 0)),
            (
                r#"{"promptTokenCount":9,"candidatesTokenCount":5,"thoughtsTokenCount":7,"totalTokenCount":21}"#,
                (9, 0, 12, 7),
            ),
            (
                r#"{"promptTokenCount":15,"candidatesTokenCount":37,"thoughtsTokenCount":742,"toolUsePromptTokenCount":770,"totalTokenCount":1564}"#,
                (785, 0, 779, 742),
            ),
            (r#"{"prompt_token_count":90,"cached_content_token_count":64,"candidates_token_count":1}"#, (90, 64, 1, 0)),
            // Only a prompt: zero is left out.
            (r#"{"promptTokenCount":14,"totalTokenCount":14}"#, (14, 0, 0, 0)),
            (r#"{"promptTokenCount":"14","candidatesTokenCount":2.0}"#, (14, 0, 2, 0)),
            // The total knows of more output.
            (r#"{"promptTokenCount":10,"candidatesTokenCount":2,"totalTokenCount":30}"#, (10, 0, 20, 0)),
            // The total is too small to be true.
            (
                r#"{"promptTokenCount":10,"candidatesTokenCount":2,"thoughtsTokenCount":5,"totalTokenCount":12}"#,
                (10, 0, 7, 5),
            ),
            (r#"{"promptTokenCount":7,"cachedContentTokenCount":163,"candidatesTokenCount":1}"#, (170, 163, 1, 0)),
        ] {
            assert_eq!(parts(json), Some(expected), "{json}");
        }
    }

    #[test]
    fn what_is_no_count_is_no_report_and_never_zero() {
        for json in [
            r#"{"promptTokenCount":-1}"#,
            r#"{"promptTokenCount":9.5}"#,
            r#"{"promptTokenCount":"many"}"#,
            r#"{"candidatesTokenCount":9}"#,
            r#"{"totalTokenCount":9}"#,
            r#"{"promptTokenCount":9,"thoughtsTokenCount":{}}"#,
            r#"{"promptTokenCount":18446744073709551615,"candidatesTokenCount":1}"#,
            r#"{"promptTokenCount":1e30}"#,
            "[]3",
        ] {
            assert_eq!(read(json), Report::Unreadable, "{json}");
        }
        for json in ["{}", "null", r#"{"trafficType":"ON_DEMAND"}"#, r#"{"promptTokenCount":null}"#] {
            assert_eq!(read(json), Report::Absent, "{json}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let usage = Usage {
            input: Tokens::new(90),
            cached_input: Tokens::new(64),
            output: Tokens::new(12),
            reasoning: Tokens::new(7),
            ..Usage::default()
        };
        assert_eq!(read(&written(&usage).to_string()), Report::Read(usage));
    }
}
