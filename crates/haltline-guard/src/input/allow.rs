//! Rules that an operator switched off.

use std::collections::BTreeSet;

/// The ids of rules that give no finding. Whether they exist is for [`super::Ruleset::has`] to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    rules: BTreeSet<String>,
}

impl Allow {
    /// Every rule is on.
    #[must_use]
    pub const fn none() -> Self {
        Self { rules: BTreeSet::new() }
    }

    /// These are off.
    pub fn rules<I, S>(ids: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self { rules: ids.into_iter().map(Into::into).collect() }
    }

    /// Is this rule off?
    #[must_use]
    pub fn has(&self, rule: &str) -> bool {
        self.rules.contains(rule)
    }

    /// The ids, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(String::as_str)
    }
}
