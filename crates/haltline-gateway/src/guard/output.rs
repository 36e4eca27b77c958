//! What is looked for in answers, and what follows: an operator's words, and the rules that they
//! come to. Where text stands in an answer is `haltline-wire`'s matter, finding is `haltline-guard`'s.

use super::settings::Mode;
use haltline_guard::output::{
    Action, InArguments, OutputOptions, OutputRules, OutputRulesError, Phrase, PiiKind, PiiOptions, RuleSet,
    SecretOptions, SecretPattern,
};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What an operator says about answers. `Mode::Block` ends an answer, and nothing is noted in
/// silence: `Mode::Shadow` is `Mode::Flag` here.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSettings {
    /// What follows from credentials.
    pub secrets: Mode,
    /// Also by the rules that are often wrong.
    pub all_secrets: bool,
    /// What follows from these built-in rules, whatever `secrets` says.
    pub secret_rules: BTreeMap<String, Mode>,
    /// The operator's own credentials.
    pub own_secrets: Vec<SecretPattern>,
    /// What follows in the arguments of tools.
    pub tool_arguments: InArguments,
    /// Confidential phrases, and the words of forbidden topics, each with what follows.
    pub phrases: Vec<Phrase>,
    /// Words that stand in system prompts only to show a leak.
    pub canaries: Vec<String>,
    /// What follows from a canary.
    pub canary: Mode,
    /// What follows when an answer repeats the system prompt. What was said before it was found is
    /// out, so nothing is taken out.
    pub prompt_leak: Mode,
    /// Personal data that is looked for.
    pub personal: Vec<PiiKind>,
    /// What follows from it.
    pub personal_mode: Mode,
    /// What stands in its place.
    pub placeholders: BTreeMap<PiiKind, String>,
}

impl Default for OutputSettings {
    /// Credentials are taken out, and nothing else is looked for.
    fn default() -> Self {
        Self { secrets: Mode::Redact, ..Self::off() }
    }
}

impl OutputSettings {
    /// Nothing is looked for.
    #[must_use]
    pub const fn off() -> Self {
        Self {
            secrets: Mode::Off,
            all_secrets: false,
            secret_rules: BTreeMap::new(),
            own_secrets: Vec::new(),
            tool_arguments: InArguments::OnlyKeys,
            phrases: Vec::new(),
            canaries: Vec::new(),
            canary: Mode::Block,
            prompt_leak: Mode::Off,
            personal: Vec::new(),
            personal_mode: Mode::Redact,
            placeholders: BTreeMap::new(),
        }
    }

    /// The rules' options. A strict request takes out what would be flagged, in arguments too.
    #[must_use]
    pub fn options(&self, strict: bool) -> OutputOptions {
        let action = |mode| action(mode, strict);
        let raised = |own: Action| if strict { own.max(Action::Redact) } else { own };
        let mut except = Vec::new();
        let mut actions = BTreeMap::new();
        for (rule, mode) in &self.secret_rules {
            match action(*mode) {
                Some(action) => drop(actions.insert(rule.clone(), action)),
                None => except.push(rule.clone()),
            }
        }
        let secrets = SecretOptions {
            rules: match (self.secrets, self.all_secrets) {
                (Mode::Off, _) => RuleSet::None,
                (_, false) => RuleSet::Default,
                (_, true) => RuleSet::All,
            },
            except,
            action: action(self.secrets).unwrap_or(Action::Flag),
            actions,
            in_arguments: if strict { InArguments::AsInText } else { self.tool_arguments },
            own: if self.secrets == Mode::Off { Vec::new() } else { self.own_secrets.clone() },
        };
        let personal = action(self.personal_mode);
        OutputOptions {
            secrets,
            phrases: self
                .phrases
                .iter()
                .map(|phrase| Phrase { action: raised(phrase.action), ..phrase.clone() })
                .collect(),
            canaries: if self.canary == Mode::Off { Vec::new() } else { self.canaries.clone() },
            canary_action: action(self.canary),
            pii: PiiOptions {
                kinds: if personal.is_none() { Vec::new() } else { self.personal.clone() },
                action: personal,
                placeholders: self.placeholders.clone(),
            },
            prompt_leak_action: match self.prompt_leak {
                Mode::Off => None,
                Mode::Block => Some(Action::Cut),
                Mode::Shadow | Mode::Flag | Mode::Redact => Some(Action::Flag),
            },
        }
    }
}

fn action(mode: Mode, strict: bool) -> Option<Action> {
    let action = match mode {
        Mode::Off => return None,
        Mode::Shadow | Mode::Flag => Action::Flag,
        Mode::Redact => Action::Redact,
        Mode::Block => Action::Cut,
    };
    Some(if strict { action.max(Action::Redact) } else { action })
}

/// The output guard: what was said about it, as rules that can be used.
#[derive(Clone, Debug)]
pub struct OutputGuard {
    /// What was said.
    pub settings: OutputSettings,
    rules: OutputRules,
    strict: OutputRules,
}

impl OutputGuard {
    /// Makes rules of settings.
    ///
    /// # Errors
    /// What cannot be followed, and what to do.
    pub fn new(settings: OutputSettings) -> Result<Self, OutputRulesError> {
        let rules = OutputRules::new(&settings.options(false))?;
        let strict = OutputRules::new(&settings.options(true))?;
        Ok(Self { settings, rules, strict })
    }

    /// Nothing is looked for.
    #[must_use]
    pub fn off() -> Self {
        static OFF: LazyLock<OutputGuard> = LazyLock::new(|| of_ours(OutputSettings::off()));
        OFF.clone()
    }

    /// The rules for a request.
    #[must_use]
    pub const fn rules(&self, strict: bool) -> &OutputRules {
        if strict { &self.strict } else { &self.rules }
    }
}

impl Default for OutputGuard {
    fn default() -> Self {
        static DEFAULT: LazyLock<OutputGuard> = LazyLock::new(|| of_ours(OutputSettings::default()));
        DEFAULT.clone()
    }
}

/// Settings of our own, which can be followed: a test makes both.
#[expect(clippy::expect_used, reason = "built-in rules that cannot be followed are a mistake of the build")]
fn of_ours(settings: OutputSettings) -> OutputGuard {
    OutputGuard::new(settings).expect("the built-in rules can be followed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_can_be_followed_and_only_tightens() {
        assert!(OutputGuard::off().rules(false).is_empty());
        assert!(OutputGuard::off().rules(true).is_empty(), "an operator who looks for nothing knows why");
        let guard = OutputGuard::default();
        assert!(!guard.rules(false).is_empty());
        assert_ne!(guard.rules(false).version(), guard.rules(true).version());
        let settings = OutputSettings { secrets: Mode::Flag, ..OutputSettings::default() };
        assert_eq!(settings.options(false).secrets.action, Action::Flag);
        assert_eq!(settings.options(true).secrets.action, Action::Redact);
    }
}
