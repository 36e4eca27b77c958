//! The kinds of finding: the words that clients, records, metrics and the review queue know.

use std::fmt;

/// What kind of thing a rule finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Input: tells the model to drop its instructions.
    Override,
    /// Input: gives the model another role, without limits.
    Persona,
    /// Input: wants the system prompt.
    PromptExtraction,
    /// Input: forges the marks that separate turns, or a template.
    Delimiter,
    /// Input: instructions in the clothes of a document or of a tool's result.
    Indirect,
    /// Input: wants data sent elsewhere.
    Exfiltration,
    /// Input: hides what it says.
    Encoding,
    /// Input: dictates the form or the first words of the answer, so that it cannot refuse.
    OutputManipulation,
    /// A credential.
    Secret,
    /// Personal data.
    Personal,
    /// A phrase or topic that the operator named.
    Phrase,
    /// The system prompt, or the canary in it.
    PromptLeak,
    /// What an external service or a classifier said.
    External,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Override,
        Self::Persona,
        Self::PromptExtraction,
        Self::Delimiter,
        Self::Indirect,
        Self::Exfiltration,
        Self::Encoding,
        Self::OutputManipulation,
        Self::Secret,
        Self::Personal,
        Self::Phrase,
        Self::PromptLeak,
        Self::External,
    ];

    /// The word for rules files, records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Persona => "persona",
            Self::PromptExtraction => "prompt_extraction",
            Self::Delimiter => "delimiter",
            Self::Indirect => "indirect",
            Self::Exfiltration => "exfiltration",
            Self::Encoding => "encoding",
            Self::OutputManipulation => "output_manipulation",
            Self::Secret => "secret",
            Self::Personal => "personal",
            Self::Phrase => "phrase",
            Self::PromptLeak => "prompt_leak",
            Self::External => "external",
        }
    }

    /// The category of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.word() == word)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_is_found_by_its_word() {
        for category in Category::ALL {
            assert_eq!(Category::from_word(category.word()), Some(category));
        }
        assert_eq!(Category::from_word("nothing"), None);
    }
}
