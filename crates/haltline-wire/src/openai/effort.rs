//! Which of OpenAI's models think, and in which steps they are told how much.
//!
//! The names are OpenAI's own; other servers' models are not judged here.

use super::ProviderKind;
use crate::canon::{Effort, Reasoning};

/// Is it one of OpenAI's reasoning models, which take an effort and no sampling? The `-chat` models
/// of the fifth generation do not reason.
pub(super) fn thinks(kind: ProviderKind, model: &str) -> bool {
    is_openai(kind)
        && (generation(model, "o").is_some()
            || generation(model, "gpt-").is_some_and(|(major, _)| major >= 5) && !model.contains("-chat"))
}

/// Is it one of OpenAI's models that are known not to reason? They refuse to be told how much.
pub(super) fn is_plain(kind: ProviderKind, model: &str) -> bool {
    let old = generation(model, "gpt-").is_some_and(|(major, _)| major < 5);
    is_openai(kind) && (old || model.starts_with("chatgpt-") || is_named(model) && !thinks(kind, model))
}

/// Has it a name that OpenAI gives? Deployments and tuned models have others, which say nothing.
fn is_named(model: &str) -> bool {
    generation(model, "o").is_some() || generation(model, "gpt-").is_some()
}

pub(super) const fn is_openai(kind: ProviderKind) -> bool {
    matches!(kind, ProviderKind::OpenAi | ProviderKind::Azure)
}

/// The step that says `reasoning` best, of those that the model knows; `None` when the client
/// leaves it to the model.
///
/// openai-python's types: `none` is known from gpt-5.1 on, before it `minimal` from gpt-5 on;
/// `xhigh` from gpt-5.2 on. `max` is Anthropic's.
pub(super) fn effort(kind: ProviderKind, model: &str, reasoning: &Reasoning) -> Option<Effort> {
    let off = reasoning.enabled == Some(false) || reasoning.budget.is_some_and(|budget| budget.get() == 0);
    let asked = if off { Some(Effort::None) } else { reasoning.effort };
    let asked = asked.or_else(|| reasoning.budget.map(|budget| of_budget(budget.get())))?;
    let (least, most) = match generation(model, "gpt-") {
        _ if kind == ProviderKind::OpenRouter => (Effort::None, Effort::XHigh),
        _ if !is_openai(kind) => (Effort::Low, Effort::High),
        _ if !is_named(model) => (Effort::None, Effort::Max),
        Some((5, 0)) => (Effort::Minimal, Effort::High),
        Some((5, 1)) => (Effort::None, Effort::High),
        Some((5.., _)) => (Effort::None, Effort::XHigh),
        _ => (Effort::Low, Effort::High),
    };
    // Imitators that know an effort know the word for none of it, too.
    let none = asked == Effort::None && !is_openai(kind);
    Some(if none { asked } else { asked.clamp(least, most) })
}

/// A budget in tokens as a step of effort. No provider publishes a rate between the two: the steps
/// are those at which Anthropic's documentation places simple, ordinary and hard tasks.
const fn of_budget(budget: u64) -> Effort {
    match budget {
        0..=2_048 => Effort::Low,
        2_049..=12_288 => Effort::Medium,
        _ => Effort::High,
    }
}

/// Major and minor number behind `prefix`, as in `gpt-5.2-mini`.
fn generation(model: &str, prefix: &str) -> Option<(u32, u32)> {
    let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok();
    let rest = model.strip_prefix(prefix)?;
    let major = number(rest)?;
    let minor = rest.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix('.').and_then(number);
    Some((major, minor.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_types::Tokens;

    #[test]
    fn a_model_is_told_in_steps_that_it_knows() {
        let step = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
        let budget = |tokens| Reasoning { budget: Some(Tokens::new(tokens)), ..Reasoning::default() };
        let off = Reasoning { enabled: Some(false), ..Reasoning::default() };
        let openai = ProviderKind::OpenAi;
        for (kind, model, reasoning, expected) in [
            (openai, "gpt-5.2", step(Effort::Max), Some(Effort::XHigh)),
            (openai, "gpt-5.1-codex", step(Effort::XHigh), Some(Effort::High)),
            (openai, "gpt-5-mini", off, Some(Effort::Minimal)),
            (openai, "gpt-5.2-2025-12-11", off, Some(Effort::None)),
            (openai, "gpt-6", off, Some(Effort::None)),
            (openai, "o3-mini", step(Effort::Minimal), Some(Effort::Low)),
            (openai, "o3-mini", off, Some(Effort::Low)),
            (openai, "my-deployment", step(Effort::Max), Some(Effort::Max)),
            (openai, "gpt-5.2", budget(2_048), Some(Effort::Low)),
            (openai, "gpt-5.2", budget(8_192), Some(Effort::Medium)),
            (openai, "gpt-5.2", Reasoning { show: true, ..Reasoning::default() }, None),
            (ProviderKind::Groq, "openai/gpt-oss-120b", step(Effort::Max), Some(Effort::High)),
            (ProviderKind::Groq, "qwen/qwen3-32b", off, Some(Effort::None)),
            (ProviderKind::OpenRouter, "x", step(Effort::Max), Some(Effort::XHigh)),
        ] {
            assert_eq!(effort(kind, model, &reasoning), expected, "{model} {reasoning:?}");
        }
    }

    #[test]
    fn models_that_think_are_known_by_their_names() {
        for (kind, model, expected) in [
            (ProviderKind::OpenAi, "o3", true),
            (ProviderKind::OpenAi, "gpt-5.2", true),
            (ProviderKind::Azure, "gpt-5-mini", true),
            (ProviderKind::OpenAi, "gpt-5-chat-latest", false),
            (ProviderKind::OpenAi, "gpt-4.1", false),
            (ProviderKind::OpenAi, "omni-moderation", false),
            (ProviderKind::OpenRouter, "o3", false),
        ] {
            assert_eq!(thinks(kind, model), expected, "{model}");
            assert!(!(thinks(kind, model) && is_plain(kind, model)), "{model}");
        }
        for model in ["gpt-5-chat-latest", "gpt-4.1", "gpt-4o", "gpt-3.5-turbo", "chatgpt-4o-latest"] {
            assert!(is_plain(ProviderKind::OpenAi, model), "{model}");
        }
        for model in ["my-deployment", "ft:gpt-4.1:org", "o3"] {
            assert!(!is_plain(ProviderKind::OpenAi, model), "{model}");
        }
    }
}
