//! Which vocabulary a model reads with, where that is public.

use haltline_policy::vendor::Vendor;

/// A public vocabulary. Both work on bytes without normalising the text first, so a token covers
/// at least one byte of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vocabulary {
    /// `cl100k_base`: gpt-3.5, gpt-4 and the embedding models.
    Cl100k,
    /// `o200k_base`: gpt-4o, gpt-4.1, gpt-4.5, o1 to o4 and gpt-5; gpt-oss, whose `o200k_harmony`
    /// differs in special tokens only.
    O200k,
}

/// The first prefix that fits stands. Source: the table `MODEL_PREFIX_TO_ENCODING` and
/// `MODEL_TO_ENCODING` of OpenAI's tiktoken 0.14.0. gpt-6 is in neither, and has no row here.
const PREFIXES: [(&str, Vocabulary); 15] = [
    ("gpt-4o", Vocabulary::O200k),
    ("chatgpt-4o", Vocabulary::O200k),
    ("gpt-4.1", Vocabulary::O200k),
    ("gpt-4.5", Vocabulary::O200k),
    ("gpt-4-", Vocabulary::Cl100k),
    ("gpt-5", Vocabulary::O200k),
    ("gpt-oss-", Vocabulary::O200k),
    ("o1", Vocabulary::O200k),
    ("o3", Vocabulary::O200k),
    ("o4-mini", Vocabulary::O200k),
    ("gpt-3.5-turbo", Vocabulary::Cl100k),
    ("gpt-35-turbo", Vocabulary::Cl100k),
    ("text-embedding-3-", Vocabulary::Cl100k),
    ("text-embedding-ada-002", Vocabulary::Cl100k),
    ("ft:gpt-4o", Vocabulary::O200k),
];

/// The vocabulary of a model by its upstream name; `None` where it is not public. Then the byte
/// bound is all there is. Only OpenAI says which vocabulary stands behind a name; the same name at
/// someone else's server may be anything. Audio and realtime models have none: what they hear is
/// no text. Without the feature `exact-tokens` there is none at all.
#[must_use]
pub fn vocabulary_of(vendor: Vendor, model: &str) -> Option<Vocabulary> {
    if cfg!(not(feature = "exact-tokens"))
        || vendor != Vendor::OpenAi
        || model.contains("audio")
        || model.contains("realtime")
    {
        return None;
    }
    if model == "gpt-4" {
        return Some(Vocabulary::Cl100k);
    }
    PREFIXES.iter().find(|(prefix, _)| model.starts_with(prefix)).map(|(_, vocabulary)| *vocabulary)
}

impl Vocabulary {
    /// The field-standard name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cl100k => "cl100k_base",
            Self::O200k => "o200k_base",
        }
    }

    /// Loads it now instead of at its first use. Takes some 0.1 s; later calls cost nothing.
    pub fn load(self) {
        #[cfg(feature = "exact-tokens")]
        let _ = self.tokenizer();
    }

    #[cfg(feature = "exact-tokens")]
    pub(crate) fn tokenizer(self) -> &'static bpe_openai::Tokenizer {
        match self {
            Self::Cl100k => bpe_openai::cl100k_base(),
            Self::O200k => bpe_openai::o200k_base(),
        }
    }
}

#[cfg(all(test, feature = "exact-tokens"))]
mod tests {
    use super::*;

    #[test]
    fn models_have_the_vocabulary_that_their_maker_published() {
        use Vocabulary::{Cl100k, O200k};
        let cases = [
            ("gpt-4o-mini", Some(O200k)),
            ("gpt-4.1-nano-2025-04-14", Some(O200k)),
            ("gpt-4", Some(Cl100k)),
            ("gpt-4-turbo", Some(Cl100k)),
            ("gpt-4-0613", Some(Cl100k)),
            ("gpt-3.5-turbo-0125", Some(Cl100k)),
            ("gpt-5", Some(O200k)),
            ("gpt-5.6-pro", Some(O200k)),
            ("o1-preview", Some(O200k)),
            ("text-embedding-3-large", Some(Cl100k)),
            ("gpt-6.1-terra", None),
            ("gpt-4o-audio-preview", None),
            ("gpt-4o-realtime-preview", None),
            ("text-davinci-003", None),
            ("claude-opus-5", None),
            ("", None),
        ];
        for (model, expected) in cases {
            assert_eq!(vocabulary_of(Vendor::OpenAi, model), expected, "{model}");
            assert_eq!(vocabulary_of(Vendor::Other, model), None, "{model}");
        }
    }
}
