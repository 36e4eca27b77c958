//! Rules as the filter reads them: one automaton of beginnings, and tables of patterns and rules.

use super::OutputRulesError;
use super::hit::{Action, Channel};
use super::literals::{Literal, Literals};
use super::phrases::Phrases;
use super::pii::PiiRules;
use super::rule::{Before, Begin, Judge, Shape};
use crate::Category;
use std::sync::Arc;

/// All rules of one configuration.
pub(super) struct Compiled {
    pub(super) literals: Literals,
    /// Is a pattern there that a Discord bot's id begins?
    pub(super) has_discord: bool,
    /// What begins where a literal is complete.
    pub(super) starts: Vec<Start>,
    patterns: Vec<CompiledPattern>,
    pub(super) rules: Vec<CompiledRule>,
    pub(super) phrases: Phrases,
    pub(super) pii: PiiRules,
    /// The rule for answers that repeat the system prompt.
    pub(super) prompt_rule: u16,
}

/// A literal, by what it begins.
pub(super) struct Start {
    pub(super) length: u32,
    pub(super) patterns: Vec<u16>,
}

pub(super) struct CompiledPattern {
    pub(super) rule: u16,
    pub(super) shape: Shape,
}

pub(super) struct CompiledRule {
    pub(super) id: Arc<str>,
    pub(super) category: Category,
    pub(super) judge: Judge,
    pub(super) placeholder: Box<str>,
    pub(super) in_text: Action,
    pub(super) in_arguments: Action,
}

impl CompiledRule {
    pub(super) const fn action(&self, channel: Channel) -> Action {
        match channel {
            Channel::Text | Channel::Reasoning | Channel::Refusal => self.in_text,
            Channel::Arguments => self.in_arguments,
        }
    }
}

/// Rules on their way to a [`Compiled`].
#[derive(Default)]
pub(super) struct Builder {
    literals: Vec<Literal>,
    starts: Vec<Start>,
    patterns: Vec<CompiledPattern>,
    rules: Vec<CompiledRule>,
    pub(super) phrases: Phrases,
    pub(super) pii: PiiRules,
    pub(super) prompt_rule: u16,
}

impl Builder {
    /// A rule without patterns yet. Returns its index.
    pub(super) fn rule(&mut self, rule: CompiledRule) -> Result<u16, OutputRulesError> {
        self.rules.push(rule);
        index(self.rules.len())
    }

    pub(super) fn pattern(&mut self, rule: u16, prefixes: &[&str], shape: Shape) -> Result<(), OutputRulesError> {
        let (held, fold) = (shape.begin == Begin::Secret, shape.begin == Begin::Context);
        let begins_word = shape.before == Before::NoWord;
        self.patterns.push(CompiledPattern { rule, shape });
        let pattern = index(self.patterns.len())?;
        for prefix in prefixes {
            let wanted = Literal { bytes: prefix.as_bytes().to_vec(), fold, held, begins_word };
            let known = self.literals.iter().position(|literal| *literal == wanted);
            if let Some(start) = known.and_then(|at| self.starts.get_mut(at)) {
                start.patterns.push(pattern);
            } else {
                let length = u32::try_from(prefix.len()).map_err(|_| OutputRulesError::TooMany)?;
                self.literals.push(wanted);
                self.starts.push(Start { length, patterns: vec![pattern] });
            }
        }
        Ok(())
    }

    pub(super) fn build(self) -> Result<Compiled, OutputRulesError> {
        let literals = Literals::new(&self.literals).ok_or(OutputRulesError::TooMany)?;
        let has_discord = self.patterns.iter().any(|pattern| pattern.shape.before == Before::DiscordUser);
        Ok(Compiled {
            literals,
            has_discord,
            starts: self.starts,
            patterns: self.patterns,
            rules: self.rules,
            phrases: self.phrases,
            pii: self.pii,
            prompt_rule: self.prompt_rule,
        })
    }
}

fn index(length: usize) -> Result<u16, OutputRulesError> {
    u16::try_from(length.saturating_sub(1)).map_err(|_| OutputRulesError::TooMany)
}

impl Compiled {
    pub(super) fn pattern(&self, index: u16) -> Option<&CompiledPattern> {
        self.patterns.get(usize::from(index))
    }
}
