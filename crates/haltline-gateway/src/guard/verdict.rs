//! What guards found, and what follows from it: one notebook a request.

use super::settings::Mode;
use haltline_guard::Category;
use haltline_ports::{Direction, GUARD_RULES_MAX, Guarded};
use haltline_types::Name;
use std::time::Duration;

/// The most findings that are kept of one request.
pub(crate) const FOUND_MAX: usize = 32;

/// What follows from looking at texts, from the most harmless to the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Verdict {
    /// Nothing was found.
    #[default]
    Allowed,
    /// Something was found, and is only noted.
    Shadow,
    /// Something was found; the text passes and the client is told.
    Flagged,
    /// Something was taken out.
    Redacted,
    /// A guard could not look; the request went on, or was refused for that.
    Error,
    /// The text does not pass.
    Blocked,
}

impl Verdict {
    /// The word for records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Shadow => "shadow",
            Self::Flagged => "flagged",
            Self::Redacted => "redacted",
            Self::Error => "error",
            Self::Blocked => "blocked",
        }
    }

    /// The word that a client is told: what is only noted is not for it.
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Self::Allowed | Self::Shadow => "allowed",
            other => other.word(),
        }
    }

    /// What a finding leads to under a mode.
    #[must_use]
    pub const fn under(mode: Mode) -> Self {
        match mode {
            Mode::Off => Self::Allowed,
            Mode::Shadow => Self::Shadow,
            Mode::Flag => Self::Flagged,
            Mode::Redact => Self::Redacted,
            Mode::Block => Self::Blocked,
        }
    }
}

/// One thing that was found. Never holds the text itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The rule, or the service that objects.
    pub rule: Name,
    /// What kind of thing it finds.
    pub category: Category,
    /// Which way the text went.
    pub direction: Direction,
    /// What followed from this finding alone.
    pub verdict: Verdict,
    /// Where the text stands: `messages[3].content[0]`, `choices[0].content`.
    pub place: String,
    /// How many bytes were found, where that is known.
    pub bytes: usize,
    /// How often, in this place.
    pub times: u32,
}

/// What guards made of a request and its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guarding {
    pub(crate) input: Verdict,
    pub(crate) output: Verdict,
    /// Was any guard asked at all?
    pub(crate) looked: bool,
    pub(crate) found: Vec<Found>,
    /// How long looking at the input took.
    pub(crate) input_took: Duration,
    /// The longest that text of the answer was held back.
    pub(crate) held_back: Duration,
}

impl Guarding {
    /// Notes a finding, and what follows from it.
    pub(crate) fn note(&mut self, found: Found) {
        let verdict = match found.direction {
            Direction::Input => &mut self.input,
            Direction::Output => &mut self.output,
        };
        *verdict = (*verdict).max(found.verdict);
        let same = |known: &&mut Found| {
            (&known.rule, known.direction, known.verdict, &known.place)
                == (&found.rule, found.direction, found.verdict, &found.place)
        };
        if let Some(known) = self.found.iter_mut().find(same) {
            known.times = known.times.saturating_add(found.times);
            known.bytes = known.bytes.max(found.bytes);
        } else if self.found.len() < FOUND_MAX {
            self.found.push(found);
        }
    }

    /// The graver of both verdicts.
    pub(crate) fn verdict(&self) -> Verdict {
        self.input.max(self.output)
    }

    /// The step for one direction; none where nothing was found.
    pub(crate) fn step(&self, direction: Direction) -> Option<Guarded> {
        let (verdict, took) = match direction {
            Direction::Input => (self.input, self.input_took),
            Direction::Output => (self.output, self.held_back),
        };
        let mut rules: Vec<Name> = Vec::new();
        for found in self.found.iter().filter(|found| found.direction == direction) {
            if rules.len() < GUARD_RULES_MAX && !rules.contains(&found.rule) {
                rules.push(found.rule.clone());
            }
        }
        (verdict > Verdict::Allowed).then(|| Guarded {
            direction: direction.word().into(),
            verdict: verdict.word().into(),
            rules,
            took,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rule: &str, direction: Direction, verdict: Verdict) -> Found {
        let (rule, place) = (Name::new(rule), "messages[0]".to_owned());
        Found { rule, category: Category::Override, direction, verdict, place, bytes: 3, times: 1 }
    }

    #[test]
    fn the_gravest_finding_decides_and_equal_ones_are_one() {
        let mut guarding = Guarding::default();
        assert_eq!(guarding.step(Direction::Input), None);
        guarding.note(found("a", Direction::Input, Verdict::Flagged));
        guarding.note(found("a", Direction::Input, Verdict::Flagged));
        guarding.note(found("b", Direction::Output, Verdict::Redacted));
        assert_eq!((guarding.input, guarding.output), (Verdict::Flagged, Verdict::Redacted));
        assert_eq!(guarding.found.len(), 2);
        assert_eq!(guarding.found[0].times, 2);
        let step = guarding.step(Direction::Output).expect("a finding");
        assert_eq!((&*step.verdict, step.rules), ("redacted", vec![Name::new("b")]));
    }

    #[test]
    fn what_is_noted_in_silence_is_not_told() {
        assert_eq!(Verdict::Shadow.told(), "allowed");
        assert_eq!(Verdict::Error.told(), "error");
    }
}
