//! What a client already got of a stream, as far as another stream must know it to go on: ids,
//! numbers, and the block that is open.

use crate::client::ClientDialect;
use crate::openai::{chat, responses};
use crate::{anthropic, gemini, ui_stream};
use haltline_types::Usage;
use serde_json::Value;

/// Where a stream stands for its client.
#[derive(Clone, Debug)]
pub struct Resumption {
    pub(crate) text: String,
    pub(crate) usage: Option<Usage>,
    pub(crate) place: Standing,
}

impl Resumption {
    /// The text that the client has.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Did the client get any of it?
    #[must_use]
    pub const fn begun(&self) -> bool {
        match &self.place {
            Standing::Chat(told) => told.begun,
            Standing::Responses(told) => told.begun,
            Standing::Messages(told) => told.begun,
            Standing::Gemini(told) => told.begun,
            Standing::Ui(told) => told.begun,
            Standing::None => false,
        }
    }

    /// Has the client text, or a block for it that is open?
    pub(crate) fn in_text(&self) -> bool {
        let is_open = match &self.place {
            Standing::Responses(told) => told.in_text(),
            Standing::Messages(told) => told.in_text(),
            Standing::Ui(told) => told.in_text(),
            Standing::Chat(_) | Standing::Gemini(_) | Standing::None => false,
        };
        is_open || !self.text.is_empty()
    }

    /// With what the earlier attempt used, where that is better known than from its stream: the
    /// client is told the sum.
    #[must_use]
    pub const fn with_usage(mut self, usage: Option<Usage>) -> Self {
        self.usage = usage;
        self
    }
}

/// What a client was told, in the words of its dialect.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    Chat(chat::Told),
    Responses(Box<responses::Told>),
    Messages(anthropic::Told),
    Gemini(gemini::Told),
    Ui(ui_stream::Told),
    None,
}

impl Standing {
    pub(super) fn of(dialect: ClientDialect) -> Self {
        match dialect {
            ClientDialect::Chat => Self::Chat(chat::Told::default()),
            ClientDialect::Responses => Self::Responses(Box::default()),
            ClientDialect::Messages => Self::Messages(anthropic::Told::default()),
            ClientDialect::Gemini => Self::Gemini(gemini::Told::default()),
            ClientDialect::UiStream => Self::Ui(ui_stream::Told::default()),
            ClientDialect::Embeddings => Self::None,
        }
    }

    pub(super) fn take(&mut self, event: &Value) {
        match self {
            Self::Chat(told) => told.take(event),
            Self::Responses(told) => told.take(event),
            Self::Messages(told) => told.take(event),
            Self::Gemini(told) => told.take(event),
            Self::Ui(told) => told.take(event),
            Self::None => {}
        }
    }
}

/// The text of a member; empty when there is none.
pub(crate) fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
