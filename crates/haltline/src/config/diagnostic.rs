//! What is wrong with a configuration, as data. How it is shown is `render`'s matter; that no
//! secret is shown is `redact`'s.

use super::codes::ConfigCode;
use std::ops::Range;

/// One thing that is wrong or questionable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which kind.
    pub code: ConfigCode,
    /// One sentence.
    pub message: String,
    /// Where in the file, in bytes; `None` when it is about the file as a whole.
    pub span: Option<Range<usize>>,
    /// Said beside the caret: "did you mean …?".
    pub label: String,
    /// What may stand in this place.
    pub allowed: Vec<String>,
    /// How to put it right.
    pub help: Option<String>,
}

impl Diagnostic {
    /// One without a place.
    pub(super) fn new(code: ConfigCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), span: None, label: String::new(), allowed: Vec::new(), help: None }
    }

    pub(super) fn at(self, span: Range<usize>) -> Self {
        Self { span: Some(span), ..self }
    }

    pub(super) fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    pub(super) fn allowed<T: AsRef<str>>(self, allowed: impl IntoIterator<Item = T>) -> Self {
        Self { allowed: allowed.into_iter().map(|word| word.as_ref().to_owned()).collect(), ..self }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Adds "did you mean" when one of `known` is near to `given`.
    pub(super) fn suggest<'a>(self, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(given, known) {
            Some(near) => self.label(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

/// Everything that is wrong or questionable in one file, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    /// The file's name as it was given.
    pub file: String,
    /// Its text, secrets masked.
    pub source: super::redact::Redacted,
    /// What was found.
    pub items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// How many are errors, and how many warnings.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let warnings = self.items.iter().filter(|item| item.code.is_warning()).count();
        (self.items.len() - warnings, warnings)
    }
}

/// The nearest of `known`, when it is near enough to be a slip.
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if given.len() > 64 {
        return None;
    }
    let near_enough = given.chars().count().div_ceil(3).clamp(1, 3);
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&given.to_lowercase(), &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= near_enough)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        assert_eq!(nearest("limt", ["limit", "window"]), Some("limit"));
        assert_eq!(nearest("daily_budegt", ["daily_budget"]), Some("daily_budget"));
        assert_eq!(nearest("colour", ["limit", "window"]), None);
    }
}
