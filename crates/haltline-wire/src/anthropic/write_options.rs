//! What a route knows of its model and server that decides which fields are sent.

use haltline_types::Tokens;

/// How a body is written for a provider of this dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct WriteOptions {
    /// Does the model take sampling parameters?
    pub sampling: SamplingFields,
    /// How is thinking asked for?
    pub thinking: ThinkingStyle,
    /// Is the service tier pinned?
    pub tier: TierPin,
    /// The highest step of effort that the model knows.
    pub effort: EffortMost,
}

impl WriteOptions {
    /// For a model of Anthropic's, by its name: `claude-opus-4-7`, `claude-sonnet-4-5-20250929`. A
    /// name without a version, or not of Anthropic's, gets the default.
    ///
    /// platform.claude.com, "Effort", "Adaptive thinking" and "Migrating to Claude Opus 4.7": effort
    /// is known from Opus 4.5 and the other families' 4.6 on, up to `high` at Opus 4.5, with `max`
    /// from 4.6 and `xhigh` from 4.7 on; budgets and sampling are answered with 400 from 4.7 on.
    #[must_use]
    pub fn of_model(model: &str) -> Self {
        let Some((name, version)) = version(model) else { return Self::default() };
        match version {
            (4, 5) if name.contains("opus") => Self { effort: EffortMost::High, ..Self::default() },
            (..4, _) | (4, ..6) => Self { thinking: ThinkingStyle::Budget, ..Self::default() },
            (4, 6) => Self { effort: EffortMost::MaxWithoutXHigh, ..Self::default() },
            _ => Self { thinking: ThinkingStyle::Adaptive, sampling: SamplingFields::Dropped, ..Self::default() },
        }
    }
}

/// Does a model write on with an assistant's last message? Those from Claude 4.6 on answer 400
/// ("does not support assistant message prefill"); of a name without a version it is not known.
pub(crate) fn takes_prefill(model: &str) -> bool {
    version(model).is_some_and(|(_, version)| version < (4, 6))
}

/// What a model of Anthropic's is called behind `claude-`, and its version, if its name has one.
fn version(model: &str) -> Option<(&str, (u32, u32))> {
    let (_, name) = model.rsplit('/').next().unwrap_or_default().split_once("claude-")?;
    // Dates have eight digits, versions one or two.
    let mut numbers =
        name.split(['-', '.', '@']).filter(|word| word.len() < 3).filter_map(|word| word.parse::<u32>().ok());
    let major = numbers.next()?;
    Some((name, (major, numbers.next().unwrap_or(0))))
}

/// The highest step of `output_config.effort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum EffortMost {
    /// `max`, and `xhigh` below it.
    #[default]
    Max,
    /// `max`, but no `xhigh`.
    MaxWithoutXHigh,
    /// `high`.
    High,
}

/// Are `temperature`, `top_p` and `top_k` sent? The API version 2026-10-21 answers 400 to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum SamplingFields {
    /// Sent when the client set them.
    #[default]
    Sent,
    /// Left out.
    Dropped,
}

/// How thinking is asked for. Which form a model takes depends on its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ThinkingStyle {
    /// In the form in which the client asked: a budget as a budget, an effort as
    /// `output_config.effort`.
    #[default]
    AsAsked,
    /// Never as a budget: models that only think adaptively.
    Adaptive,
    /// Always as a budget: models that know neither effort nor adaptive thinking.
    Budget,
}

/// What is done with `service_tier`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum TierPin {
    /// `standard_only` is sent, whatever the client sent: other tiers have other prices.
    #[default]
    StandardOnly,
    /// The field is left out: servers that imitate Anthropic and know no tiers.
    Absent,
}

/// The smallest thinking budget that Anthropic takes.
pub(super) const BUDGET_MIN: Tokens = Tokens::new(1_024);

/// The thinking budget to send below `cap`, which it must not reach. One that fits stays; else a
/// quarter of the cap, where there is room, is left to the answer. `None` when there is no room to
/// think.
pub(super) fn budget_below(cap: Tokens, asked: Tokens) -> Option<Tokens> {
    if asked < cap && asked >= BUDGET_MIN {
        return Some(asked);
    }
    if cap <= BUDGET_MIN {
        return None;
    }
    let most = cap.saturating_sub(Tokens::new(cap.get() / 4));
    Some(asked.min(most).max(BUDGET_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_asked_in_the_form_of_its_generation() {
        use SamplingFields::{Dropped, Sent};
        use ThinkingStyle::{Adaptive, AsAsked, Budget};
        for (model, thinking, sampling, effort) in [
            ("claude-3-7-sonnet-20250219", Budget, Sent, EffortMost::Max),
            ("claude-sonnet-4-20250514", Budget, Sent, EffortMost::Max),
            ("claude-sonnet-4-5-20250929", Budget, Sent, EffortMost::Max),
            ("claude-opus-4-5", AsAsked, Sent, EffortMost::High),
            ("claude-sonnet-4-6", AsAsked, Sent, EffortMost::MaxWithoutXHigh),
            ("anthropic/claude-opus-4.7", Adaptive, Dropped, EffortMost::Max),
            ("claude-sonnet-5", Adaptive, Dropped, EffortMost::Max),
            ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", Budget, Sent, EffortMost::Max),
            ("claude-up", AsAsked, Sent, EffortMost::Max),
            ("m", AsAsked, Sent, EffortMost::Max),
        ] {
            let expected = WriteOptions { thinking, sampling, effort, ..WriteOptions::default() };
            assert_eq!(WriteOptions::of_model(model), expected, "{model}");
        }
    }

    #[test]
    fn a_budget_stays_below_the_cap_and_is_changed_only_if_it_must_be() {
        for (cap, asked, sent) in [
            (8_000, 2_000, Some(2_000)),
            (8_000, 7_999, Some(7_999)),
            (8_000, 8_000, Some(6_000)),
            (8_000, 100_000, Some(6_000)),
            (1_300, 4_000, Some(1_024)),
            (1_025, 4_000, Some(1_024)),
            (1_024, 4_000, None),
            (10, 4_000, None),
            (8_000, 10, Some(1_024)),
        ] {
            assert_eq!(budget_below(Tokens::new(cap), Tokens::new(asked)), sent.map(Tokens::new), "{cap} {asked}");
        }
    }
}
