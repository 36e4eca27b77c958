//! Usage reports of OpenAI-shaped servers, in the one meaning of `haltline_types::Usage`.

use super::stated_cost;
use haltline_types::{Tokens, Usage};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::fmt;

/// What became of a usage report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// None was sent, or an empty one.
    Absent,
    /// It was read.
    Read(Usage),
    /// It was sent and cannot be relied on: a count is missing, negative or no whole number.
    Unreadable,
}

/// Reads a `usage` object.
///
/// Where imitators contradict themselves, the dearer reading is taken: what their total has above
/// input and output is output (xAI reports reasoning beside the output instead of inside it); so
/// is reasoning above the output where no total decides; cached input above the input comes on
/// top of it.
pub(crate) fn read(json: &str) -> Report {
    let Ok(wire) = serde_json::from_str::<Wire<'_>>(json) else {
        return Report::Unreadable;
    };
    if wire.is_empty() {
        return Report::Absent;
    }
    wire.usage().map_or(Report::Unreadable, Report::Read)
}

/// Reads the `usage` object of an embeddings answer, which has no output. What its total has
/// above the input is input.
pub(crate) fn read_input_only(json: &str) -> Report {
    let Ok(wire) = serde_json::from_str::<Wire<'_>>(json) else {
        return Report::Unreadable;
    };
    if wire.is_empty() {
        return Report::Absent;
    }
    wire.input_only().map_or(Report::Unreadable, Report::Read)
}

/// Writes `usage` as a Chat Completions object. What it cost at the provider is for the operator,
/// and left out.
pub(super) fn write(usage: &Usage) -> Value {
    let total = usage.total().map_or(u64::MAX, Tokens::get);
    json!({
        "prompt_tokens": usage.input.get(),
        "completion_tokens": usage.output.get(),
        "total_tokens": total,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input.get(),
            "cache_write_tokens": usage.cache_write.get(),
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning.get()},
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire<'a> {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    // The names of the Responses API, which some imitators use in chat as well.
    input_tokens: Count,
    output_tokens: Count,
    prompt_tokens_details: Option<InputDetails>,
    input_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
    output_tokens_details: Option<OutputDetails>,
    // DeepSeek.
    prompt_cache_hit_tokens: Count,
    // OpenRouter (a number), Perplexity (an object).
    #[serde(borrow)]
    cost: Option<&'a RawValue>,
    #[serde(borrow)]
    cost_details: Option<&'a RawValue>,
    #[serde(borrow)]
    is_byok: Option<&'a RawValue>,
    // xAI.
    #[serde(borrow)]
    cost_in_usd_ticks: Option<&'a RawValue>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
}

impl Wire<'_> {
    fn is_empty(&self) -> bool {
        [self.prompt_tokens, self.completion_tokens, self.input_tokens, self.output_tokens, self.total_tokens]
            .iter()
            .all(|count| *count == Count::Absent)
    }

    fn usage(&self) -> Option<Usage> {
        let input = self.prompt_tokens.or(self.input_tokens).required()?;
        let output = self.completion_tokens.or(self.output_tokens).required()?;
        let input_details = self.prompt_tokens_details.or(self.input_tokens_details).unwrap_or_default();
        let output_details = self.completion_tokens_details.or(self.output_tokens_details).unwrap_or_default();
        let cached = input_details.cached_tokens.or(self.prompt_cache_hit_tokens).optional()?;
        let cache_write = input_details.cache_write_tokens.optional()?;
        let reasoning = output_details.reasoning_tokens.optional()?;
        let total = self.total_tokens.optional()?;

        let from_cache_and_to_it = cached.checked_add(cache_write)?;
        let input = if from_cache_and_to_it > input { input.checked_add(from_cache_and_to_it)? } else { input };
        let output = match total.checked_sub(input) {
            Some(rest) if total > 0 => output.max(rest),
            _ if reasoning > output => output.checked_add(reasoning)?,
            _ => output,
        };
        input.checked_add(output)?;
        Some(Usage {
            input: Tokens::new(input),
            cached_input: Tokens::new(cached),
            cache_write: Tokens::new(cache_write),
            output: Tokens::new(output),
            reasoning: Tokens::new(reasoning.min(output)),
            stated_cost: self.stated_cost(),
            ..Usage::default()
        })
    }

    fn input_only(&self) -> Option<Usage> {
        let input = self.prompt_tokens.or(self.input_tokens).or(self.total_tokens).required()?;
        let input = input.max(self.total_tokens.optional()?);
        Some(Usage { input: Tokens::new(input), stated_cost: self.stated_cost(), ..Usage::default() })
    }

    fn stated_cost(&self) -> Option<haltline_types::NanoUsd> {
        if let Some(ticks) = self.cost_in_usd_ticks {
            return stated_cost::ticks(ticks.get());
        }
        let own_key = self.is_byok.is_some_and(|own| own.get() == "true");
        let details = if own_key { self.cost_details } else { None };
        stated_cost::dollars(self.cost?.get(), details.map_or("", RawValue::get))
    }
}

/// A count as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Count {
    #[default]
    Absent,
    Tokens(u64),
    /// Something that is no count of tokens.
    Bad,
}

impl Count {
    fn or(self, other: Self) -> Self {
        if self == Self::Absent { other } else { self }
    }

    fn required(self) -> Option<u64> {
        match self {
            Self::Tokens(count) => Some(count),
            Self::Absent | Self::Bad => None,
        }
    }

    /// Zero when absent, `None` when bad.
    fn optional(self) -> Option<u64> {
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

    /// Some servers write `12.0`.
    fn visit_f64<E>(self, value: f64) -> Result<Count, E> {
        let exact = value.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&value);
        Ok(if exact { format!("{value:.0}").parse().map_or(Count::Bad, Count::Tokens) } else { Count::Bad })
    }

    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
        Ok(Count::Bad)
    }

    fn visit_str<E>(self, _: &str) -> Result<Count, E> {
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

    fn read_parts(json: &str) -> Option<(u64, u64, u64, u64, u64)> {
        match read(json) {
            Report::Read(u) => {
                Some((u.input.get(), u.cached_input.get(), u.cache_write.get(), u.output.get(), u.reasoning.get()))
            }
            Report::Absent | Report::Unreadable => None,
        }
    }

    #[test]
    fn reports_of_many_servers_have_one_meaning() {
        for (json, expected) in [
            (r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}"#, (9, 0, 0, 5, 0)),
            (
                r#"{"prompt_tokens":90,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":64,"cache_write_tokens":20},"completion_tokens_details":{"reasoning_tokens":3}}"#,
                (90, 64, 20, 5, 3),
            ),
            (
                r#"{"prompt_tokens":90,"completion_tokens":5,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":26}"#,
                (90, 64, 0, 5, 0),
            ),
            (r#"{"input_tokens":7,"output_tokens":2,"total_tokens":9}"#, (7, 0, 0, 2, 0)),
            (r#"{"prompt_tokens":7.0,"completion_tokens":2.0,"prompt_tokens_details":null}"#, (7, 0, 0, 2, 0)),
            (r#"{"prompt_tokens":7,"completion_tokens":0,"prompt_tokens_details":[]}"#, (7, 0, 0, 0, 0)),
        ] {
            assert_eq!(read_parts(json), Some(expected), "{json}");
        }
    }

    #[test]
    fn where_servers_contradict_themselves_the_dearer_reading_is_taken() {
        for (json, expected) in [
            // Reasoning beside the output.
            (
                r#"{"prompt_tokens":291,"completion_tokens":26,"total_tokens":513,"completion_tokens_details":{"reasoning_tokens":196}}"#,
                (291, 0, 0, 222, 196),
            ),
            // The same without a total.
            (
                r#"{"prompt_tokens":10,"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":7}}"#,
                (10, 0, 0, 9, 7),
            ),
            // Reasoning above the output, and a total that says it is within.
            (
                r#"{"prompt_tokens":43,"completion_tokens":10,"total_tokens":53,"completion_tokens_details":{"reasoning_tokens":11}}"#,
                (43, 0, 0, 10, 10),
            ),
            // More from the cache than there is input.
            (
                r#"{"prompt_tokens":7,"completion_tokens":1,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":163}}"#,
                (170, 163, 0, 1, 0),
            ),
        ] {
            assert_eq!(read_parts(json), Some(expected), "{json}");
        }
    }

    #[test]
    fn what_is_no_count_is_no_report_and_never_zero() {
        for json in [
            r#"{"prompt_tokens":-1,"completion_tokens":5}"#,
            r#"{"prompt_tokens":9.5,"completion_tokens":5}"#,
            r#"{"prompt_tokens":"9","completion_tokens":5}"#,
            r#"{"prompt_tokens":9}"#,
            r#"{"total_tokens":9}"#,
            r#"{"prompt_tokens":9,"completion_tokens":{}}"#,
            r#"{"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551615}"#,
            r#"{"prompt_tokens":1e30,"completion_tokens":5}"#,
            r#""none""#,
        ] {
            assert_eq!(read(json), Report::Unreadable, "{json}");
        }
        assert_eq!(read("{}"), Report::Absent);
        assert_eq!(read(r#"{"prompt_tokens":null}"#), Report::Absent);
    }
}
