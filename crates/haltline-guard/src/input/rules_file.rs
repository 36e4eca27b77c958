//! The format of a rules file: what stands in it, and what is said when it is wrong. Patterns are
//! compiled elsewhere.
//!
//! ```toml
//! [parts]                       # fragments, used in patterns as {{drop}}
//! drop = '(?:ignore|disregard)'
//!
//! [[rule]]
//! id = "mine-1"                 # unique, also among the shipped ones
//! category = "override"         # a word of Category that is about input
//! severity = "medium"           # low | medium | high
//! points = 3                    # optional: 1 to 10; else 1, 2 or 4 by severity
//! group = "mine"                # optional: of a group only the best counts
//! lang = "en"                   # optional
//! why = "what it is for"
//! case = true                   # optional: the pattern tells upper case from lower
//! pattern = '\b{{drop}} the house rules\b'    # or an array of patterns
//! ```

use crate::Category;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// Patterns in one file, at most.
const RULES_MAX: usize = 500;
/// Bytes of a pattern with its parts put in, at most.
const PATTERN_MAX: usize = 16 * 1024;
/// How deep parts may be made of parts.
const DEPTH_MAX: usize = 4;

/// How bad it is when a rule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Only together with something else.
    Low,
    /// Remarkable.
    Medium,
    /// Enough to block.
    High,
}

impl Severity {
    /// The word for rules files, records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// What a rule of this severity counts unless it says otherwise.
    #[must_use]
    pub const fn points(self) -> u32 {
        match self {
            Self::Low => 1,
            Self::Medium => 2,
            Self::High => 4,
        }
    }
}

/// Why rules cannot be used: which rule, what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesError {
    /// Id of the rule, where one is to blame.
    pub rule: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl RulesError {
    pub(super) fn of(rule: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { rule: Some(rule.to_owned()), message: message.into(), help: help.into() }
    }

    fn file(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { rule: None, message: message.into(), help: help.into() }
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rule) = &self.rule {
            write!(f, "rule `{rule}`: ")?;
        }
        write!(f, "{}; {}", self.message, self.help)
    }
}

impl std::error::Error for RulesError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    parts: BTreeMap<String, String>,
    #[serde(default, rename = "rule")]
    rules: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    category: String,
    severity: Severity,
    points: Option<u32>,
    group: Option<String>,
    #[serde(default)]
    lang: String,
    why: String,
    #[serde(default)]
    case: bool,
    pattern: Patterns,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Patterns {
    One(String),
    Several(Vec<String>),
}

/// A rule as written, its parts put in.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) id: String,
    pub(super) category: Category,
    pub(super) severity: Severity,
    pub(super) points: u32,
    pub(super) group: Option<String>,
    pub(super) lang: String,
    pub(super) why: String,
    pub(super) case: bool,
    pub(super) patterns: Vec<String>,
}

/// Reads a file.
pub(super) fn read(text: &str) -> Result<Vec<Written>, RulesError> {
    let file: File = toml::from_str(text).map_err(|error| {
        RulesError::file(
            format!("the rules file cannot be read: {}", error.to_string().trim_end()),
            "a rule has id, category, severity, why and pattern, and may have points, group, lang and case",
        )
    })?;
    if file.rules.len() > RULES_MAX {
        let message = format!("there are {} rules, at most {RULES_MAX} are possible", file.rules.len());
        return Err(RulesError::file(message, "join rules that mean the same into one with several patterns"));
    }
    file.rules.into_iter().map(|entry| written(entry, &file.parts)).collect()
}

fn written(entry: Entry, parts: &BTreeMap<String, String>) -> Result<Written, RulesError> {
    let id = entry.id;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > 64 || !id.chars().all(is_name) {
        return Err(RulesError::of(&id, "this is no id", "use 1 to 64 letters, digits, `-`, `_` and `.`"));
    }
    let category = Category::from_word(&entry.category).filter(|category| is_of_input(*category));
    let Some(category) = category else {
        let words: Vec<&str> = Category::ALL.into_iter().filter(|c| is_of_input(*c)).map(Category::word).collect();
        let message = format!("`{}` is no category of input", entry.category);
        return Err(RulesError::of(&id, message, format!("use one of {}", words.join(", "))));
    };
    let points = entry.points.unwrap_or(entry.severity.points());
    if !(1..=10).contains(&points) {
        return Err(RulesError::of(&id, format!("{points} points are not possible"), "give 1 to 10"));
    }
    let patterns = match entry.pattern {
        Patterns::One(pattern) => vec![pattern],
        Patterns::Several(patterns) => patterns,
    };
    if patterns.is_empty() {
        return Err(RulesError::of(&id, "there is no pattern", "write at least one"));
    }
    let patterns = patterns.iter().map(|pattern| filled(&id, pattern, parts, 0)).collect::<Result<_, _>>()?;
    let Entry { severity, group, lang, why, case, .. } =
        Entry { id: String::new(), category: String::new(), pattern: Patterns::Several(Vec::new()), ..entry };
    Ok(Written { id, category, severity, points, group, lang, why, case, patterns })
}

/// Categories that a rule for input may have.
const fn is_of_input(category: Category) -> bool {
    use Category as C;
    matches!(
        category,
        C::Override
            | C::Persona
            | C::PromptExtraction
            | C::Delimiter
            | C::Indirect
            | C::Exfiltration
            | C::Encoding
            | C::OutputManipulation
    )
}

/// The pattern with `{{part}}` replaced.
fn filled(id: &str, pattern: &str, parts: &BTreeMap<String, String>, depth: usize) -> Result<String, RulesError> {
    let mut full = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("{{") {
        full.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else {
            return Err(RulesError::of(id, "`{{` has no `}}`", "name a part as {{name}}"));
        };
        let Some(part) = parts.get(name) else {
            return Err(RulesError::of(id, format!("there is no part `{name}`"), "define it under [parts]"));
        };
        if depth >= DEPTH_MAX {
            return Err(RulesError::of(id, format!("part `{name}` is nested too deep"), "parts may nest 4 deep"));
        }
        full.push_str(&filled(id, part, parts, depth + 1)?);
        rest = behind;
        if full.len() > PATTERN_MAX {
            let message = format!("the pattern has more than {PATTERN_MAX} bytes");
            return Err(RulesError::of(id, message, "make several patterns of it"));
        }
    }
    full.push_str(rest);
    if full.len() > PATTERN_MAX {
        let message = format!("the pattern has more than {PATTERN_MAX} bytes");
        return Err(RulesError::of(id, message, "make several patterns of it"));
    }
    Ok(full)
}
