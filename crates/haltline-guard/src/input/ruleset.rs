//! Rules that are ready to be used, and what can be asked about them. Searching stands in `scan`.

use super::compile::{self, Pattern};
use super::rules_file::{self, RulesError, Severity, Written};
use crate::Category;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

const SHIPPED: &str = include_str!("../../rules/injection.toml");

/// What there is to know about a rule, but for its patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Unique.
    pub id: Arc<str>,
    /// What it finds.
    pub category: Category,
    /// How bad that is.
    pub severity: Severity,
    /// What it counts.
    pub points: u32,
    /// Rules of one group count once.
    pub group: Option<Arc<str>>,
    /// Language of what it finds; empty when it has none.
    pub lang: String,
    /// What it is for.
    pub why: String,
    pub(super) case: bool,
}

/// Rules, ready to be used by any number of threads.
#[derive(Debug)]
pub struct Ruleset {
    written: Vec<Written>,
    rules: Vec<Rule>,
    /// Each with the place of its rule.
    pub(super) patterns: Vec<(usize, Arc<Pattern>)>,
    pub(super) anchors: AhoCorasick,
    /// For every anchor, the patterns that it stands for.
    pub(super) anchored: Vec<Vec<usize>>,
    version: String,
}

impl Ruleset {
    /// The rules that come with Haltline. Compiled at the first call, shared afterwards.
    ///
    /// # Panics
    /// Never: a test compiles what is shipped.
    #[must_use]
    pub fn shipped() -> Arc<Self> {
        static SHIPPED_RULES: OnceLock<Arc<Ruleset>> = OnceLock::new();
        let shipped = SHIPPED_RULES.get_or_init(|| {
            Arc::new(Self::parse(SHIPPED).unwrap_or_else(|error| unreachable!("shipped rules: {error}")))
        });
        Arc::clone(shipped)
    }

    /// Only the rules of a file.
    ///
    /// # Errors
    /// Which rule is wrong, and what to do.
    pub fn parse(toml: &str) -> Result<Self, RulesError> {
        Self::build(rules_file::read(toml)?, &[])
    }

    /// These rules, and those of a file.
    ///
    /// # Errors
    /// Which rule is wrong, and what to do.
    pub fn with(&self, extra_toml: &str) -> Result<Self, RulesError> {
        let mut written = self.written.clone();
        written.extend(rules_file::read(extra_toml)?);
        Self::build(written, &self.patterns)
    }

    /// Of a new set the first patterns may be compiled already.
    fn build(written: Vec<Written>, compiled: &[(usize, Arc<Pattern>)]) -> Result<Self, RulesError> {
        let mut rules: Vec<Rule> = Vec::with_capacity(written.len());
        let mut patterns = Vec::new();
        for (place, rule) in written.iter().enumerate() {
            if rules.iter().any(|other| *other.id == *rule.id) {
                return Err(RulesError::of(&rule.id, "there are two rules of this id", "give one of them another id"));
            }
            for pattern in &rule.patterns {
                let ready = match compiled.get(patterns.len()) {
                    Some((_, ready)) => Arc::clone(ready),
                    None => Arc::new(compile::compile(&rule.id, pattern, rule.case)?),
                };
                patterns.push((place, ready));
            }
            rules.push(Rule {
                id: Arc::from(rule.id.as_str()),
                category: rule.category,
                severity: rule.severity,
                points: rule.points,
                group: rule.group.as_deref().map(Arc::from),
                lang: rule.lang.clone(),
                why: rule.why.clone(),
                case: rule.case,
            });
        }
        let mut by_anchor: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        for (index, (_, pattern)) in patterns.iter().enumerate() {
            for anchor in &pattern.anchors {
                by_anchor.entry(anchor).or_default().push(index);
            }
        }
        let anchors = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(by_anchor.keys());
        let anchors = anchors.map_err(|error| RulesError {
            rule: None,
            message: format!("the rules are too large together: {error}"),
            help: "use fewer, or shorter ones".to_owned(),
        })?;
        let anchored = by_anchor.into_values().collect();
        let version = version(&written);
        Ok(Self { written, rules, patterns, anchors, anchored, version })
    }

    /// Twelve hexadecimal digits that change with the rules: kept with every verdict, so that one that
    /// older rules gave can be told.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// All rules, in the order of their files.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Is there a rule of this id?
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.rules.iter().any(|rule| &*rule.id == id)
    }

    /// Patterns of all rules.
    #[must_use]
    pub fn patterns(&self) -> usize {
        self.patterns.len()
    }
}

/// What decides what is found, in one number. Views are part of it: their change is a new format.
fn version(written: &[Written]) -> String {
    const FORMAT: u8 = 1;
    let mut hash = Sha256::new();
    hash.update([FORMAT]);
    for rule in written {
        let text = (&rule.id, rule.category.word(), rule.points, &rule.group, rule.case, &rule.patterns);
        hash.update(format!("{text:?}\n"));
    }
    hash.finalize().iter().take(6).fold(String::new(), |mut text, byte| {
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok(), "a String takes everything");
        text
    })
}
