//! What a scan found, and what it amounts to.

use super::normalise::ViewKind;
use super::rules_file::Severity;
use crate::Category;
use std::ops::Range;
use std::sync::Arc;

/// One rule that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Id of the rule.
    pub rule: Arc<str>,
    /// Its category.
    pub category: Category,
    /// Its severity.
    pub severity: Severity,
    /// What it counts here; the module says how that follows from the rule and the place.
    pub points: u32,
    /// Where in the original text, in bytes, on borders of characters; of something encoded, all of
    /// the encoded passage. `None` where the view says no place (a text that is reversed or shifted).
    pub span: Option<Range<usize>>,
    /// The view in which it was seen first.
    pub view: ViewKind,
    /// Did it stand in quotation marks within a longer text?
    pub quoted: bool,
}

/// All findings of one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// At most one of a rule, those with most points first.
    pub findings: Vec<Finding>,
    /// The sum, each group counted once.
    pub points: u32,
    /// Bytes in the middle of the text that were not read, because it is longer than the bound.
    pub unread: usize,
    /// Bytes that the rules saw, over all views. At most four times the windows, and a constant each.
    pub viewed: usize,
    /// Bytes that were handed to patterns. At most `viewed` times the number of patterns.
    pub searched: usize,
}

impl Findings {
    /// What the points amount to.
    #[must_use]
    pub const fn reach(&self, threshold: Threshold) -> Reach {
        if self.points >= threshold.block_at {
            Reach::Block
        } else if self.points >= threshold.flag_at {
            Reach::Flag
        } else {
            Reach::Nothing
        }
    }

    /// Ids of the rules that fired.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.findings.iter().map(|finding| finding.rule.as_ref())
    }
}

/// From how many points on something follows. What follows also depends on the mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// From here on a text is remarkable.
    pub flag_at: u32,
    /// From here on it is taken for an attack.
    pub block_at: u32,
}

impl Default for Threshold {
    fn default() -> Self {
        Self { flag_at: 2, block_at: 4 }
    }
}

/// What points amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Less than is remarkable.
    Nothing,
    /// Remarkable.
    Flag,
    /// Taken for an attack.
    Block,
}
