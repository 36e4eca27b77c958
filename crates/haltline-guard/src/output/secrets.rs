//! The built-in rules for secrets, as data. Formats are the vendors'; `docs/reference/output-guard.md`
//! lists them. Rules of one file stand in the order in which the first one wins.

mod cloud;
mod general;
mod models;
mod tools;

use super::class::Class;
use super::rule::{After, Before, Begin, Judge, JudgeKind, Pattern, SecretRule, Severity, Step};

/// All built-in rules.
pub fn secret_rules() -> impl Iterator<Item = &'static SecretRule> {
    models::RULES.iter().chain(cloud::RULES).chain(tools::RULES).chain(general::RULES)
}

const ALNUM: Class = Class::of("A-Za-z0-9");
const ALNUM_DASH: Class = Class::of("A-Za-z0-9-");
const ALNUM_UNDERSCORE: Class = Class::of("A-Za-z0-9_");
const BASE64URL: Class = Class::of("A-Za-z0-9_-");
const BASE64: Class = Class::of("A-Za-z0-9+/");
const BASE64_PADDED: Class = Class::of("A-Za-z0-9+/=");
const HEX: Class = Class::of("a-f0-9");
const HEX_ANY: Class = Class::of("A-Fa-f0-9");
const DIGIT: Class = Class::of("0-9");
const UPPER_DIGIT: Class = Class::of("A-Z0-9");
/// What stands between the name of a secret and the secret.
const BETWEEN: Class = Class::of(" \t\r\n\"'`:=>([\\");

/// Bits a byte that chance hardly stays below.
const ENTROPY: f64 = 2.8;

/// A secret that begins with a literal of its own.
const fn token(prefixes: &'static [&'static str], steps: &'static [Step]) -> Pattern {
    Pattern { prefixes, before: Before::NoWord, begin: Begin::Secret, steps, after: After::Class(ALNUM), slides: false }
}

/// A secret that is known by what stands before it, letters in either case.
const fn context(prefixes: &'static [&'static str], steps: &'static [Step]) -> Pattern {
    Pattern { prefixes, before: Before::Any, begin: Begin::Context, steps, after: After::Class(ALNUM), slides: false }
}

const fn exact_context(prefixes: &'static [&'static str], steps: &'static [Step]) -> Pattern {
    Pattern { begin: Begin::ExactContext, ..context(prefixes, steps) }
}

const fn after(class: Class, pattern: Pattern) -> Pattern {
    Pattern { after: After::Class(class), ..pattern }
}

const fn rule(
    id: &'static str,
    finds: &'static str,
    severity: Severity,
    source: &'static str,
    patterns: &'static [Pattern],
) -> SecretRule {
    let judge = Judge { kind: JudgeKind::Token, entropy: ENTROPY };
    SecretRule { id, finds, severity, default: true, source, judge, patterns }
}

const fn with_entropy(entropy: f64, rule: SecretRule) -> SecretRule {
    SecretRule { judge: Judge { kind: rule.judge.kind, entropy }, ..rule }
}
