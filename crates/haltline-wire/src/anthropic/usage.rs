//! Usage reports of Anthropic, in the one meaning of `haltline_types::Usage`, and back.
//!
//! Anthropic counts input without what was read from and written to the cache; the sum of the
//! three is all input. In a stream the counts of `message_delta` stand over those of
//! `message_start`. The counts at the top leave out passes of compaction and of advisors, which
//! are billed and listed under `iterations` (platform.claude.com, compaction and advisor tool).

use super::wire::Count;
use crate::canon::ReportedUsage;
use haltline_types::{Tokens, Usage};
use serde::{Deserialize, Serialize};

/// A usage report as it came, and what further reports of the same stream added.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub(super) struct Report {
    #[serde(flatten)]
    counts: Counts,
    output_tokens_details: Option<OutputDetails>,
    iterations: Option<Vec<Iteration>>,
}

#[derive(Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(default)]
struct Counts {
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_creation: Option<Creation>,
}

#[derive(Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(default)]
struct Creation {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

#[derive(Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Count,
}

#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
struct Iteration {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(flatten)]
    counts: Counts,
}

impl Report {
    /// Reads a `usage` object. `None` when it is in no shape of one.
    pub(super) fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// What `more`, which came later in the same stream, says stands over what is here.
    pub(super) fn update(&mut self, more: Self) {
        let before = self.counts;
        let counts = &mut self.counts;
        counts.input_tokens = more.counts.input_tokens.or(before.input_tokens);
        counts.output_tokens = more.counts.output_tokens.or(before.output_tokens);
        counts.cache_read_input_tokens = more.counts.cache_read_input_tokens.or(before.cache_read_input_tokens);
        counts.cache_creation_input_tokens =
            more.counts.cache_creation_input_tokens.or(before.cache_creation_input_tokens);
        counts.cache_creation = more.counts.cache_creation.or(before.cache_creation);
        // Imitators send zeros at the end; no request has no input.
        if counts.is_without_input() {
            let output_tokens = counts.output_tokens;
            *counts = Counts { output_tokens, ..before };
        }
        self.output_tokens_details = more.output_tokens_details.or(self.output_tokens_details);
        self.iterations = more.iterations.or(self.iterations.take());
    }

    /// What it says. `None` when it says nothing.
    pub(super) fn reported(&self) -> Option<ReportedUsage> {
        let is_empty = self.counts == Counts::default() && self.iterations.as_ref().is_none_or(Vec::is_empty);
        (!is_empty).then(|| self.usage().map_or(ReportedUsage::Unreadable, ReportedUsage::Read))
    }

    fn usage(&self) -> Option<Usage> {
        self.counts.input_tokens.required()?;
        self.counts.output_tokens.required()?;
        let mut billed = Sum::default();
        let mut beside = Sum::default();
        let iterations = self.iterations.as_deref().unwrap_or_default();
        let fell_back = iterations.iter().any(|pass| pass.kind.as_deref() == Some("fallback_message"));
        for pass in iterations {
            let counts = Sum::of(&pass.counts)?;
            match pass.kind.as_deref() {
                // An attempt that declined before any output is listed and not billed.
                Some("message") if fell_back && counts.output == 0 => {}
                // What the counts at the top sum up; where they differ, the dearer stands.
                Some("message" | "fallback_message") => billed = billed.plus(counts)?,
                _ => beside = beside.plus(counts)?,
            }
        }
        let sum = Sum::of(&self.counts)?.max(billed).plus(beside)?;
        let input = sum.fresh.checked_add(sum.read)?.checked_add(sum.written)?;
        input.checked_add(sum.output)?;
        let thinking = self.output_tokens_details.unwrap_or_default().thinking_tokens.optional()?;
        Some(Usage {
            input: Tokens::new(input),
            cached_input: Tokens::new(sum.read),
            cache_write: Tokens::new(sum.written),
            cache_write_long: Tokens::new(sum.written_long),
            output: Tokens::new(sum.output),
            reasoning: Tokens::new(thinking.min(sum.output)),
            stated_cost: None,
        })
    }
}

impl Counts {
    fn is_without_input(&self) -> bool {
        [self.input_tokens, self.cache_read_input_tokens, self.cache_creation_input_tokens]
            .iter()
            .all(|count| count.optional() == Some(0))
    }
}

/// The four that are billed apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    fresh: u64,
    read: u64,
    written: u64,
    /// The part of `written` that is kept for an hour.
    written_long: u64,
    output: u64,
}

impl Sum {
    fn of(counts: &Counts) -> Option<Self> {
        let creation = counts.cache_creation.unwrap_or_default();
        let short = creation.ephemeral_5m_input_tokens.optional()?;
        let long = creation.ephemeral_1h_input_tokens.optional()?;
        let written = counts.cache_creation_input_tokens.optional()?.max(short.checked_add(long)?);
        Some(Self {
            fresh: counts.input_tokens.optional()?,
            read: counts.cache_read_input_tokens.optional()?,
            written,
            // What the parts do not explain is of the dearer kind, if there is any of it.
            written_long: if long > 0 { written - short } else { 0 },
            output: counts.output_tokens.optional()?,
        })
    }

    fn plus(self, more: Self) -> Option<Self> {
        Some(Self {
            fresh: self.fresh.checked_add(more.fresh)?,
            read: self.read.checked_add(more.read)?,
            written: self.written.checked_add(more.written)?,
            written_long: self.written_long.checked_add(more.written_long)?,
            output: self.output.checked_add(more.output)?,
        })
    }

    fn max(self, other: Self) -> Self {
        Self {
            fresh: self.fresh.max(other.fresh),
            read: self.read.max(other.read),
            written: self.written.max(other.written),
            written_long: self.written_long.max(other.written_long),
            output: self.output.max(other.output),
        }
    }
}

/// A usage report as Anthropic's clients read it.
#[derive(Serialize, Clone, Copy, Debug)]
pub(super) struct Written {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation: Option<WrittenCreation>,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<WrittenDetails>,
}

#[derive(Serialize, Clone, Copy, Debug)]
struct WrittenCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Serialize, Clone, Copy, Debug)]
struct WrittenDetails {
    thinking_tokens: u64,
}

impl Written {
    /// The counts that mean `usage`. The clients' types want numbers: where nothing is known they
    /// are zero.
    pub(super) fn of(usage: Option<Usage>) -> Self {
        let usage = usage.unwrap_or_default();
        let fresh = usage.input.saturating_sub(usage.cached_input).saturating_sub(usage.cache_write);
        let long = usage.cache_write_long.get();
        Self {
            input_tokens: fresh.get(),
            cache_creation_input_tokens: usage.cache_write.get(),
            cache_read_input_tokens: usage.cached_input.get(),
            cache_creation: (long > 0).then(|| WrittenCreation {
                ephemeral_5m_input_tokens: usage.cache_write.saturating_sub(usage.cache_write_long).get(),
                ephemeral_1h_input_tokens: long,
            }),
            output_tokens: usage.output.get(),
            output_tokens_details: (usage.reasoning > Tokens::ZERO)
                .then(|| WrittenDetails { thinking_tokens: usage.reasoning.get() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(reports: &[&str]) -> Option<(u64, u64, u64, u64, u64, u64)> {
        let mut sum = Report::default();
        for json in reports {
            sum.update(Report::read(json)?);
        }
        let ReportedUsage::Read(u) = sum.reported()? else { return None };
        let of = Tokens::get;
        let (cached, written, long) = (of(u.cached_input), of(u.cache_write), of(u.cache_write_long));
        Some((of(u.input), cached, written, long, of(u.output), of(u.reasoning)))
    }

    #[test]
    fn input_is_the_sum_of_three_and_later_counts_stand() {
        for (reports, expected) in [
            (vec![r#"{"input_tokens":9,"output_tokens":5}"#], (9, 0, 0, 0, 5, 0)),
            (
                vec![
                    r#"{"input_tokens":3,"cache_read_input_tokens":100,"cache_creation_input_tokens":50,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":30},"output_tokens":1}"#,
                    r#"{"output_tokens":7,"output_tokens_details":{"thinking_tokens":4}}"#,
                ],
                (153, 100, 50, 30, 7, 4),
            ),
            (
                vec![r#"{"input_tokens":408,"output_tokens":1}"#, r#"{"input_tokens":412,"output_tokens":264}"#],
                (412, 0, 0, 0, 264, 0),
            ),
            // Zeros at the end, strings as numbers.
            (
                vec![r#"{"input_tokens":408,"output_tokens":1}"#, r#"{"input_tokens":"0","output_tokens":"12"}"#],
                (408, 0, 0, 0, 12, 0),
            ),
            // More was written than the parts say: the rest is of the dearer kind.
            (
                vec![
                    r#"{"input_tokens":1,"output_tokens":1,"cache_creation_input_tokens":90,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":30}}"#,
                ],
                (91, 0, 90, 80, 1, 0),
            ),
        ] {
            assert_eq!(parts(&reports), Some(expected), "{reports:?}");
        }
    }

    #[test]
    fn passes_that_the_top_leaves_out_are_billed_and_declined_attempts_are_not() {
        let compaction = r#"{"input_tokens":162,"output_tokens":11,"iterations":[
            {"type":"compaction","input_tokens":99195,"output_tokens":81},
            {"type":"message","input_tokens":162,"output_tokens":11}]}"#;
        assert_eq!(parts(&[compaction]), Some((99_357, 0, 0, 0, 92, 0)));
        let declined = r#"{"input_tokens":412,"output_tokens":264,"iterations":[
            {"type":"message","input_tokens":408,"output_tokens":0},
            {"type":"fallback_message","input_tokens":412,"output_tokens":264}]}"#;
        assert_eq!(parts(&[declined]), Some((412, 0, 0, 0, 264, 0)));
        let spoke_first = r#"{"input_tokens":412,"output_tokens":264,"iterations":[
            {"type":"message","input_tokens":408,"output_tokens":6},
            {"type":"fallback_message","input_tokens":412,"output_tokens":264}]}"#;
        assert_eq!(parts(&[spoke_first]), Some((820, 0, 0, 0, 270, 0)));
    }

    #[test]
    fn what_is_no_count_is_no_report_and_never_zero() {
        for json in [
            r#"{"input_tokens":-1,"output_tokens":5}"#,
            r#"{"input_tokens":9.5,"output_tokens":5}"#,
            r#"{"input_tokens":9}"#,
            r#"{"output_tokens":9}"#,
            r#"{"input_tokens":9,"output_tokens":5,"cache_read_input_tokens":"many"}"#,
            r#"{"input_tokens":18446744073709551615,"output_tokens":1}"#,
            r#"{"input_tokens":1e30,"output_tokens":1}"#,
            r#"{"input_tokens":9,"output_tokens":5,"iterations":[{"type":"message","input_tokens":-4}]}"#,
        ] {
            let report = Report::read(json).expect("an object");
            assert_eq!(report.reported(), Some(ReportedUsage::Unreadable), "{json}");
        }
        for json in ["{}", r#"{"input_tokens":null,"service_tier":"standard"}"#] {
            assert_eq!(Report::read(json).expect("an object").reported(), None, "{json}");
        }
        assert_eq!(Report::read("7"), None);
    }

    #[test]
    fn what_is_written_is_read_as_it_was_meant() {
        let usage = Usage {
            input: Tokens::new(153),
            cached_input: Tokens::new(100),
            cache_write: Tokens::new(50),
            cache_write_long: Tokens::new(30),
            output: Tokens::new(7),
            reasoning: Tokens::new(4),
            stated_cost: None,
        };
        let json = serde_json::to_string(&Written::of(Some(usage))).expect("JSON");
        assert_eq!(Report::read(&json).and_then(|report| report.reported()), Some(ReportedUsage::Read(usage)));
    }
}
