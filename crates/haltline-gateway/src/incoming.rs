//! What a surface hands to the line: the request as it arrived, nothing decided.

use crate::voice::Voice;
use bytes::Bytes;
use haltline_types::{Name, NanoUsd};
use haltline_wire::client::{Address, ClientDialect};
use tokio::time::Instant;

/// The way by which a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surface {
    /// `POST /v1/chat/completions`.
    ChatCompletions,
}

impl Surface {
    /// The word for records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat.completions",
        }
    }

    /// What its clients speak.
    #[must_use]
    pub const fn dialect(self) -> ClientDialect {
        match self {
            Self::ChatCompletions => ClientDialect::Chat,
        }
    }

    /// How its streams are framed.
    #[must_use]
    pub const fn voice(self) -> Voice {
        match self {
            Self::ChatCompletions => Voice::Events,
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
    /// `x-haltline-no-retry`.
    pub no_retry: bool,
    /// The client's own count of its repetitions (`x-stainless-retry-count`).
    pub retry_count: u32,
}

/// A request as it arrived.
#[derive(Debug)]
pub struct Incoming {
    /// By which way.
    pub surface: Surface,
    /// What the address says of the request.
    pub address: Address,
    /// The key that was presented, whatever the header.
    pub key: Option<String>,
    /// What the client says of itself.
    pub claims: Claims,
    /// The client's trace id, 32 hexadecimal digits.
    pub trace_id: Option<String>,
    /// Headers that pass to the provider (`openai-*`).
    pub pass_headers: http::HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When its last byte arrived.
    pub arrived: Instant,
}
