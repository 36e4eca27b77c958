//! Who runs a model: whose formulas and templates hold for it. Constants by vendor and name.

use crate::framing::{Framing, TokenBound};

/// Who runs a model and counts its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vendor {
    /// OpenAI; also Azure, under the model's own name.
    OpenAi,
    /// Anthropic, also at Bedrock and Vertex.
    Anthropic,
    /// Gemini, also at Vertex.
    Google,
    /// Mistral.
    Mistral,
    /// xAI.
    Xai,
    /// DeepSeek.
    DeepSeek,
    /// Anyone else: nothing is known of the model but its name.
    Other,
}

/// OpenAI's families whose vocabulary is public (tiktoken 0.14.0).
const OPENAI_PUBLIC: [&str; 12] = [
    "gpt-3.5",
    "gpt-35",
    "gpt-4",
    "chatgpt-4o",
    "gpt-5",
    "gpt-oss",
    "o1",
    "o3",
    "o4",
    "text-embedding-",
    "text-davinci-",
    "ft:gpt-4o",
];

/// Google's, as far as its own local tokenizer names them (google-genai 3.4.0).
const GOOGLE_PUBLIC: [&str; 5] = ["gemini-1", "gemini-2", "gemini-3-", "gemini-3.1", "gemini-3.5-flash"];

impl Vendor {
    /// What bounds the tokens of a text there, and what is added to it. `model` is the upstream
    /// name.
    #[must_use]
    pub fn bounds(self, model: &str) -> (TokenBound, Framing) {
        let name = model.rsplit('/').next().unwrap_or(model);
        let public = |families: &[&str]| {
            if families.iter().any(|family| name.starts_with(family)) {
                TokenBound::Bytes
            } else {
                TokenBound::Unpublished
            }
        };
        match self {
            Self::OpenAi => (public(&OPENAI_PUBLIC), Framing::OPENAI),
            Self::Anthropic => (TokenBound::Unpublished, Framing::ANTHROPIC),
            Self::Google => (public(&GOOGLE_PUBLIC), Framing::GOOGLE),
            // All vocabularies stand in mistral-common.
            Self::Mistral => (TokenBound::Bytes, Framing::MISTRAL),
            Self::Xai => (TokenBound::Unpublished, Framing::XAI),
            Self::DeepSeek => (public(&["deepseek"]), Framing::DEEPSEEK),
            Self::Other => (TokenBound::Unpublished, Framing::OPENAI_COMPATIBLE),
        }
    }
}
