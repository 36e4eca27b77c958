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
