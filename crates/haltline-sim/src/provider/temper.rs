//! How a simulated provider behaves: its pace, and what goes wrong how often.

use crate::chance::Chance;
use std::ops::Range;
use std::time::Duration;

/// How a provider behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Temper {
    /// From the request to the beginning of inference, in milliseconds.
    pub latency_ms: Range<u64>,
    /// Between tokens of a stream, in milliseconds; whole answers come in no time.
    pub token_ms: Range<u64>,
    /// Tokens that an answer would have without a cap.
    pub output: Range<u64>,
    /// Up to so many per mille of the input come from the cache.
    pub cached_per_mille: u64,
    /// Stop and format tokens that are billed beyond each choice's cap, below this number.
    pub extra: u64,
    /// Of streams so many per mille carry a report of what was used so far in every event.
    pub running_reports_per_mille: u64,
    /// What does not go as it should, and how many times in a thousand each.
    pub faults: Vec<(Script, u64)>,
    /// Of answers that nobody fetches to their end so many per mille are billed up to the cap.
    pub greedy_per_mille: u64,
    /// Does it tell the truth?
    pub honesty: Honesty,
}

/// What happens to one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// It is answered.
    Answers,
    /// 429, with a stated wait or without. Not billed.
    LimitsRate(Option<Duration>),
    /// 503, overloaded. Not billed.
    IsOverloaded,
    /// 400. Not billed.
    Rejects,
    /// 500 before inference. Not billed.
    FailsBefore,
    /// 500 after the input was read: it is billed.
    FailsAfterInput,
    /// 500 after everything was produced: all of it is billed.
    FailsAfterOutput,
    /// No connection. Nothing was sent.
    RefusesConnection,
    /// The connection breaks before the head; the work is done all the same.
    DropsConnection,
    /// No head, ever.
    StallsBefore,
    /// The stream stands still in the middle, for ever.
    StallsInside,
    /// The stream ends in the middle.
    Truncates,
    /// The connection breaks in the middle.
    BreaksInside,
    /// An error in the middle of an answer that began well.
    ErrorInside,
    /// A whole answer without a usage report.
    OmitsUsage,
    /// Seconds between tokens.
    Crawls,
}

/// Does its bill tell the truth?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honesty {
    /// It bills and reports by its published prices and within the cap.
    Honest,
    /// It reports a part of the output: one token for so many.
    UnderReports(u64),
    /// It reports and bills so many times the output.
    OverReports(u64),
    /// It writes, bills and reports so many times the cap.
    IgnoresCap(u64),
}

impl Temper {
    /// Quick, honest, without faults: answers of `output` tokens.
    #[must_use]
    pub fn calm(latency: Duration, output: u64) -> Self {
        let latency = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        Self {
            latency_ms: latency..latency,
            token_ms: 0..0,
            output: output..output,
            cached_per_mille: 0,
            extra: 0,
            running_reports_per_mille: 0,
            faults: Vec::new(),
            greedy_per_mille: 0,
            honesty: Honesty::Honest,
        }
    }

    /// What happens to an attempt.
    pub(crate) fn script(&self, chance: &mut Chance) -> Script {
        let mut dice = chance.within(0..1000);
        for (script, share) in &self.faults {
            match dice.checked_sub(*share) {
                Some(rest) => dice = rest,
                None => return *script,
            }
        }
        Script::Answers
    }
}
