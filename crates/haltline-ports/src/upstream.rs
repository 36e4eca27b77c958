//! The door to providers.

use crate::{BoxFuture, Permit};
use bytes::Bytes;
use futures_util::Stream;
use haltline_types::{Billing, Fault, FaultKind, ModelName, Origin, Timestamp};
use http::{HeaderMap, StatusCode};
use std::pin::Pin;

/// One request to a provider, ready to be written.
#[derive(Clone, Debug)]
pub struct Call {
    /// Provider and model.
    pub endpoint: ModelName,
    /// Path and query below the provider's base URL: `/chat/completions`,
    /// `/models/gemini-2.5-flash:streamGenerateContent?alt=sse`. Names in it are percent-encoded.
    pub target: String,
    /// Headers of the client that pass; never credentials. The provider's rules have the last
    /// word: what is not known to belong to its dialect is not sent.
    pub headers: HeaderMap,
    /// The body as it goes out, the output cap written into it.
    pub body: Bytes,
    /// Was a stream asked for?
    pub stream: bool,
    /// Hash of what belongs together, a session: calls of the same value go out with the same of
    /// several keys, where a provider's prompt cache may wait. `None`: any key.
    pub affinity: Option<u64>,
}

/// The bytes of an answer as they come. An error item is the last one. Dropping the body closes
/// the connection unless it was read to its end.
pub type AnswerBody = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

/// A provider's answer whose head says success.
pub struct Answer {
    /// The status, 2xx.
    pub status: StatusCode,
    /// The head.
    pub headers: HeaderMap,
    /// The rest.
    pub body: AnswerBody,
    /// The provider says with this answer that nothing is left of its allowance until then, on
    /// any key: a better place for the next request is another endpoint. `None`: it said nothing
    /// of the kind.
    pub exhausted_until: Option<Timestamp>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("headers", &self.headers).finish_non_exhaustive()
    }
}

/// A provider.
pub trait Upstream: Send + Sync {
    /// Sends one attempt. Consumes the permit: there is no other way to a provider, and no way to
    /// send twice on one hold. A status that is not a success comes back as a fault that says
    /// whether it may have cost money.
    fn call(&self, permit: Permit, call: Call) -> BoxFuture<'_, Result<Answer, Fault>>;

    /// Asks how many tokens a request has. Needs no permit, so it must never lead to an address
    /// that is billed: whoever implements it sends nothing but to addresses that its provider says
    /// are free, and refuses the rest unsent. Unless implemented, everything is refused.
    fn count(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        let refused = Fault::new(
            FaultKind::InvalidRequest,
            Origin::Gateway,
            format!("{} has no count of tokens at `{}`", call.endpoint, call.target),
        );
        Box::pin(std::future::ready(Err(Fault { billing: Billing::NotSent, ..refused })))
    }
}
