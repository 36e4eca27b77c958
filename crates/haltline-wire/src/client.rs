//! A request in whatever dialect a client speaks, behind one face.

use crate::anthropic::{self, CacheTtl, MessagesRequest};
use crate::canon;
use crate::gemini::{self, GeminiRequest};
use crate::openai::chat::{self, ChatRequest};
use crate::openai::embeddings::{self, EmbeddingsRequest};
use crate::openai::responses::{self, HostedTools, ResponsesRequest};
use crate::ui_stream::{self, UiRequest};
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
        ClientDialect::Responses => responses::known_fields().collect(),
        ClientDialect::Embeddings => embeddings::known_fields().collect(),
        ClientDialect::Messages => anthropic::known_fields().collect(),
        ClientDialect::Gemini => gemini::known_fields().collect(),
        ClientDialect::UiStream => ui_stream::known_fields().collect(),
    }
}

/// What stands outside the body and decides how it is read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Address {
    /// The model, in dialects whose address names it.
    pub model: Option<String>,
    /// Is a stream asked for? In dialects whose address says so.
    pub stream: bool,
    /// The client offers tools that the provider would run without having been told to (Codex):
    /// they are left out instead of refused.
    pub leave_hosted_tools_out: bool,
}

/// A request that was read and accepted.
#[derive(Clone, Debug)]
pub enum ClientRequest {
    /// Chat Completions.
    Chat(Box<ChatRequest>),
    /// Responses.
    Responses(Box<ResponsesRequest>),
    /// Embeddings.
    Embeddings(Box<EmbeddingsRequest>),
    /// Messages.
    Messages(Box<MessagesRequest>),
    /// generateContent.
    Gemini(Box<GeminiRequest>),
    /// UI messages.
    Ui(Box<UiRequest>),
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
        let hosted = if address.leave_hosted_tools_out { HostedTools::LeaveOut } else { HostedTools::Refuse };
        let model = address.model.as_deref().unwrap_or_default();
        Ok(match dialect {
            ClientDialect::Chat => Self::Chat(Box::new(ChatRequest::parse(body, pass)?)),
            ClientDialect::Responses => {
                let request = ResponsesRequest::parse_with(body, pass, hosted)?;
                crate::history::refuse_documents(&request)?;
                Self::Responses(Box::new(request))
            }
            ClientDialect::Embeddings => Self::Embeddings(Box::new(EmbeddingsRequest::parse(body, pass)?)),
            ClientDialect::Messages => Self::Messages(Box::new(MessagesRequest::parse(body, pass)?)),
            ClientDialect::Gemini => Self::Gemini(Box::new(GeminiRequest::parse(model, address.stream, body, pass)?)),
            ClientDialect::UiStream => Self::Ui(Box::new(UiRequest::parse(body, pass)?)),
        })
    }

    /// The body, as it was sent or was put together.
    #[must_use]
    pub fn material(&self) -> &[u8] {
        match self {
            Self::Chat(request) => request.fingerprint_material(),
            Self::Responses(request) => request.fingerprint_material(),
            Self::Embeddings(request) => request.fingerprint_material(),
            Self::Messages(request) => request.fingerprint_material(),
            Self::Gemini(request) => request.fingerprint_material(),
            Self::Ui(request) => request.fingerprint_material(),
        }
    }

    /// Its dialect.
    #[must_use]
    pub const fn dialect(&self) -> ClientDialect {
        match self {
            Self::Chat(_) => ClientDialect::Chat,
            Self::Responses(_) => ClientDialect::Responses,
            Self::Embeddings(_) => ClientDialect::Embeddings,
            Self::Messages(_) => ClientDialect::Messages,
            Self::Gemini(_) => ClientDialect::Gemini,
            Self::Ui(_) => ClientDialect::UiStream,
        }
    }

    /// The model as the client asked for it; empty when a page leaves it to the gateway.
    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            Self::Chat(request) => request.model(),
            Self::Responses(request) => request.model(),
            Self::Embeddings(request) => request.model(),
            Self::Messages(request) => request.model(),
            Self::Gemini(request) => request.model(),
            Self::Ui(request) => request.model(),
        }
    }

    /// Is a stream asked for?
    #[must_use]
    pub const fn stream(&self) -> bool {
        match self {
            Self::Chat(request) => request.stream(),
            Self::Responses(request) => request.stream(),
            Self::Embeddings(_) => false,
            Self::Messages(request) => request.stream(),
            Self::Gemini(request) => request.stream(),
            Self::Ui(request) => request.stream(),
        }
    }

    /// Does the client want to see the usage report of a stream, where its dialect has it hidden
    /// unless asked?
    #[must_use]
    pub const fn usage_wanted(&self) -> bool {
        match self {
            Self::Chat(request) => request.include_usage(),
            _ => true,
        }
    }

    /// Answers asked for; each may use the whole output cap.
    #[must_use]
    pub const fn n(&self) -> u32 {
        match self {
            Self::Chat(request) => request.n(),
            Self::Gemini(request) => request.n(),
            _ => 1,
        }
    }

    /// Inputs that the model reads apart, each of them within its context.
    #[must_use]
    pub const fn inputs(&self) -> u32 {
        match self {
            Self::Embeddings(request) => request.inputs(),
            _ => 1,
        }
    }

    /// The output cap that the client set. Embeddings have no output.
    #[must_use]
    pub fn client_cap(&self) -> Option<Tokens> {
        match self {
            Self::Chat(request) => request.client_cap().map(|(_, cap)| cap),
            Self::Responses(request) => request.client_cap(),
            Self::Embeddings(_) => Some(Tokens::ZERO),
            Self::Messages(request) => request.client_cap(),
            Self::Gemini(request) => request.client_cap(),
            Self::Ui(request) => request.client_cap(),
        }
    }

    /// Whom the client names as its end user.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Chat(request) => request.user(),
            Self::Responses(request) => request.user(),
            Self::Embeddings(request) => request.user(),
            Self::Messages(request) => request.user(),
            Self::Gemini(request) => request.user(),
            Self::Ui(request) => request.user(),
        }
    }

    /// The conversation that the body claims to be a part of.
    #[must_use]
    pub fn session(&self) -> Option<String> {
        match self {
            Self::Chat(request) => request.metadata_session(),
            Self::Messages(request) => request.session(),
            Self::Ui(request) => request.chat_id().map(str::to_owned),
            Self::Responses(_) | Self::Embeddings(_) | Self::Gemini(_) => None,
        }
    }

    /// The longest time for which the request marks input for the provider's cache.
    #[must_use]
    pub const fn cache_ttl(&self) -> Option<CacheTtl> {
        match self {
            Self::Messages(request) => request.cache(),
            _ => None,
        }
    }

    /// Does it end with the begin of an answer, to be written on with (`Continue::Prefix`)?
    #[must_use]
    pub const fn open_ended(&self) -> bool {
        match self {
            Self::Chat(request) => request.open_ended,
            Self::Responses(request) => request.open_ended,
            Self::Embeddings(_) => false,
            Self::Messages(request) => request.open_ended,
            Self::Gemini(request) => request.open_ended,
            Self::Ui(request) => request.open_ended,
        }
    }

    /// Says whether it ends so.
    pub(crate) const fn set_open_ended(&mut self, open: bool) {
        match self {
            Self::Chat(request) => request.open_ended = open,
            Self::Responses(request) => request.open_ended = open,
            Self::Embeddings(_) => {}
            Self::Messages(request) => request.open_ended = open,
            Self::Gemini(request) => request.open_ended = open,
            Self::Ui(request) => request.open_ended = open,
        }
    }

    /// How much there is to read.
    #[must_use]
    pub const fn measure(&self) -> Measure {
        match self {
            Self::Chat(request) => request.measure(),
            Self::Responses(request) => request.measure(),
            Self::Embeddings(request) => request.measure(),
            Self::Messages(request) => request.measure(),
            Self::Gemini(request) => request.measure(),
            Self::Ui(request) => request.measure(),
        }
    }

    /// What it means, in no dialect.
    ///
    /// # Errors
    /// What no other dialect can say.
    pub fn canonical(&self) -> Result<canon::Request, RequestError> {
        match self {
            Self::Chat(request) => request.canonical(),
            Self::Responses(request) => request.canonical(),
            Self::Embeddings(_) => Err(RequestError::invalid(
                "model",
                "The model's provider offers no embeddings in a dialect that is known.",
            )),
            Self::Messages(request) => request.canonical(),
            Self::Gemini(request) => request.canonical(),
            Self::Ui(request) => request.canonical(),
        }
    }
}
