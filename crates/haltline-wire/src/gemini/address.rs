//! What stands in the address instead of the body: the model, and what is asked of it. Knows no
//! hosts and no versions.

/// What is asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `generateContent`: one answer.
    Generate,
    /// `streamGenerateContent`: the answer as a stream, or as one JSON array.
    Stream,
    /// `countTokens`.
    Count,
    /// `embedContent`.
    Embed,
    /// `batchEmbedContents`.
    BatchEmbed,
}

impl Method {
    /// The word behind the colon.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Generate => "generateContent",
            Self::Stream => "streamGenerateContent",
            Self::Count => "countTokens",
            Self::Embed => "embedContent",
            Self::BatchEmbed => "batchEmbedContents",
        }
    }

    /// From the word behind the colon.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Generate, Self::Stream, Self::Count, Self::Embed, Self::BatchEmbed]
            .into_iter()
            .find(|method| method.word() == word)
    }
}

/// Splits `gemini-2.5-flash:generateContent` into model and method. What stands before the last
/// `models/` is left out. `None` for other methods and for an empty model.
#[must_use]
pub fn split(last: &str) -> Option<(&str, Method)> {
    let (model, method) = last.rsplit_once(':')?;
    let model = model.rsplit_once("models/").map_or(model, |(_, model)| model);
    let method = Method::from_word(method)?;
    (!model.is_empty()).then_some((model, method))
}

/// The end of an address, below the version (or, on Vertex, below the publisher):
/// `models/gemini-2.5-flash:streamGenerateContent?alt=sse`. `model` is a name without anything
/// that an address would have to escape.
#[must_use]
pub fn path(model: &str, method: Method) -> String {
    let sse = if method == Method::Stream { "?alt=sse" } else { "" };
    let model = model.strip_prefix("models/").unwrap_or(model);
    format!("models/{model}:{}{sse}", method.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_and_method_are_found_however_long_the_address() {
        for (address, expected) in [
            ("gemini-2.5-flash:generateContent", Some(("gemini-2.5-flash", Method::Generate))),
            ("models/g:streamGenerateContent", Some(("g", Method::Stream))),
            ("publishers/google/models/g:countTokens", Some(("g", Method::Count))),
            ("a:b:embedContent", Some(("a:b", Method::Embed))),
            (":generateContent", None),
            ("g:predict", None),
            ("g", None),
        ] {
            assert_eq!(split(address), expected, "{address}");
        }
        assert_eq!(path("models/g", Method::Stream), "models/g:streamGenerateContent?alt=sse");
        assert_eq!(path("g", Method::Generate), "models/g:generateContent");
    }
}
