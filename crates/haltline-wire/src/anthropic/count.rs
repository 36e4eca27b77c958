//! `POST /v1/messages/count_tokens`: how many tokens a request has. It is free at Anthropic, and
//! an estimate.

use super::MessagesRequest;
use super::wire::Count;
use super::write::write_counted;
use super::write_options::WriteOptions;
use crate::canon::{Request, Written};
use crate::chunk::Malformed;
use crate::refusal::RequestError;
use crate::{Measure, PassFields};
use bytes::Bytes;
use haltline_types::Tokens;
use serde::Deserialize;

/// A request to count tokens that was accepted: what `MessagesRequest` accepts.
#[derive(Clone, Debug)]
pub struct CountRequest(MessagesRequest);

impl CountRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// As `MessagesRequest::parse`.
    pub fn parse(body: Bytes, pass: &PassFields) -> Result<Self, RequestError> {
        MessagesRequest::parse(body, pass).map(Self)
    }

    /// The model as the client asked for it.
    #[must_use]
    pub fn model(&self) -> &str {
        self.0.model()
    }

    /// How much there is to read.
    #[must_use]
    pub const fn measure(&self) -> Measure {
        self.0.measure()
    }

    /// The body with the model's id at the provider, everything else byte for byte.
    #[must_use]
    pub fn rewrite(&self, model: &str) -> Bytes {
        self.0.rewrite_counted(model)
    }

    /// What it means, for another dialect.
    ///
    /// # Errors
    /// As `MessagesRequest::canonical`.
    pub fn canonical(&self) -> Result<Request, RequestError> {
        self.0.canonical()
    }
}

/// Writes the body that asks a provider of this dialect how many tokens `request` has.
///
/// # Errors
/// As `write_with`.
pub fn write_count(request: &Request, model: &str, options: &WriteOptions) -> Result<Written, RequestError> {
    write_counted(request, model, options)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    input_tokens: Count,
}

/// Reads the answer.
///
/// # Errors
/// When it holds no count.
pub fn read_count(body: &[u8]) -> Result<Tokens, Malformed> {
    let wire: Wire = serde_json::from_slice(body)
        .map_err(|error| Malformed { detail: format!("the answer is no count of tokens: {error}") })?;
    let count = wire.input_tokens.required();
    count.map(Tokens::new).ok_or_else(|| Malformed { detail: "the answer holds no `input_tokens`".to_owned() })
}

/// Writes the answer.
#[must_use]
pub fn encode_count(tokens: Tokens) -> Bytes {
    Bytes::from(format!("{{\"input_tokens\":{}}}", tokens.get()))
}
