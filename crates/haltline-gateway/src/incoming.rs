//! What a surface hands to the line: the request as it arrived, nothing decided.

use crate::auth::{Identity, Presented};
use crate::cache::CacheAsk;
use crate::voice::Voice;
use bytes::Bytes;
use haltline_ports::RouteGroup;
use haltline_types::{Name, NanoUsd};
use haltline_wire::client::{Address, ClientDialect};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The way by which a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surface {
    /// `POST /v1/chat/completions`.
    ChatCompletions,
    /// `POST /v1/responses`.
    Responses,
    /// `POST /v1/embeddings`.
    Embeddings,
    /// `POST /v1/messages`.
    Messages,
    /// `POST /v1/messages/count_tokens`.
    CountTokens,
    /// `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`.
    GenerateContent {
        /// A stream as a JSON array: without `alt=sse`.
        array: bool,
    },
    /// `POST /api/chat`.
    UiStream,
    /// The gateway itself, which asks a model for a label. In Chat Completions.
    Guard,
}

impl Surface {
    /// The word for records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat.completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::GenerateContent { .. } => "generate_content",
            Self::UiStream => "ui_stream",
            Self::Guard => "guard",
        }
    }

    /// The surface of a word; `array` tells the two of `generate_content` apart.
    #[must_use]
    pub fn from_word(word: &str, array: bool) -> Option<Self> {
        let all = [
            Self::ChatCompletions,
            Self::Responses,
            Self::Embeddings,
            Self::Messages,
            Self::CountTokens,
            Self::GenerateContent { array },
            Self::UiStream,
            Self::Guard,
        ];
        all.into_iter().find(|surface| surface.word() == word)
    }

    /// The routes that it is one of, for keys that may not use all.
    #[must_use]
    pub const fn routes(self) -> RouteGroup {
        match self {
            Self::ChatCompletions | Self::Guard => RouteGroup::Chat,
            Self::Responses => RouteGroup::Responses,
            Self::Embeddings => RouteGroup::Embeddings,
            Self::Messages | Self::CountTokens => RouteGroup::Messages,
            Self::GenerateContent { .. } => RouteGroup::Gemini,
            Self::UiStream => RouteGroup::Ui,
        }
    }

    /// What its clients speak.
    #[must_use]
    pub const fn dialect(self) -> ClientDialect {
        match self {
            Self::ChatCompletions | Self::Guard => ClientDialect::Chat,
            Self::Responses => ClientDialect::Responses,
            Self::Embeddings => ClientDialect::Embeddings,
            Self::Messages | Self::CountTokens => ClientDialect::Messages,
            Self::GenerateContent { .. } => ClientDialect::Gemini,
            Self::UiStream => ClientDialect::UiStream,
        }
    }

    /// How its streams are framed.
    #[must_use]
    pub const fn voice(self) -> Voice {
        match self {
            Self::ChatCompletions | Self::Responses | Self::Embeddings | Self::Guard => Voice::Events,
            Self::GenerateContent { array: false } => Voice::DataLines,
            Self::Messages | Self::CountTokens => Voice::EventsWithPings,
            Self::GenerateContent { array: true } => Voice::Array,
            Self::UiStream => Voice::DataOnly,
        }
    }
}

/// What the client says of itself in headers. Claims, not facts: `identify` decides what counts.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// `x-haltline-user` or a foreign equivalent.
    pub user: Option<String>,
    /// `x-haltline-session` or a foreign equivalent.
    pub session: Option<String>,
    /// `x-haltline-tags`: `name=value` pairs.
    pub tags: Vec<(Name, Name)>,
    /// `x-haltline-max-cost`: the most that this request may cost.
    pub max_cost: Option<NanoUsd>,
    /// `x-haltline-guard: strict`: what guards would only note or flag, they refuse.
    pub strict: bool,
    /// `x-haltline-no-retry`.
    pub no_retry: bool,
    /// `x-haltline-history: session`: the body holds only what is new, and the session the rest.
    pub history_of_session: bool,
    /// The client's own count of its repetitions (`x-stainless-retry-count`).
    pub retry_count: u32,
    /// Does the client count its repetitions at all, from the first sending on?
    pub counts_retries: bool,
    /// `x-haltline-cache` and `x-haltline-cache-tags`.
    pub cache: CacheAsk,
    /// `Idempotency-Key`: requests of one caller with the same key are one request.
    pub idempotency_key: Option<String>,
    /// `x-haltline-replay-timing: original`: an answer that is given again comes as fast as it
    /// once came.
    pub original_timing: bool,
}

/// A request as it arrived.
pub struct Incoming {
    /// By which way.
    pub surface: Surface,
    /// What the address says of the request.
    pub address: Address,
    /// What was presented to come in.
    pub presented: Presented,
    /// Whom it is for, where it is work of the gateway's own that nobody presents a credential for:
    /// jobs.
    pub on_behalf: Option<Identity>,
    /// What the client says of itself.
    pub claims: Claims,
    /// The client's trace id, 32 hexadecimal digits.
    pub trace_id: Option<String>,
    /// Headers that pass to a provider of the same dialect (`anthropic-*`).
    pub pass_headers: http::HeaderMap,
    /// What was left out of them, for the client to know.
    pub dropped: Vec<String>,
    /// Ends the request before its time. Ends with it everything that it has begun.
    pub stop: Option<CancellationToken>,
    /// The body.
    pub body: Bytes,
    /// When its last byte arrived.
    pub arrived: Instant,
}

/// Without what was presented, what is on behalf of whom, and the body.
impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("surface", &self.surface)
            .field("address", &self.address)
            .field("trace_id", &self.trace_id)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
