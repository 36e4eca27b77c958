//! A case: something that a guard has refused, cut, taken out or flagged, for people to look at.
//! Holds an excerpt without credentials, and the text itself only where the operator wants that.

use super::verdict::Found;
use haltline_ports::Owner;
use haltline_types::{Name, Timestamp};
use serde::{Deserialize, Serialize};

/// As much of a text is shown, in characters.
pub(super) const EXCERPT_CHARS: usize = 200;
/// As much of a text is kept where it is kept at all, in bytes.
pub(super) const RAW_BYTES_MAX: usize = 64 << 10;

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// Nobody has looked at it yet.
    Open,
    /// It may pass once: the next time that the same text comes, by the same key.
    AllowedOnce,
    /// It has passed once.
    Passed,
    /// Its rules are switched off for the key, or for everybody.
    RuleAllowed,
    /// The guard was right.
    Confirmed,
}

impl CaseState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Open, Self::AllowedOnce, Self::Passed, Self::RuleAllowed, Self::Confirmed];

    /// The word: a contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::AllowedOnce => "allowed_once",
            Self::Passed => "passed",
            Self::RuleAllowed => "rule_allowed",
            Self::Confirmed => "confirmed",
        }
    }
}

/// A finding, as a case keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseFinding {
    /// The rule, or the service that objects.
    pub rule: String,
    /// What kind of thing it finds.
    pub category: String,
    /// Where the text stands.
    pub place: String,
    /// Where in that text, in bytes, where that is known.
    pub span: Option<(usize, usize)>,
    /// What it counted.
    pub points: u32,
    /// How the text was read: `plain`, `decoded`, …
    pub view: String,
}

/// A case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// `grd_…`: what the client was told, too. The same text of the same key is the same case.
    pub id: String,
    /// `input`, `output`.
    pub direction: String,
    /// What followed: `blocked`, `redacted`, `flagged`.
    pub verdict: String,
    /// When it came first, in milliseconds since the epoch.
    pub first: i64,
    /// When it came last.
    pub last: i64,
    /// How often.
    pub times: u64,
    /// The last request.
    pub request: String,
    /// The key.
    pub key: String,
    /// The user.
    pub user: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// The model as the client asked for it.
    pub model: String,
    /// What was found.
    pub findings: Vec<CaseFinding>,
    /// The version of the rules that found it.
    pub rules_version: String,
    /// Bytes of the text.
    pub bytes: usize,
    /// The text around the first finding, without credentials and personal data.
    pub excerpt: String,
    /// The text as it was; only where the operator wants it kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// What became of it.
    pub state: CaseState,
    /// Who decided, when, and with what words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// Who decided a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The operator.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// Why, in the operator's words.
    pub note: String,
}

/// What a case is made of.
pub(crate) struct Matter<'a> {
    pub(crate) owner: &'a Owner,
    pub(crate) session: Option<&'a Name>,
    pub(crate) model: &'a Name,
    pub(crate) request: String,
    pub(crate) found: &'a [Found],
    pub(crate) findings: Vec<CaseFinding>,
    pub(crate) rules_version: &'a str,
    pub(crate) text: &'a str,
    pub(crate) now: Timestamp,
}

impl Case {
    /// When it came last.
    #[must_use]
    pub fn last_at(&self) -> Timestamp {
        Timestamp::from_millis(self.last)
    }

    /// The same without the text itself.
    #[must_use]
    pub fn without_raw(&self) -> Self {
        Self { raw: None, ..self.clone() }
    }
}

/// The text around a place, cut at borders of characters. What is cut off is said by an ellipsis.
pub(super) fn excerpt(text: &str, about: Option<(usize, usize)>) -> String {
    let (from, until) = about.unwrap_or((0, 0));
    let centre = from.saturating_add(until.saturating_sub(from) / 2);
    let begin = text.floor_char_boundary(centre.saturating_sub(EXCERPT_CHARS / 2).min(text.len()));
    let shown: String = text.get(begin..).unwrap_or(text).chars().take(EXCERPT_CHARS).collect();
    let ends = begin.saturating_add(shown.len()) >= text.len();
    format!("{}{shown}{}", if begin > 0 { "…" } else { "" }, if ends { "" } else { "…" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_around_what_was_found() {
        assert_eq!(excerpt("short", None), "short");
        let long = format!("{}HERE{}", "ä".repeat(500), "ö".repeat(500));
        let shown = excerpt(&long, Some((1000, 1004)));
        assert!(shown.contains("HERE") && shown.starts_with('…') && shown.ends_with('…'), "{shown}");
        assert_eq!(shown.chars().count(), EXCERPT_CHARS + 2);
        assert_eq!(excerpt("", Some((5, 9))), "");
    }
}
