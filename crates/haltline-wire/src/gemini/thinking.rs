//! How much a model thinks: `thinkingConfig` and the canonical form.
//!
//! Gemini 3 and later take a level, Gemini 2.5 a budget in tokens, and both at once are refused
//! by Google; older models and Gemma take neither. Steps of effort become budgets as Google's own
//! OpenAI-compatible endpoint makes them (ai.google.dev/gemini-api/docs/openai: minimal and low
//! 1,024, medium 8,192, high 24,576, none 0), and budgets become levels by the same numbers. A
//! budget is a wish: only the output cap binds thoughts.

use crate::canon::{Effort, Reasoning};
use haltline_types::Tokens;
use serde_json::{Map, Value, json};

/// Which control a model knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// `thinkingLevel`.
    Level,
    /// `thinkingBudget`.
    Budget,
    /// It does not think, or cannot be told.
    None,
}

/// From the model's id. A name without a version, such as `gemini-flash-latest`, is a current one.
pub(super) fn control(model: &str) -> Control {
    let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    let Some((_, rest)) = name.split_once("gemini-") else { return Control::None };
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u32>().ok();
    match (number(rest), rest.split_once('.').and_then(|(_, minor)| number(minor))) {
        (Some(0 | 1), _) | (Some(2), None | Some(0..=4)) => Control::None,
        (Some(2), Some(_)) => Control::Budget,
        _ => Control::Level,
    }
}

/// The `thinkingConfig` that asks `model` for `reasoning`; `None` when there is nothing to ask.
/// Appends `reasoning` to `dropped` when the model cannot be asked.
pub(super) fn written(model: &str, reasoning: &Reasoning, dropped: &mut Vec<&'static str>) -> Option<Value> {
    let mut config = Map::new();
    let pro = model.to_ascii_lowercase().contains("pro");
    let off = reasoning.enabled == Some(false) || reasoning.effort == Some(Effort::None);
    match control(model) {
        Control::None => {
            if !off && *reasoning != Reasoning::default() {
                dropped.push("reasoning");
            }
            return None;
        }
        Control::Level => {
            let level = match (off, reasoning.effort, reasoning.budget) {
                // Cannot be turned off; Pro models know no `minimal`.
                (true, ..) | (_, Some(Effort::None | Effort::Minimal), _) => Some(if pro { "LOW" } else { "MINIMAL" }),
                (_, Some(Effort::Low), _) => Some("LOW"),
                (_, Some(Effort::Medium), _) => Some("MEDIUM"),
                (_, Some(Effort::High | Effort::XHigh | Effort::Max), _) => Some("HIGH"),
                (_, None, Some(budget)) => Some(level_of(budget)),
                (_, None, None) => None,
            };
            config.extend(level.map(|level| ("thinkingLevel".to_owned(), level.into())));
        }
        Control::Budget => {
            let (least, most) = if pro { (128, 32_768) } else { (0, 24_576) };
            let budget = match (off, reasoning.budget, reasoning.effort) {
                (true, ..) => Some(json!(least)),
                (_, Some(budget), _) => Some(json!(budget.get().clamp(least, most))),
                (_, None, Some(effort)) => Some(json!(budget_of(effort).clamp(least, most))),
                // The model decides.
                (_, None, None) => (reasoning.enabled == Some(true)).then(|| json!(-1)),
            };
            config.extend(budget.map(|budget| ("thinkingBudget".to_owned(), budget)));
        }
    }
    if reasoning.show {
        config.insert("includeThoughts".to_owned(), true.into());
    }
    (!config.is_empty()).then_some(Value::Object(config))
}

fn budget_of(effort: Effort) -> u64 {
    match effort {
        Effort::None => 0,
        Effort::Minimal | Effort::Low => 1_024,
        Effort::Medium => 8_192,
        Effort::High | Effort::XHigh | Effort::Max => 24_576,
    }
}

fn level_of(budget: Tokens) -> &'static str {
    match budget.get() {
        0..=1_024 => "LOW",
        1_025..=8_192 => "MEDIUM",
        _ => "HIGH",
    }
}

/// The canonical form of a level, a budget (-1: the model decides, 0: off) and whether thoughts
/// are to be seen.
pub(super) fn read(level: Option<&str>, budget: Option<i64>, show: bool) -> Reasoning {
    let effort = level.and_then(|level| Effort::from_word(&level.to_ascii_lowercase()));
    let enabled = match budget {
        Some(0) => Some(false),
        Some(_) => Some(true),
        None => None,
    };
    let budget = budget.and_then(|budget| u64::try_from(budget).ok()).filter(|budget| *budget > 0).map(Tokens::new);
    Reasoning { effort, budget, enabled, show }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_gets_the_control_that_it_knows() {
        for (model, expected) in [
            ("gemini-3-pro-preview", Control::Level),
            ("models/gemini-3.5-flash", Control::Level),
            ("gemini-4-argon", Control::Level),
            ("gemini-flash-latest", Control::Level),
            ("gemini-2.5-pro", Control::Budget),
            ("google/gemini-2.5-flash-lite", Control::Budget),
            ("gemini-2.0-flash", Control::None),
            ("gemini-1.5-pro", Control::None),
            ("gemma-3-27b-it", Control::None),
        ] {
            assert_eq!(control(model), expected, "{model}");
        }
    }

    #[test]
    fn effort_becomes_what_google_makes_of_it() {
        let ask = |model: &str, reasoning: Reasoning| written(model, &reasoning, &mut Vec::new());
        let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
        let budget = |budget| Reasoning { budget: Some(Tokens::new(budget)), ..Reasoning::default() };
        for (model, reasoning, expected) in [
            ("gemini-3-flash", effort(Effort::None), json!({"thinkingLevel": "MINIMAL"})),
            ("gemini-3-pro", effort(Effort::Minimal), json!({"thinkingLevel": "LOW"})),
            ("gemini-3-pro", effort(Effort::Max), json!({"thinkingLevel": "HIGH"})),
            ("gemini-3-flash", budget(5_000), json!({"thinkingLevel": "MEDIUM"})),
            ("gemini-2.5-flash", effort(Effort::None), json!({"thinkingBudget": 0})),
            ("gemini-2.5-pro", effort(Effort::None), json!({"thinkingBudget": 128})),
            ("gemini-2.5-flash", effort(Effort::Medium), json!({"thinkingBudget": 8192})),
            ("gemini-2.5-flash", budget(100_000), json!({"thinkingBudget": 24576})),
            (
                "gemini-2.5-flash",
                Reasoning { enabled: Some(true), show: true, ..Reasoning::default() },
                json!({"thinkingBudget": -1, "includeThoughts": true}),
            ),
        ] {
            assert_eq!(ask(model, reasoning), Some(expected), "{model} {reasoning:?}");
        }
        let mut dropped = Vec::new();
        assert_eq!(written("gemini-2.0-flash", &effort(Effort::High), &mut dropped), None);
        assert_eq!(dropped, ["reasoning"]);
    }
}
