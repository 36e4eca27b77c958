//! Which call gets which behaviour: always the same, a queue, or dice with a seed.

use crate::behaviour::Behaviour;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The source of behaviours. Control words in a prompt (`[[stall]]`) go before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Script {
    /// Every call the same.
    Fixed(Behaviour),
    /// One after the other, then the last for ever.
    Queue {
        /// The first calls.
        first: VecDeque<Behaviour>,
        /// All further calls.
        #[serde(default)]
        then: Behaviour,
    },
    /// By weight, from a seed: the same seed gives the same sequence of behaviours.
    Random {
        /// The seed, advanced by every draw.
        seed: u64,
        /// What can be drawn.
        choices: Vec<Weighted>,
    },
}

/// A behaviour and how often it is drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weighted {
    /// Its share among the sum of all weights.
    pub weight: u32,
    /// What to do.
    pub behaviour: Behaviour,
}

impl Default for Script {
    fn default() -> Self {
        Self::Fixed(Behaviour::default())
    }
}

impl From<Behaviour> for Script {
    fn from(behaviour: Behaviour) -> Self {
        Self::Fixed(behaviour)
    }
}

impl Script {
    /// These first, then good answers.
    #[must_use]
    pub fn queue(first: impl IntoIterator<Item = Behaviour>) -> Self {
        Self::Queue { first: first.into_iter().collect(), then: Behaviour::default() }
    }

    /// By weight, from a seed.
    #[must_use]
    pub fn random(seed: u64, choices: impl IntoIterator<Item = (u32, Behaviour)>) -> Self {
        let choices = choices.into_iter().map(|(weight, behaviour)| Weighted { weight, behaviour }).collect();
        Self::Random { seed, choices }
    }

    /// The behaviour of the next call.
    pub fn draw(&mut self) -> Behaviour {
        match self {
            Self::Fixed(behaviour) => behaviour.clone(),
            Self::Queue { first, then } => first.pop_front().unwrap_or_else(|| then.clone()),
            Self::Random { seed, choices } => {
                let sum: u64 = choices.iter().map(|choice| u64::from(choice.weight)).sum();
                let mut left = split_mix(seed).checked_rem(sum).unwrap_or(0);
                for choice in choices.iter() {
                    let weight = u64::from(choice.weight);
                    if left < weight {
                        return choice.behaviour.clone();
                    }
                    left -= weight;
                }
                Behaviour::default()
            }
        }
    }
}

/// One step of the SplitMix64 generator: small, well mixed, the same on every machine.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_used_up_in_order_and_then_repeats_its_last() {
        let mut script = Script::queue([Behaviour::status(500), Behaviour::status(429)]);
        assert_eq!(script.draw(), Behaviour::status(500));
        assert_eq!(script.draw(), Behaviour::status(429));
        assert_eq!(script.draw(), Behaviour::default());
        assert_eq!(script.draw(), Behaviour::default());
    }

    #[test]
    fn dice_repeat_with_the_seed_and_follow_the_weights() {
        let choices = || [(1, Behaviour::status(500)), (0, Behaviour::StallBeforeHead), (3, Behaviour::default())];
        let draw = |seed| {
            let mut script = Script::random(seed, choices());
            (0..4000).map(|_| script.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let drawn = draw(7);
        let failures = drawn.iter().filter(|drawn| **drawn == Behaviour::status(500)).count();
        assert!((900..1100).contains(&failures), "{failures} of 4000 at a weight of one in four");
        assert!(!drawn.contains(&Behaviour::StallBeforeHead));
    }

    #[test]
    fn no_choices_are_good_answers() {
        assert_eq!(Script::random(1, []).draw(), Behaviour::default());
    }

    #[test]
    fn scripts_are_written_in_json() {
        let text = r#"{"queue":{"first":[{"kind":"status","status":429,"retry_after":{"secs":2}},
            {"kind":"answer","tokens":3,"latency_ms":5,"ending":{"truncate":{"after":1}},"report":"omit"}]}}"#;
        let script: Script = serde_json::from_str(text).expect("script");
        let again: Script = serde_json::from_value(serde_json::to_value(&script).expect("json")).expect("script");
        assert_eq!(script, again);
        assert!(serde_json::from_str::<Script>(r#"{"fixed":{"kind":"answer","latencyms":5}}"#).is_err());
    }
}
