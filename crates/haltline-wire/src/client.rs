//! A request in whatever dialect a client speaks, behind one face.

use crate::openai::chat::{self, ChatRequest};
use crate::{Measure, PassFields, RequestError};
use bytes::Bytes;
use haltline_types::Tokens;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientDialect {
    /// OpenAI Chat Completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// OpenAI embeddings.
    Embeddings,
    /// Anthropic Messages.
    Messages,
    /// Google's generateContent.
    Gemini,
    /// The AI SDK's UI messages.
    UiStream,
}

/// A top-level field of a dialect's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownField {
    /// Its name.
    pub name: &'static str,
    /// Why it is refused, if it is.
    pub refused: Option<&'static str>,
}

/// The fields of a dialect's requests that are known: what is not among them is refused.
#[must_use]
pub fn fields(dialect: ClientDialect) -> Vec<KnownField> {
    match dialect {
        ClientDialect::Chat => chat::known_fields().collect(),
        _ => Vec::new(),
    }
}

/// What the address says, in dialects where it says something.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Address {
    /// The model.
    pub model: Option<String>,
    /// Is a stream asked for?
    pub stream: bool,
}

/// A request that was read and accepted.
#[derive(Clone, Debug)]
pub enum ClientRequest {
    /// Chat Completions.
    Chat(ChatRequest),
}

impl ClientRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// What the client must change.
    pub fn parse(
        dialect: ClientDialect,
        address: &Address,
        body: Bytes,
        pass: &PassFields,
    ) -> Result<Self, RequestError> {
        let _ = address;
        match dialect {
            ClientDialect::Chat => ChatRequest::parse(body, pass).map(Self::Chat),
            _ => Err(RequestError::invalid("model", "This dialect is not served.")),
        }
    }

    /// Its dialect.
    #[must_use]
    pub const fn dialect(&self) -> ClientDialect {
        match self {
            Self::Chat(_) => ClientDialect::Chat,
        }
    }

    /// The model as the client asked for it.
    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            Self::Chat(chat) => chat.model(),
        }
    }

    /// Is a stream asked for?
    #[must_use]
    pub const fn stream(&self) -> bool {
        match self {
            Self::Chat(chat) => chat.stream(),
        }
    }

    /// Does the client want to see the usage report of a stream, where its dialect has it hidden
    /// unless asked?
    #[must_use]
    pub const fn usage_wanted(&self) -> bool {
        match self {
            Self::Chat(chat) => chat.include_usage(),
        }
    }

    /// Answers asked for; each may use the whole output cap.
    #[must_use]
    pub const fn n(&self) -> u32 {
        match self {
            Self::Chat(chat) => chat.n(),
        }
    }

    /// The output cap that the client set.
    #[must_use]
    pub fn client_cap(&self) -> Option<Tokens> {
        match self {
            Self::Chat(chat) => chat.client_cap().map(|(_, cap)| cap),
        }
    }

    /// Whom the client names as its end user.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Chat(chat) => chat.user(),
        }
    }

    /// How much there is to read.
    #[must_use]
    pub const fn measure(&self) -> Measure {
        match self {
            Self::Chat(chat) => chat.measure(),
        }
    }

    /// Names of the fields that passed only because the operator vouches for them.
    #[must_use]
    pub fn vouched_fields(&self) -> Vec<String> {
        match self {
            Self::Chat(chat) => chat.vouched_fields().collect(),
        }
    }
}
